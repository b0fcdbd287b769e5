// SPDX-License-Identifier: Apache-2.0
// Call records over time: what an interim one says and when it comes, spans while the date jumps, and what is
// refused for less than its record costs.
#include <algorithm>

#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

std::string with_interim(std::string_view every) {
  return std::string(Bench::default_config()) +
         "cdr: {file: /var/log/cdr.jsonl, interim: " + std::string(every) + "}\n";
}

class Interim : public CallTest {
 protected:
  explicit Interim(std::string_view every = "10s") : CallTest(with_interim(every)) {}
  // The slot of the RTP flow towards that address.
  [[nodiscard]] std::uint32_t flow_to(std::string_view remote) const {
    const auto is_it = [&](const auto& one) { return one.second.remote.to_text() == remote; };
    const auto found = std::ranges::find_if(bench.flows, is_it);
    EXPECT_NE(found, bench.flows.end()) << remote;
    return found != bench.flows.end() ? found->first : dp::kNoSlot;
  }
  [[nodiscard]] const std::vector<stats::CallRecord>& records() const { return bench.records.records; }
};

TEST_F(Interim, Records_come_at_the_answer_and_while_the_call_lives) {
  establish();
  ASSERT_EQ(records().size(), 1u);
  bench.advance(35 * kSecond);
  caller_hangs_up();
  bench.advance(60 * kSecond);
  bench.expect_nothing_left();
  ASSERT_EQ(records().size(), 5u);
  for (std::size_t i = 0; i + 1 < records().size(); ++i) {
    EXPECT_EQ(records()[i].kind, stats::RecordKind::interim);
    EXPECT_EQ(records()[i].id, records().back().id);
    EXPECT_EQ(records()[i].answered_ns, records().back().answered_ns);
    EXPECT_EQ(records()[i].duration_ns, static_cast<Nanoseconds>(i) * 10 * kSecond);
    EXPECT_EQ(records()[i].ended_ns, 0);
    EXPECT_GE(records()[i].written_ns, records()[i].answered_ns);
  }
  EXPECT_EQ(records().back().kind, stats::RecordKind::end);
  EXPECT_EQ(records().back().duration_ns, 35 * kSecond);
}

