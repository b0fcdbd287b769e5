// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Each target of each peer is in one of three states, by what this shard saw of it:
//
//            no answer, unreachable, 503 with Retry-After
//      up ───────────────────────────────────────────────▶ resting (until an instant)
//       ▲ ◀──────────── the instant passes, or an answer ──────┘
//       │
//       └─ probe answered ──▶ up    down ◀── kProbesLost probes in a row lost (only where `probe` is set)
//
// A peer is usable while one of its targets is. Shards share nothing: each has an instance and learns for
// itself.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "controlplane/config/config.h"

namespace sallyport::routing {

// A place of a peer's that is none of its targets (a redirect led there): always up, nothing is learnt of it.
inline constexpr std::uint16_t kNoTarget = 0xffff;

struct TargetId {
  config::PeerIndex peer = 0;
  std::uint16_t target = 0;  // index into the peer's targets, or kNoTarget
  friend bool operator==(const TargetId&, const TargetId&) = default;
};

enum class TargetState : std::uint8_t { up, resting, down };

class PeerHealth {
 public:
  static constexpr unsigned kProbesLost = 2;
  // After a timeout or an ICMP error, without a probe that says better.
  static constexpr Nanoseconds kRest = 30 * kSecond;
  // A Retry-After beyond this counts as this.
  static constexpr Nanoseconds kLongestRest = 3600 * kSecond;

  // `first_probe_ns`: when probing starts; the targets' first probes are spread over their intervals.
  PeerHealth(const config::Config& config, Nanoseconds first_probe_ns);

  [[nodiscard]] TargetState state(TargetId id, Nanoseconds now_ns) const;
  [[nodiscard]] bool usable(TargetId id, Nanoseconds now_ns) const {
    return state(id, now_ns) == TargetState::up;
  }
  [[nodiscard]] bool peer_usable(config::PeerIndex peer, Nanoseconds now_ns) const;
  // When a resting target may be used again; 0 where it is not resting.
  [[nodiscard]] Nanoseconds rests_until(TargetId id, Nanoseconds now_ns) const;

  // A response came from the target (any, but a 503 with Retry-After: retry_after() instead). Ends a rest
  // that was due to silence, not one that the peer asked for.
  void answered(TargetId id);
  // The transaction timed out, or the network said that the target cannot be reached.
  void failed(TargetId id, Nanoseconds now_ns);
  // 503 (or 500, 600...) with Retry-After: RFC 3261 21.5.4, nothing is sent there until then.
  void retry_after(TargetId id, Nanoseconds span_ns, Nanoseconds now_ns);

  // A target whose OPTIONS is due; its next is set. Call until nullopt. next_probe_ns(): when to call again
  // (INT64_MAX: never).
  [[nodiscard]] std::optional<TargetId> take_due_probe(Nanoseconds now_ns);
  [[nodiscard]] Nanoseconds next_probe_ns() const;
  // Any final response to a probe but a 503 says that the target lives (RFC 3261 11.2); 503 and silence do
  // not.
  void probe_result(TargetId id, bool alive);

  [[nodiscard]] std::uint16_t targets_of(config::PeerIndex peer) const;

 private:
  struct Target {
    Nanoseconds rest_until_ns = 0;
    Nanoseconds next_probe_ns = 0;
    Nanoseconds probe_every_ns = 0;  // 0: never
    unsigned probes_lost = 0;
    bool rest_was_asked = false;  // by Retry-After
  };
  [[nodiscard]] Target& at(TargetId id) { return targets_[first_[id.peer] + id.target]; }
  [[nodiscard]] const Target& at(TargetId id) const { return targets_[first_[id.peer] + id.target]; }
  [[nodiscard]] TargetId id_of(std::size_t position) const;

  std::vector<std::size_t> first_;  // by peer, one more at the end
  std::vector<Target> targets_;
};

}  // namespace sallyport::routing
