// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Each target of each peer is in one of three states, by what was seen of it:
//
//            no answer, unreachable, 503 with Retry-After
//      up ───────────────────────────────────────────────▶ resting (until an instant)
//       ▲ ◀──────────── the instant passes, or an answer ──────┘
//       │
//       └─ probe answered ──▶ up    down ◀── kProbesLost probes in a row lost (only where `probe` is set)
//
// A peer is usable while one of its targets is. Shards share nothing: each has an instance, tells the others
// what it has seen that they may not know (TargetNews), and hears what they have. So all agree, but for what
// is under way.
//
// A target of the configuration that is an address is one target here. One that is a name is as many as the
// name leads to, each with health of its own, and learn() replaces them: what stays at the same place by the
// same transport keeps its identity and its health, what is gone is no target any more. Who still holds its
// TargetId is told nothing wrong: numbers of resolved targets are not used again for as long as can be.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/routing/resolved.h"
#include "controlplane/routing/target_order.h"

namespace sallyport::routing {

// A place of a peer's that is none of its targets (a redirect led there): always up, nothing is learnt of it.
inline constexpr std::uint16_t kNoTarget = 0xffff;
// Above every index of a configured target.
inline constexpr std::uint16_t kFirstResolved = 0x100;

struct TargetId {
  config::PeerIndex peer = 0;
  // Index into the peer's targets at the start; kFirstResolved and above: one that a name led to, or that a
  // reload has brought; or kNoTarget.
  std::uint16_t target = 0;
  friend bool operator==(const TargetId&, const TargetId&) = default;
};

enum class TargetState : std::uint8_t { up, resting, down };

// What was seen of a place of a peer's. Numbers of targets are each shard's own, places are the same to all;
// and a peer keeps its index through reloads.
struct TargetNews {
  enum class Sign : std::uint8_t { answered, silent, asked_to_wait, probe_lost };
  config::PeerIndex peer = 0;
  Endpoint endpoint;
  config::Transport transport = config::Transport::udp;
  Sign sign = Sign::answered;
  Nanoseconds until_ns = 0;  // of `silent` and `asked_to_wait`: the end of the rest
};

class PeerHealth {
 public:
  static constexpr unsigned kProbesLost = 2;
  // After a timeout or an ICMP error, without a probe that says better.
  static constexpr Nanoseconds kRest = 30 * kSecond;
  // A rest that ends so little apart from what others know is no news to them.
  static constexpr Nanoseconds kNewsworthy = kSecond;
  // A Retry-After beyond this counts as this.
  static constexpr Nanoseconds kLongestRest = 3600 * kSecond;

  // `config` must outlive it. `first_probe_ns`: when probing starts; the targets' first probes are spread
  // over their intervals.
  PeerHealth(const config::Config& config, Nanoseconds first_probe_ns);

  // Whom to tell what has changed by answered(), failed(), retry_after() and probe_result().
  using Tell = std::function<void(const TargetNews&)>;
  void tell(Tell tell) { tell_ = std::move(tell); }
  // What another shard has seen. Of a place that is not known here, nothing is learnt.
  void hear(const TargetNews& news);

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
  // not. One shard probes for all.
  void probe_result(TargetId id, bool alive);

  // The places to call as they are now.
  [[nodiscard]] std::uint16_t targets_of(config::PeerIndex peer) const;
  // The order in which to try them; `random` is uniform and draws between the weights of a name's.
  [[nodiscard]] std::vector<TargetId> in_order(config::PeerIndex peer, std::uint64_t random) const;
  // The same, of one target of the configuration, undrawn.
  [[nodiscard]] std::vector<TargetId> places_of(config::PeerIndex peer, std::uint16_t configured) const;
  // Where it is, with the URI that led there; nullptr: no longer a target. Valid until learn().
  [[nodiscard]] const config::Target* place(TargetId id) const;
  [[nodiscard]] std::optional<TargetId> find(config::PeerIndex peer, const Endpoint& endpoint,
                                             config::Transport transport) const;
  // The target of the peer by that transport at that address, any port.
  [[nodiscard]] const config::Target* find_at(config::PeerIndex peer, const IpAddress& address,
                                              config::Transport transport) const;
  // Whether one of the peer's targets is there.
  [[nodiscard]] bool has_address(config::PeerIndex peer, const IpAddress& address) const;
  // Where that name of the peer's `redirects.allow` leads.
  [[nodiscard]] std::vector<ResolvedPlace> allowed_places(config::PeerIndex peer, std::size_t name) const;
  // What the names lead to from now on.
  void learn(const ResolvedNames& names, Nanoseconds now_ns);
  // After a reload: `before` is what was where our configuration now is, in the same object. A target that
  // is still there keeps its identity and what is known of it.
  void succeed(const config::Config& before, Nanoseconds now_ns);
  // Of a configured target that is a name.
  [[nodiscard]] NameState name_state(config::PeerIndex peer, std::uint16_t configured) const;

 private:
  struct Target {
    std::uint16_t number = 0;  // TargetId::target
    Standing standing;
    config::Target place;
    Nanoseconds rest_until_ns = 0;
    Nanoseconds told_until_ns = 0;  // the same, as others were told it last
    Nanoseconds next_probe_ns = 0;
    unsigned probes_lost = 0;
    bool rest_was_asked = false;  // by Retry-After
  };
  struct Peer {
    std::vector<Target> targets;  // by standing
    Nanoseconds probe_every_ns = 0;
    std::vector<NameState> names;  // by configured target; empty: none is a name
    std::vector<std::vector<ResolvedPlace>> allowed;  // by name of `redirects.allow`; empty: nothing is known
    std::uint16_t next_number = kFirstResolved;
  };
  // True when others may not know it.
  static bool note(Target& target, TargetNews::Sign sign, Nanoseconds until_ns);
  // `always_tell`: news that have crossed ours may have said otherwise, and nothing here would show it.
  void see(TargetId id, TargetNews::Sign sign, Nanoseconds until_ns, bool always_tell = false);
  [[nodiscard]] Target* at(TargetId id);
  [[nodiscard]] const Target* at(TargetId id) const;
  [[nodiscard]] std::uint16_t fresh_number(Peer& peer) const;
  // Targets that are none of the old ones are probed one after the other.
  void renew(Peer& peer, const config::Peer& before, const config::Peer& now, Nanoseconds now_ns);
  void replace(Peer& peer, const ResolvedName& name, const config::Target& configured, Nanoseconds now_ns);

  const config::Config& config_;
  std::vector<Peer> peers_;
  Tell tell_;  // empty: nobody
};

}  // namespace sallyport::routing
