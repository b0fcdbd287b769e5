// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/succession.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "controlplane/config/without_places.h"

namespace sallyport::config {
namespace {

bool holds_for(const Numbers& there, const Numbers& wanted) {
  return (there.empty() && wanted.empty()) || there == wanted;
}

// The places of the routes that there are. Calls that went by a place look at its numbers only, so any place
// with the same numbers will do for a route; better the one that holds the same route.
class RoutePlaces {
 public:
  explicit RoutePlaces(const std::vector<Route>& running) {
    for (const Route& route : running) there_.push_back(without_places(route));
    taken_.resize(there_.size());
    for (std::uint16_t i = 0; i < there_.size(); ++i) by_user_.emplace(there_[i].user, i);
  }
  // kNoIndex: none holds it.
  std::uint16_t of_same(const Route& route) {
    const Route wanted = without_places(route);
    const auto [first, last] = by_user_.equal_range(route.user);
    for (auto at = first; at != last; ++at) {
      if (!taken_[at->second] && there_[at->second] == wanted) return take(at->second);
    }
    return kNoIndex;
  }
  // After all that are held have their places. kNoIndex: a new one is needed.
  std::uint16_t of_same_numbers(const Route& route) {
    const Numbers wanted = without_places(route).numbers;
    for (std::uint16_t i = wanted.empty() ? next_plain_ : 0; i < there_.size(); ++i) {
      if (taken_[i] || !holds_for(there_[i].numbers, wanted)) continue;
      if (wanted.empty()) next_plain_ = i;
      return take(i);
    }
    return kNoIndex;
  }

 private:
  std::uint16_t take(std::uint16_t place) {
    taken_[place] = true;
    return place;
  }
  std::vector<Route> there_;
  std::vector<bool> taken_;
  std::multimap<std::string, std::uint16_t> by_user_;
  std::uint16_t next_plain_ = 0;  // no free one without numbers stands before it
};

// One succession while it is made: `next` becomes what is to run.
class Merger {
 public:
  Merger(const Config& running, Config next) : running_(running), next_(std::move(next)) {}

  std::expected<Succession, std::vector<Fault>> merge() {
    dataplane();
    controlplane();
    realms();
    if (!faults_.empty()) return refused();
    response_maps();
    peers();
    routes();
    operations();
    check_reach();
    if (!faults_.empty()) return refused();
    next_.generation = running_.generation + 1;
    return Succession{std::move(next_), std::move(changed_), std::move(waiting_)};
  }

 private:
  std::unexpected<std::vector<Fault>> refused() {
    std::ranges::sort(faults_);
    return std::unexpected(std::move(faults_));
  }
  // A value that is laid out at the start: it stays.
  template <typename T>
  void keep(const T& running, T& next, std::string key) {
    if (running == next) return;
    waiting_.push_back(std::move(key));
    next = running;
  }
  template <typename T>
  void note(const T& running, const T& next, std::string_view what) {
    if (!(running == next)) changed_.emplace_back(what);
  }

  void dataplane();
  void controlplane();
  void realms();
  void merge_realm(const Realm& running, Realm& next);
  void response_maps();
  void peers();
  [[nodiscard]] Peer retire(const Peer& running);
  [[nodiscard]] MapIndex keep_map(MapIndex running);
  [[nodiscard]] bool is_same(const Peer& running, const Peer& next) const;
  void routes();
  void trace();
  void operations();
  void check_reach();
  [[nodiscard]] std::string why_out_of_reach(const Realm& realm, const Target& target) const;