TEST_F(Interim, A_record_has_the_media_so_far_of_both_legs) {
  establish();
  ASSERT_EQ(records().size(), 1u);
  ASSERT_EQ(records()[0].media.size(), 2u);
  EXPECT_EQ(records()[0].media[0].counters.packets, 0u) << "early media would be in it";
  bench.counters[flow_to("198.51.100.20:4000")] = {.packets = 500,
                                                   .bytes = 86'000,
                                                   .sent_packets = 400,
                                                   .latched = *Endpoint::parse("198.51.100.20:4000")};
  bench.counters[flow_to("192.0.2.10:6000")] = {.packets = 400, .sent_packets = 500};
  bench.counters[flow_to("192.0.2.10:6001")] = {.rtt_us = 42'000};  // its RTCP
  bench.advance(11 * kSecond);
  ASSERT_EQ(records().size(), 2u);
  const stats::CallRecord& record = records()[1];
  ASSERT_EQ(record.media.size(), 2u);
  EXPECT_EQ(record.media[0].leg, 0);
  EXPECT_EQ(record.media[0].counters.packets, 500u);
  EXPECT_EQ(record.media[0].counters.bytes, 86'000u);
  EXPECT_EQ(record.media[0].counters.sent_packets, 400u);
  EXPECT_EQ(record.media[0].counters.latched.to_text(), "198.51.100.20:4000");
  EXPECT_EQ(record.media[1].leg, 1);
  EXPECT_EQ(record.media[1].counters.packets, 400u);
  EXPECT_EQ(record.media[1].counters.rtt_us, 42'000u);
  for (const std::string_view sdp : record.answer_sdp) EXPECT_NE(sdp.find("m=audio"), std::string::npos);
  caller_hangs_up();
  bench.expect_nothing_left();
  EXPECT_EQ(records().back().media.size(), 2u) << "the record at the end has them once";
}

TEST_F(Interim, A_worker_that_stands_still_delays_its_records_and_doubles_none) {
  establish();
  bench.worker_stopped = true;
  bench.advance(35 * kSecond);
  EXPECT_EQ(records().size(), 1u) << "nobody has said what was counted";
  bench.worker_stopped = false;
  bench.advance(kSecond);
  ASSERT_EQ(records().size(), 2u);
  EXPECT_EQ(records()[1].duration_ns, 10 * kSecond) << "of when it was asked";
  bench.advance(10 * kSecond);
  EXPECT_EQ(records().size(), 3u);
  caller_hangs_up();
  bench.expect_nothing_left();
  EXPECT_EQ(records().size(), 4u);
}

TEST_F(Interim, A_call_that_ends_while_its_counters_are_awaited_has_its_line_before_the_last) {
  out = place();
  bench.worker_stopped = true;
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  bench.receive("core", kCarrierA, make_uas_request("BYE", out, "ct1", "192.0.2.10:5060", 1, "z9hG4bKcb1"));
  EXPECT_TRUE(records().empty());
  bench.worker_stopped = false;
  bench.turn();
  ok = bench.take_one("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.20");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.receive("access", kCaller, make_response(bench.take_one("BYE "), "200 OK", ""));
  bench.expect_nothing_left();
  ASSERT_EQ(records().size(), 2u);
  EXPECT_EQ(records()[0].kind, stats::RecordKind::interim);
  EXPECT_EQ(records()[0].ended_by, stats::EndedBy::none);
  EXPECT_EQ(records()[0].ended_ns, 0);
  EXPECT_EQ(records()[1].kind, stats::RecordKind::end);
  EXPECT_EQ(records()[1].ended_by, stats::EndedBy::callee);
}

TEST_F(Interim, A_reload_holds_for_calls_that_are_up) {
  establish();
  bench.advance(4 * kSecond);
  bench.reload(with_interim("3s"));
  EXPECT_EQ(records().size(), 1u) << "no burst";
  bench.advance(2 * kSecond + 100 * kMillisecond);
  EXPECT_EQ(records().size(), 2u) << "6s after its answer: in step with what it had";
  bench.advance(3 * kSecond);
  EXPECT_EQ(records().size(), 3u);
  bench.reload(with_interim("off"));
  bench.advance(60 * kSecond);
  EXPECT_EQ(records().size(), 3u);
  bench.reload(with_interim("30m"));
  bench.advance(1800 * kSecond, kSecond);
  EXPECT_EQ(records().size(), 4u);
  caller_hangs_up();
  bench.expect_nothing_left();
}

class NoInterim : public Interim {
 protected:
  NoInterim() : Interim("off") {}
};

TEST_F(NoInterim, Records_come_where_they_are_off) {
  establish();
  bench.advance(1800 * kSecond, kSecond);
  caller_hangs_up();
  bench.expect_nothing_left();
  EXPECT_EQ(records().size(), 1u);
}

using Spans = CallTest;

TEST_F(Spans, Are_right_when_the_date_is_set_back_in_mid_call) {
  out = place();
  WallClock::back_ns = 3600 * kSecond;  // before the answer
  bench.advance(2 * kSecond);
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.take();
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.advance(61 * kSecond);
  WallClock::back_ns = 2 * 3600 * kSecond;  // and before the end
  caller_hangs_up();
  bench.expect_nothing_left();
  ASSERT_EQ(bench.records.records.size(), 1u);
  const stats::CallRecord& record = bench.records.records[0];
  EXPECT_LT(record.answered_ns, record.started_ns);
  EXPECT_LT(record.ended_ns, record.answered_ns);
  EXPECT_EQ(record.setup_ns, 2 * kSecond);
  EXPECT_EQ(record.duration_ns, 61 * kSecond);
}

TEST_F(Spans, Are_none_of_what_was_not_answered) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "486 Busy Here", "t"));
  bench.expect_nothing_left();
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(bench.records.records[0].setup_ns, std::nullopt);
  EXPECT_EQ(bench.records.records[0].duration_ns, std::nullopt);
}

