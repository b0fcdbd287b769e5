// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/redirect.h"

#include <algorithm>
#include <optional>

#include "dataplane/base/ascii.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"

namespace sallyport::routing {
namespace {

// A response may name more; whoever does is not listened to for longer.
constexpr std::size_t kMostContacts = 16;
constexpr std::uint16_t kSipPort = 5060;
// A source that a name led to counts as a prefix of all its bits.
constexpr int kHostPrefix = 128;
constexpr std::uint16_t kSipsPort = 5061;

// RFC 3261 25.1: qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); in thousandths.
std::optional<std::uint16_t> read_q(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1') || text.size() > 5) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  unsigned value = text[0] == '1' ? 1000 : 0;
  unsigned place = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (!is_digit(c)) return std::nullopt;
    value += static_cast<unsigned>(c - '0') * place;
    place /= 10;
  }
  if (value > 1000) return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

std::optional<RedirectContact> read_contact(std::string_view value) {
  const auto parsed = sip::parse_name_addr(value);
  if (!parsed || parsed->uri == "*") return std::nullopt;
  const auto uri = sip::parse_uri(parsed->uri);
  if (!uri || uri->scheme == sip::Scheme::other) return std::nullopt;
  const auto expires = sip::find_param(parsed->params, "expires");
  if (expires && !expires->value.empty() &&
      std::ranges::all_of(expires->value, [](char c) { return c == '0'; })) {
    return std::nullopt;
  }
  RedirectContact contact{std::string(parsed->uri)};
  // A q that cannot be read counts as absent: the Contact itself is good.
  if (const auto q = sip::find_param(parsed->params, "q")) contact.q = read_q(q->value).value_or(1000);
  return contact;
}

// Where a Contact's URI leads without any look-up; nullopt: nowhere that we go.
struct Place {
  Endpoint endpoint;
  config::Transport transport;
};
std::optional<config::Transport> transport_of(const sip::Uri& uri) {
  if (uri.scheme == sip::Scheme::sips) return config::Transport::tls;  // RFC 3261 26.2.2
  const auto asked = sip::find_param(uri.parameters, "transport");
  if (!asked || sip::iequals(asked->value, "udp")) return config::Transport::udp;
  if (sip::iequals(asked->value, "tcp")) return config::Transport::tcp;
  if (sip::iequals(asked->value, "tls")) return config::Transport::tls;
  return std::nullopt;
}
std::optional<Place> place_of(const sip::Uri& uri) {
  if (uri.scheme != sip::Scheme::sip && uri.scheme != sip::Scheme::sips) return std::nullopt;
  const IpAddress address = sip::host_address(uri.host);
  const auto transport = transport_of(uri);
  if (!address || !transport) return std::nullopt;
  const std::uint16_t standard = *transport == config::Transport::tls ? kSipsPort : kSipPort;
  return Place{{address, uri.port == 0 ? standard : uri.port}, *transport};
}

bool is_ours(const config::Config& config, const IpAddress& address) {
  for (const config::Realm& realm : config.realms) {
    const auto same = [&](const Prefix& prefix) { return prefix.address == address; };
    if (std::ranges::any_of(realm.addresses, same)) return true;
  }
  return false;
}

bool holds(const std::vector<Prefix>& prefixes, const IpAddress& address) {
  return std::ranges::any_of(prefixes, [&](const Prefix& prefix) { return prefix.contains(address); });
}

// The target of that realm there, or else the peer who calls from there; the longest match of those.
std::optional<TargetId> target_at(const config::Config& config, const PeerHealth& health,
                                  config::RealmIndex realm, const Place& place) {
  std::optional<TargetId> found;
  int longest = -1;
  for (std::size_t i = 0; i < config.peers.size(); ++i) {
    const config::Peer& peer = config.peers[i];
    if (peer.realm != realm || peer.retired) continue;
    const auto index = static_cast<config::PeerIndex>(i);
    if (const auto target = health.find(index, place.endpoint, place.transport)) return target;
    if (peer.match_targets && longest < kHostPrefix && health.has_address(index, place.endpoint.address)) {
      longest = kHostPrefix;
      found = TargetId{index, kNoTarget};
    }
    for (const Prefix& prefix : peer.match) {
      if (!prefix.contains(place.endpoint.address) || prefix.length <= longest) continue;
      longest = prefix.length;
      found = TargetId{index, kNoTarget};
    }
  }
  return found;
}

std::string user_of(std::string_view text) {
  const auto uri = sip::parse_uri(text);
  return uri ? sip::unescape(uri->user) : std::string();
}

}  // namespace

std::vector<RedirectContact> redirect_contacts(const std::vector<std::string>& fields) {
  std::vector<RedirectContact> contacts;
  for (const std::string& field : fields) {
    sip::ValueReader values(field);
    while (const auto value = values.next()) {
      if (contacts.size() == kMostContacts) break;
      if (auto contact = read_contact(*value)) contacts.push_back(std::move(*contact));
    }
  }
  // Insertion sort: stable, and there are few.
  const auto better = [](const RedirectContact& a, const RedirectContact& b) { return a.q > b.q; };
  for (auto it = contacts.begin(); it != contacts.end(); ++it) {
    std::rotate(std::upper_bound(contacts.begin(), it, *it, better), it, it + 1);
  }
  return contacts;
}

void RedirectTrail::went_to(const Endpoint& endpoint, std::string_view uri) {
  visits_.push_back({endpoint, user_of(uri)});
}

bool RedirectTrail::was_there(const Endpoint& endpoint, std::string_view uri) const {
  const std::string user = user_of(uri);
  return std::ranges::any_of(visits_,
                             [&](const Visit& v) { return v.endpoint == endpoint && v.user == user; });
}

RedirectDecision RedirectTrail::decide(const config::Config& config, const PeerHealth& health,
                                       config::PeerIndex redirecting, std::uint16_t status,
                                       const std::vector<std::string>& contact_fields) {
  const config::Peer& peer = config.peers[redirecting];
  if (peer.redirects.mode == config::RedirectMode::refuse) return {RedirectOutcome::refuse, {}};
  const bool may_follow = status == 300 || status == 301 || status == 302;
  if (peer.redirects.mode == config::RedirectMode::pass || !may_follow) return {};
  if (depth_ >= peer.redirects.depth) return {RedirectOutcome::too_deep, {}};
  RedirectDecision decision{RedirectOutcome::nowhere, {}};
  for (RedirectContact& contact : redirect_contacts(contact_fields)) {
    const auto uri = sip::parse_uri(contact.uri);
    const auto place = uri ? place_of(*uri) : std::nullopt;
    if (!place || is_ours(config, place->endpoint.address)) continue;
    if (config.realms[peer.realm].sip_port(place->transport) == 0) continue;
    auto there = target_at(config, health, peer.realm, *place);
    if (!there && holds(peer.redirects.allow, place->endpoint.address))
      there = TargetId{redirecting, kNoTarget};
    if (!there) continue;
    if (was_there(place->endpoint, contact.uri)) {
      if (decision.targets.empty()) decision.outcome = RedirectOutcome::loop;
      continue;
    }
    RedirectTarget target{*there, place->endpoint, place->transport, std::move(contact.uri)};
    if (std::ranges::find(decision.targets, target) != decision.targets.end()) continue;
    decision.targets.push_back(std::move(target));
    decision.outcome = RedirectOutcome::follow;
  }
  if (decision.outcome == RedirectOutcome::follow) ++depth_;
  return decision;
}

}  // namespace sallyport::routing
