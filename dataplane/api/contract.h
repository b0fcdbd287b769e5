// SPDX-License-Identifier: Apache-2.0
// Theory of operation. This header is the whole contract between a worker and a shard. A shard sends commands,
// a worker sends events; both are plain data in RecordRings (ring.h), one ring a pair and direction. Flows are
// found by index: every media port of every media address has one slot, fixed at start (MediaLayout). A slot
// is reused only after the worker's flow_removed event with its final counters. Commands of one ring are
// carried out in order, so an INVITE pushed after a flow_install leaves after the pinhole is open.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "dataplane/api/drop_reason.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"

namespace sallyport::dp {

inline constexpr std::size_t kMaxPorts = 8;
inline constexpr std::size_t kMaxRealms = 32;
inline constexpr std::size_t kMaxWorkers = 32;
inline constexpr std::size_t kMaxShards = 64;

// ---- flows ---------------------------------------------------------------------------------------------------

inline constexpr std::uint32_t kNoSlot = 0xffffffff;

struct FlowRef {
  std::uint32_t slot = kNoSlot;
  std::uint32_t generation = 0;
  friend bool operator==(const FlowRef&, const FlowRef&) = default;
};

// Whom a flow's events concern, echoed in every event: the shard's own business.
struct FlowOwner {
  std::uint32_t call_slot = 0;
  std::uint32_t call_generation = 0;
  std::uint8_t shard = 0;
  std::uint8_t leg = 0;
  std::uint8_t stream = 0;
  std::uint8_t spare = 0;
};

enum class FlowKind : std::uint8_t {
  rtp,    // also carries RTCP when rtcp_mux
  rtcp,
  udptl,  // T.38: no SSRC
  opaque  // SRTP keyed by DTLS through us, or another m= proto: sources are checked, contents are not
};

// RFC 7362. Before the lock a source has to pass the checks; nothing is ever sent to one that did not.
enum class LatchMode : std::uint8_t {
  off,           // only `remote` may send
  once,          // the first source that passes is locked, and is where we send
  same_address,  // the address must be the remote's or the signalling source's; the port may be learned
  asymmetric     // send to `remote`, lock whoever passes as source
};

struct FlowSpec {
  FlowRef self;
  FlowRef pair;                  // what arrives on `self` leaves by pair's local to pair's target; kNoSlot: nowhere yet
  Endpoint local;
  Endpoint remote;               // from the SDP; port 0: not known
  IpAddress signalling_source;   // the leg's packet source
  std::uint8_t latch_mask = 32;  // prefix bits that a source must share with signalling_source or remote (v4; +96 for v6)
  LatchMode latch = LatchMode::off;
  FlowKind kind = FlowKind::rtp;
  std::uint8_t dscp = 0;
  bool rtcp_mux = false;
  bool may_send = true;          // the endpoint at this flow may send to us (a=sendonly, inactive of hold)
  bool may_receive = true;       // we may send to it
  bool reports_idle = true;
  // The other leg has said where it is. Before that nothing could be relayed, so nothing is taken as proof: who
  // sprays our ports while a call is being set up wins nothing.
  bool may_latch = true;
  std::uint16_t realm = 0;
  std::uint16_t police_pps = 0;  // 0: no limit
  // same_address: a locked source that has been silent for so long may be replaced by its SSRC from another
  // port of its address. 0: never.
  std::uint16_t relatch_after_ms = 0;
  std::uint32_t idle_timeout_ms = 0;  // 0: none
  std::uint32_t police_bytes_per_s = 0;
  std::array<std::uint64_t, 2> payload_types{};  // bit n: RTP payload type n was negotiated; all zero: any
  FlowOwner owner;
  bool secured = false;  // SRTP and SRTCP (RFC 3711 3.1, 3.4): behind the first header nothing is in clear
};

// A live flow's counters, and its last ones. In packets, octets of UDP payload, and timestamps in ns.
struct FlowCounters {
  std::uint64_t packets = 0;       // received from the endpoint and relayed to the pair
  std::uint64_t bytes = 0;
  std::uint64_t sent_packets = 0;  // sent to the endpoint (relayed from the pair)
  std::uint64_t sent_bytes = 0;
  std::uint64_t dropped = 0;       // received on this port, not relayed, any reason
  std::uint64_t lost = 0;          // gaps in the RTP sequence numbers of what was received (RFC 3550 A.3)
  std::uint32_t jitter_us = 0;     // RFC 3550 6.4.1 estimate
  std::uint32_t ssrc = 0;
  std::uint32_t rtt_us = 0;        // between us and the endpoint, by its RTCP (RFC 3550 6.4.1); 0: not known
  std::uint32_t reported_lost = 0;  // what the endpoint says it has missed of what we sent, by the same
  Nanoseconds first_ns = 0;
  Nanoseconds last_ns = 0;
  Endpoint latched;                // port 0: not locked
};

// ---- commands: shard to worker ---------------------------------------------------------------------------------

enum class Command : std::uint16_t {
  none, flow_install, flow_update, flow_remove, sip_send, flow_mirror, realm_settings, flow_report
};

struct FlowInstall { FlowSpec spec; };
// Replaces everything but the counters; self must be installed with the same generation. A lock opens again only
// with `reopen_latch`.
struct FlowUpdate { FlowSpec spec; std::uint8_t reopen_latch = 0; };
struct FlowRemove { FlowRef flow; };
// From now on, or no longer, copies of what the flow relays go to the worker's mirror ring. An update keeps it.
struct FlowMirror { FlowRef flow; std::uint8_t on = 0; };
// What the flow has counted so far: a flow_reported tells it, always before the flow's flow_removed.
struct FlowReport { FlowRef flow; };

// One SIP datagram; its octets stand behind the struct in the record.
struct SipSend {
  std::uint16_t realm = 0;
  std::uint16_t bytes = 0;
  Endpoint local;
  Endpoint remote;
};

// What a reload may change of a realm on a worker.
struct RealmSettings {
  std::uint16_t realm = 0;
  std::uint8_t sip_dscp = 0;
  std::uint32_t sip_police_pps = 0;  // 0: no limit
};

// ---- events: worker to shard -----------------------------------------------------------------------------------

enum class Event : std::uint16_t {
  none, sip_received, flow_removed, flow_latched, flow_idle, sip_unreachable, flow_active, flow_reported
};

enum class SteerVerdict : std::uint8_t { by_branch, by_tag, by_hash, unknown_tag };

// A SIP datagram for this shard. Behind the struct: index_bytes of sip::MessageIndex (used_bytes of it), padding to
// 8 octets, then message_bytes octets.
struct SipReceived {
  std::uint16_t realm = 0;
  std::uint16_t port = 0;
  std::uint16_t index_bytes = 0;
  std::uint16_t message_bytes = 0;
  Endpoint local;
  Endpoint remote;
  SteerVerdict verdict = SteerVerdict::by_hash;
  std::uint32_t slot = 0;        // of the token (by_branch, by_tag)
  std::uint32_t generation = 0;
  Nanoseconds received_ns = 0;
};

struct FlowRemoved { FlowRef flow; FlowOwner owner; FlowCounters counters; };
struct FlowLatched { FlowRef flow; FlowOwner owner; Endpoint source; };
// Nothing good has come for the flow's idle_timeout; told once, and again after a flow_active.
struct FlowIdle { FlowRef flow; FlowOwner owner; Nanoseconds last_ns = 0; };
// A flow that was told to be idle is heard again.
struct FlowActive { FlowRef flow; FlowOwner owner; };
// The answer to flow_report; one stands for several that a full ring has kept waiting.
struct FlowReported { FlowRef flow; FlowOwner owner; FlowCounters counters; };

// An ICMP error that quotes a SIP request of ours (found by the branch in the quote), or no neighbour or route.
struct SipUnreachable {
  std::uint32_t slot = 0;        // of the branch's token
  std::uint32_t generation = 0;
  Endpoint remote;
  std::uint8_t icmp_type = 0;    // 0 with code 0: no route or no neighbour here
  std::uint8_t icmp_code = 0;
  bool packet_too_big = false;
};

// ---- media layout --------------------------------------------------------------------------------------------

// Whose a pair of ports is.
struct PairOwner {
  std::uint8_t shard = 0;
  std::uint8_t worker = 0;
  friend bool operator==(const PairOwner&, const PairOwner&) = default;
};

// One media address of one realm. Ports first to last (first even) have slots slot_base ...
struct MediaRange {
  std::uint16_t realm = 0;
  IpAddress address;
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  std::uint32_t slot_base = 0;
  // By pair, where the device steers ports to queues and so decides whose they are; the dataplane's, for as long as
  // it lives. Null: dealt in turn.
  const PairOwner* owners = nullptr;

