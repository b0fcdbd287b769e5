// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A flow's latch says which source may send (RFC 7362). Strict flows know it from the
// SDP. The others learn it: a source must pass the address rule of its mode, and prove itself by kProof
// packets in sequence of one SSRC and of negotiated payload types; then it is locked, and only signalling
// opens the lock again. The packets that were the proof are held and relayed at the lock.
//
//   strict ── own source: pass; any other: refuse; reopen: stays strict
//
//   open ── first ──▶ proving ── proof ──▶ locked ── own source: pass; any other: refuse
//    ▲ ▲               │ │ ▲ │               │
//    │ │               │ │ └─┘ next: hold    │
//    │ │               │ │     gap, takeover: start again
//    │ └──── silent ───┘ │                   │
//    └────── reopen ─────┴───────────────────┘
//   Where one packet is enough, `proof` leads from open to locked at once, and renews a lock.
//
//   locked ── moved ──▶ moving ── proof ──▶ locked, at the new port
//     ▲                  │ │ ▲ │
//     │                  │ │ └─┘ next: hold; gap, takeover: start again
//     └─ own, silent ────┘ └── reopen ──▶ open
//   `moved`: in same-address mode, when the locked source has been silent for relatch_after, a packet of its
//   SSRC from another port of its address, as after a NAT's restart. Its own source still passes meanwhile.
//
// `gap`: the candidate's packet is out of sequence. `rival`: another good source while the candidate is
// alive. `takeover`: the same when the candidate has been silent for kCandidateSilence.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/api/contract.h"
#include "dataplane/base/clock.h"
#include "dataplane/rtp.h"

namespace sallyport::dp {

enum class LatchState : std::uint8_t { strict, open, proving, locked, moving, kCount };
enum class LatchEvent : std::uint8_t {
  own,
  stranger,
  first,
  next,
  proof,
  gap,
  rival,
  takeover,
  silent,
  reopen,
  moved,
  kCount
};
enum class LatchAction : std::uint8_t {
  pass,     // go on: police, check, relay
  refuse,   // drop: flow_source
  hold,     // keep it until the lock
  restart,  // drop what is held: flow_latching; hold this one as the first
  lock,     // lock the source, relay what is held, then this one
  forget    // drop what is held: flow_latching
};

struct LatchStep {
  LatchState next;
  LatchAction action;
};
// What a state does with an event; every pair is written.
[[nodiscard]] LatchStep latch_step(LatchState state, LatchEvent event);

inline constexpr unsigned kProof = 3;                                 // packets of RTP and UDPTL flows
inline constexpr Nanoseconds kCandidateSilence = 100 * kMillisecond;  // then another source may try
inline constexpr Nanoseconds kHoldTime = 500 * kMillisecond;          // then a silent candidate is forgotten

// How many packets prove a source. RTCP comes seconds apart and has no sequence: one packet is enough, but it
// has to be vouched for by its RTP flow (Relay). So has who only receives, whose keep-alives are all that
// comes. Of a DTLS handshake (opaque) the first flight is all there is until it is answered: it and its
// repetition, after a second (RFC 6347 4.2.4.1).
[[nodiscard]] constexpr unsigned proof_of(FlowKind kind) {
  return kind == FlowKind::rtcp ? 1 : kind == FlowKind::opaque ? 2 : kProof;
}
[[nodiscard]] constexpr Nanoseconds hold_time(FlowKind kind) {
  return kind == FlowKind::opaque ? 1500 * kMillisecond : kHoldTime;
}

// The address rule of the flow's mode. The port is never judged here but by `off`.
[[nodiscard]] bool latch_allows(const FlowSpec& spec, const Endpoint& source);

// A candidate that is proving itself.
struct LatchCandidate {
  Endpoint source;
  std::uint32_t ssrc = 0;
  std::uint16_t sequence = 0;
  std::uint8_t count = 0;
  Nanoseconds last_ns = 0;
};

// What a packet of a good source is to the latch, beside being a proof: its SSRC and sequence number, or for
// UDPTL (T.38 9.1) the sequence number alone, or nothing (opaque).
struct LatchEvidence {
  Endpoint source;
  std::uint32_t ssrc = 0;
  std::uint16_t sequence = 0;
  bool sequenced = false;
};

// The event that a packet of a good source is in `state`; of one that moves, in locked and moving.
[[nodiscard]] LatchEvent latch_event(LatchState state, const LatchCandidate& candidate,
                                     const LatchEvidence& evidence, unsigned proof, Nanoseconds now_ns);
// Takes the packet into the candidate, as `action` (hold or restart) says.
void latch_note(LatchCandidate& candidate, const LatchEvidence& evidence, LatchAction action,
                Nanoseconds now_ns);

}  // namespace sallyport::dp
