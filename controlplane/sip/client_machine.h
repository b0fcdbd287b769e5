// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "controlplane/sip/machine.h"

namespace sallyport::sip {

// INVITE client transaction: RFC 3261 figure 5 as amended by RFC 6026 figure 7, and the end of 9.1.
//
//                                  |INVITE from TU
//                  Timer A fires   |INVITE sent        Timer B fires
//                  INVITE sent     V                   or Transport Err.
//                      +---+---------------+           inform TU
//                      +-->|    Calling    |-------------------------+
//               2xx        |               |                         |
//               2xx to TU  +---------------+                         |
//           +------------------|  |      |  300-699                  |
//           |                 1xx |      |  ACK sent, resp. to TU    |
//           |           1xx to TU |      +--------------+            |
//           |   1xx               V                     |            |
//           |   1xx to TU  +---------------+            |            |
//           |         +----|               |            |            |
//           |         +--->|  Proceeding   |--------------------------+  64*T1 after CANCEL
//           |   2xx        |               |  300-699   |            |  inform TU (487)
//           |<-------------|               |----------->|            |
//           |   2xx to TU  +---------------+  ACK sent  |            |
//           V                                           V            |
//    +---------------+                         +---------------+     |
//    |   Accepted    |<--+ 2xx         300-699 |   Completed   |--+  |
//    |               |---+ 2xx to TU,    +---->|               |  |  |
//    +---------------+     or ACK again  +-----+---------------+  |  |
//           | Timer M                 ACK again      Timer D or   |  |
//           |                                        Transport Err|  |
//           |              +---------------+                      |  |
//           +------------->|  Terminated   |<---------------------+--+
//                          +---------------+
namespace invite_client {

enum class State : std::uint8_t { calling, proceeding, accepted, completed, terminated, kCount };
enum class Event : std::uint8_t {
  timer_a,
  timer_b,
  timer_d,
  timer_m,
  cancel_guard,
  provisional,
  success,
  failure,
  transport_error,
  kCount
};
enum class Action : std::uint8_t {
  none,
  resend,           // and timer A anew, doubled
  pass_up,          // stop A and B; a CANCEL that waited may go (9.1)
  first_success,    // pass up; start M
  further_success,  // pass up, or send the ACK again when this dialog's is known
  first_failure,    // ACK, pass up; start D
  ack_again,
  stray_success,  // pass up as nobody's: another fork answers after the failure
  time_out,       // inform: 408
  fail,           // inform: 503
  give_up,        // inform: 487
  finish
};

// clang-format off: a row is a state
inline constexpr Machine<State, Event, Action> kMachine = [] {
  using enum State;
  using enum Action;
  return Machine<State, Event, Action>{{
      // timer_a, timer_b, timer_d,
      // timer_m, cancel_guard, provisional,
      // success, failure, transport_error
      {{{calling, resend}, {terminated, time_out}, {calling, none},
        {calling, none}, {calling, none}, {proceeding, pass_up},
        {accepted, first_success}, {completed, first_failure}, {terminated, fail}}},
      // Proceeding. A transport error now is one of a request that got through by another copy.
      {{{proceeding, none}, {proceeding, none}, {proceeding, none},
        {proceeding, none}, {terminated, give_up}, {proceeding, pass_up},
        {accepted, first_success}, {completed, first_failure}, {proceeding, none}}},
      // Accepted (RFC 6026 7.2).
      {{{accepted, none}, {accepted, none}, {accepted, none},
        {terminated, finish}, {accepted, none}, {accepted, none},
        {accepted, further_success}, {accepted, none}, {accepted, none}}},
      // Completed. The user has its final response already, so an error of the ACK only ends the waiting.
      {{{completed, none}, {completed, none}, {terminated, finish},
        {completed, none}, {completed, none}, {completed, none},
        {completed, stray_success}, {completed, ack_again}, {terminated, finish}}},
      {{{terminated, none}, {terminated, none}, {terminated, none},
        {terminated, none}, {terminated, none}, {terminated, none},
        {terminated, none}, {terminated, none}, {terminated, none}}},
  }};
}();
// clang-format on

}  // namespace invite_client

// Non-INVITE client transaction: RFC 3261 figure 6.
//
//                                   |Request from TU
//                                   |send request
//               Timer E             V                       Timer F or
//               send request  +-----------+                 Transport Err.
//                   +---------|           |---------------------+ inform TU
//                   +-------->|  Trying   |                     |
//                             +-----------+                     |
//                  200-699     |         | 1xx                  |
//                  resp. to TU |         | resp. to TU          |
//                   +----------+         V                      |
//                   |         +-----------+  Timer F or         |
//                   |<--------|           |  Transport Err.     |
//                   | 200-699 |Proceeding |-------------------->|
//                   |         |           |--+ Timer E: send    |
//                   |         +-----------+<-+ 1xx: to TU       |
//                   V                                           |
//             +-----------+                                     |
//             | Completed |                                     |
//             +-----------+                                     |
//                   | Timer K                                   |
//                   V                                           |
//             +-----------+                                     |
//             |Terminated |<------------------------------------+
//             +-----------+
namespace non_invite_client {

enum class State : std::uint8_t { trying, proceeding, completed, terminated, kCount };
enum class Event : std::uint8_t { timer_e, timer_f, timer_k, provisional, final, transport_error, kCount };
enum class Action : std::uint8_t {
  none,
  resend_doubling,  // timer E anew, doubled up to T2
  resend_at_t2,     // timer E anew, T2
  pass_up,
  first_final,  // pass up; stop E and F, start K
  time_out,
  fail,
  finish
};

// clang-format off: a row is a state
inline constexpr Machine<State, Event, Action> kMachine = [] {
  using enum State;
  using enum Action;
  return Machine<State, Event, Action>{{
      // timer_e, timer_f, timer_k,
      // provisional, final, transport_error
      {{{trying, resend_doubling}, {terminated, time_out}, {trying, none},
        {proceeding, pass_up}, {completed, first_final}, {terminated, fail}}},
      {{{proceeding, resend_at_t2}, {terminated, time_out}, {proceeding, none},
        {proceeding, pass_up}, {completed, first_final}, {terminated, fail}}},
      {{{completed, none}, {completed, none}, {terminated, finish},
        {completed, none}, {completed, none}, {completed, none}}},
      {{{terminated, none}, {terminated, none}, {terminated, none},
        {terminated, none}, {terminated, none}, {terminated, none}}},
  }};
}();
// clang-format on

}  // namespace non_invite_client

}  // namespace sallyport::sip
