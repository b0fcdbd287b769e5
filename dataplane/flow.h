// SPDX-License-Identifier: Apache-2.0
// One slot of the flow table: six cache lines. A relayed packet reads lines 0, 1 and 3 of the flow it came to
// and lines 2 and 3 of the pair it leaves by; the rest is for commands and latching. Its owning worker alone
// touches it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/api/contract.h"
#include "dataplane/egress.h"
#include "dataplane/latch.h"
#include "dataplane/rtcp_statistics.h"
#include "dataplane/rtp_statistics.h"

namespace sallyport::dp {

enum class FlowState : std::uint8_t {
  free,  // all of the slot is zero, or left over
  active,
  removing  // waits for room in the shard's ring for its flow_removed; packets see it as free
};

// What the flow still has to tell its shard: bits of Flow::pending.
inline constexpr std::uint8_t kTellLatched = 1, kTellIdle = 2, kTellRemoved = 4, kTellActive = 8;

inline constexpr std::uint16_t kNoProof = 0xffff;

struct alignas(64) Flow {
  // Line 0: the source check.
  std::uint32_t generation;
  FlowState state;
  LatchState latch;
  FlowKind kind;
  std::uint8_t pending;  // not zero: on the shard's list
  FlowRef pair;
  std::array<std::uint8_t, 16> source;  // of a strict or locked flow, as in IpAddress
  be16 source_port;
  Family source_family;
  bool rtcp_mux;
  bool may_send;
  bool may_receive;
  bool any_payload_type;
  bool idle_told;
  std::uint32_t active_index;  // in the worker's list
  std::uint16_t in_sum;        // of source and local, for RFC 1624
  std::uint16_t proof;         // index of the candidate, or kNoProof
  std::array<std::uint64_t, 2> payload_types;

  // Line 1: what was received.
  alignas(64) std::uint64_t packets;
  Nanoseconds last_ns;  // of the last accepted packet, or of the command that started the wait
  RtpStatistics rtp;
  std::uint32_t next_pending;  // the shard's list, kNoSlot ends it

  // Line 2: how packets leave towards the endpoint.
  Egress out;

  // Line 3: policing and the other counters.
  std::uint64_t bytes;
  std::uint64_t sent_packets;
  std::uint64_t sent_bytes;
  Nanoseconds packets_due;
  Nanoseconds bytes_due;
  std::uint32_t ns_per_packet;   // 0: no limit
  std::uint32_t ns_per_byte_q8;  // in 1/256 ns; 0: no limit
  std::uint64_t dropped;
  Nanoseconds first_ns;

  // Lines 4 and 5.
  FlowSpec spec;

  [[nodiscard]] bool is_locked() const { return latch == LatchState::locked || latch == LatchState::moving; }
  [[nodiscard]] bool knows_source() const { return latch == LatchState::strict || is_locked(); }
};

static_assert(sizeof(Flow) == 384);
static_assert(offsetof(Flow, packets) == 64 && offsetof(Flow, out) == 128 && offsetof(Flow, bytes) == 192 &&
              offsetof(Flow, spec) == 256);
static_assert(std::is_trivially_copyable_v<Flow>);

// The counters as the contract gives them.
[[nodiscard]] FlowCounters counters_of(const Flow& flow, const RtcpStatistics& rtcp);
// Where packets to the endpoint may go now: the locked source, or the SDP address where the mode trusts it.
[[nodiscard]] Endpoint target_of(const Flow& flow);
[[nodiscard]] Endpoint source_of(const Flow& flow);
// Makes `source` the one that may send.
void set_source(Flow& flow, const Endpoint& source);

}  // namespace sallyport::dp
