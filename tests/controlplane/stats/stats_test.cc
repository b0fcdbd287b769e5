// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "controlplane/stats/mailbox.h"
#include "controlplane/stats/shard_statistics.h"

namespace sallyport::stats {
namespace {

TEST(CodeSlots, known_codes_have_slots_of_their_own_and_all_others_share_one) {
  std::set<unsigned> seen;
  for (unsigned code = 0; code < 2000; ++code) {
    const CodeSlot slot = code_slot(code);
    if (slot == kOtherCode) continue;
    EXPECT_EQ(slot_code(slot), code);
    EXPECT_TRUE(seen.insert(slot).second);
  }
  EXPECT_EQ(seen.size(), kCodeSlots - 1);
  EXPECT_EQ(code_slot(499), kOtherCode);
  EXPECT_EQ(code_slot(701), kOtherCode);
  EXPECT_EQ(slot_code(kOtherCode), 0);
}

TEST(Histogram, puts_a_value_into_the_first_bucket_that_holds_it) {
  Histogram histogram(kDelayBounds);
  histogram.observe(5 * kMillisecond);  // the bound itself belongs to its bucket
  histogram.observe(5 * kMillisecond + 1);
  histogram.observe(181 * kSecond);
  histogram.observe(-1);  // a clock that went back
  EXPECT_EQ(histogram.buckets()[0].get(), 2u);
  EXPECT_EQ(histogram.buckets()[1].get(), 1u);
  EXPECT_EQ(histogram.buckets()[16].get(), 1u);
  EXPECT_EQ(histogram.sum_ns(), static_cast<std::uint64_t>(10 * kMillisecond + 1 + 181 * kSecond));
}

TEST(Histogram, bounds_ascend) {
  for (const auto* bounds : {&kDelayBounds, &kDurationBounds, &kJitterBounds, &kRttBounds}) {
    for (std::size_t i = 1; i < bounds->size(); ++i) EXPECT_LT((*bounds)[i - 1], (*bounds)[i]);
  }
}

TEST(ShardStatistics, blocks_are_there_once_something_was_counted) {
  ShardStatistics statistics(3, 2);
  EXPECT_EQ(statistics.find_peer(1), nullptr);
  count_request(statistics.sip(1, 0), Direction::in, 6);
  ASSERT_NE(statistics.find_peer(1), nullptr);
  EXPECT_EQ(statistics.find_peer(1)->sip.requests[0][6].get(), 1u);
  EXPECT_EQ(statistics.find_peer(0), nullptr);
  count_response(statistics.sip(kNone, 1), Direction::out, 403);
  EXPECT_EQ(statistics.find_realm(1)->unknown_sources.responses[1][code_slot(403)].get(), 1u);
  EXPECT_EQ(statistics.find_peer(kNone), nullptr);
}

TEST(ShardStatistics, indices_beyond_the_room_count_as_none) {
  ShardStatistics statistics(3, 2);
  count_request(statistics.sip(3, 0), Direction::in, 99);
  EXPECT_EQ(statistics.find_realm(0)->unknown_sources.requests[0][1].get(), 1u)
      << "and such a method as other";
  EXPECT_EQ(&statistics.pair(3, 99), &statistics.pair(kNone, kNone));
  EXPECT_EQ(&statistics.realm(2), &statistics.realm(kNone));
}

TEST(ShardStatistics, pairs_beyond_the_room_share_the_block_of_none) {
  ShardStatistics statistics(100, 1);
  for (std::uint16_t from = 0; from < 100; ++from) {
    for (std::uint16_t to = 0; to < 100; ++to) statistics.pair(from, to).attempts.add();
  }
  std::uint64_t attempts = 0;
  for (const PairStatistics* pair : statistics.pairs()) attempts += pair->attempts.get();
  EXPECT_EQ(attempts, 10'000u);
  EXPECT_EQ(statistics.pairs().size(), ShardStatistics::kMaxPairs);
  EXPECT_EQ(statistics.pair(kNone, kNone).attempts.get(), 10'000u - (ShardStatistics::kMaxPairs - 1));
}

TEST(MappedTable, counts_each_combination_and_what_finds_no_room_as_other) {
  MappedTable table;
  for (int i = 0; i < 3; ++i) table.count(kOtherCode, code_slot(488));
  table.count(MappedTable::kLocalBit | 1, code_slot(488));
  const auto entries = table.read();
  ASSERT_EQ(entries.size(), 2u);
  std::uint64_t sum = 0;
  for (const auto& entry : entries) {
    EXPECT_EQ(entry.sent, code_slot(488));
    EXPECT_EQ(entry.count, entry.received == kOtherCode ? 3u : 1u);
    sum += entry.count;
  }
  EXPECT_EQ(sum, 4u);
  for (CodeSlot received = 0; received < kOtherCode; ++received) table.count(received, code_slot(603));
  const auto full = table.read();
  EXPECT_EQ(full.size(), MappedTable::kSlots + 1);
  EXPECT_EQ(full.back().received, kOtherCode);
  EXPECT_EQ(full.back().sent, kOtherCode);
  EXPECT_EQ(full.back().count, 2u + kOtherCode - MappedTable::kSlots);
}

TEST(RuleHits, are_counted_by_map_kind_and_number_and_named_once) {
  RuleHits hits;
  unsigned named = 0;
  const auto hit = [&](std::string_view map, std::uint16_t kind, std::uint16_t number, const char* name) {
    hits.count({.map = map, .kind = kind, .number = number}, [&] {
      ++named;
      return std::string(name);
    });
  };
  for (int n = 0; n < 3; ++n) hit("in", 1, 1, "rule 1");
  hit("out", 1, 1, "rule 1");
  hit("in", 1, 2, "rule 2");
  hit("in", 2, 1, "vendor row");
  hit(std::string("in"), 1, 2, "rule 2");  // the name is the same, wherever it stands
  EXPECT_EQ(named, 4u);
  std::map<std::pair<std::string, std::string>, std::uint64_t> found;
  for (const RuleHits::Entry& entry : hits.read())
    found[{std::string(entry.map), std::string(entry.rule)}] = entry.count;
  EXPECT_EQ(
      found,
      (std::map<std::pair<std::string, std::string>, std::uint64_t>{
          {{"in", "rule 1"}, 3}, {{"in", "rule 2"}, 2}, {{"in", "vendor row"}, 1}, {{"out", "rule 1"}, 1}}));
}

TEST(RuleHits, beyond_the_room_share_one_count) {
  RuleHits hits;
  constexpr std::uint16_t kMany = RuleHits::kMostRules + 10;
  for (int round = 0; round < 2; ++round) {
    for (std::uint16_t n = 0; n < kMany; ++n)
      hits.count({.map = "in", .kind = 1, .number = n}, [&] { return "rule " + std::to_string(n); });
  }
  const auto entries = hits.read();
  ASSERT_EQ(entries.size(), RuleHits::kMostRules + 1);
  EXPECT_EQ(entries.back().map, "other");
  EXPECT_EQ(entries.back().count, 20u);
  for (const auto& entry : entries) EXPECT_EQ(entry.count, entry.map == "in" ? 2u : 20u) << entry.rule;
}

TEST(ShardStatistics, may_be_read_while_the_shard_writes) {
  ShardStatistics statistics(64, 4);
  std::atomic<bool> done{false};
  std::thread shard([&] {
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      const auto peer = static_cast<std::uint16_t>(i % 64);
      PairStatistics& pair = statistics.pair(peer, static_cast<std::uint16_t>((i / 64) % 64));
      pair.attempts.add();
      statistics.rule_hits.count({.map = "in", .number = peer}, [] { return std::string("a rule"); });
      pair.mapped.count(static_cast<std::uint16_t>(i % kCodeSlots), code_slot(480));
      statistics.peer(peer).call_setup.observe(i * kMillisecond);
    }
    done = true;
  });
  std::uint64_t last = 0;
  while (!done) {
    std::uint64_t attempts = 0;
    for (const PairStatistics* pair : statistics.pairs()) {
      attempts += pair->attempts.get();
      static_cast<void>(pair->mapped.read());
    }
    for (const RuleHits::Entry& entry : statistics.rule_hits.read()) EXPECT_EQ(entry.rule, "a rule");
    EXPECT_GE(attempts, last);
    last = attempts;
  }
  shard.join();
}

// ---- mailbox
// -------------------------------------------------------------------------------------------------------

class NoView : public ShardView {
 public:
  std::vector<CallRow> calls(std::size_t) override { return {}; }
  std::size_t call_count() override { return 7; }
  std::optional<CallDetail> call(std::string_view) override { return std::nullopt; }
  std::vector<PeerRow> peers() override { return {}; }
};

class OneShard : public ShardQuery {
 public:
  [[nodiscard]] unsigned shards() const override { return 1; }
  [[nodiscard]] bool post(unsigned, ShardRequest request) override {
    return mailbox.post(std::move(request));
  }
  Mailbox mailbox{2};
};

TEST(Mailbox, refuses_what_is_beyond_its_capacity_and_runs_the_rest_in_order) {
  Mailbox mailbox(2);
  NoView view;
  std::vector<int> ran;
  EXPECT_TRUE(mailbox.empty());
  EXPECT_TRUE(mailbox.post([&](ShardView&) { ran.push_back(1); }));
  EXPECT_TRUE(mailbox.post([&](ShardView&) { ran.push_back(2); }));
  EXPECT_FALSE(mailbox.post([&](ShardView&) { ran.push_back(3); }));
  mailbox.run(view, 1);
  EXPECT_EQ(ran, std::vector<int>{1});
  mailbox.run(view);
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  EXPECT_TRUE(mailbox.empty());
}

TEST(Ask, a_shard_that_does_not_run_is_not_answering_and_its_late_answer_goes_nowhere) {
  OneShard query;
  NoView view;
  EXPECT_FALSE(
      ask(query, 0, std::chrono::milliseconds(1), [](ShardView& v) { return v.call_count(); }).has_value());
  query.mailbox.run(view);
}

TEST(Ask, gets_the_answer_of_a_shard_that_runs) {
  OneShard query;
  std::atomic<bool> stop{false};
  std::thread shard([&] {
    NoView view;
    while (!stop) query.mailbox.run(view);
  });
  const auto answer = ask(query, 0, std::chrono::seconds(60), [](ShardView& v) { return v.call_count(); });
  stop = true;
  shard.join();
  EXPECT_EQ(answer, 7u);
}

}  // namespace
}  // namespace sallyport::stats
