// SPDX-License-Identifier: Apache-2.0
// Every (role, state, event) of the leg's machine, against what RFC 3261 asks for, written as sentences: each
// names the states and events that it speaks of and what becomes of them. What no sentence speaks of changes
// nothing.
#include "controlplane/b2bua/leg_machine.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace sallyport::b2bua {
namespace {

using enum LegState;
using Event = LegEvent;
using Action = LegAction;

constexpr LegRole kUas = LegRole::uas;
constexpr LegRole kUac = LegRole::uac;

struct Sentence {
  const char* why;
  LegRole role;
  std::vector<LegState> from;
  Event event;
  LegState to;
  Action action;
};

const std::vector<Sentence>& sentences() {
  static const std::vector<Sentence> all{
      // ---- UAC: 13.2.2
      {"13.2.2.1: a provisional response begins an early dialog",
       kUac,
       {inviting, early},
       Event::provisional,
       early,
       Action::report},
      {"13.2.2.4: a 2xx is the answer, whether or not a 1xx came before",
       kUac,
       {inviting, early},
       Event::success,
       answered,
       Action::report},
      {"13.2.2.2, 13.2.2.3: any other final response is the end of the attempt",
       kUac,
       {inviting, early},
       Event::failure,
       ended,
       Action::report},
      {"13.2.2.4: the core sends the ACK, when it knows the answer",
       kUac,
       {answered},
       Event::ack,
       confirmed,
       Action::send_ack},
      // ---- UAC: 9.1, 15
      {"9.1, 15: an INVITE without a final response is ended by CANCEL",
       kUac,
       {inviting, early},
       Event::hang_up,
       cancelling,
       Action::send_cancel},
      {"9.1, 13.2.2.4: a 2xx that crosses the CANCEL is acknowledged, and the dialog ended",
       kUac,
       {cancelling},
       Event::success,
       ending,
       Action::ack_and_bye},
      {"9.1: the 487, any other failure or 64*T1 without one end the leg",
       kUac,
       {cancelling},
       Event::failure,
       ended,
       Action::none},
      {"13.2.2.4: even a 2xx that nobody wants must be acknowledged before its BYE",
       kUac,
       {answered},
       Event::hang_up,
       ending,
       Action::ack_and_bye},
      {"15.1.1: a BYE ends a confirmed dialog", kUac, {confirmed}, Event::hang_up, ending, Action::send_bye},
      {"15.1.2: a BYE received ends the session",
       kUac,
       {answered, confirmed},
       Event::bye,
       ended,
       Action::report},
      {"15.1.1: BYEs that cross: ours goes on to its own end",
       kUac,
       {ending},
       Event::bye,
       ending,
       Action::none},
      {"15.1.1: the BYE's final response, 481, 408 or silence end the leg",
       kUac,
       {ending},
       Event::done,
       ended,
       Action::none},
      // ---- UAS: 13.3.1
      {"13.3.1.1: progress", kUas, {inviting, early}, Event::provisional, early, Action::none},
      {"13.3.1.4: the 2xx has been sent", kUas, {inviting, early}, Event::success, answered, Action::none},
      {"13.3.1.3: the INVITE has been refused", kUas, {inviting, early}, Event::failure, ended, Action::none},
      {"13.3.1.4: the ACK came", kUas, {answered}, Event::ack, confirmed, Action::report},
      {"13.3.1.4: without an ACK for 64*T1 the session is ended with BYE",
       kUas,
       {answered},
       Event::no_ack,
       ending,
       Action::send_bye},
      // ---- UAS: 9.2, 15
      {"9.2: CANCEL before the final response ends the INVITE",
       kUas,
       {inviting, early},
       Event::cancel,
       ended,
       Action::report},
      {"15: the caller may send BYE on an early dialog, and 15.1.2 on one that waits for its ACK",
       kUas,
       {inviting, early, answered, confirmed},
       Event::bye,
       ended,
       Action::report},
      {"13.3.1.3: to end what is not answered is to refuse it",
       kUas,
       {inviting, early},
       Event::hang_up,
       ended,
       Action::refuse},
      {"15: the callee sends no BYE before the ACK has come",
       kUas,
       {answered},
       Event::hang_up,
       closing,
       Action::none},
      {"15: now it has", kUas, {closing}, Event::ack, ending, Action::send_bye},
      {"15: or it will not come any more", kUas, {closing}, Event::no_ack, ending, Action::send_bye},
      {"15.1.2: the caller was faster", kUas, {closing}, Event::bye, ended, Action::none},
      {"15.1.1: a BYE ends a confirmed dialog", kUas, {confirmed}, Event::hang_up, ending, Action::send_bye},
      {"15.1.1: BYEs that cross", kUas, {ending}, Event::bye, ending, Action::none},
      {"15.1.1: the BYE is over", kUas, {ending}, Event::done, ended, Action::none},
  };
  return all;
}

const Sentence* find(LegRole role, LegState state, Event event) {
  const Sentence* found = nullptr;
  for (const Sentence& sentence : sentences()) {
    for (const LegState from : sentence.from) {
      if (sentence.role != role || from != state || sentence.event != event) continue;
      EXPECT_EQ(found, nullptr) << "two sentences speak of the same: " << sentence.why;
      found = &sentence;
    }
  }
  return found;
}

std::string name(LegRole role, LegState state, Event event) {
  static constexpr const char* kEvents[] = {"provisional", "success", "failure", "ack", "no_ack",
                                            "cancel",      "bye",     "hang_up", "done"};
  static_assert(std::size(kEvents) == kLegEvents);
  return std::string(role == kUas ? "UAS " : "UAC ") +
         std::string(kLegStateNames[static_cast<std::size_t>(state)]) + " " +
         kEvents[static_cast<std::size_t>(event)];
}

template <typename Visit>
void for_each_pair(Visit visit) {
  for (const LegRole role : {kUas, kUac}) {
    for (std::size_t state = 0; state < kLegStates; ++state) {
      for (std::size_t event = 0; event < kLegEvents; ++event) {
        visit(role, static_cast<LegState>(state), static_cast<Event>(event));
      }
    }
  }
}

TEST(LegMachine, Every_pair_does_what_the_RFC_asks_for_and_nothing_else_does_anything) {
  int walked = 0;
  for_each_pair([&](LegRole role, LegState state, Event event) {
    SCOPED_TRACE(name(role, state, event));
    const LegStep step = leg_step(role, state, event);
    const Sentence* sentence = find(role, state, event);
    if (sentence != nullptr) {
      EXPECT_EQ(step.next, sentence->to) << sentence->why;
      EXPECT_EQ(step.action, sentence->action) << sentence->why;
    } else {
      EXPECT_EQ(step.next, state);
      EXPECT_EQ(step.action, Action::ignore);
    }
    ++walked;
  });
  EXPECT_EQ(walked, 2 * 8 * 9);
}

TEST(LegMachine, An_ended_leg_stays_ended) {
  for (const LegRole role : {kUas, kUac}) {
    for (std::size_t event = 0; event < kLegEvents; ++event) {
      EXPECT_EQ(leg_step(role, ended, static_cast<Event>(event)).next, ended);
    }
  }
}

// From each state that can be reached there is a way to the end that needs no word of the far end but the end
// of our own transaction: a timeout is `failure` or `no_ack`, a BYE without an answer `done`.
TEST(LegMachine, Hanging_up_ends_a_leg_whatever_the_far_end_does) {
  for (const LegRole role : {kUas, kUac}) {
    for (const LegState start : {inviting, early, answered, confirmed, cancelling, closing, ending}) {
      if ((role == kUas && start == cancelling) || (role == kUac && start == closing)) continue;
      SCOPED_TRACE(name(role, start, Event::hang_up));
      LegState state = leg_step(role, start, Event::hang_up).next;
      for (const Event silence : {Event::failure, Event::no_ack, Event::done})
        state = leg_step(role, state, silence).next;
      EXPECT_EQ(state, ended);
    }
  }
}

TEST(LegMachine, States_of_the_other_role_are_never_entered) {
  for_each_pair([](LegRole role, LegState state, Event event) {
    const LegState foreign = role == kUas ? cancelling : closing;
    if (state == foreign) return;
    EXPECT_NE(leg_step(role, state, event).next, foreign) << name(role, state, event);
  });
}

TEST(LegMachine, A_BYE_or_CANCEL_is_sent_at_most_once_on_any_way_through) {
  const auto hangs_up = [](Action action) {
    return action == Action::send_bye || action == Action::ack_and_bye;
  };
  for_each_pair([&](LegRole role, LegState state, Event event) {
    const LegStep step = leg_step(role, state, event);
    EXPECT_TRUE(!hangs_up(step.action) || step.next == ending) << name(role, state, event);
    EXPECT_TRUE(step.action != Action::send_cancel || step.next == cancelling) << name(role, state, event);
  });
  for (std::size_t event = 0; event < kLegEvents; ++event) {
    for (const LegRole role : {kUas, kUac}) {
      EXPECT_FALSE(hangs_up(leg_step(role, ending, static_cast<Event>(event)).action));
    }
    EXPECT_NE(leg_step(kUac, cancelling, static_cast<Event>(event)).action, Action::send_cancel);
  }
}

}  // namespace
}  // namespace sallyport::b2bua