  [[nodiscard]] constexpr bool holds(std::uint16_t port) const { return port >= first && port <= last; }
  [[nodiscard]] constexpr std::uint32_t slot_of(std::uint16_t port) const { return slot_base + (port - first); }
  [[nodiscard]] constexpr std::uint16_t port_of(std::uint32_t slot) const {
    return static_cast<std::uint16_t>(first + (slot - slot_base));
  }
  // Ports are dealt in even and odd pairs. In turn, pair p belongs to shard p % shards, and of that shard's pairs in
  // turn to the workers. So no port has two writers and no lock is needed.
  [[nodiscard]] constexpr PairOwner owner(std::uint32_t pair, std::uint32_t shards, std::uint32_t workers) const {
    if (owners != nullptr) return owners[pair];
    return {static_cast<std::uint8_t>(pair % shards), static_cast<std::uint8_t>(pair / shards % workers)};
  }
  [[nodiscard]] constexpr std::uint32_t pair_of(std::uint16_t port) const { return (port - first) / 2u; }
};

// ---- counters: worker wo, everyone else ro --------------------------------------------------------------------

// A counter with one writer. Readers on other threads see whole values.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Per worker and port. received = relayed + sip + kernel + sum(drops), at rest, summed over the workers.
struct alignas(64) PortCounters {
  Counter received_packets;
  Counter received_bytes;   // of frames, without FCS
  Counter sent_packets;
  Counter sent_bytes;
  Counter relayed;          // received here and accepted by an egress
  Counter sip;
  Counter kernel;
  std::array<Counter, kDropReasons> drops;
  Counter handed_over;      // received by one worker for another: what the device's steering did not bring to its owner
  Counter unsent;           // of ours or of the kernel's, not received here: refused by the egress or never resolved
};

// Per worker and realm.
struct alignas(64) RealmCounters {
  Counter media_received_packets;
  Counter media_sent_packets;
  Counter media_lost_packets;
  Counter flows_active;
};

struct alignas(64) WorkerCounters {
  std::array<PortCounters, kMaxPorts> ports;
  std::array<RealmCounters, kMaxRealms> realms;
  std::array<Counter, 64> sip_faults;     // by sip::Fault
  std::array<Counter, 64> event_ring_full;  // by shard
  Counter busy_cycles;
  Counter total_cycles;
  Counter packets;
  Counter latches;
  Counter mirrored;         // media packets copied for who looks at a call
  Counter mirror_ring_full; // and those that found no room
};

// ---- mirror: worker to ops --------------------------------------------------------------------------------------

enum class Mirror : std::uint16_t { none, packet };

// A media packet of a mirrored flow, as it came and as it left; behind the struct its UDP payload.
struct MirroredPacket {
  Endpoint source;       // it came from there
  Endpoint local;        // to this port of ours,
  Endpoint pair_local;   // and left from this one
  Endpoint pair_target;  // to there
  std::uint32_t payload_bytes = 0;
  Nanoseconds relayed_ns = 0;
};

static_assert(std::is_trivially_copyable_v<FlowSpec> && std::is_trivially_copyable_v<FlowCounters>);
static_assert(sizeof(FlowSpec) == 128 && sizeof(SipSend) == 44 && sizeof(SipReceived) == 72);

}  // namespace sallyport::dp
