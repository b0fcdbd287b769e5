// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/redirect.h"

#include <algorithm>
#include <optional>

#include "controlplane/config/text.h"
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

// The transport that a URI asks for; nullopt: none that we speak.
std::optional<config::Transport> transport_of(const sip::Uri& uri) {
  if (uri.scheme == sip::Scheme::sips) return config::Transport::tls;  // RFC 3261 26.2.2
  const auto asked = sip::find_param(uri.parameters, "transport");
  if (!asked || sip::iequals(asked->value, "udp")) return config::Transport::udp;
  if (sip::iequals(asked->value, "tcp")) return config::Transport::tcp;
  if (sip::iequals(asked->value, "tls")) return config::Transport::tls;
  return std::nullopt;
}

bool says_transport(const sip::Uri& uri) {
  return uri.scheme == sip::Scheme::sips || sip::find_param(uri.parameters, "transport").has_value();
}

struct Place {
  Endpoint endpoint;
  config::Transport transport;
};
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

// Where a Contact with an address leads, as far as calls may go there.
std::optional<RedirectTarget> target_of_address(const config::Config& config, const PeerHealth& health,
                                                config::PeerIndex redirecting, const sip::Uri& uri) {
  const config::Peer& peer = config.peers[redirecting];
  const auto transport = transport_of(uri);
  const IpAddress address = sip::host_address(uri.host);
  if (!transport || is_ours(config, address)) return std::nullopt;
  const std::uint16_t standard = *transport == config::Transport::tls ? kSipsPort : kSipPort;
  const Place place{{address, uri.port == 0 ? standard : uri.port}, *transport};
  auto there = target_at(config, health, peer.realm, place);
  if (!there && holds(peer.redirects.allow, address)) there = TargetId{redirecting, kNoTarget};
  if (!there) return std::nullopt;
  return RedirectTarget{*there, place.endpoint, place.transport, {}};
}

// A place of a name is at the port and by the transport that the Contact says, where it says any.
bool fits(const sip::Uri& uri, const Endpoint& endpoint, config::Transport transport) {
  return (uri.port == 0 || uri.port == endpoint.port) &&
         (!says_transport(uri) || transport_of(uri) == transport);
}

// The places of one peer that a host name stands for: of its targets of that name, or all, where its
// certificate is for it.
std::vector<TargetId> places_named(const config::Peer& peer, config::PeerIndex index,
                                   const PeerHealth& health, std::string_view host) {
  const bool is_its_own = std::ranges::find(peer.match_names, host) != peer.match_names.end();
  std::vector<TargetId> ids;
  for (std::size_t i = 0; i < peer.targets.size(); ++i) {
    if (!is_its_own && peer.targets[i].host != host) continue;
    for (const TargetId id : health.places_of(index, static_cast<std::uint16_t>(i))) ids.push_back(id);
  }
  return ids;
}

// Where a Contact with a host name leads, as it is known now; without those of another port or transport.
std::vector<RedirectTarget> targets_of_name(const config::Config& config, const PeerHealth& health,
                                            config::RealmIndex realm, const sip::Uri& uri) {
  std::vector<RedirectTarget> targets;
  const auto host = config::host_name(uri.host);
  for (std::size_t i = 0; i < config.peers.size() && host; ++i) {
    const config::Peer& peer = config.peers[i];
    if (peer.realm != realm || peer.retired) continue;
    for (const TargetId id : places_named(peer, static_cast<config::PeerIndex>(i), health, *host)) {
      const config::Target& place = *health.place(id);
      if (fits(uri, place.endpoint, place.transport))
        targets.push_back({id, place.endpoint, place.transport, {}});
    }
  }
  return targets;
}

// The same of a name that the redirecting peer's `allow` has.
std::vector<RedirectTarget> targets_of_allowed_name(const config::Config& config, const PeerHealth& health,
                                                    config::PeerIndex redirecting, const sip::Uri& uri) {
  std::vector<RedirectTarget> targets;
  const std::vector<std::string>& names = config.peers[redirecting].redirects.allow_names;
  const auto host = config::host_name(uri.host);
  const auto name = host ? std::ranges::find(names, *host) : names.end();
  if (name == names.end()) return targets;
  for (const ResolvedPlace& place :
       health.allowed_places(redirecting, static_cast<std::size_t>(name - names.begin()))) {
    if (fits(uri, place.endpoint, place.transport))
      targets.push_back({{redirecting, kNoTarget}, place.endpoint, place.transport, {}});
  }
  return targets;
}

// Where the call may go by that Contact, without its URI.
std::vector<RedirectTarget> targets_of(const config::Config& config, const PeerHealth& health,
                                       config::PeerIndex redirecting, std::string_view contact) {
  const auto uri = sip::parse_uri(contact);
  if (!uri || (uri->scheme != sip::Scheme::sip && uri->scheme != sip::Scheme::sips)) return {};
  if (!sip::host_address(uri->host)) {
    auto targets = targets_of_name(config, health, config.peers[redirecting].realm, *uri);
    return targets.empty() ? targets_of_allowed_name(config, health, redirecting, *uri) : targets;
  }
  const auto target = target_of_address(config, health, redirecting, *uri);
  return target ? std::vector{*target} : std::vector<RedirectTarget>{};
}

std::string plain_user_of(std::string_view text) {
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

config::Target place_of(const RedirectTarget& target) {
  config::Target place{.endpoint = target.endpoint, .transport = target.transport, .uri = {}, .host = {}};
  const auto uri = sip::parse_uri(target.uri);
  if (!uri || sip::host_address(uri->host)) return place;
  place.host = config::host_name(uri->host).value_or("");
  place.host_port = uri->port;
  place.transport_given = says_transport(*uri);
  return place;
}

void RedirectTrail::went_to(const Endpoint& endpoint, config::Transport transport, std::string_view uri) {
  visits_.push_back({endpoint, transport, plain_user_of(uri)});
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
  for (const RedirectContact& contact : redirect_contacts(contact_fields)) {
    for (RedirectTarget& target : targets_of(config, health, redirecting, contact.uri)) {
      if (decision.targets.size() == kMostContacts) break;
      if (config.realms[peer.realm].sip_port(target.transport) == 0) continue;
      const Visit visit{target.endpoint, target.transport, plain_user_of(contact.uri)};
      if (std::ranges::find(visits_, visit) != visits_.end()) {
        if (decision.targets.empty()) decision.outcome = RedirectOutcome::loop;
        continue;
      }
      target.uri = contact.uri;
      if (std::ranges::find(decision.targets, target) != decision.targets.end()) continue;
      decision.targets.push_back(std::move(target));
      decision.outcome = RedirectOutcome::follow;
    }
  }
  if (decision.outcome == RedirectOutcome::follow) ++depth_;
  return decision;
}

}  // namespace sallyport::routing