  const Config& running_;
  Config next_;
  std::vector<std::string> changed_, waiting_;
  std::vector<Fault> faults_;
  std::vector<Realm> wanted_;         // the realms as the new file has them, by the running index
  std::vector<RealmIndex> realm_of_;  // the running index of the new file's realms; kNoIndex: a new one
  std::vector<PeerIndex> peer_of_;    // the merged index of the new file's peers
};

void Merger::dataplane() {
  const Dataplane& running = running_.dataplane;
  Dataplane& next = next_.dataplane;
  keep(running.cores, next.cores, "dataplane.cores");
  note(running.idle, next.idle, "dataplane.idle");
  keep(running.memory, next.memory, "dataplane.memory");
  keep(running.eal, next.eal, "dataplane.eal");
  if (without_places(running.ports) != without_places(next.ports)) waiting_.emplace_back("dataplane.ports");
  // The ports themselves follow when the realms, which know them by index, have been looked at.
}

void Merger::controlplane() {
  const Controlplane& running = running_.controlplane;
  Controlplane& next = next_.controlplane;
  keep(running.shards, next.shards, "controlplane.shards");
  keep(running.cores, next.cores, "controlplane.cores");
  keep(running.max_calls, next.max_calls, "controlplane.max_calls");
  note(running.drain_ns, next.drain_ns, "controlplane.drain");
  note(running.max_connections, next.max_connections, "controlplane.max_connections");
  note(running.sip, next.sip, "controlplane.sip");
}

// ---- realms

void Merger::merge_realm(const Realm& running, Realm& next) {
  const std::string key = "realms." + running.name + ".";
  // Ports are the running ones, by name; one of another name waits with dataplane.ports.
  const bool other_port =
      running_.dataplane.ports[running.port].name != next_.dataplane.ports[next.port].name;
  if (other_port) waiting_.push_back(key + "port");
  next.port = running.port;
  const bool moves = other_port || running.vlan != next.vlan || running.addresses != next.addresses;
  keep(running.vlan, next.vlan, key + "vlan");
  keep(running.addresses, next.addresses, key + "addresses");
  // Gateways are in the networks of the addresses: they wait with them.
  if (moves) keep(running.gateways, next.gateways, key + "gateways");
  keep(running.sip_udp, next.sip_udp, key + "sip.udp");
  keep(running.sip_tcp, next.sip_tcp, key + "sip.tcp");
  if (running.sip_tls != next.sip_tls)
    next.tls = running.tls;  // they go together: no port without a certificate
  keep(running.sip_tls, next.sip_tls, key + "sip.tls");
  std::pair media(running.media_first, running.media_last);
  std::pair wanted(next.media_first, next.media_last);
  keep(media, wanted, key + "media.ports");
  std::tie(next.media_first, next.media_last) = media;
}

void Merger::realms() {
  std::vector<Realm> merged = running_.realms;
  std::vector<bool> found(merged.size());
  wanted_ = merged;
  for (Realm& next : next_.realms) {
    const RealmIndex index = running_.find_realm(next.name);
    realm_of_.push_back(index);
    if (index == kNoIndex) {
      waiting_.push_back("realms." + next.name);
      continue;
    }
    found[index] = true;
    wanted_[index] = next;
    merge_realm(running_.realms[index], next);
    if (without_places(merged[index]) != without_places(next))
      changed_.push_back("realm " + next.name + ": changed");
    merged[index] = std::move(next);
  }
  for (const Peer& peer : next_.peers) {
    if (realm_of_[peer.realm] != kNoIndex) continue;
    faults_.push_back({peer.at, "peers." + peer.name + ".realm: '" + next_.realms[peer.realm].name +
                                    "' is a new realm, which needs a restart"});
  }
  for (std::size_t i = 0; i < merged.size(); ++i) {
    if (!found[i]) waiting_.push_back("realms." + merged[i].name);
  }
  next_.realms = std::move(merged);
  next_.dataplane.ports = running_.dataplane.ports;
}

// ---- response maps

void Merger::response_maps() {
  for (const MapConfig& map : next_.response_maps) {
    const auto is_it = [&](const MapConfig& old) { return !old.retired && old.name == map.name; };
    const auto old = std::ranges::find_if(running_.response_maps, is_it);
    if (old == running_.response_maps.end()) {
      changed_.push_back("response map " + map.name + ": added");
    } else if (without_places(*old) != without_places(map)) {
      changed_.push_back("response map " + map.name + ": changed");
    }
  }
  for (const MapConfig& map : running_.response_maps) {
    const bool there =
        std::ranges::find(next_.response_maps, map.name, &MapConfig::name) != next_.response_maps.end();
    if (!there && !map.retired) changed_.push_back("response map " + map.name + ": removed");
  }
}

// Where a map of the running configuration stands in the new one, which takes it over where it is another
// now.
MapIndex Merger::keep_map(MapIndex running) {
  if (running == kNoIndex) return kNoIndex;
  MapConfig wanted = without_places(running_.response_maps[running]);
  const auto same = [&](const MapConfig& map) {
    MapConfig there = without_places(map);
    there.retired = wanted.retired;
    return there == wanted;
  };
  const auto found = std::ranges::find_if(next_.response_maps, same);
  const auto index = static_cast<MapIndex>(found - next_.response_maps.begin());
  if (found == next_.response_maps.end())
    next_.response_maps.emplace_back(running_.response_maps[running]).retired = true;
  return index;
}

// ---- peers

bool Merger::is_same(const Peer& running, const Peer& next) const {
  const auto map_name = [](const Config& config, MapIndex map) {
    return map == kNoIndex ? std::string_view{} : std::string_view(config.response_maps[map].name);
  };
  if (map_name(running_, running.map_receive) != map_name(next_, next.map_receive)) return false;
  if (map_name(running_, running.map_send) != map_name(next_, next.map_send)) return false;
  Peer a = without_places(running);
  Peer b = without_places(next);
  for (Peer* peer : {&a, &b}) peer->map_receive = peer->map_send = kNoIndex;
  return a == b;
}

Peer Merger::retire(const Peer& running) {
  if (!running.retired) changed_.push_back("peer " + running.name + ": removed");
  Peer peer = running;
  peer.retired = true;
  peer.probe_ns = 0;
  peer.map_receive = keep_map(running.map_receive);
  peer.map_send = keep_map(running.map_send);
  return peer;
}

void Merger::peers() {
  std::vector<Peer> merged(running_.peers.size());
  std::vector<bool> found(running_.peers.size());
  std::unordered_map<std::string_view, PeerIndex> by_name;
  for (std::size_t i = 0; i < running_.peers.size(); ++i)
    by_name.emplace(running_.peers[i].name, static_cast<PeerIndex>(i));
  for (Peer& next : next_.peers) {
    next.realm = realm_of_[next.realm];
    const auto known = by_name.find(next.name);
    if (known == by_name.end()) {
      peer_of_.push_back(static_cast<PeerIndex>(merged.size()));
      changed_.push_back("peer " + next.name + ": added");
      merged.push_back(std::move(next));
      continue;
    }
    const PeerIndex index = known->second;
    peer_of_.push_back(index);
    found[index] = true;
    const Peer& before = running_.peers[index];
    // What it has of its realm waits with that.
    if (next_.realms[next.realm].sip_tls != wanted_[next.realm].sip_tls) next.tls = before.tls;
    if (before.retired) {
      changed_.push_back("peer " + next.name + ": added");
    } else if (!is_same(before, next)) {
      changed_.push_back("peer " + next.name + ": changed");
    }
    merged[index] = std::move(next);
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) merged[i] = retire(running_.peers[i]);
  }
  next_.peers = std::move(merged);
  if (next_.peers.size() <= kMostPeers) return;
  faults_.push_back({{},
                     "peers: more than " + std::to_string(kMostPeers) +
                         " with those that earlier reloads have removed: only a restart forgets them"});
}

// ---- routes

void Merger::routes() {
  for (Route& route : next_.routes) {
    for (PeerIndex& peer : route.from) peer = peer_of_[peer];
    for (RouteTarget& target : route.to) target.peer = peer_of_[target.peer];
  }
  std::vector<Route> before;
  for (const std::uint16_t i : walked_routes(running_)) before.push_back(without_places(running_.routes[i]));
  std::vector<Route> after;
  for (const Route& route : next_.routes) after.push_back(without_places(route));
  note(before, after, "routes");

  RoutePlaces places(running_.routes);
  std::vector<std::uint16_t> order;
  for (const Route& route : next_.routes) order.push_back(places.of_same(route));
  std::vector<Route> merged = running_.routes;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i] == kNoIndex) order[i] = places.of_same_numbers(next_.routes[i]);
    if (order[i] == kNoIndex) {
      order[i] = static_cast<std::uint16_t>(merged.size());
      merged.emplace_back();
    }
    merged[order[i]] = std::move(next_.routes[i]);
  }
  next_.routes = std::move(merged);
  next_.route_order = std::move(order);
  if (next_.routes.size() < kNoIndex) return;
  faults_.push_back(
      {{}, "routes: too many with numbers of their own since the start: only a restart forgets them"});
}

