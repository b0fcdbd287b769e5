// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "controlplane/sip/client_machine.h"
#include "controlplane/sip/server_machine.h"

namespace sallyport::sip {
namespace {

// Walks every pair: those listed must do as listed, all others must stay and do nothing (`idle`).
template <typename State, typename Event, typename Action, typename Idle>
void walk(const Machine<State, Event, Action>& machine,
          const std::map<std::pair<State, Event>, std::pair<State, Action>>& listed, Idle idle) {
  for (int s = 0; s < static_cast<int>(State::kCount); ++s) {
    for (int e = 0; e < static_cast<int>(Event::kCount); ++e) {
      const auto state = static_cast<State>(s);
      const auto event = static_cast<Event>(e);
      const auto found = listed.find({state, event});
      const auto expected = found == listed.end() ? std::pair{state, idle(state, event)} : found->second;
      const auto step = step_of(machine, state, event);
      EXPECT_EQ(step.next, expected.first) << "state " << s << " event " << e;
      EXPECT_EQ(step.action, expected.second) << "state " << s << " event " << e;
    }
  }
}

TEST(Machines, InviteClient_does_what_RFC_3261_figure_5_and_RFC_6026_say_in_every_state) {
  using S = invite_client::State;
  using E = invite_client::Event;
  using A = invite_client::Action;
  walk<S, E, A>(invite_client::kMachine,
                {{{S::calling, E::timer_a}, {S::calling, A::resend}},
                 {{S::calling, E::timer_b}, {S::terminated, A::time_out}},
                 {{S::calling, E::transport_error}, {S::terminated, A::fail}},
                 {{S::calling, E::provisional}, {S::proceeding, A::pass_up}},
                 {{S::calling, E::success}, {S::accepted, A::first_success}},
                 {{S::calling, E::failure}, {S::completed, A::first_failure}},
                 {{S::proceeding, E::provisional}, {S::proceeding, A::pass_up}},
                 {{S::proceeding, E::success}, {S::accepted, A::first_success}},
                 {{S::proceeding, E::failure}, {S::completed, A::first_failure}},
                 {{S::proceeding, E::cancel_guard}, {S::terminated, A::give_up}},
                 {{S::accepted, E::success}, {S::accepted, A::further_success}},
                 {{S::accepted, E::timer_m}, {S::terminated, A::finish}},
                 {{S::completed, E::success}, {S::completed, A::stray_success}},
                 {{S::completed, E::failure}, {S::completed, A::ack_again}},
                 {{S::completed, E::transport_error}, {S::terminated, A::finish}},
                 {{S::completed, E::timer_d}, {S::terminated, A::finish}}},
                [](S, E) { return A::none; });
}

TEST(Machines, NonInviteClient_does_what_RFC_3261_figure_6_says_in_every_state) {
  using S = non_invite_client::State;
  using E = non_invite_client::Event;
  using A = non_invite_client::Action;
  walk<S, E, A>(non_invite_client::kMachine,
                {{{S::trying, E::timer_e}, {S::trying, A::resend_doubling}},
                 {{S::trying, E::timer_f}, {S::terminated, A::time_out}},
                 {{S::trying, E::transport_error}, {S::terminated, A::fail}},
                 {{S::trying, E::provisional}, {S::proceeding, A::pass_up}},
                 {{S::trying, E::final}, {S::completed, A::first_final}},
                 {{S::proceeding, E::timer_e}, {S::proceeding, A::resend_at_t2}},
                 {{S::proceeding, E::timer_f}, {S::terminated, A::time_out}},
                 {{S::proceeding, E::transport_error}, {S::terminated, A::fail}},
                 {{S::proceeding, E::provisional}, {S::proceeding, A::pass_up}},
                 {{S::proceeding, E::final}, {S::completed, A::first_final}},
                 {{S::completed, E::timer_k}, {S::terminated, A::finish}}},
                [](S, E) { return A::none; });
}

TEST(Machines, InviteServer_does_what_RFC_3261_figure_7_and_RFC_6026_say_in_every_state) {
  using S = invite_server::State;
  using E = invite_server::Event;
  using A = invite_server::Action;
  walk<S, E, A>(invite_server::kMachine,
                {{{S::proceeding, E::invite}, {S::proceeding, A::repeat}},
                 {{S::proceeding, E::send_provisional}, {S::proceeding, A::send}},
                 {{S::proceeding, E::send_success}, {S::accepted, A::begin_accepted}},
                 {{S::proceeding, E::send_failure}, {S::completed, A::begin_completed}},
                 {{S::proceeding, E::trying}, {S::proceeding, A::send_trying}},
                 {{S::accepted, E::ack}, {S::accepted, A::pass_ack}},
                 {{S::accepted, E::resend_2xx}, {S::accepted, A::repeat_doubling}},
                 {{S::accepted, E::acknowledged}, {S::accepted, A::stop_repeating}},
                 {{S::accepted, E::timer_l}, {S::terminated, A::finish}},
                 {{S::completed, E::invite}, {S::completed, A::repeat}},
                 {{S::completed, E::ack}, {S::confirmed, A::begin_confirmed}},
                 {{S::completed, E::timer_g}, {S::completed, A::repeat_doubling}},
                 {{S::completed, E::timer_h}, {S::terminated, A::no_ack}},
                 {{S::confirmed, E::timer_i}, {S::terminated, A::finish}}},
                [](S, E event) {
                  const bool send =
                      event == E::send_provisional || event == E::send_success || event == E::send_failure;
                  return send ? A::refuse : A::none;
                });
}

TEST(Machines, NonInviteServer_does_what_RFC_3261_figure_8_says_in_every_state) {
  using S = non_invite_server::State;
  using E = non_invite_server::Event;
  using A = non_invite_server::Action;
  walk<S, E, A>(non_invite_server::kMachine,
                {{{S::trying, E::send_provisional}, {S::proceeding, A::send}},
                 {{S::trying, E::send_final}, {S::completed, A::begin_completed}},
                 {{S::proceeding, E::request}, {S::proceeding, A::repeat}},
                 {{S::proceeding, E::send_provisional}, {S::proceeding, A::send}},
                 {{S::proceeding, E::send_final}, {S::completed, A::begin_completed}},
                 {{S::completed, E::request}, {S::completed, A::repeat}},
                 {{S::completed, E::timer_j}, {S::terminated, A::finish}}},
                [](S, E event) {
                  return event == E::send_provisional || event == E::send_final ? A::refuse : A::none;
                });
}

}  // namespace
}  // namespace sallyport::sip
