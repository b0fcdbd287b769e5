// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Reliable provisional responses that we send (RFC 3262 3), for the one INVITE that a
// leg has sent us and that has no final response yet. One is out at a time; further ones wait in a queue.
//
//            begin                        resend: again, doubled
//   any ───────────────▶ idle               ┌────┐
//                         │ ▲               │    ▼
//                         │ └── prack ──── waiting ── send: queued
//                         │   (the next)    │  ▲
//                         └──── send ───────┼──┘
//                         │                 │ expire (64*T1): the INVITE fails
//                         │ final           │ final
//                         └────▶ over ◀─────┘   a PRACK for what was out is still good
//
// A response from the far end that was reliable there, too, is acknowledged when its copy here is: the PRACK
// goes from end to end. Where this side does not know 100rel we acknowledge by ourselves, at once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/sip/timer_wheel.h"
#include "controlplane/sip/transaction_user.h"

namespace sallyport::b2bua {

enum class ReliableState : std::uint8_t { idle, waiting, over, kCount };
enum class ReliableEvent : std::uint8_t { begin, send, resend, prack, expire, final, kCount };
enum class ReliableAction : std::uint8_t {
  none,
  reset,     // a new INVITE: nothing is out
  transmit,  // with the next RSeq; start both timers
  queue,
  repeat,   // the same response, the interval doubled
  advance,  // acknowledged: the next of the queue, a 2xx that waited
  accept,   // acknowledged after the final response: nothing follows
  fail,     // reject the INVITE by 504
  stop,     // stop both timers, forget the queue
  refuse,   // a PRACK for nothing that is out: 481
  ignore
};

struct ReliableStep {
  ReliableState next;
  ReliableAction action;
};

namespace detail {
inline constexpr std::size_t kReliableStates = static_cast<std::size_t>(ReliableState::kCount);
inline constexpr std::size_t kReliableEvents = static_cast<std::size_t>(ReliableEvent::kCount);

// clang-format off: a row is a state
inline constexpr std::array<std::array<ReliableStep, kReliableEvents>, kReliableStates> kReliableTable = [] {
  using enum ReliableState;
  using R = ReliableAction;
  return std::array<std::array<ReliableStep, kReliableEvents>, kReliableStates>{{
      // begin, send, resend, prack, expire, final
      /* idle    */ {{{idle, R::reset}, {waiting, R::transmit}, {idle, R::ignore},
                      {idle, R::refuse}, {idle, R::ignore}, {over, R::stop}}},
      /* waiting */ {{{idle, R::reset}, {waiting, R::queue}, {waiting, R::repeat},
                      {idle, R::advance}, {over, R::fail}, {over, R::stop}}},
      /* over    */ {{{idle, R::reset}, {over, R::ignore}, {over, R::ignore},
                      {over, R::accept}, {over, R::ignore}, {over, R::none}}},
  }};
}();
// clang-format on
}  // namespace detail

[[nodiscard]] constexpr ReliableStep reliable_step(ReliableState state, ReliableEvent event) {
  return detail::kReliableTable[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

// A PRACK that the far end is owed for a reliable response of its own.
struct OwedPrack {
  std::uint32_t rseq = 0;
  std::uint32_t invite_cseq = 0;
  std::string tag;  // of the early dialog
};

// A provisional response to this leg.
struct ReliableResponse {
  std::uint16_t status = 0;
  std::string phrase;
  std::string headers;
  std::string body;
  bool described = false;  // the body has a session description
  bool offers = false;     // that is the far end's offer: the PRACK brings the answer
  std::optional<OwedPrack> owed;
};

struct Reliable {
  ReliableState state = ReliableState::over;
  sip::ServerId invite;
  std::uint32_t invite_cseq = 0;
  std::uint32_t rseq = 0;                // of what is out, or of the last one
  std::vector<ReliableResponse> queue;   // while waiting the first is out
  std::optional<ReliableResponse> last;  // that was out when the final response left
  Nanoseconds interval = 0;
  sip::Timer resend;
  sip::Timer expire;
};

// RAck of a PRACK, "776656 1 INVITE" (RFC 3262 7.2).
struct RAck {
  std::uint32_t rseq = 0;
  std::uint32_t cseq = 0;
};
[[nodiscard]] std::optional<RAck> parse_rack(std::string_view value);
// RSeq of a response; 0: none, or not a number from 1 to 2^32 - 1 (RFC 3262 7.1).
[[nodiscard]] std::uint32_t parse_rseq(std::string_view value);

}  // namespace sallyport::b2bua