// ---- traces

// Rings are laid out at the start; whoever is sent a copy of what is in them is not.
void Merger::trace() {
  keep(running_.trace.ring_bytes, next_.trace.ring_bytes, "trace.ring");
  keep(running_.trace.failed_bytes, next_.trace.failed_bytes, "trace.failed");
  keep(running_.trace.media_bytes, next_.trace.media_bytes, "trace.media");
  if (running_.trace.ring_bytes == 0) return keep(running_.trace.hep, next_.trace.hep, "trace.hep");
  note(running_.trace.hep, next_.trace.hep, "trace.hep");
}

// ---- the rest

void Merger::operations() {
  note(running_.dns, next_.dns, "dns");
  note(running_.metrics, next_.metrics, "metrics.listen");
  note(running_.status, next_.status, "status.listen");
  note(running_.admin, next_.admin, "admin.socket");
  trace();
  note(running_.cdr, next_.cdr, "cdr");
  note(running_.log, next_.log, "log");
}

// As check_families() of a whole file has it, for a realm of which some wait for a restart.
std::string Merger::why_out_of_reach(const Realm& realm, const Target& target) const {
  const auto speaks = [&](Transport transport) { return realm.sip_port(transport) != 0; };
  if (!target.host.empty()) {
    const bool any = speaks(Transport::udp) || speaks(Transport::tcp) || speaks(Transport::tls);
    const bool fits = target.transport_given ? speaks(target.transport) : any;
    return fits && (!target.secure || speaks(Transport::tls)) ? "" : "speaks no transport of it";
  }
  if (!realm.address(target.endpoint.address.family())) return "has no address of its family";
  const auto own = [&](const Prefix& prefix) { return prefix.address == target.endpoint.address; };
  if (std::ranges::any_of(realm.addresses, own)) return "still is that address itself";
  return speaks(target.transport) ? "" : "does not speak its transport";
}

void Merger::check_reach() {
  for (const Peer& peer : next_.peers) {
    if (peer.retired) continue;
    const Realm& realm = next_.realms[peer.realm];
    if (without_places(realm) == without_places(wanted_[peer.realm])) continue;  // looked at with the file
    for (const Target& target : peer.targets) {
      const std::string why = why_out_of_reach(realm, target);
      if (why.empty()) continue;
      faults_.push_back({peer.at, "peers." + peer.name + ".targets: " + target.uri + ": realm '" +
                                      realm.name + "' " + why + " before a restart"});
    }
  }
}

}  // namespace

std::expected<Succession, std::vector<Fault>> succeed(const Config& running, Config next) {
  return Merger(running, std::move(next)).merge();
}

}  // namespace sallyport::config
