// SPDX-License-Identifier: Apache-2.0
#include "controlplane/policy/admission.h"

#include <gtest/gtest.h>

namespace sallyport::policy {
namespace {

constexpr Nanoseconds kNow = 777 * kSecond;

config::Config limited(std::uint32_t max_calls, std::uint32_t peer_calls, std::uint32_t rate) {
  config::Config config;
  config.controlplane.max_calls = max_calls;
  config.peers.resize(2);
  config.peers[0].limits.calls = peer_calls;
  config.peers[0].limits.rate = rate;
  return config;
}

TEST(Admission, The_calls_of_the_process_are_limited_and_a_place_comes_back) {
  Admission admission(limited(2, 0, 0), 1);
  EXPECT_TRUE(admission.begin_call(0, kNow));
  EXPECT_TRUE(admission.begin_call(1, kNow));
  const Admit refused = admission.begin_call(1, kNow);
  EXPECT_EQ(refused.refusal, Refusal::calls);
  EXPECT_GE(refused.retry_after_ns, kSecond);
  admission.end_call(0);
  EXPECT_TRUE(admission.begin_call(1, kNow));
  EXPECT_EQ(admission.calls(), 2u);
}

TEST(Admission, Shards_share_the_limits) {
  Admission admission(limited(10, 5, 0), 4);
  EXPECT_EQ(admission.max_calls(), 3u);
  EXPECT_TRUE(admission.begin_call(0, kNow));
  EXPECT_TRUE(admission.begin_call(0, kNow));
  EXPECT_EQ(admission.begin_call(0, kNow).refusal, Refusal::peer_calls);
}

TEST(Admission, The_calls_of_a_peer_are_limited_in_both_directions_together) {
  Admission admission(limited(100, 2, 0), 1);
  EXPECT_TRUE(admission.begin_call(0, kNow));
  EXPECT_TRUE(admission.begin_leg(0, kNow));
  EXPECT_EQ(admission.begin_leg(0, kNow).refusal, Refusal::peer_calls);
  EXPECT_EQ(admission.begin_call(0, kNow).refusal, Refusal::peer_calls);
  EXPECT_EQ(admission.calls(), 1u);  // the refused ones took no place
  EXPECT_TRUE(admission.begin_leg(1, kNow));
  admission.end_leg(0);
  EXPECT_TRUE(admission.begin_leg(0, kNow));
  admission.end_leg(0);
  admission.end_leg(1);
  admission.end_call(0);
  EXPECT_EQ(admission.calls() + admission.peer_calls(0) + admission.peer_calls(1), 0u);
}

TEST(Admission, A_peer_s_rate_allows_a_second_s_worth_at_once_and_then_the_even_pace) {
  Admission admission(limited(1000, 0, 10), 1);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(admission.begin_call(0, kNow)) << i;
  const Admit refused = admission.begin_call(0, kNow);
  EXPECT_EQ(refused.refusal, Refusal::peer_rate);
  EXPECT_EQ(refused.retry_after_ns, kSecond);
  EXPECT_FALSE(admission.begin_call(0, kNow + 99 * kMillisecond));
  EXPECT_TRUE(admission.begin_call(0, kNow + 100 * kMillisecond));
  EXPECT_FALSE(admission.begin_call(0, kNow + 100 * kMillisecond));
  EXPECT_TRUE(admission.begin_call(1, kNow));
}

TEST(Admission, The_rate_holds_over_time) {
  Admission admission(limited(100'000, 0, 10), 2);  // this shard's share: 5 a second
  unsigned admitted = 0;
  for (Nanoseconds t = 0; t < 100 * kSecond; t += 10 * kMillisecond) {
    if (admission.begin_call(0, kNow + t)) ++admitted;
  }
  EXPECT_GE(admitted, 500u);
  EXPECT_LE(admitted, 505u);
}

TEST(Admission, A_rate_below_one_a_second_and_shard_still_lets_calls_in) {
  Admission admission(limited(1000, 0, 1), 4);
  EXPECT_TRUE(admission.begin_call(0, kNow));
  const Admit refused = admission.begin_call(0, kNow + kSecond);
  EXPECT_EQ(refused.refusal, Refusal::peer_rate);
  EXPECT_EQ(refused.retry_after_ns, 3 * kSecond);
  EXPECT_TRUE(admission.begin_call(0, kNow + 4 * kSecond));
}

TEST(Admission, Draining_and_overload_refuse_new_calls_before_any_limit) {
  Admission admission(limited(100, 0, 0), 1);
  admission.overload().observe(Overload::kLagEnter, 0, kNow);
  EXPECT_EQ(admission.begin_call(0, kNow).refusal, Refusal::overload);
  admission.set_draining(true);
  EXPECT_EQ(admission.begin_call(0, kNow).refusal, Refusal::draining);
  EXPECT_TRUE(admission.begin_leg(0, kNow));  // a call that was admitted goes on
  EXPECT_EQ(admission.calls(), 0u);
}

TEST(Refusal, has_a_name_and_a_local_error_each) {
  EXPECT_EQ(refusal_name(Refusal::peer_rate), "peer_rate");
  EXPECT_EQ(refusal_name(Refusal::draining), "draining");
  EXPECT_EQ(refusal_local_error(Refusal::draining), "draining");
  for (const Refusal r : {Refusal::overload, Refusal::calls, Refusal::peer_calls, Refusal::peer_rate}) {
    EXPECT_EQ(refusal_local_error(r), "capacity");
  }
}

TEST(Overload, begins_by_lag_or_by_ring) {
  for (const auto& [lag, fill] :
       {std::pair{Overload::kLagEnter, 0.0}, std::pair{Nanoseconds{0}, Overload::kRingEnter}}) {
    Overload overload;
    overload.observe(lag - 1, fill - 0.01, kNow);
    EXPECT_FALSE(overload.overloaded());
    overload.observe(lag, fill, kNow);
    EXPECT_TRUE(overload.overloaded());
  }
}

TEST(Overload, ends_only_after_a_while_of_keeping_up) {
  Overload overload;
  overload.observe(kSecond, 1.0, kNow);
  overload.observe(0, 0, kNow + Overload::kQuiet - 1);
  EXPECT_TRUE(overload.overloaded());
  overload.observe(Overload::kLagLeave, 0, kNow + Overload::kQuiet - 1);  // not yet keeping up
  overload.observe(0, 0, kNow + Overload::kQuiet);
  EXPECT_TRUE(overload.overloaded());
  overload.observe(0, Overload::kRingLeave, kNow + Overload::kQuiet);
  overload.observe(0, 0, kNow + 2 * Overload::kQuiet);
  EXPECT_FALSE(overload.overloaded());
}

}  // namespace
}  // namespace sallyport::policy
