// SPDX-License-Identifier: Apache-2.0
// Which places a peer has now, and how names change them.
#include <algorithm>
#include <tuple>
#include <utility>

#include "controlplane/routing/peer_health.h"

namespace sallyport::routing {

std::vector<TargetId> PeerHealth::in_order(config::PeerIndex peer, std::uint64_t random) const {
  const std::vector<Target>& targets = peers_[peer].targets;
  std::vector<Standing> standings;
  for (const Target& target : targets) standings.push_back(target.standing);
  std::vector<TargetId> ids;
  for (const std::uint16_t at : target_order(standings, random)) ids.push_back({peer, targets[at].number});
  return ids;
}

std::vector<TargetId> PeerHealth::places_of(config::PeerIndex peer, std::uint16_t configured) const {
  std::vector<TargetId> ids;
  for (const Target& target : peers_[peer].targets) {
    if (target.standing.configured == configured) ids.push_back({peer, target.number});
  }
  return ids;
}

const config::Target* PeerHealth::place(TargetId id) const {
  const Target* target = at(id);
  return target == nullptr ? nullptr : &target->place;
}

std::optional<TargetId> PeerHealth::find(config::PeerIndex peer, const Endpoint& endpoint,
                                         config::Transport transport) const {
  for (const Target& target : peers_[peer].targets) {
    if (target.place.endpoint == endpoint && target.place.transport == transport)
      return TargetId{peer, target.number};
  }
  return std::nullopt;
}

const config::Target* PeerHealth::find_at(config::PeerIndex peer, const IpAddress& address,
                                          config::Transport transport) const {
  for (const Target& target : peers_[peer].targets) {
    if (target.place.endpoint.address == address && target.place.transport == transport) return &target.place;
  }
  return nullptr;
}

bool PeerHealth::has_address(config::PeerIndex peer, const IpAddress& address) const {
  return std::ranges::any_of(peers_[peer].targets,
                             [&](const Target& target) { return target.place.endpoint.address == address; });
}

std::vector<ResolvedPlace> PeerHealth::allowed_places(config::PeerIndex peer, std::size_t name) const {
  const auto& allowed = peers_[peer].allowed;
  return name < allowed.size() ? allowed[name] : std::vector<ResolvedPlace>{};
}

NameState PeerHealth::name_state(config::PeerIndex peer, std::uint16_t configured) const {
  const std::vector<NameState>& names = peers_[peer].names;
  return configured < names.size() ? names[configured] : NameState::resolved;
}

// Numbers come round after some 65,000 changes.
std::uint16_t PeerHealth::fresh_number(Peer& peer) const {
  const auto taken = [&](std::uint16_t number) {
    return std::ranges::find(peer.targets, number, &Target::number) != peer.targets.end();
  };
  std::uint16_t number = 0;
  do {
    number = peer.next_number++;
    if (peer.next_number == kNoTarget) peer.next_number = kFirstResolved;
  } while (taken(number));
  return number;
}

void PeerHealth::replace(Peer& peer, const ResolvedName& name, const config::Target& configured,
                         Nanoseconds now_ns) {
  std::vector<Target> fresh;
  for (const ResolvedPlace& to : name.places) {
    const auto same = [&](const Target& old) {
      return old.standing.configured == name.configured && old.place.endpoint == to.endpoint &&
             old.place.transport == to.transport;
    };
    const auto old = std::ranges::find_if(peer.targets, same);
    Target target;
    if (old != peer.targets.end()) {
      target = *old;
    } else {
      target.number = fresh_number(peer);
      target.place = configured;
      target.place.endpoint = to.endpoint;
      target.place.transport = to.transport;
      // The first at once, so that it is soon known whether it lives.
      const auto share = static_cast<Nanoseconds>(fresh.size());
      target.next_probe_ns =
          now_ns + peer.probe_every_ns / static_cast<Nanoseconds>(name.places.size()) * share;
    }
    target.standing = {name.configured, to.rank, to.entry, to.weight};
    fresh.push_back(std::move(target));
  }
  const auto goes = [&](const Target& old) { return old.standing.configured == name.configured; };
  std::erase_if(peer.targets, goes);
  const auto after = [&](const Target& other) { return other.standing.configured > name.configured; };
  peer.targets.insert(std::ranges::find_if(peer.targets, after), std::make_move_iterator(fresh.begin()),
                      std::make_move_iterator(fresh.end()));
}

void PeerHealth::renew(Peer& peer, const config::Peer& before, const config::Peer& now, Nanoseconds now_ns) {
  std::vector<Target> old = std::exchange(peer.targets, {});
  const std::vector<NameState> old_names = std::exchange(peer.names, {});
  peer.probe_every_ns = now.probe_ns;
  const Nanoseconds share =
      now.probe_ns / static_cast<Nanoseconds>(std::max<std::size_t>(now.targets.size(), 1));
  // Those that stay come first: their numbers must not be given to others.
  std::vector<bool> stays(now.targets.size()), found(before.targets.size());
  for (std::size_t i = 0; i < now.targets.size(); ++i) {
    if (!now.targets[i].host.empty()) peer.names.resize(now.targets.size());
    std::size_t was = 0;
    while (was < found.size() && (found[was] || before.targets[was] != now.targets[i])) ++was;
    if (was == found.size()) continue;
    stays[i] = found[was] = true;
    if (was < old_names.size() && i < peer.names.size()) peer.names[i] = old_names[was];
    for (Target& target : old) {
      if (target.standing.configured != was) continue;
      target.standing.configured = static_cast<std::uint16_t>(i);
      if (before.probe_ns != now.probe_ns)
        target.next_probe_ns = now_ns + static_cast<Nanoseconds>(i) * share;
      peer.targets.push_back(std::move(target));
      target.standing.configured = kNoTarget;  // taken
    }
  }
  for (std::size_t i = 0; i < now.targets.size(); ++i) {
    if (stays[i] || !now.targets[i].host.empty()) continue;
    Target target{.number = fresh_number(peer),
                  .standing = {.configured = static_cast<std::uint16_t>(i)},
                  .place = now.targets[i],
                  .next_probe_ns = now_ns + static_cast<Nanoseconds>(i) * share};
    peer.targets.push_back(std::move(target));
  }
  const auto position = [](const Target& target) {
    return std::tuple(target.standing.configured, target.standing.rank, target.standing.entry);
  };
  std::ranges::stable_sort(peer.targets, {}, position);
}

void PeerHealth::succeed(const config::Config& before, Nanoseconds now_ns) {
  const config::Peer nobody;
  peers_.resize(config_.peers.size());
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const config::Peer& was = i < before.peers.size() ? before.peers[i] : nobody;
    const config::Peer& now = config_.peers[i];
    if (was.redirects != now.redirects) peers_[i].allowed.clear();
    if (was.targets == now.targets && was.probe_ns == now.probe_ns) continue;
    renew(peers_[i], was, now, now_ns);
  }
}

void PeerHealth::learn(const ResolvedNames& names, Nanoseconds now_ns) {
  for (const ResolvedName& name : names) {
    Peer& peer = peers_[name.peer];
    if (!name.is_target()) {
      peer.allowed.resize(config_.peers[name.peer].redirects.allow_names.size());
      peer.allowed[name.configured - kFirstAllowedName] = name.places;
      continue;
    }
    peer.names[name.configured] = name.state;
    replace(peer, name, config_.peers[name.peer].targets[name.configured], now_ns);
  }
}

}  // namespace sallyport::routing
