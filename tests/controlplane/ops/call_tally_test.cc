// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/call_tally.h"

#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>

namespace sallyport::ops {
namespace {

using testing::HasSubstr;
using testing::Not;

stats::CallRecord answered(std::uint64_t from_caller, std::uint64_t from_callee, Nanoseconds lasted) {
  stats::CallRecord record;
  record.from_peer = "office";
  record.to_peer = "carrier-a";
  record.from_realm = "access";
  record.to_realm = "core";
  record.answered_ns = 100 * kSecond;
  record.ended_ns = record.answered_ns - kSecond;  // the date was set back meanwhile: it is not asked
  record.duration_ns = lasted;
  record.answer_sdp[0] = record.answer_sdp[1] =
      "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n";
  record.media.resize(2);
  record.media[0].counters.packets = from_caller;
  record.media[1].leg = 1;
  record.media[1].counters.packets = from_callee;
  return record;
}

std::string text_of(const CallTally& tally) {
  MetricFamilies families;
  tally.collect(families);
  return prometheus::TextSerializer().Serialize(families);
}

TEST(CallTally, one_way_is_an_answered_call_of_some_length_with_rtp_from_one_side) {
  struct Row {
    const char* what;
    stats::CallRecord record;
    int counted;
  };
  Row rows[] = {{"both", answered(250, 250, 6 * kSecond), 0},
                {"caller only", answered(250, 0, 6 * kSecond), 1},
                {"callee only", answered(0, 250, 6 * kSecond), 1},
                {"none at all", answered(0, 0, 6 * kSecond), 0},
                {"short", answered(250, 0, 4 * kSecond), 0},
                {"interim", answered(250, 0, 6 * kSecond), 0},
                {"rtcp does not count", answered(250, 9, 6 * kSecond), 1},
                {"a second stream does", answered(250, 0, 6 * kSecond), 0}};
  rows[5].record.kind = stats::RecordKind::interim;
  rows[6].record.media[1].rtcp = true;
  stats::MediaRecord& second = rows[7].record.media.emplace_back();
  second.leg = second.stream = 1;
  second.counters.packets = 1;
  for (const Row& row : rows) {
    CallTally tally;
    tally.add(row.record);
    const std::string sample = "calls_one_way_media_total{from=\"office\",to=\"carrier-a\"} 1\n";
    EXPECT_EQ(text_of(tally).contains(sample), row.counted == 1) << row.what;
  }
}

TEST(CallTally, loss_and_mos_are_by_the_realm_of_the_endpoint) {
  CallTally tally;
  stats::CallRecord record = answered(990, 1000, 20 * kSecond);
  record.media[0].counters.lost = 10;
  tally.add(record);
  const std::string text = text_of(tally);
  EXPECT_THAT(text, HasSubstr("media_loss_ratio_bucket{realm=\"access\",le=\"0.005\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("media_loss_ratio_bucket{realm=\"access\",le=\"0.01\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("media_loss_ratio_bucket{realm=\"core\",le=\"0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("media_mos_bucket{realm=\"core\",le=\"4.4\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("media_mos_count{realm=\"core\"} 1\n"));
}

TEST(CallTally, a_codec_without_published_values_has_a_loss_and_no_score) {
  CallTally tally;
  stats::CallRecord record = answered(990, 1000, 20 * kSecond);
  record.answer_sdp[1] = std::string(record.answer_sdp[1]) + "a=rtpmap:8 opus/48000/2\r\n";
  tally.add(record);
  const std::string text = text_of(tally);
  EXPECT_THAT(text, HasSubstr("media_loss_ratio_count{realm=\"core\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("media_mos_count{realm=\"core\"}")));
  EXPECT_THAT(text, HasSubstr("media_mos_count{realm=\"access\"} 1\n"));
}

TEST(CallTally, knows_nothing_of_what_no_peer_has_tried) {
  CallTally tally;
  stats::CallRecord scan;
  scan.sent = 403;
  tally.add(scan);
  EXPECT_TRUE(tally.failures().empty());
  EXPECT_THAT(text_of(tally), Not(HasSubstr("call_failure_rules_total{")));
}

TEST(CallTally, keeps_the_latest_failures_first) {
  CallTally tally;
  for (int i = 0; i < 60; ++i) {
    stats::CallRecord record;
    record.id = "c" + std::to_string(i);
    record.from_peer = "office";
    record.sent = 486;
    tally.add(record);
  }
  tally.add(answered(1, 1, kSecond));
  const auto failures = tally.failures();
  ASSERT_EQ(failures.size(), CallTally::kFailuresKept);
  EXPECT_EQ(failures.front().id, "c59");
  EXPECT_EQ(failures.back().id, "c10");
}

stats::CallRecord failed() {
  stats::CallRecord record;
  record.id = "f";
  record.from_peer = "office";
  record.to_peer = "carrier-a";
  record.received = 499;
  record.received_phrase = "Codec Mismatch";
  record.reason_received = "SIP;cause=499, Q.850;cause=65";
  record.sent = 488;
  record.sent_phrase = "Not Acceptable Here";
  record.reason_sent = "Q.850;cause=88";
  record.rule = "vendor row 499 Codec Mismatch";
  return record;
}

TEST(CallTally, failures_are_counted_by_rule_cause_and_phrase) {
  CallTally tally;
  tally.add(failed());
  stats::CallRecord ours = failed();
  ours.to_peer.clear();
  ours.received = 0;
  ours.received_phrase = ours.reason_received = ours.reason_sent = "";
  ours.sent = 404;
  ours.sent_phrase = "Gone fishing";
  ours.rule.clear();
  tally.add(ours);
  tally.add(answered(1, 1, kSecond));
  const std::string text = text_of(tally);
  EXPECT_THAT(text, HasSubstr("call_failure_rules_total{rule=\"vendor row 499 Codec Mismatch\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("call_failure_rules_total{rule=\"none\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("call_failure_causes_total{from=\"office\",to=\"carrier-a\",received=\"65\","
                              "sent=\"88\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("call_failure_causes_total{from=\"office\",to=\"none\",received=\"none\","
                              "sent=\"none\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{side=\"received\",code=\"other\",phrase=\"Codec Mismatch\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{side=\"sent\",code=\"488\",phrase=\"Not Acceptable Here\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{side=\"sent\",code=\"404\",phrase=\"other\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("fishing")));
}

TEST(CallTally, tells_phrases_that_rules_name) {
  CallTally tally;
  config::MapRule rule;
  rule.phrase = "No money left";
  rule.send_phrase = "Top up first";
  tally.know_phrases({{.name = "m", .base = {}, .rules = {rule}, .at = {}}});
  stats::CallRecord record = failed();
  record.received = 403;
  record.received_phrase = "No money left";
  record.sent = 402;
  record.sent_phrase = "Top up first";
  tally.add(record);
  EXPECT_THAT(text_of(tally), HasSubstr("code=\"403\",phrase=\"No money left\"} 1\n"));
  EXPECT_THAT(text_of(tally), HasSubstr("code=\"402\",phrase=\"Top up first\"} 1\n"));
}

TEST(CallTally, has_at_most_so_many_series_of_a_family) {
  CallTally tally;
  stats::CallRecord record = failed();
  for (std::size_t i = 0; i < CallTally::kMostSeries + 7; ++i) {
    record.rule = "rule " + std::to_string(i);
    tally.add(record);
  }
  EXPECT_THAT(text_of(tally), HasSubstr("call_failure_rules_total{rule=\"other\"} 7\n"));
}

}  // namespace
}  // namespace sallyport::ops
