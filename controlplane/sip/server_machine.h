// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "controlplane/sip/machine.h"

namespace sallyport::sip {

// INVITE server transaction: RFC 3261 figure 7 as amended by RFC 6026 figure 5. The UAS core's repeating of a
// 2xx (13.3.1.4) lives here too: the response and a timer are at hand.
//
//                                      |INVITE
//                                      |pass INVITE to TU, 100 when the TU is slow
//                   INVITE             V
//                   send response+------------+
//                       +--------|            |--+ 101-199 from TU
//                       |        | Proceeding |  | send response
//                       +------->|            |<-+
//              300-699 from TU   |            |   2xx from TU
//              send response     +------------+   send response
//                     +------------+        +------------+
//    INVITE,          V                                  V
//    Timer G   +-----------+                       +-----------+  INVITE: nothing
//    send resp.|           |                       |           |  resend_2xx: send response
//        +-----| Completed |                       | Accepted  |--+ until acknowledged
//        +---->|           |                       |           |<-+ ACK: to TU
//              +-----------+                       +-----------+
//        ACK    |      | Timer H                         | Timer L
//               V      | inform TU                       | inform TU when never acknowledged
//    +-----------+     |                                 |
//    | Confirmed |     |                                 |
//    +-----------+     |                                 |
//        | Timer I     V                                 V
//        |        +----------------------------------------+
//        +------->|               Terminated               |
//                 +----------------------------------------+
//
// A transport error changes no state (RFC 6026 8.9): the timers decide.
namespace invite_server {

enum class State : std::uint8_t { proceeding, accepted, completed, confirmed, terminated, kCount };
enum class Event : std::uint8_t {
  invite,
  ack,
  send_provisional,
  send_success,
  send_failure,
  trying,
  resend_2xx,
  acknowledged,
  timer_g,
  timer_h,
  timer_i,
  timer_l,
  transport_error,
  kCount
};
enum class Action : std::uint8_t {
  none,
  repeat,  // the last response, when there is one
  send,
  send_trying,      // 100, when nothing has been sent
  begin_accepted,   // send; start L and resend_2xx
  begin_completed,  // send; start H, and G on an unreliable transport
  begin_confirmed,  // stop G and H; start I
  repeat_doubling,  // timer G or resend_2xx anew, doubled up to T2
  pass_ack,
  stop_repeating,
  refuse,  // the user's mistake
  no_ack,  // inform
  finish   // inform, without ACK when a 2xx had none
};

// clang-format off: a row is a state
inline constexpr Machine<State, Event, Action> kMachine = [] {
  using enum State;
  using enum Action;
  return Machine<State, Event, Action>{{
      // invite, ack, send_provisional, send_success, send_failure,
      // trying, resend_2xx, acknowledged,
      // timer_g, timer_h, timer_i, timer_l, transport_error
      {{{proceeding, repeat}, {proceeding, none}, {proceeding, send}, {accepted, begin_accepted}, {completed, begin_completed},
        {proceeding, send_trying}, {proceeding, none}, {proceeding, none},
        {proceeding, none}, {proceeding, none}, {proceeding, none}, {proceeding, none}, {proceeding, none}}},
      // Accepted (RFC 6026 7.1).
      {{{accepted, none}, {accepted, pass_ack}, {accepted, refuse}, {accepted, refuse}, {accepted, refuse},
        {accepted, none}, {accepted, repeat_doubling}, {accepted, stop_repeating},
        {accepted, none}, {accepted, none}, {accepted, none}, {terminated, finish}, {accepted, none}}},
      {{{completed, repeat}, {confirmed, begin_confirmed}, {completed, refuse}, {completed, refuse}, {completed, refuse},
        {completed, none}, {completed, none}, {completed, none},
        {completed, repeat_doubling}, {terminated, no_ack}, {completed, none}, {completed, none}, {completed, none}}},
      {{{confirmed, none}, {confirmed, none}, {confirmed, refuse}, {confirmed, refuse}, {confirmed, refuse},
        {confirmed, none}, {confirmed, none}, {confirmed, none},
        {confirmed, none}, {confirmed, none}, {terminated, finish}, {confirmed, none}, {confirmed, none}}},
      {{{terminated, none}, {terminated, none}, {terminated, refuse}, {terminated, refuse}, {terminated, refuse},
        {terminated, none}, {terminated, none}, {terminated, none},
        {terminated, none}, {terminated, none}, {terminated, none}, {terminated, none}, {terminated, none}}},
  }};
}();
// clang-format on

}  // namespace invite_server

// Non-INVITE server transaction: RFC 3261 figure 8.
//
//                                  |Request received
//                                  |pass to TU
//                                  V
//                            +-----------+
//                            |  Trying   |-------------+
//                            +-----------+             |
//                                  | 1xx from TU       | 200-699 from TU
//                                  | send response     | send response
//               Request            V                   |
//               send resp.   +-----------+             |
//                   +--------|           |--+ 1xx      |
//                   +------->| Proceeding|<-+ send     |
//                            +-----------+             |
//                                  | 200-699 from TU   |
//               Request            V                   |
//               send resp.   +-----------+             |
//                   +--------| Completed |<------------+
//                   +------->|           |
//                            +-----------+
//                                  | Timer J
//                                  V
//                            +-----------+
//                            |Terminated |
//                            +-----------+
namespace non_invite_server {

enum class State : std::uint8_t { trying, proceeding, completed, terminated, kCount };
enum class Event : std::uint8_t { request, send_provisional, send_final, timer_j, transport_error, kCount };
enum class Action : std::uint8_t {
  none,
  repeat,
  send,
  begin_completed,  // send; start J
  refuse,
  finish
};

// clang-format off: a row is a state
inline constexpr Machine<State, Event, Action> kMachine = [] {
  using enum State;
  using enum Action;
  return Machine<State, Event, Action>{{
      // request, send_provisional, send_final, timer_j, transport_error
      {{{trying, none}, {proceeding, send}, {completed, begin_completed}, {trying, none}, {trying, none}}},
      {{{proceeding, repeat}, {proceeding, send}, {completed, begin_completed}, {proceeding, none}, {proceeding, none}}},
      {{{completed, repeat}, {completed, refuse}, {completed, refuse}, {terminated, finish}, {completed, none}}},
      {{{terminated, none}, {terminated, refuse}, {terminated, refuse}, {terminated, none}, {terminated, none}}},
  }};
}();
// clang-format on

}  // namespace non_invite_server

}  // namespace sallyport::sip
