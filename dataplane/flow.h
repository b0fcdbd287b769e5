// SPDX-License-Identifier: Apache-2.0
// One slot of the flow table: seven cache lines. A relayed packet touches lines 0 and 1 of the flow that it
// came to, of IPv6 line 2 too, and nothing of the pair that it leaves by (flow_link.h); the rest is for
// commands, latching and RTCP. Its owning worker alone touches it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dataplane/api/contract.h"
#include "dataplane/egress.h"
#include "dataplane/latch.h"
#include "dataplane/rtp_statistics.h"

namespace sallyport::dp {

enum class FlowState : std::uint8_t {
  free,  // all of the slot is zero, or left over
  active,
  removing  // waits for room in the shard's ring for its flow_removed; packets see it as free
};

// What the flow still has to tell its shard: bits of Flow::pending.
inline constexpr std::uint8_t kTellLatched = 1, kTellIdle = 2, kTellRemoved = 4, kTellActive = 8,
                              kTellCounters = 16;

inline constexpr std::uint16_t kNoProof = 0xffff;

// An address as it stands in a header of IPv6; of IPv4 the first four octets, as in IpAddress.
using AddressBytes = std::array<std::uint8_t, 16>;

struct alignas(128) Flow {
  // Line 0: who may send, what, and how much.
  FlowState state;
  LatchState latch;
  FlowKind kind;
  std::uint8_t pending;  // not zero: on the shard's list
  bool rtcp_mux : 1;
  bool may_send : 1;
  bool secured : 1;
  bool idle_told : 1;
  bool mirrored : 1;  // never linked: copies are made where the pair is asked
  std::uint8_t realm;
  Family source_family;
  Family out_family;  // of what leaves by the pair; none: not linked, the pair has to be asked
  be16 source_port;   // of a strict or locked flow
  std::uint16_t
      sum_change;  // from the addresses and ports that packets come with to those that they leave with
  std::array<std::uint8_t, 4> source_v4;
  std::array<std::uint64_t, 2> payload_types;  // all ones: any
  std::uint32_t ns_per_packet;                 // 0: no limit
  std::uint32_t ns_per_byte_q8;                // in 1/256 ns; 0: no limit
  Nanoseconds packets_due;
  Nanoseconds bytes_due;
  Nanoseconds last_ns;  // of the last accepted packet, or of the command that started the wait

  // Line 1: what was received, and how it leaves while the flow is linked.
  std::uint64_t packets;
  std::uint64_t bytes;
  RtpStatistics rtp;
  std::uint32_t out_version;  // NextHopTable's when `out_mac` was read
  std::array<std::uint8_t, 6> out_mac;
  std::uint8_t out_realm;
  std::uint8_t out_dscp;
  std::array<std::uint8_t, 8> out_v4;  // source and destination address
  be16 out_source_port;
  be16 out_destination_port;

  [[nodiscard]] bool is_locked() const { return latch == LatchState::locked || latch == LatchState::moving; }
  [[nodiscard]] bool knows_source() const { return latch == LatchState::strict || is_locked(); }
};

// What commands, latching, RTCP and readers need beside.
struct alignas(64) FlowMore {
  // Line 0: the long addresses, and the lists that the flow is on.
  AddressBytes source;  // of either family
  AddressBytes out_source_v6;
  AddressBytes out_destination_v6;
  std::uint32_t linked_from;   // the slot whose packets leave by this flow without asking it, or kNoSlot
  std::uint32_t active_index;  // in the worker's list
  std::uint32_t next_pending;  // the shard's list, kNoSlot ends it
  std::uint16_t proof;         // index of the candidate, or kNoProof
  std::uint16_t in_sum;        // of source and local, for RFC 1624

  // Line 1: how packets leave towards the endpoint.
  Egress out;

  // Line 2: the other counters.
  std::uint64_t sent_packets;  // less what linked_from has sent since it was settled
  std::uint64_t sent_bytes;
  std::uint64_t dropped;
  Nanoseconds first_ns;
  RtpHistory rtp_history;
  std::uint32_t
      settled_packets;  // what the pair's sent_packets has of `packets`, while linked: its low 32 bits
  std::uint32_t settled_bytes;

  // Lines 3 and 4.
  FlowSpec spec;

  [[nodiscard]] std::uint32_t generation() const { return spec.self.generation; }
};

static_assert(sizeof(Flow) == 128 && offsetof(Flow, packets) == 64);
static_assert(sizeof(FlowMore) == 320 && offsetof(FlowMore, out) == 64 &&
              offsetof(FlowMore, sent_packets) == 128 && offsetof(FlowMore, spec) == 192);
static_assert(std::is_trivially_copyable_v<Flow> && std::is_trivially_copyable_v<FlowMore>);

// Where packets to the endpoint may go now: the locked source, or the SDP address where the mode trusts it.
[[nodiscard]] Endpoint target_of(const Flow& flow, const FlowMore& more);
[[nodiscard]] Endpoint source_of(const Flow& flow, const FlowMore& more);
// Makes `source` the one that may send.
void set_source(Flow& flow, FlowMore& more, const Endpoint& source);

}  // namespace sallyport::dp
