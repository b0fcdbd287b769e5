// SPDX-License-Identifier: Apache-2.0
// Every (state, event) pair of the call's machines is walked.
#include <gtest/gtest.h>

#include "controlplane/b2bua/reliable.h"
#include "controlplane/b2bua/restore.h"
#include "controlplane/b2bua/session_timer.h"

namespace sallyport::b2bua {
namespace {

TEST(ReliableMachine, Every_pair_goes_where_the_figure_says) {
  using enum ReliableState;
  using E = ReliableEvent;
  using A = ReliableAction;
  struct Row {
    ReliableState from;
    ReliableEvent event;
    ReliableState next;
    ReliableAction action;
  };
  constexpr Row kRows[] = {
      {idle, E::begin, idle, A::reset},         {idle, E::send, waiting, A::transmit},
      {idle, E::resend, idle, A::ignore},       {idle, E::prack, idle, A::refuse},
      {idle, E::expire, idle, A::ignore},       {idle, E::final, over, A::stop},
      {waiting, E::begin, idle, A::reset},      {waiting, E::send, waiting, A::queue},
      {waiting, E::resend, waiting, A::repeat}, {waiting, E::prack, idle, A::advance},
      {waiting, E::expire, over, A::fail},      {waiting, E::final, over, A::stop},
      {over, E::begin, idle, A::reset},         {over, E::send, over, A::ignore},
      {over, E::resend, over, A::ignore},       {over, E::prack, over, A::accept},
      {over, E::expire, over, A::ignore},       {over, E::final, over, A::none},
  };
  ASSERT_EQ(std::size(kRows), detail::kReliableStates * detail::kReliableEvents);
  for (const Row& row : kRows) {
    const ReliableStep step = reliable_step(row.from, row.event);
    EXPECT_EQ(step.next, row.next) << int(row.from) << " " << int(row.event);
    EXPECT_EQ(step.action, row.action) << int(row.from) << " " << int(row.event);
  }
}

TEST(SessionMachine, Every_pair_goes_where_the_figure_says) {
  using enum SessionState;
  using E = SessionEvent;
  using A = SessionAction;
  for (std::size_t s = 0; s < detail::kSessionStates; ++s) {
    const auto state = static_cast<SessionState>(s);
    const bool on = state != off;
    const auto expect = [&](E event, SessionState next, A action) {
      const SessionStep step = session_step(state, event);
      EXPECT_EQ(step.next, next) << s << " " << int(event);
      EXPECT_EQ(step.action, action) << s << " " << int(event);
    };
    expect(E::we_refresh, refresher, A::start);
    expect(E::they_refresh, waiting, A::start_expiry);
    expect(E::not_agreed, off, on ? A::stop : A::none);
    expect(E::stop, off, on ? A::stop : A::none);
    expect(E::expire, off, on ? A::expire : A::none);
    expect(E::due, state == refresher ? refreshing : state, state == refresher ? A::refresh : A::none);
    expect(E::refused, state == refreshing ? refresher : state, state == refreshing ? A::retry : A::none);
  }
}

TEST(RestoreMachine, Every_pair_goes_where_the_figure_says) {
  using enum RestoreState;
  using E = RestoreEvent;
  using A = RestoreAction;
  struct Row {
    RestoreState from;
    RestoreEvent event;
    RestoreState next;
    RestoreAction action;
  };
  // What is not here changes nothing.
  constexpr Row kRows[] = {
      {off, E::cancel, cancelling, A::none},     {off, E::diverged, asking, A::ask},
      {cancelling, E::diverged, asking, A::ask}, {cancelling, E::settled, off, A::none},
      {cancelling, E::refused, off, A::none},    {cancelling, E::stop, off, A::stop},
      {asking, E::settled, off, A::none},        {asking, E::busy, waiting, A::wait},
      {asking, E::refused, off, A::end},         {asking, E::stop, off, A::stop},
      {waiting, E::due, asking, A::ask},         {waiting, E::refused, off, A::end},
      {waiting, E::stop, off, A::stop},          {asking, E::due, off, A::give_up},
  };
  for (std::size_t s = 0; s < detail::kRestoreStates; ++s) {
    for (std::size_t e = 0; e < detail::kRestoreEvents; ++e) {
      const auto state = static_cast<RestoreState>(s);
      const auto event = static_cast<RestoreEvent>(e);
      Row expected{state, event, state, A::none};
      for (const Row& row : kRows) {
        if (row.from == state && row.event == event) expected = row;
      }
      const RestoreStep step = restore_step(state, event);
      EXPECT_EQ(step.next, expected.next) << s << " " << e;
      EXPECT_EQ(step.action, expected.action) << s << " " << e;
    }
  }
}

TEST(RAckField, Is_three_parts_and_nothing_else) {
  const auto good = parse_rack("776656 1 INVITE");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->rseq, 776656u);
  EXPECT_EQ(good->cseq, 1u);
  EXPECT_TRUE(parse_rack("1\t2   INVITE"));
  for (const char* bad : {"", "1", "1 2", "1 2 BYE", "a 2 INVITE", "1 b INVITE", "-1 2 INVITE",
                          "1 2 INVITE x", "99999999999 2 INVITE"}) {
    EXPECT_FALSE(parse_rack(bad)) << bad;
  }
}

TEST(RSeqField, Is_a_number_above_zero) {
  EXPECT_EQ(parse_rseq("4294967295"), 4294967295u);
  for (const char* bad : {"", "0", "x", "1x", "4294967296", "-1"}) EXPECT_EQ(parse_rseq(bad), 0u) << bad;
}

TEST(SessionAnswers, Follow_RFC_4028_9) {
  struct Row {
    const char* what;
    SessionFields asked;
    config::SessionTimers policy;
    bool too_small;
    std::uint32_t expires_s;
    Refresher refresher;
  };
  using config::RefreshBy;
  const config::SessionTimers none{};
  const config::SessionTimers own{.expires_ns = 600 * kSecond, .min_se_ns = 120 * kSecond};
  const config::SessionTimers us{.expires_ns = 600 * kSecond, .refresher = RefreshBy::us};
  const Row rows[] = {
      {"nobody wants one", {}, none, false, 0, Refresher::none},
      {"the UAC wants one", {.expires_s = 1800, .supported = true}, none, false, 1800, Refresher::uac},
      {"the UAC chooses us",
       {.expires_s = 1800, .refresher = Refresher::uas, .supported = true},
       none,
       false,
       1800,
       Refresher::uas},
      {"a proxy wants one, the UAC knows none", {.expires_s = 1800}, none, false, 1800, Refresher::uas},
      {"too small", {.expires_s = 60, .supported = true}, none, true, 90, Refresher::uac},
      {"ours is shorter", {.expires_s = 1800, .supported = true}, own, false, 600, Refresher::uac},
      {"ours is shorter than his Min-SE",
       {.expires_s = 1800, .min_se_s = 900, .supported = true},
       own,
       false,
       900,
       Refresher::uac},
      {"ours is longer: never raised",
       {.expires_s = 300, .supported = true},
       own,
       false,
       300,
       Refresher::uac},
      {"only we want one", {.supported = true}, own, false, 600, Refresher::uac},
      {"only we want one, and to refresh", {.supported = true}, us, false, 600, Refresher::uas},
      {"only we know it", {}, own, false, 600, Refresher::uas},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const SessionAnswer answer = answer_session(row.asked, row.policy);
    EXPECT_EQ(answer.too_small, row.too_small);
    EXPECT_EQ(answer.expires_s, row.expires_s);
    EXPECT_EQ(answer.refresher, row.refresher);
  }
}

TEST(SessionExpiry, Comes_a_third_or_32_seconds_before_the_end) {
  EXPECT_EQ(expiry_after_s(90), 60u);
  EXPECT_EQ(expiry_after_s(1800), 1768u);
}

}  // namespace
}  // namespace sallyport::b2bua
