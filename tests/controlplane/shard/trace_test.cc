// SPDX-License-Identifier: Apache-2.0
// What a shard keeps of its calls' messages, and what it tells of a call.
#include "controlplane/trace/ladder.h"
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

using Titles = std::vector<std::string>;

class TraceTest : public CallTest {
 protected:
  using CallTest::CallTest;

  // "> INVITE" received, "< 100 Trying" sent, '|' before those of the callee's leg.
  Titles titles(const std::string& id) {
    Titles titles;
    for (const trace::Message& message : bench.shard().recorder().of_call(id, 0, 1 << 20).messages) {
      const bool received = message.direction == trace::Direction::received;
      titles.push_back(std::string(message.side == trace::Side::callee ? "| " : "") +
                       (received ? "> " : "< ") + trace::title_of(message) +
                       (message.retransmission ? " again" : ""));
    }
    return titles;
  }
  // The only call that is up, asked for through the mailbox as ops does.
  stats::CallDetail detail() {
    std::optional<stats::CallDetail> found;
    EXPECT_TRUE(bench.shard().post([&](stats::ShardView& view) {
      const auto rows = view.calls(2);
      if (rows.size() == 1) found = view.call(rows[0].id);
    }));
    bench.turn();
    EXPECT_TRUE(found.has_value());
    return found.value_or(stats::CallDetail{});
  }
  bool mirror(const std::string& id) {
    bool found = false;
    EXPECT_TRUE(bench.shard().post([&](stats::ShardView& view) { found = view.mirror(id, 5 * kSecond); }));
    bench.turn();
    return found;
  }
};

TEST_F(TraceTest, both_legs_of_a_call_are_under_its_id_and_outlive_it) {
  establish();
  const std::string id = detail().row.id;
  caller_hangs_up();
  bench.advance(40 * kSecond);
  EXPECT_EQ(titles(id), (Titles{"> INVITE", "| < INVITE", "< 100 Trying", "| > 180 Ringing", "< 180 Ringing",
                                "| > 200 OK", "< 200 OK", "| < ACK", "> ACK", "> BYE", "< 200 OK", "| < BYE",
                                "| > 200 OK"}));
  const auto messages = bench.shard().recorder().of_call(id, 0, 1 << 20).messages;
  for (std::size_t i = 0; i < messages.size(); ++i) EXPECT_EQ(messages[i].number, i + 1);
  EXPECT_EQ(messages.front().peer, "office");
  EXPECT_EQ(messages.front().realm, "access");
  EXPECT_EQ(messages.front().remote.to_text(), kCaller);
  EXPECT_EQ(messages.back().peer, "carrier-a");
  EXPECT_EQ(messages.back().source().to_text(), kCarrierA);
  EXPECT_EQ(messages.front().octets, invite) << "as it came";
}

TEST_F(TraceTest, a_failed_call_is_kept_apart_with_what_comes_after_its_end) {
  const Sent invited = place();
  bench.receive("core", kCarrierA, make_response(invited, "486 Busy Here", "ct1"));
  const Sent busy = bench.take_one("SIP/2.0 486");
  const std::string id = busy.tag_of("To");
  bench.advance(100 * kMillisecond);  // until its flows are gone
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(bench.records.records[0].id, id);
  EXPECT_GE(bench.shard().traced().failed_kept.get(), 6u);
  std::string ack = make_in_dialog("ACK", invite, busy, 1, "z9hG4bKcaller1");
  bench.receive("access", kCaller, ack);
  const Titles seen = titles(id);
  EXPECT_EQ(seen.front(), "> INVITE");
  EXPECT_EQ(seen.back(), "> ACK");
  EXPECT_EQ(bench.shard().traced().failed_kept.get(), seen.size());
}

TEST_F(TraceTest, a_call_that_went_well_is_not_among_the_failed) {
  establish();
  caller_hangs_up();
  bench.advance(40 * kSecond);
  EXPECT_EQ(bench.shard().traced().failed_kept.get(), 0u);
  EXPECT_EQ(bench.shard().traced().kept.get(), 13u);
}

TEST_F(TraceTest, repeated_and_cancelled_messages_without_our_tag_are_the_calls_own) {
  const Sent invited = place();
  bench.receive("core", kCarrierA, make_response(invited, "180 Ringing", "ct1", kContactA));
  const std::string id = bench.take_one("SIP/2.0 180").tag_of("To");
  bench.receive("access", kCaller, invite);
  bench.receive("access", kCaller, make_cancel(invite));
  bench.take();
  bench.receive("core", kCarrierA, make_response(invited, "487 Request Terminated", "ct1"));
  bench.advance(kSecond);
  const Titles seen = titles(id);
  EXPECT_NE(std::ranges::find(seen, "> INVITE again"), seen.end());
  EXPECT_NE(std::ranges::find(seen, "> CANCEL"), seen.end());
  EXPECT_NE(std::ranges::find(seen, "< 487 Request Terminated"), seen.end());
}

TEST_F(TraceTest, show_call_tells_dialogs_and_timers) {
  establish();
  const stats::CallDetail call = detail();
  ASSERT_EQ(call.legs.size(), 2u);
  for (const stats::LegRow& leg : call.legs) {
    EXPECT_EQ(leg.dialog, "confirmed");
    EXPECT_NE(leg.remote_target, "");
  }
  EXPECT_EQ(call.legs[0].remote_cseq, 1u);
  ASSERT_FALSE(call.timers.empty());
  for (const stats::TimerRow& timer : call.timers) EXPECT_GE(timer.left_ns, 0) << timer.name;
  const auto duration = std::ranges::find(call.timers, "duration", &stats::TimerRow::name);
  ASSERT_NE(duration, call.timers.end());
  EXPECT_LE(duration->left_ns, 3600 * kSecond);
  EXPECT_GT(duration->left_ns, 3500 * kSecond);
}

TEST_F(TraceTest, media_is_mirrored_while_somebody_asks_for_it) {
  establish();
  const std::string id = detail().row.id;
  EXPECT_FALSE(mirror("nobody"));
  EXPECT_TRUE(bench.mirrored.empty());
  EXPECT_TRUE(mirror(id));
  bench.turn();
  EXPECT_EQ(bench.mirrored.size(), bench.flows.size()) << "RTP and RTCP of both legs";
  bench.advance(4 * kSecond);
  EXPECT_TRUE(mirror(id));
  bench.advance(4 * kSecond);
  EXPECT_EQ(bench.mirrored.size(), bench.flows.size()) << "asked for again";
  bench.advance(2 * kSecond);
  EXPECT_TRUE(bench.mirrored.empty()) << "he has gone";
}

// ---- a ring that is off

std::string without_ring() {
  return std::string(Bench::default_config()) + "\ntrace: {ring: off}\n";
}

class NoTraceTest : public TraceTest {
 protected:
  NoTraceTest() : TraceTest(text_) {}
  static inline const std::string text_ = without_ring();
};

TEST_F(NoTraceTest, calls_go_on_without_a_ring) {
  establish();
  const std::string id = detail().row.id;
  EXPECT_TRUE(titles(id).empty());
  caller_hangs_up();
  EXPECT_EQ(bench.shard().traced().kept.get(), 0u);
}

}  // namespace
}  // namespace sallyport::shard
