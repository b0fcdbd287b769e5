// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "controlplane/config/read.h"
#include "controlplane/config/text.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kMaxPeers = kMostPeers / 2;
constexpr std::size_t kMaxTargets = 64;
constexpr std::uint16_t kSipPort = 5060;
constexpr std::uint16_t kSipsPort = 5061;

bool equals_nocase(std::string_view a, std::string_view lower) {
  const auto same = [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + 32) : x) == y;
  };
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), same);
}

std::optional<Transport> transport_of(std::string_view text) {
  if (equals_nocase(text, "udp")) return Transport::udp;
  if (equals_nocase(text, "tcp")) return Transport::tcp;
  if (equals_nocase(text, "tls")) return Transport::tls;
  return std::nullopt;
}

// A fault's text, or empty. What a target's URI may hold beside its address.
std::string judge_target(const sip::Uri& uri) {
  if (uri.scheme != sip::Scheme::sip && uri.scheme != sip::Scheme::sips) return "must be a sip or sips URI";
  if (uri.has_user) return "a target has no user part: the called number stands there";
  if (!uri.headers.empty()) return "a target has no headers ('?')";
  sip::ParamReader params(uri.parameters);
  while (const auto param = params.next()) {
    if (!equals_nocase(param->name, "transport")) return "unknown parameter " + in_quotes(param->name);
    if (!transport_of(param->value))
      return "transport " + in_quotes(param->value) + " is none of udp, tcp and tls";
  }
  return params.well_formed() ? "" : "malformed parameters";
}

// A target by name: where it leads is found out while running (RFC 3263).
std::optional<Target> read_named_target(const Value& item, const sip::Uri& uri, const std::string& text) {
  auto host = host_name(uri.host);
  if (!host) {
    item.fault("{} is neither an IP address nor a host name", in_quotes(uri.host));
    return std::nullopt;
  }
  Target target{.uri = text, .host = std::move(*host), .host_port = uri.port};
  target.secure = uri.scheme == sip::Scheme::sips;
  if (const auto param = sip::find_param(uri.parameters, "transport")) {
    target.transport = transport_of(param->value).value_or(Transport::udp);
    target.transport_given = true;
  }
  return target;
}

std::optional<Target> read_target(const Value& item) {
  auto text = item.text(256);
  if (!text) return std::nullopt;
  const auto uri = sip::parse_uri(*text);
  if (!uri) {
    item.fault("not a SIP URI: {}", in_quotes(*text));
    return std::nullopt;
  }
  if (const std::string wrong = judge_target(*uri); !wrong.empty()) {
    item.fault("{}", wrong);
    return std::nullopt;
  }
  const IpAddress address = sip::host_address(uri->host);
  if (!address) return read_named_target(item, *uri, *text);
  if (address.is_multicast() || address.is_unspecified() || address.is_broadcast()) {
    item.fault("{} cannot be a target", address.to_text());
    return std::nullopt;
  }
  // RFC 3263 4.1: an address without a transport is reached by UDP.
  const auto param = sip::find_param(uri->parameters, "transport");
  Transport transport = param ? transport_of(param->value).value_or(Transport::udp) : Transport::udp;
  if (uri->scheme == sip::Scheme::sips) transport = Transport::tls;  // RFC 3261 26.2.2
  const std::uint16_t standard = transport == Transport::tls ? kSipsPort : kSipPort;
  const std::uint16_t port = uri->port == 0 ? standard : uri->port;
  Target target{{address, port}, transport, std::move(*text)};
  target.secure = uri->scheme == sip::Scheme::sips;
  return target;
}

void read_targets(MapReader& reader, Peer& peer, Draft::PeerPlaces& places) {
  const auto value = reader.get("targets");
  if (!value) return;
  const auto items = value->list_or_one();
  places.targets_given = !items.empty();
  if (items.size() > kMaxTargets) value->fault("has more than {} targets", kMaxTargets);
  for (const Value& item : items) {
    auto target = read_target(item);
    if (!target) continue;
    peer.targets.push_back(std::move(*target));
    places.targets.push_back(item.at());
  }
}

// "tls:carrier.example": whoever has a good certificate of that domain, wherever from. False: it is no such
// name.
bool read_match_name(const Value& item, Peer& peer, Draft::PeerPlaces& places) {
  constexpr std::string_view kScheme = "tls:";
  auto text = item.is_list() || item.is_map() ? std::nullopt : item.text(256);
  if (!text || !text->starts_with(kScheme)) return false;
  std::string name = text->substr(kScheme.size());
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  if (!sip::is_host(name)) {
    item.fault("{} names no domain", in_quotes(*text));
    return true;
  }
  peer.match_names.push_back(std::move(name));
  places.match_names.push_back(item.at());
  return true;
}

