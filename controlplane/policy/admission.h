// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Whether a new call may begin, by this shard's share of the limits. Checks go from the
// cheap and general to the particular: draining, overload, calls of the process, then the peer's calls and
// rate. A place is taken at once and given back once. Shares are rounded up, so a limit of n over s shards
// lets at most n + s - 1 in; calls spread over shards by a hash, so a small limit over many shards may refuse
// a little early. Pure: the clock is passed in; calls that are up are never touched.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/policy/overload.h"

namespace sallyport::policy {

enum class Refusal : std::uint8_t { none, draining, overload, calls, peer_calls, peer_rate, kCount };

// For logs and metrics: "peer_rate".
[[nodiscard]] std::string_view refusal_name(Refusal refusal);
// The local error that the response map knows: "draining" or "capacity".
[[nodiscard]] std::string_view refusal_local_error(Refusal refusal);

struct Admit {
  Refusal refusal = Refusal::none;
  Nanoseconds retry_after_ns = 0;  // for Retry-After, whole seconds, at least one; 0 when admitted
  [[nodiscard]] explicit operator bool() const { return refusal == Refusal::none; }
};

class Admission {
 public:
  Admission(const config::Config& config, unsigned shards);
  // After a reload: the limits of `config`, whose first peers are those that there were. Places that are
  // taken stay taken; controlplane.max_calls stays as it was.
  void succeed(const config::Config& config);

  // A new call from a peer. Admitted: it holds a place of the process and one of the peer until end_call().
  [[nodiscard]] Admit begin_call(config::PeerIndex from, Nanoseconds now_ns);
  void end_call(config::PeerIndex from);

  // A leg to a peer. Admitted: it holds a place of that peer until end_leg(). A refusal is a reason for the
  // next candidate, not for the end of the call.
  [[nodiscard]] Admit begin_leg(config::PeerIndex to, Nanoseconds now_ns);
  void end_leg(config::PeerIndex to);

  void set_draining(bool draining) { draining_ = draining; }
  [[nodiscard]] bool draining() const { return draining_; }
  [[nodiscard]] Overload& overload() { return overload_; }
  [[nodiscard]] const Overload& overload() const { return overload_; }

  [[nodiscard]] std::uint32_t calls() const { return calls_; }
  [[nodiscard]] std::uint32_t max_calls() const { return max_calls_; }  // this shard's share
  [[nodiscard]] std::uint32_t peer_calls(config::PeerIndex peer) const { return peers_[peer].calls; }

 private:
  struct Peer {
    std::uint32_t calls = 0;
    std::uint32_t max_calls = 0;         // 0: no limit
    Nanoseconds interval_ns = 0;         // between calls at the full rate; 0: no limit
    Nanoseconds burst_ns = 0;            // how far ahead of the even pace calls may come
    Nanoseconds due_ns = INT64_MIN / 2;  // GCRA's theoretical arrival time
  };
  void set_limits(Peer& mine, const config::Limits& limits) const;
  [[nodiscard]] Admit take_place(Peer& peer, Nanoseconds now_ns);

  Overload overload_;
  std::vector<Peer> peers_;
  std::uint32_t calls_ = 0;
  std::uint32_t max_calls_ = 0;
  unsigned shards_;
  bool draining_ = false;
};

}  // namespace sallyport::policy
