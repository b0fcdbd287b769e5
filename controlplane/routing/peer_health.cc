// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/peer_health.h"

#include <algorithm>
#include <cstdlib>
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

bool PeerHealth::note(Target& target, TargetNews::Sign sign, Nanoseconds until_ns) {
  using Sign = TargetNews::Sign;
  if (sign == Sign::probe_lost) {
    target.probes_lost = std::min(target.probes_lost + 1, kProbesLost);
    return true;
  }
  if (sign == Sign::silent && until_ns <= target.rest_until_ns) return false;
  const bool is_rest = sign != Sign::answered;
  const bool asked = sign == Sign::asked_to_wait;
  const unsigned lost = target.probes_lost;
  if (sign != Sign::silent) target.probes_lost = 0;  // it lives: it said so
  bool is_news = target.probes_lost != lost;
  if (is_rest || !target.rest_was_asked) {
    is_news = is_news || (is_rest && asked != target.rest_was_asked) ||
              std::abs(until_ns - target.told_until_ns) >= kNewsworthy;
    target.rest_until_ns = until_ns;
    target.rest_was_asked = asked;
    if (is_news) target.told_until_ns = until_ns;
  }
  return is_news;
}

void PeerHealth::see(TargetId id, TargetNews::Sign sign, Nanoseconds until_ns, bool always_tell) {
  Target* const target = at(id);
  if (target == nullptr) return;
  const bool is_news = note(*target, sign, until_ns);
  if (tell_ && (is_news || always_tell))
    tell_({id.peer, target->place.endpoint, target->place.transport, sign, until_ns});
}

void PeerHealth::hear(const TargetNews& news) {
  if (news.peer >= peers_.size()) return;  // it came with a reload that is yet to come here
  for (Target& target : peers_[news.peer].targets) {
    if (target.place.endpoint == news.endpoint && target.place.transport == news.transport)
      (void)note(target, news.sign, news.until_ns);
  }
}

void PeerHealth::answered(TargetId id) {
  see(id, TargetNews::Sign::answered, 0);
}

void PeerHealth::failed(TargetId id, Nanoseconds now_ns) {
  see(id, TargetNews::Sign::silent, now_ns + kRest);
}

void PeerHealth::retry_after(TargetId id, Nanoseconds span_ns, Nanoseconds now_ns) {
  see(id, TargetNews::Sign::asked_to_wait, now_ns + std::clamp<Nanoseconds>(span_ns, 0, kLongestRest));
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
  see(id, alive ? TargetNews::Sign::answered : TargetNews::Sign::probe_lost, 0, true);
}

}  // namespace sallyport::routing
