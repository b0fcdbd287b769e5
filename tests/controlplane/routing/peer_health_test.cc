// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/peer_health.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/controlplane/routing/routing_support.h"

namespace sallyport::routing {
namespace {

constexpr Nanoseconds kStart = 1000 * kSecond;

class PeerHealthTest : public testing::Test {
 protected:
  const config::Config config_ = configured(
      "{quiet: {realm: in, match: [198.51.100.2]}, a: {realm: out, targets: [sip:192.0.2.8, sip:192.0.2.9], "
      "probe: 30s}, "
      "b: {realm: out, targets: [sip:192.0.2.10]}}");
  const TargetId a0_{config_.find_peer("a"), 0};
  const TargetId a1_{config_.find_peer("a"), 1};
  const TargetId b0_{config_.find_peer("b"), 0};
  PeerHealth health_{config_, kStart};
};

TEST_F(PeerHealthTest, All_targets_start_up_and_a_peer_without_targets_is_never_usable) {
  for (const TargetId id : {a0_, a1_, b0_}) EXPECT_EQ(health_.state(id, kStart), TargetState::up);
  EXPECT_TRUE(health_.peer_usable(a0_.peer, kStart));
  EXPECT_FALSE(health_.peer_usable(config_.find_peer("quiet"), kStart));
  EXPECT_EQ(health_.targets_of(a0_.peer), 2u);
}

TEST_F(PeerHealthTest, A_target_that_failed_rests_and_comes_back) {
  health_.failed(b0_, kStart);
  EXPECT_EQ(health_.state(b0_, kStart), TargetState::resting);
  EXPECT_FALSE(health_.peer_usable(b0_.peer, kStart));
  EXPECT_EQ(health_.state(b0_, kStart + PeerHealth::kRest - 1), TargetState::resting);
  EXPECT_EQ(health_.state(b0_, kStart + PeerHealth::kRest), TargetState::up);
  EXPECT_EQ(health_.state(a0_, kStart), TargetState::up);
}

TEST_F(PeerHealthTest, An_answer_ends_the_rest_of_silence) {
  health_.failed(b0_, kStart);
  health_.answered(b0_);
  EXPECT_TRUE(health_.usable(b0_, kStart));
}

TEST_F(PeerHealthTest, An_answer_does_not_end_the_rest_that_was_asked_for) {
  health_.retry_after(b0_, 90 * kSecond, kStart);
  health_.answered(b0_);
  EXPECT_EQ(health_.rests_until(b0_, kStart), kStart + 90 * kSecond);
  EXPECT_TRUE(health_.usable(b0_, kStart + 90 * kSecond));
}

TEST_F(PeerHealthTest, A_failure_never_shortens_a_rest) {
  health_.retry_after(b0_, 90 * kSecond, kStart);
  health_.failed(b0_, kStart + kSecond);
  EXPECT_EQ(health_.rests_until(b0_, kStart + kSecond), kStart + 90 * kSecond);
}

TEST_F(PeerHealthTest, Retry_After_is_bounded) {
  health_.retry_after(b0_, std::numeric_limits<Nanoseconds>::max(), kStart);
  EXPECT_EQ(health_.rests_until(b0_, kStart), kStart + PeerHealth::kLongestRest);
  health_.retry_after(b0_, -5, kStart);
  EXPECT_TRUE(health_.usable(b0_, kStart));
}

TEST_F(PeerHealthTest, Lost_probes_in_a_row_take_a_target_down_and_one_answer_brings_it_up) {
  health_.probe_result(a0_, false);
  EXPECT_TRUE(health_.usable(a0_, kStart));
  health_.probe_result(a0_, true);
  health_.probe_result(a0_, false);
  EXPECT_TRUE(health_.usable(a0_, kStart));
  health_.probe_result(a0_, false);
  EXPECT_EQ(health_.state(a0_, kStart + 1000 * kSecond), TargetState::down);
  EXPECT_TRUE(health_.peer_usable(a0_.peer, kStart));  // by its other target
  health_.probe_result(a0_, true);
  EXPECT_TRUE(health_.usable(a0_, kStart));
}

TEST_F(PeerHealthTest, A_call_answered_by_a_target_that_is_down_brings_it_up) {
  health_.probe_result(a0_, false);
  health_.probe_result(a0_, false);
  health_.answered(a0_);
  EXPECT_TRUE(health_.usable(a0_, kStart));
}

TEST_F(PeerHealthTest, Probes_are_due_at_their_interval_for_peers_that_have_one) {
  std::vector<std::pair<Nanoseconds, TargetId>> sent;
  for (Nanoseconds now = kStart; now < kStart + 60 * kSecond; now += kSecond) {
    while (const auto id = health_.take_due_probe(now)) sent.emplace_back(now - kStart, *id);
  }
  const std::vector<std::pair<Nanoseconds, TargetId>> wanted{
      {0, a0_}, {10 * kSecond, a1_}, {30 * kSecond, a0_}, {40 * kSecond, a1_}};
  EXPECT_EQ(sent, wanted);
  EXPECT_EQ(health_.next_probe_ns(), kStart + 60 * kSecond);
}

TEST_F(PeerHealthTest, A_shard_that_stood_still_sends_one_probe_not_many) {
  const Nanoseconds late = kStart + 1000 * kSecond;
  unsigned probes = 0;
  while (health_.take_due_probe(late)) ++probes;
  EXPECT_EQ(probes, 2u);
  EXPECT_GT(health_.next_probe_ns(), late);
}

// ---- what shards tell each other

class TwoHealths : public PeerHealthTest {
 protected:
  TwoHealths() {
    tell(health_, other_);
    tell(other_, health_);
  }
  PeerHealth other_{config_, kStart};
  unsigned told_ = 0;

