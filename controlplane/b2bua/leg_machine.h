// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A leg is one side of a call: the UAS towards the caller, or the UAC of one attempt
// towards a target. What may happen to it, and what then is to be done, stands in two tables.
//
//   UAC:  inviting ─18x─▶ early ─2xx─▶ answered ─ack─▶ confirmed ─hang up─▶ ending ─done─▶ ended
//            │ hang up     │ hang up      │ hang up (ACK, BYE) ─────────────────▶│
//            └──▶ cancelling ◀┘ ──2xx (ACK, BYE)─────────────────────────────────▶│
//                     └─final, or 64*T1─▶ ended          BYE received in answered, confirmed ─▶ ended
//   UAS:  inviting ─18x sent─▶ early ─2xx sent─▶ answered ─ACK─▶ confirmed ─hang up─▶ ending ─done─▶ ended
//            └─ CANCEL, BYE: 487 ─▶ ended           │ hang up ─▶ closing ─ACK or no ACK (BYE)─▶ ending
//                                                   └─ no ACK (BYE) ─▶ ending, and the other leg is hung up
//
// RFC 3261 15: a UAS sends no BYE before the ACK has come or can no longer come, hence `closing`.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::b2bua {

enum class LegState : std::uint8_t {
  inviting,
  early,
  answered,
  confirmed,
  cancelling,
  closing,
  ending,
  ended,
  kCount
};
inline constexpr std::size_t kLegStates = static_cast<std::size_t>(LegState::kCount);
inline constexpr std::array<std::string_view, kLegStates> kLegStateNames{
    "inviting", "early", "answered", "confirmed", "cancelling", "closing", "ending", "ended"};

enum class LegEvent : std::uint8_t {
  provisional,  // 101 to 199, received (UAC) or sent (UAS)
  success,      // 2xx received or sent
  failure,      // 300 and above received or sent, a timeout, a transport error
  ack,          // UAS: the ACK came. UAC: our ACK may leave
  no_ack,       // UAS: it will not come any more
  cancel,       // UAS: CANCEL received
  bye,          // BYE received
  hang_up,      // the call ends on our side
  done,         // our BYE is over
  kCount
};
inline constexpr std::size_t kLegEvents = static_cast<std::size_t>(LegEvent::kCount);

enum class LegAction : std::uint8_t {
  none,
  report,  // tell the call: it has to go on, or to end the other leg
  send_ack,
  send_cancel,
  send_bye,
  ack_and_bye,  // a 2xx that nobody wants any more
  refuse,       // answer our INVITE server transaction with the failure at hand
  ignore        // cannot be, or is late: nothing is done
};

struct LegStep {
  LegState next;
  LegAction action;
};
using LegTable = std::array<std::array<LegStep, kLegEvents>, kLegStates>;

