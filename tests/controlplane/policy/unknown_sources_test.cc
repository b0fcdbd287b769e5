// SPDX-License-Identifier: Apache-2.0
#include "controlplane/policy/unknown_sources.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace sallyport::policy {
namespace {

constexpr SipHashKey kKey{0x0123456789abcdef, 0xfedcba9876543210};
constexpr Nanoseconds kNow = 99 * kSecond;

// Realm 0 rejects, realm 1 drops.
config::Config realms() {
  config::Config config;
  config.realms.resize(2);
  config.realms[1].unknown_source = config::UnknownSource::drop;
  return config;
}

IpAddress address(const char* text) {
  return *IpAddress::parse(text);
}

TEST(UnknownSources, A_source_gets_ten_answers_in_any_second) {
  UnknownSources sources(realms(), 0, 1, kKey);
  std::vector<Nanoseconds> answers;
  for (Nanoseconds t = kNow; t < kNow + 5 * kSecond; t += 7 * kMillisecond) {
    if (sources.judge(0, address("203.0.113.5"), false, t) == UnknownAnswer::reject) answers.push_back(t);
  }
  ASSERT_GE(answers.size(), 45u);
  for (std::size_t i = 10; i < answers.size(); ++i) EXPECT_GE(answers[i] - answers[i - 10], kSecond);
}

TEST(UnknownSources, Another_source_has_its_own_ten) {
  UnknownSources sources(realms(), 0, 1, kKey);
  for (int i = 0; i < 20; ++i) (void)sources.judge(0, address("203.0.113.5"), false, kNow);
  EXPECT_EQ(sources.judge(0, address("203.0.113.5"), false, kNow), UnknownAnswer::silence);
  EXPECT_EQ(sources.judge(0, address("203.0.113.6"), false, kNow), UnknownAnswer::reject);
}

TEST(UnknownSources, An_ACK_is_never_answered) {
  UnknownSources sources(realms(), 0, 1, kKey);
  EXPECT_EQ(sources.judge(0, address("203.0.113.5"), true, kNow), UnknownAnswer::silence);
}

TEST(UnknownSources, A_realm_that_drops_is_silent) {
  UnknownSources sources(realms(), 0, 1, kKey);
  EXPECT_EQ(sources.judge(1, address("203.0.113.5"), false, kNow), UnknownAnswer::silence);
}

TEST(UnknownSources, IPv6_sources_count_by_their_64) {
  UnknownSources sources(realms(), 0, 1, kKey);
  unsigned answered = 0;
  for (int i = 1; i < 100; ++i) {
    const std::string text = "2001:db8:0:1::" + std::to_string(i);
    if (sources.judge(0, address(text.c_str()), false, kNow) == UnknownAnswer::reject) ++answered;
  }
  EXPECT_EQ(answered, 10u);
  EXPECT_EQ(sources.judge(0, address("2001:db8:0:2::1"), false, kNow), UnknownAnswer::reject);
}

TEST(UnknownSources, A_flood_of_forged_sources_buys_nobody_more_than_ten_and_memory_is_bounded) {
  constexpr std::size_t kTable = 64;
  UnknownSources sources(realms(), 0, 1, kKey, kTable);
  std::map<std::uint32_t, unsigned> answers;
  unsigned total = 0;
  for (unsigned round = 0; round < 50; ++round) {
    for (std::uint32_t i = 0; i < 2000; ++i) {
      if (sources.judge(0, IpAddress::v4(0xcb007100u + i), false, kNow + round) == UnknownAnswer::reject) {
        ++answers[i];
        ++total;
      }
    }
  }
  for (const auto& [source, count] : answers) EXPECT_LE(count, 10u);
  EXPECT_LE(total, kTable * UnknownSources::kAnswersPerSecond);
  EXPECT_GT(total, 0u);
}

TEST(UnknownSources, A_quiet_entry_makes_room) {
  UnknownSources sources(realms(), 0, 1, kKey, UnknownSources::kWays);
  for (std::uint32_t i = 0; i < UnknownSources::kWays; ++i) {
    EXPECT_EQ(sources.judge(0, IpAddress::v4(i + 1), false, kNow), UnknownAnswer::reject);
  }
  EXPECT_EQ(sources.judge(0, IpAddress::v4(77), false, kNow + kSecond - 1), UnknownAnswer::silence);
  EXPECT_EQ(sources.judge(0, IpAddress::v4(77), false, kNow + kSecond), UnknownAnswer::reject);
}

TEST(UnknownSources, The_shards_deal_out_the_ten) {
  for (const unsigned shards : {1u, 2u, 3u, 4u, 7u, 10u, 16u, 64u}) {
    for (const char* source : {"203.0.113.5", "203.0.113.6", "2001:db8::7"}) {
      unsigned answered = 0;
      for (unsigned shard = 0; shard < shards; ++shard) {
        UnknownSources sources(realms(), shard, shards, kKey);
        for (int i = 0; i < 30; ++i) {
          if (sources.judge(0, address(source), false, kNow + i) == UnknownAnswer::reject) ++answered;
        }
      }
      EXPECT_EQ(answered, 10u) << shards << " shards, " << source;
    }
  }
}

}  // namespace
}  // namespace sallyport::policy
