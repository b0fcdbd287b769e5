// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/peer_health.h"

#include <algorithm>
#include <limits>

namespace sallyport::routing {

PeerHealth::PeerHealth(const config::Config& config, Nanoseconds first_probe_ns) {
  std::size_t total = 0;
  for (const config::Peer& peer : config.peers) total += peer.targets.size();
  targets_.reserve(total);
  for (const config::Peer& peer : config.peers) {
    first_.push_back(targets_.size());
    for (std::size_t i = 0; i < peer.targets.size(); ++i) {
      Target target;
      target.probe_every_ns = peer.probe_ns;
      // So that a thousand targets are not probed in one turn.
      const auto share = static_cast<Nanoseconds>(targets_.size());
      target.next_probe_ns = first_probe_ns + peer.probe_ns / static_cast<Nanoseconds>(total) * share;
      targets_.push_back(target);
    }
  }
  first_.push_back(targets_.size());
}

std::uint16_t PeerHealth::targets_of(config::PeerIndex peer) const {
  return static_cast<std::uint16_t>(first_[peer + 1u] - first_[peer]);
}

TargetState PeerHealth::state(TargetId id, Nanoseconds now_ns) const {
  if (id.target == kNoTarget) return TargetState::up;
  const Target& target = at(id);
  if (target.probes_lost >= kProbesLost) return TargetState::down;
  return now_ns < target.rest_until_ns ? TargetState::resting : TargetState::up;
}

bool PeerHealth::peer_usable(config::PeerIndex peer, Nanoseconds now_ns) const {
  for (std::uint16_t i = 0; i < targets_of(peer); ++i) {
    if (usable({peer, i}, now_ns)) return true;
  }
  return false;
}

Nanoseconds PeerHealth::rests_until(TargetId id, Nanoseconds now_ns) const {
  if (id.target == kNoTarget) return 0;
  return state(id, now_ns) == TargetState::resting ? at(id).rest_until_ns : 0;
}

void PeerHealth::answered(TargetId id) {
  if (id.target == kNoTarget) return;
  Target& target = at(id);
  target.probes_lost = 0;
  if (!target.rest_was_asked) target.rest_until_ns = 0;
}

void PeerHealth::failed(TargetId id, Nanoseconds now_ns) {
  if (id.target == kNoTarget) return;
  Target& target = at(id);
  if (now_ns + kRest <= target.rest_until_ns) return;
  target.rest_until_ns = now_ns + kRest;
  target.rest_was_asked = false;
}

void PeerHealth::retry_after(TargetId id, Nanoseconds span_ns, Nanoseconds now_ns) {
  if (id.target == kNoTarget) return;
  Target& target = at(id);
  target.probes_lost = 0;  // it lives: it said so
  target.rest_until_ns = now_ns + std::clamp<Nanoseconds>(span_ns, 0, kLongestRest);
  target.rest_was_asked = true;
}

TargetId PeerHealth::id_of(std::size_t position) const {
  const auto after = std::upper_bound(first_.begin(), first_.end(), position);
  const auto peer = static_cast<std::size_t>(after - first_.begin()) - 1;
  return {static_cast<config::PeerIndex>(peer), static_cast<std::uint16_t>(position - first_[peer])};
}

std::optional<TargetId> PeerHealth::take_due_probe(Nanoseconds now_ns) {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    Target& target = targets_[i];
    if (target.probe_every_ns == 0 || now_ns < target.next_probe_ns) continue;
    // Kept in phase; a shard that stood still makes up for nothing.
    const Nanoseconds missed = (now_ns - target.next_probe_ns) / target.probe_every_ns;
    target.next_probe_ns += (missed + 1) * target.probe_every_ns;
    return id_of(i);
  }
  return std::nullopt;
}

Nanoseconds PeerHealth::next_probe_ns() const {
  Nanoseconds next = std::numeric_limits<Nanoseconds>::max();
  for (const Target& target : targets_) {
    if (target.probe_every_ns != 0) next = std::min(next, target.next_probe_ns);
  }
  return next;
}

void PeerHealth::probe_result(TargetId id, bool alive) {
  if (id.target == kNoTarget) return;
  if (alive) {
    answered(id);
  } else if (Target& target = at(id); target.probes_lost < kProbesLost) {
    ++target.probes_lost;
  }
}

}  // namespace sallyport::routing
