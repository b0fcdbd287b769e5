// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/peer_health.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sallyport::routing {

PeerHealth::PeerHealth(const config::Config& config, Nanoseconds first_probe_ns) : config_(config) {
  std::size_t total = 0;
  for (const config::Peer& peer : config.peers) total += peer.targets.size();
  peers_.reserve(config.peers.size());
  std::size_t position = 0;
  for (const config::Peer& from : config.peers) {
    Peer& peer = peers_.emplace_back();
    peer.probe_every_ns = from.probe_ns;
    for (std::size_t i = 0; i < from.targets.size(); ++i, ++position) {
      const auto configured = static_cast<std::uint16_t>(i);
      if (!from.targets[i].host.empty()) {
        peer.names.resize(from.targets.size());
        continue;
      }
      Target target{.number = configured, .standing = {.configured = configured}, .place = from.targets[i]};
      // So that a thousand targets are not probed in one turn.
      const auto share = static_cast<Nanoseconds>(position);
      target.next_probe_ns = first_probe_ns + from.probe_ns / static_cast<Nanoseconds>(total) * share;
      peer.targets.push_back(std::move(target));
    }
  }
}

const PeerHealth::Target* PeerHealth::at(TargetId id) const {
  const std::vector<Target>& targets = peers_[id.peer].targets;
  const auto found = std::ranges::find(targets, id.target, &Target::number);
  return found == targets.end() ? nullptr : &*found;
}

PeerHealth::Target* PeerHealth::at(TargetId id) {
  return const_cast<Target*>(std::as_const(*this).at(id));
}

std::uint16_t PeerHealth::targets_of(config::PeerIndex peer) const {
  return static_cast<std::uint16_t>(peers_[peer].targets.size());
}

TargetState PeerHealth::state(TargetId id, Nanoseconds now_ns) const {
  if (id.target == kNoTarget) return TargetState::up;
  const Target* target = at(id);
  if (target == nullptr || target->probes_lost >= kProbesLost) return TargetState::down;
  return now_ns < target->rest_until_ns ? TargetState::resting : TargetState::up;
}

bool PeerHealth::peer_usable(config::PeerIndex peer, Nanoseconds now_ns) const {
  return std::ranges::any_of(peers_[peer].targets,
                             [&](const Target& target) { return usable({peer, target.number}, now_ns); });
}

Nanoseconds PeerHealth::rests_until(TargetId id, Nanoseconds now_ns) const {
  if (id.target == kNoTarget) return 0;
  return state(id, now_ns) == TargetState::resting ? at(id)->rest_until_ns : 0;
}

void PeerHealth::answered(TargetId id) {
  Target* target = at(id);
  if (target == nullptr) return;
  target->probes_lost = 0;
  if (!target->rest_was_asked) target->rest_until_ns = 0;
}

void PeerHealth::failed(TargetId id, Nanoseconds now_ns) {
  Target* target = at(id);
  if (target == nullptr || now_ns + kRest <= target->rest_until_ns) return;
  target->rest_until_ns = now_ns + kRest;
  target->rest_was_asked = false;
}

void PeerHealth::retry_after(TargetId id, Nanoseconds span_ns, Nanoseconds now_ns) {
  Target* target = at(id);
  if (target == nullptr) return;
  target->probes_lost = 0;  // it lives: it said so
  target->rest_until_ns = now_ns + std::clamp<Nanoseconds>(span_ns, 0, kLongestRest);
  target->rest_was_asked = true;
}

std::optional<TargetId> PeerHealth::take_due_probe(Nanoseconds now_ns) {
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const Nanoseconds every_ns = peers_[i].probe_every_ns;
    if (every_ns == 0) continue;
    for (Target& target : peers_[i].targets) {
      if (now_ns < target.next_probe_ns) continue;
      // Kept in phase; a shard that stood still makes up for nothing.
      const Nanoseconds missed = (now_ns - target.next_probe_ns) / every_ns;
      target.next_probe_ns += (missed + 1) * every_ns;
      return TargetId{static_cast<config::PeerIndex>(i), target.number};
    }
  }
  return std::nullopt;
}

Nanoseconds PeerHealth::next_probe_ns() const {
  Nanoseconds next = std::numeric_limits<Nanoseconds>::max();
  for (const Peer& peer : peers_) {
    if (peer.probe_every_ns == 0) continue;
    for (const Target& target : peer.targets) next = std::min(next, target.next_probe_ns);
  }
  return next;
}

void PeerHealth::probe_result(TargetId id, bool alive) {
  if (alive) {
    answered(id);
  } else if (Target* target = at(id); target != nullptr && target->probes_lost < kProbesLost) {
    ++target->probes_lost;
  }
}

}  // namespace sallyport::routing