namespace detail {
using enum LegState;
using A = LegAction;

// clang-format off: a row is a state
// Columns: provisional, success, failure, ack, no_ack, cancel, bye, hang_up, done.
inline constexpr LegTable kUacTable{{
    /* inviting   */ {{{early, A::report}, {answered, A::report}, {ended, A::report}, {inviting, A::ignore},
                       {inviting, A::ignore}, {inviting, A::ignore}, {inviting, A::ignore}, {cancelling, A::send_cancel},
                       {inviting, A::ignore}}},
    /* early      */ {{{early, A::report}, {answered, A::report}, {ended, A::report}, {early, A::ignore},
                       {early, A::ignore}, {early, A::ignore}, {early, A::ignore}, {cancelling, A::send_cancel},
                       {early, A::ignore}}},
    /* answered   */ {{{answered, A::ignore}, {answered, A::ignore}, {answered, A::ignore}, {confirmed, A::send_ack},
                       {answered, A::ignore}, {answered, A::ignore}, {ended, A::report}, {ending, A::ack_and_bye},
                       {answered, A::ignore}}},
    /* confirmed  */ {{{confirmed, A::ignore}, {confirmed, A::ignore}, {confirmed, A::ignore}, {confirmed, A::ignore},
                       {confirmed, A::ignore}, {confirmed, A::ignore}, {ended, A::report}, {ending, A::send_bye},
                       {confirmed, A::ignore}}},
    /* cancelling */ {{{cancelling, A::ignore}, {ending, A::ack_and_bye}, {ended, A::none}, {cancelling, A::ignore},
                       {cancelling, A::ignore}, {cancelling, A::ignore}, {cancelling, A::ignore},
                       {cancelling, A::ignore}, {cancelling, A::ignore}}},
    /* closing    */ {{{closing, A::ignore}, {closing, A::ignore}, {closing, A::ignore}, {closing, A::ignore},
                       {closing, A::ignore}, {closing, A::ignore}, {closing, A::ignore}, {closing, A::ignore},
                       {closing, A::ignore}}},
    /* ending     */ {{{ending, A::ignore}, {ending, A::ignore}, {ending, A::ignore}, {ending, A::ignore},
                       {ending, A::ignore}, {ending, A::ignore}, {ending, A::none}, {ending, A::ignore},
                       {ended, A::none}}},
    /* ended      */ {{{ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore},
                       {ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore},
                       {ended, A::ignore}}},
}};

inline constexpr LegTable kUasTable{{
    /* inviting   */ {{{early, A::none}, {answered, A::none}, {ended, A::none}, {inviting, A::ignore},
                       {inviting, A::ignore}, {ended, A::report}, {ended, A::report}, {ended, A::refuse},
                       {inviting, A::ignore}}},
    /* early      */ {{{early, A::none}, {answered, A::none}, {ended, A::none}, {early, A::ignore},
                       {early, A::ignore}, {ended, A::report}, {ended, A::report}, {ended, A::refuse},
                       {early, A::ignore}}},
    /* answered   */ {{{answered, A::ignore}, {answered, A::ignore}, {answered, A::ignore}, {confirmed, A::report},
                       {ending, A::send_bye}, {answered, A::ignore}, {ended, A::report}, {closing, A::none},
                       {answered, A::ignore}}},
    /* confirmed  */ {{{confirmed, A::ignore}, {confirmed, A::ignore}, {confirmed, A::ignore}, {confirmed, A::ignore},
                       {confirmed, A::ignore}, {confirmed, A::ignore}, {ended, A::report}, {ending, A::send_bye},
                       {confirmed, A::ignore}}},
    /* cancelling */ {{{cancelling, A::ignore}, {cancelling, A::ignore}, {cancelling, A::ignore},
                       {cancelling, A::ignore}, {cancelling, A::ignore}, {cancelling, A::ignore},
                       {cancelling, A::ignore}, {cancelling, A::ignore}, {cancelling, A::ignore}}},
    /* closing    */ {{{closing, A::ignore}, {closing, A::ignore}, {closing, A::ignore}, {ending, A::send_bye},
                       {ending, A::send_bye}, {closing, A::ignore}, {ended, A::none}, {closing, A::ignore},
                       {closing, A::ignore}}},
    /* ending     */ {{{ending, A::ignore}, {ending, A::ignore}, {ending, A::ignore}, {ending, A::ignore},
                       {ending, A::ignore}, {ending, A::ignore}, {ending, A::none}, {ending, A::ignore},
                       {ended, A::none}}},
    /* ended      */ {{{ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore},
                       {ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore}, {ended, A::ignore},
                       {ended, A::ignore}}},
}};
// clang-format on
}  // namespace detail

enum class LegRole : std::uint8_t { uas, uac };

[[nodiscard]] constexpr LegStep leg_step(LegRole role, LegState state, LegEvent event) {
  const LegTable& table = role == LegRole::uac ? detail::kUacTable : detail::kUasTable;
  return table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

}  // namespace sallyport::b2bua
