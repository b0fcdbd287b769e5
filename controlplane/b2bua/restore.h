// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The answer of one leg to an offer of the other is refused by our policy, or does not
// fit: the one who asked hears a failure and his session stays as it was, but the one who answered believes
// in the new one. He is told of the old one again, by UPDATE or re-INVITE (RFC 6141 3.4). Where he does not
// agree, no session is left that both sides share, and the call ends.
//
//            cancel                      settled: he has refused it
//     off ──────────────▶ cancelling ─────────────────────────────▶ off
//      │                      │ diverged: a 2xx came all the same
//      │ diverged             ▼
//      └──────────────────▶ asking ── busy (491, 500) ──▶ waiting ── due ──▶ asking
//                             │  settled ──▶ off
//                             ├─ refused ──▶ off, BYE on both legs
//                             └─ due (64*T1 after a 1xx) ──▶ off, CANCEL, BYE on both legs
//     stop: any ──▶ off
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "controlplane/sip/timer_wheel.h"
#include "controlplane/sip/transaction_user.h"

namespace sallyport::b2bua {

enum class RestoreState : std::uint8_t { off, cancelling, asking, waiting, kCount };
enum class RestoreEvent : std::uint8_t { cancel, diverged, settled, busy, due, refused, stop, kCount };
enum class RestoreAction : std::uint8_t {
  none,
  ask,  // UPDATE or re-INVITE with the session that stands
  wait,
  end,      // BYE on both legs
  give_up,  // CANCEL before them
  stop
};

struct RestoreStep {
  RestoreState next;
  RestoreAction action;
};

namespace detail {
inline constexpr std::size_t kRestoreStates = static_cast<std::size_t>(RestoreState::kCount);
inline constexpr std::size_t kRestoreEvents = static_cast<std::size_t>(RestoreEvent::kCount);

// clang-format off: a row is a state
inline constexpr std::array<std::array<RestoreStep, kRestoreEvents>, kRestoreStates> kRestoreTable = [] {
  using enum RestoreState;
  using R = RestoreAction;
  return std::array<std::array<RestoreStep, kRestoreEvents>, kRestoreStates>{{
      // cancel, diverged, settled, busy, due, refused, stop
      /* off        */ {{{cancelling, R::none}, {asking, R::ask}, {off, R::none}, {off, R::none},
                         {off, R::none}, {off, R::none}, {off, R::none}}},
      /* cancelling */ {{{cancelling, R::none}, {asking, R::ask}, {off, R::none}, {cancelling, R::none},
                         {cancelling, R::none}, {off, R::none}, {off, R::stop}}},
      /* asking     */ {{{asking, R::none}, {asking, R::none}, {off, R::none}, {waiting, R::wait},
                         {off, R::give_up}, {off, R::end}, {off, R::stop}}},
      /* waiting    */ {{{waiting, R::none}, {waiting, R::none}, {waiting, R::none}, {waiting, R::none},
                         {asking, R::ask}, {off, R::end}, {off, R::stop}}},
  }};
}();
// clang-format on
}  // namespace detail

[[nodiscard]] constexpr RestoreStep restore_step(RestoreState state, RestoreEvent event) {
  return detail::kRestoreTable[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

struct Restore {
  RestoreState state = RestoreState::off;
  std::string sdp;         // what he is told
  sip::ClientId pending;   // the request that is out; while cancelling: the INVITE that is cancelled
  bool is_invite = false;  // `pending` is a re-INVITE
  unsigned tries = 0;
  sip::Timer due;  // waiting: to ask again; asking: a re-INVITE that has but a 1xx
};

}  // namespace sallyport::b2bua
