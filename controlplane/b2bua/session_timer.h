// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Session timers (RFC 4028), on each leg by itself: what one side wants is never asked
// of the other. A session ends when its interval runs out without a refresh; whoever is the refresher sends
// one at half of it.
//
//            agreed: we refresh                 due
//     off ───────────────────────▶ refresher ─────────▶ refreshing ── refused: again after a while (491, 500)
//      │ ▲                          │    ▲ agreed          │   │            └──▶ refresher
//      │ └── not agreed             │    └─────────────────┘   │ agreed: they refresh
//      │     agreed: they refresh   ▼                          ▼
//      └────────────────────────▶ waiting ◀────────────────────┘
//     expire in refresher, refreshing, waiting: the call ends on both legs
//
// "agreed" is a 2xx to INVITE or UPDATE, ours or theirs, whichever of the two sent the request.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "controlplane/config/session_timers.h"
#include "controlplane/sip/message.h"
#include "controlplane/sip/timer_wheel.h"
#include "controlplane/sip/transaction_user.h"
#include "controlplane/sip/writer.h"

namespace sallyport::b2bua {

enum class SessionState : std::uint8_t { off, refresher, refreshing, waiting, kCount };
enum class SessionEvent : std::uint8_t {
  we_refresh,
  they_refresh,
  not_agreed,
  due,
  refused,
  expire,
  stop,
  kCount
};
enum class SessionAction : std::uint8_t {
  none,
  start,         // refresh at half the interval, expiry near its end
  start_expiry,  // expiry alone
  stop,
  refresh,  // send UPDATE or re-INVITE
  retry,    // the refresh once more, later
  expire    // BYE on both legs
};

struct SessionStep {
  SessionState next;
  SessionAction action;
};

namespace detail {
inline constexpr std::size_t kSessionStates = static_cast<std::size_t>(SessionState::kCount);
inline constexpr std::size_t kSessionEvents = static_cast<std::size_t>(SessionEvent::kCount);

// clang-format off: a row is a state
inline constexpr std::array<std::array<SessionStep, kSessionEvents>, kSessionStates> kSessionTable = [] {
  using enum SessionState;
  using S = SessionAction;
  return std::array<std::array<SessionStep, kSessionEvents>, kSessionStates>{{
      // we_refresh, they_refresh, not_agreed, due, refused, expire, stop
      /* off        */ {{{refresher, S::start}, {waiting, S::start_expiry}, {off, S::none}, {off, S::none},
                         {off, S::none}, {off, S::none}, {off, S::none}}},
      /* refresher  */ {{{refresher, S::start}, {waiting, S::start_expiry}, {off, S::stop}, {refreshing, S::refresh},
                         {refresher, S::none}, {off, S::expire}, {off, S::stop}}},
      /* refreshing */ {{{refresher, S::start}, {waiting, S::start_expiry}, {off, S::stop}, {refreshing, S::none},
                         {refresher, S::retry}, {off, S::expire}, {off, S::stop}}},
      /* waiting    */ {{{refresher, S::start}, {waiting, S::start_expiry}, {off, S::stop}, {waiting, S::none},
                         {waiting, S::none}, {off, S::expire}, {off, S::stop}}},
  }};
}();
// clang-format on
}  // namespace detail

[[nodiscard]] constexpr SessionStep session_step(SessionState state, SessionEvent event) {
  return detail::kSessionTable[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

struct SessionTimer {
  SessionState state = SessionState::off;
  std::uint32_t interval_s = 0;  // asked for or agreed; 0: none
  std::uint32_t min_se_s = 0;    // the highest that a 422 or a request has told us; 0: none
  bool supported = false;        // the peer lists `timer`
  bool refresh_is_invite = false;
  sip::ClientId pending;  // the refresh that is out
  sip::Timer refresh;
  sip::Timer expiry;
};

enum class Refresher : std::uint8_t { none, uac, uas };

// What a message says of it.
struct SessionFields {
  std::uint32_t expires_s = 0;  // 0: no Session-Expires
  std::uint32_t min_se_s = 0;   // 0: no Min-SE
  Refresher refresher = Refresher::none;
  bool supported = false;  // Supported or Require lists `timer`
};
[[nodiscard]] SessionFields session_fields(const sip::MessageView& message);

// What a UAS says to a request that carries `asked` (RFC 4028 9).
struct SessionAnswer {
  bool too_small = false;  // 422 with Min-SE: min_se_s
  std::uint32_t min_se_s = 0;
  std::uint32_t expires_s = 0;  // 0: no session timer
  Refresher refresher = Refresher::none;
};
[[nodiscard]] SessionAnswer answer_session(const SessionFields& asked, const config::SessionTimers& policy);

// Session-Expires, and Require: timer where the UAC refreshes (RFC 4028 9, table 2).
void write_session(sip::HeaderWriter& out, const SessionAnswer& answer, bool uac_supports);

// An expired session is ended a little before its time (RFC 4028 10).
[[nodiscard]] constexpr std::uint32_t expiry_after_s(std::uint32_t interval_s) {
  return interval_s - (interval_s / 3 < 32 ? interval_s / 3 : 32);
}

}  // namespace sallyport::b2bua
