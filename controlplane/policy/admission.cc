// SPDX-License-Identifier: Apache-2.0
#include "controlplane/policy/admission.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace sallyport::policy {
namespace {

// What a caller who finds everything taken is told: calls end one by one, so not long.
constexpr Nanoseconds kCallsRetryAfter = 10 * kSecond;
constexpr Nanoseconds kDrainRetryAfter = 60 * kSecond;

constexpr std::array<std::string_view, static_cast<std::size_t>(Refusal::kCount)> kNames{
    "none", "draining", "overload", "calls", "peer_calls", "peer_rate"};

std::uint32_t share(std::uint32_t whole, unsigned shards) {
  return (whole + shards - 1) / shards;
}

Nanoseconds whole_seconds(Nanoseconds span) {
  return std::max<Nanoseconds>(1, (span + kSecond - 1) / kSecond) * kSecond;
}

}  // namespace

std::string_view refusal_name(Refusal refusal) {
  return kNames[static_cast<std::size_t>(refusal)];
}

std::string_view refusal_local_error(Refusal refusal) {
  return refusal == Refusal::draining ? "draining" : "capacity";
}

Admission::Admission(const config::Config& config, unsigned shards)
    : max_calls_(share(config.controlplane.max_calls, shards)), shards_(shards) {
  succeed(config);
}

void Admission::succeed(const config::Config& config) {
  peers_.resize(config.peers.size());
  for (std::size_t i = 0; i < peers_.size(); ++i) set_limits(peers_[i], config.peers[i].limits);
}

void Admission::set_limits(Peer& mine, const config::Limits& limits) const {
  mine.max_calls = limits.calls != 0 ? share(limits.calls, shards_) : 0;
  // A second's worth may come at once; after that at the even pace.
  mine.interval_ns = limits.rate != 0 ? kSecond * shards_ / limits.rate : 0;
  mine.burst_ns = mine.interval_ns != 0 ? std::max<Nanoseconds>(0, kSecond - mine.interval_ns) : 0;
}

Admit Admission::take_place(Peer& peer, Nanoseconds now_ns) {
  if (peer.max_calls != 0 && peer.calls >= peer.max_calls) return {Refusal::peer_calls, kCallsRetryAfter};
  if (peer.interval_ns != 0) {
    const Nanoseconds early = peer.due_ns - now_ns;
    if (early > peer.burst_ns) return {Refusal::peer_rate, whole_seconds(early - peer.burst_ns)};
    peer.due_ns = std::max(peer.due_ns, now_ns) + peer.interval_ns;
  }
  ++peer.calls;
  return {};
}

Admit Admission::begin_call(config::PeerIndex from, Nanoseconds now_ns) {
  if (draining_) return {Refusal::draining, kDrainRetryAfter};
  if (overload_.overloaded()) return {Refusal::overload, Overload::kRetryAfter};
  if (calls_ >= max_calls_) return {Refusal::calls, kCallsRetryAfter};
  const Admit place = take_place(peers_[from], now_ns);
  if (place) ++calls_;
  return place;
}

void Admission::end_call(config::PeerIndex from) {
  assert(calls_ > 0 && peers_[from].calls > 0);
  --calls_;
  --peers_[from].calls;
}

Admit Admission::begin_leg(config::PeerIndex to, Nanoseconds now_ns) {
  return take_place(peers_[to], now_ns);
}

void Admission::end_leg(config::PeerIndex to) {
  assert(peers_[to].calls > 0);
  --peers_[to].calls;
}

}  // namespace sallyport::policy