 private:
  void tell(PeerHealth& from, PeerHealth& to) {
    from.tell([this, &to](const TargetNews& news) {
      ++told_;
      to.hear(news);
    });
  }
};

TEST_F(TwoHealths, What_one_has_seen_the_other_knows) {
  health_.retry_after(b0_, 90 * kSecond, kStart);
  EXPECT_EQ(other_.rests_until(b0_, kStart), kStart + 90 * kSecond);
  other_.answered(b0_);
  EXPECT_EQ(health_.state(b0_, kStart), TargetState::resting) << "it was asked for";
  other_.failed(a0_, kStart);
  EXPECT_EQ(health_.state(a0_, kStart), TargetState::resting);
  EXPECT_EQ(health_.state(a1_, kStart), TargetState::up);
  health_.answered(a0_);
  EXPECT_TRUE(other_.usable(a0_, kStart));
}

TEST_F(TwoHealths, Probes_of_one_are_the_other_s_too) {
  health_.probe_result(a0_, false);
  EXPECT_TRUE(other_.usable(a0_, kStart));
  health_.probe_result(a0_, false);
  EXPECT_EQ(other_.state(a0_, kStart), TargetState::down);
  other_.answered(a0_);
  EXPECT_TRUE(health_.usable(a0_, kStart)) << "a call was answered";
  health_.probe_result(a0_, true);
  EXPECT_EQ(told_, 4u) << "an answered probe is told though nothing changes: the other may know worse";
}

TEST_F(TwoHealths, What_changes_nothing_is_not_told) {
  health_.answered(b0_);
  EXPECT_EQ(told_, 0u);
  for (int n = 0; n < 100; ++n) health_.failed(b0_, kStart + n * kMillisecond);
  EXPECT_EQ(told_, 1u);
  for (int n = 0; n < 100; ++n) health_.retry_after(b0_, 90 * kSecond, kStart + n * kMillisecond);
  EXPECT_EQ(told_, 2u);
  health_.retry_after(b0_, 5 * kSecond, kStart + kSecond);
  EXPECT_EQ(told_, 3u);
  EXPECT_EQ(other_.rests_until(b0_, kStart), kStart + 6 * kSecond);
}

TEST_F(TwoHealths, A_rest_that_grows_by_little_and_little_does_not_grow_apart) {
  for (int n = 0; n < 100; ++n) health_.failed(b0_, kStart + n * 100 * kMillisecond);
  EXPECT_EQ(told_, 10u);
  EXPECT_GT(other_.rests_until(b0_, kStart), health_.rests_until(b0_, kStart) - PeerHealth::kNewsworthy);
}

TEST_F(TwoHealths, News_of_what_is_not_known_changes_nothing) {
  TargetNews news{.peer = 99, .sign = TargetNews::Sign::silent, .until_ns = kStart + kSecond};
  health_.hear(news);
  news.peer = b0_.peer;
  health_.hear(news);
  EXPECT_TRUE(health_.usable(b0_, kStart));
}

TEST(PeerHealth, Without_probes_none_is_ever_due) {
  const auto config = configured("{b: {realm: out, targets: [sip:192.0.2.10]}}");
  PeerHealth health(config, 0);
  EXPECT_EQ(health.take_due_probe(std::numeric_limits<Nanoseconds>::max()), std::nullopt);
  EXPECT_EQ(health.next_probe_ns(), std::numeric_limits<Nanoseconds>::max());
}

}  // namespace
}  // namespace sallyport::routing