TEST(RecordedUris, Are_as_received_but_for_a_password) {
  Bench bench;
  std::string invite = make_invite({.user = "4930123:s3cret", .max_forwards = 0});
  const std::size_t from = invite.find("<sip:", invite.find("\r\nFrom: ")) + 5;
  invite.replace(from, invite.find('@', from) - from, "alice:s3cret");
  bench.receive("access", kCaller, invite);
  ASSERT_EQ(bench.records.records.size(), 1u);
  const stats::CallRecord& record = bench.records.records[0];
  EXPECT_EQ(record.callee, "sip:4930123:***@198.51.100.1");
  EXPECT_TRUE(record.caller.view().starts_with("sip:alice:***@")) << record.caller.view();
  bench.expect_nothing_left();
}

class Shed : public CallTest {
 protected:
  void attempts(int count, std::string_view realm, std::string_view from) {
    for (int i = 0; i < count; ++i) {
      const std::string name = "shed" + std::to_string(++number_);
      bench.receive(realm, from, make_invite({.call_id = name, .branch = "z9hG4bK" + name}));
    }
  }
  [[nodiscard]] std::uint64_t shed() { return bench.shard().statistics().totals.records_shed.get(); }
  int number_ = 0;
};

TEST_F(Shed, What_an_overloaded_shard_refuses_leaves_a_hundred_records_a_second_and_a_count) {
  bench.fall_behind(2 * kSecond);
  const std::size_t before = bench.records.records.size();
  attempts(130, "access", kCaller);
  ASSERT_EQ(bench.records.records.size() - before + shed(), 130u);
  const std::size_t written = bench.records.records.size() - before;
  EXPECT_EQ(written, 100u);
  const stats::CallRecord& record = bench.records.records.back();
  EXPECT_EQ(record.sent, 503);
  EXPECT_EQ(record.local_error, "overload");
  EXPECT_EQ(record.from_peer, "office");
  EXPECT_EQ(record.ended_by, stats::EndedBy::sallyport);
  bench.fall_behind(2 * kSecond);
  attempts(1, "access", kCaller);
  EXPECT_EQ(bench.records.records.size() - before, 101u) << "another second";
}

TEST_F(Shed, Every_403_to_an_INVITE_of_nobody_we_know_leaves_one_and_silence_none) {
  attempts(30, "core", "192.0.2.99:5060");
  ASSERT_EQ(bench.records.records.size(), 10u) << "as many as there were answers";
  const stats::CallRecord& record = bench.records.records[3];
  EXPECT_EQ(record.from_peer, "");
  EXPECT_EQ(record.from_realm, "core");
  EXPECT_EQ(record.source.to_text(), "192.0.2.99:5060");
  EXPECT_EQ(record.call_id, "shed4");
  EXPECT_EQ(record.callee, "sip:4930123@198.51.100.1");
  EXPECT_EQ(record.sent, 403);
  EXPECT_EQ(record.sent_phrase, "Forbidden");
  EXPECT_EQ(record.local_error, "unknown-source");
  EXPECT_NE(record.id, bench.records.records[4].id);
  for (int source = 10; source < 30; ++source)
    attempts(10, "core", "192.0.2." + std::to_string(100 + source) + ":5060");
  EXPECT_EQ(bench.records.records.size(), 100u);
  EXPECT_EQ(shed(), 110u);
}

TEST_F(Shed, What_is_no_attempt_at_a_call_leaves_none) {
  std::string again = make_invite();
  again.insert(again.find("\r\n", again.find("To: ")), ";tag=x");
  bench.receive("core", "192.0.2.99:5060", again);
  std::string options = make_invite();
  options.replace(0, 6, "OPTIONS");
  options.replace(options.find("1 INVITE"), 8, "1 OPTIONS");
  bench.receive("core", "192.0.2.99:5060", options);
  EXPECT_TRUE(bench.records.records.empty());
}

}  // namespace
}  // namespace sallyport::shard