// Without `match` the targets' addresses are the sources: a carrier sends its BYE from where it takes
// INVITEs.
void read_match(MapReader& reader, Peer& peer, Draft::PeerPlaces& places) {
  if (const auto value = reader.get("match")) {
    for (const Value& item : value->list_or_one()) {
      if (read_match_name(item, peer, places)) continue;
      const auto prefix = item.prefix();
      if (!prefix) continue;
      // Sources are IPv4 on the wire however they are written: one network, one owner.
      peer.match.push_back(Prefix{prefix->network(), prefix->length}.unmapped());
      places.match.push_back(item.at());
    }
    if (value->is_list() && value->list().empty()) value->fault("is empty");
    return;
  }
  peer.match_targets = true;
  for (std::size_t i = 0; i < peer.targets.size(); ++i) {
    if (!peer.targets[i].host.empty()) continue;
    const IpAddress address = peer.targets[i].endpoint.address.unmapped();
    const Prefix prefix{address, static_cast<std::uint8_t>(address.is_v4() ? 32 : 128)};
    if (std::find(peer.match.begin(), peer.match.end(), prefix) != peer.match.end()) continue;
    peer.match.push_back(prefix);
    places.match.push_back(places.targets[i]);
  }
}

void read_trusted(MapReader& reader, Peer& peer) {
  const auto value = reader.get("trusted_private");
  if (!value) return;
  for (const Value& item : value->list_or_one()) {
    const auto prefix = item.prefix();
    if (!prefix) continue;
    if (!prefix->network().is_private()) {
      item.fault("{} is not a private network", prefix->to_text());
      continue;
    }
    peer.trusted_private.push_back({prefix->network(), prefix->length});
  }
}

void read_limits(MapReader& reader, Limits& limits) {
  const auto value = reader.get("limits");
  if (!value) return;
  MapReader map(*value);
  map.duration("setup", limits.setup_ns, 100 * kMillisecond, 3600 * kSecond);
  map.duration("ring", limits.ring_ns, 100 * kMillisecond, 3600 * kSecond);
  map.duration("duration", limits.duration_ns, 100 * kMillisecond, 30 * kDay);
  map.number("calls", limits.calls, 1, 10'000'000);
  map.number("rate", limits.rate, 1, 1'000'000);
  map.number("connections", limits.connections, 1, 1'000'000);
  map.number("connections_per_source", limits.connections_per_source, 1, 1'000'000);
  map.finish();
}

void read_map_use(MapReader& reader, Draft& draft, Peer& peer) {
  const auto value = reader.get("response_map");
  if (!value) return;
  MapReader use(*value);
  const auto resolve = [&](std::string_view key, MapIndex& index) {
    const auto named = use.get(key);
    const auto name = named ? named->text() : std::nullopt;
    if (!name) return;
    index = draft.map_index(*name);
    if (index == kNoIndex) named->fault("no map {} in response_maps", in_quotes(*name));
  };
  resolve("receive", peer.map_receive);
  resolve("send", peer.map_send);
  use.finish();
}

void read_realm_of(MapReader& reader, Draft& draft, Peer& peer, Draft::PeerPlaces& places) {
  const auto value = reader.need("realm");
  const auto name = value ? value->text() : std::nullopt;
  if (!name) return;
  const RealmIndex index = draft.config.find_realm(*name);
  if (index == kNoIndex) {
    value->fault("no realm {} in realms", in_quotes(*name));
    return;
  }
  peer.realm = index;
  peer.media = draft.config.realms[index].media;
  peer.tls = draft.config.realms[index].tls;
  places.realm_known = true;
}

void read_peer(const Value::Named& named, Draft& draft) {
  Peer peer;
  Draft::PeerPlaces places;
  peer.name = named.name;
  peer.at = named.at;
  MapReader reader(named.value);
  read_realm_of(reader, draft, peer, places);
  read_targets(reader, peer, places);
  read_match(reader, peer, places);
  read_tls(reader, peer.tls, true);
  std::optional<MapReader> media;
  if (const auto value = reader.get("media")) media.emplace(*value);
  read_media_policy(reader, media ? &*media : nullptr, peer.media);
  if (media) media->finish();
  read_trusted(reader, peer);
  reader.duration_or_off("probe", peer.probe_ns, kSecond, kDay);
  read_limits(reader, peer.limits);
  read_session_timers(reader, peer.session_timer);
  read_map_use(reader, draft, peer);
  read_policies(reader, peer);
  const bool says_nothing = !reader.get("match") && !reader.get("targets");
  if (named.value.is_map() && says_nothing) named.value.fault("needs 'match' or 'targets'");
  reader.finish();
  draft.config.peers.push_back(std::move(peer));
  draft.peers.push_back(std::move(places));
}

}  // namespace

void read_peers(MapReader& top, Draft& draft) {
  const auto value = top.get("peers");
  if (!value) return;
  const auto named = value->named();
  if (named.size() > kMaxPeers) value->fault("has more than {} peers", kMaxPeers);
  for (std::size_t i = 0; i < std::min(named.size(), kMaxPeers); ++i) read_peer(named[i], draft);
}

}  // namespace sallyport::config
