// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/recorder.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace sallyport::trace {
namespace {

struct Leg {
  std::string call;
  Side side = Side::caller;
};

// The shard's legs, by our tag.
class Legs final : public SubjectFinder {
 public:
  std::optional<Subject> find_subject(std::string_view tag) override {
    const auto leg = legs.find(std::string(tag));
    if (leg == legs.end()) return std::nullopt;
    return Subject{leg->second.call, leg->second.side, &messages[leg->second.call]};
  }
  std::map<std::string, Leg> legs;
  std::map<std::string, std::uint32_t> messages;
};

std::string text(std::string_view start, std::string_view call_id, std::string_view from,
                 std::string_view to) {
  const auto party = [](std::string_view tag) {
    return tag.empty() ? std::string("<sip:x@y>") : "<sip:x@y>;tag=" + std::string(tag);
  };
  return std::string(start) + "\r\nCall-ID: " + std::string(call_id) + "\r\nFrom: " + party(from) +
         "\r\nTo: " + party(to) + "\r\nCSeq: 1 INVITE\r\n\r\n";
}

constexpr std::string_view kInvite = "INVITE sip:x@y SIP/2.0";

struct Bench {
  explicit Bench(std::size_t recent = 1 << 16, std::size_t failed = 1 << 15)
      : recorder({.recent_bytes = recent, .failed_bytes = failed, .key = {1, 2}}) {
    recorder.set_subjects(legs);
  }
  void hear(const std::string& octets) { pass(Direction::received, octets); }
  void send(const std::string& octets) { pass(Direction::sent, octets); }
  void pass(Direction direction, const std::string& octets) {
    Passing message;
    message.direction = direction;
    message.octets = octets;
    message.peer = "office";
    recorder.add(message);
  }
  // A caller's INVITE with that Call-ID and tag, which becomes the call `name`.
  void begin(const std::string& name, std::string_view call_id, std::string_view tag) {
    hear(text(kInvite, call_id, tag, ""));
    legs.legs[name] = {name, Side::caller};
    recorder.begin({name, Side::caller, &legs.messages[name]}, call_id);
  }
  void callee(const std::string& name, const std::string& tag) { legs.legs[tag] = {name, Side::callee}; }
  // Start line and side of what is kept of a call.
  std::vector<std::string> kept(std::string_view call) {
    std::vector<std::string> lines;
    for (const Message& message : recorder.of_call(call, 0, 1 << 20).messages) {
      lines.push_back(std::string(message.side == Side::caller ? "A " : "B ") +
                      (message.direction == Direction::received ? "> " : "< ") +
                      message.octets.substr(0, message.octets.find(' ', 8)));
    }
    return lines;
  }
  Legs legs;
  Recorder recorder;
};

using Lines = std::vector<std::string>;

TEST(Recorder, Both_legs_are_one_call_with_or_without_our_tag) {
  Bench bench;
  bench.begin("a1", "c1", "f1");
  bench.send(text("SIP/2.0 100 Trying", "c1", "f1", ""));  // no tag of ours
  bench.hear(text(kInvite, "c1", "f1", ""));               // again
  bench.callee("a1", "b1");
  bench.send(text(kInvite, "ours", "b1", ""));
  bench.hear(text("SIP/2.0 180 Ringing", "ours", "b1", "t9"));
  bench.send(text("SIP/2.0 180 Ringing", "c1", "f1", "a1"));
  bench.hear(text("CANCEL sip:x@y SIP/2.0", "c1", "f1", ""));
  bench.hear(text("BYE sip:x@y SIP/2.0", "ours", "t9", "b1"));
  EXPECT_EQ(bench.kept("a1"),
            (Lines{"A > INVITE sip:x@y", "A < SIP/2.0 100", "A > INVITE sip:x@y", "B < INVITE sip:x@y",
                   "B > SIP/2.0 180", "A < SIP/2.0 180", "A > CANCEL sip:x@y", "B > BYE sip:x@y"}));
  EXPECT_EQ(bench.legs.messages["a1"], 8u);
  EXPECT_EQ(bench.recorder.counters().kept.get(), 8u);
}

// A call that passes us twice with one Call-ID: our tag in From goes out on one call and comes in as the far
// end's.
TEST(Recorder, One_Call_ID_on_two_calls_is_two_calls) {
  Bench bench;
  bench.begin("a1", "c1", "f1");
  bench.callee("a1", "b1");
  bench.send(text(kInvite, "c1", "b1", ""));
  bench.begin("a2", "c1", "b1");
  bench.send(text("SIP/2.0 100 Trying", "c1", "b1", ""));
  bench.hear(text("SIP/2.0 100 Trying", "c1", "b1", ""));
  EXPECT_EQ(bench.kept("a1"), (Lines{"A > INVITE sip:x@y", "B < INVITE sip:x@y", "B > SIP/2.0 100"}));
  EXPECT_EQ(bench.kept("a2"), (Lines{"A > INVITE sip:x@y", "A < SIP/2.0 100"}));
}

TEST(Recorder, What_is_of_no_call_is_kept_without_a_name) {
  Bench bench;
  bench.hear(text("OPTIONS sip:x@y SIP/2.0", "o1", "f", ""));
  bench.hear("no message at all");
  bench.begin("a1", "c1", "f1");
  const Slice slice = bench.recorder.recent(0, 1 << 20);
  ASSERT_EQ(slice.messages.size(), 3u);
  EXPECT_EQ(slice.messages[0].call, "");
  EXPECT_EQ(slice.messages[0].number, 0u);
  EXPECT_EQ(slice.messages[2].call, "a1");
  EXPECT_EQ(slice.messages[2].number, 1u);
  EXPECT_EQ(slice.messages[2].peer, "office");
}

TEST(Recorder, Messages_after_the_end_of_a_call_are_still_its_own) {
  Bench bench;
  bench.begin("a1", "c1", "f1");
  bench.send(text("SIP/2.0 404 Not Found", "c1", "f1", "a1"));
  bench.recorder.failed("a1");
  bench.legs.legs.clear();
  bench.hear(text("ACK sip:x@y SIP/2.0", "c1", "f1", "a1"));
  EXPECT_EQ(bench.kept("a1"), (Lines{"A > INVITE sip:x@y", "A < SIP/2.0 404", "A > ACK sip:x@y"}));
  const Slice slice = bench.recorder.of_call("a1", 0, 1 << 20);
  EXPECT_EQ(slice.messages.back().number, 3u);
  EXPECT_EQ(bench.recorder.counters().failed_kept.get(), 3u);
}

TEST(Recorder, An_attempt_with_the_Call_ID_of_one_that_failed_is_its_own) {
  Bench bench;
  bench.hear(text(kInvite, "c1", "f1", ""));
  std::uint32_t messages = 0;
  bench.recorder.begin({"r1", Side::caller, &messages}, "c1");
  bench.recorder.failed("r1");
  bench.send(text("SIP/2.0 420 Bad", "c1", "f1", "t1"));
  bench.hear(text("ACK sip:x@y SIP/2.0", "c1", "f1", "t1"));
  bench.begin("a2", "c1", "f1");
  bench.send(text("SIP/2.0 100 Trying", "c1", "f1", ""));
  EXPECT_EQ(bench.kept("r1"), (Lines{"A > INVITE sip:x@y", "A < SIP/2.0 420", "A > ACK sip:x@y"}));
  EXPECT_EQ(bench.kept("a2"), (Lines{"A > INVITE sip:x@y", "A < SIP/2.0 100"}));
  EXPECT_EQ(bench.recorder.of_call("r1", 0, 1 << 20).messages.back().number, 3u);
}

TEST(Recorder, A_failed_call_outlives_those_that_went_well) {
  Bench bench(1 << 14, 1 << 14);
  bench.begin("bad", "c1", "f1");
  bench.send(text("SIP/2.0 404 Not Found", "c1", "f1", "bad"));
  bench.recorder.failed("bad");
  bench.begin("good", "c2", "f2");
  for (int i = 0; i < 200; ++i) bench.send(text("SIP/2.0 200 OK", "c2", "f2", "good"));
  EXPECT_EQ(bench.kept("bad"), (Lines{"A > INVITE sip:x@y", "A < SIP/2.0 404"}));
  const Slice left = bench.recorder.of_call("good", 0, 1 << 20);
  ASSERT_FALSE(left.messages.empty());
  EXPECT_EQ(left.messages.front().number, 202 - left.messages.size()) << "what is gone can be told";
  EXPECT_EQ(bench.recorder.counters().overwritten.get(), 203 - left.messages.size());
  bench.recorder.failed("good");
  EXPECT_GT(bench.recorder.counters().failed_overwritten.get(), 0u);
}

TEST(Recorder, Gives_a_part_at_a_time) {
  Bench bench;
  bench.begin("a1", "c1", "f1");
  for (int i = 0; i < 9; ++i) bench.send(text("SIP/2.0 180 Ringing", "c1", "f1", "a1"));
  const std::size_t one = bench.recorder.recent(0, 1).messages.front().octets.size();
  for (const bool by_call : {false, true}) {
    std::size_t seen = 0;
    std::uint64_t behind = 0;
    for (bool more = true; more;) {
      const Slice slice =
          by_call ? bench.recorder.of_call("a1", behind, 3 * one) : bench.recorder.recent(behind, 3 * one);
      ASSERT_LE(slice.messages.size(), 3u);
      ASSERT_GE(slice.messages.size(), 1u);
      EXPECT_EQ(slice.messages.front().sequence, behind + 1);
      seen += slice.messages.size();
      behind = slice.next;
      more = !slice.is_last;
    }
    EXPECT_EQ(seen, 10u);
  }
  EXPECT_TRUE(bench.recorder.recent(10, 100).messages.empty());
  EXPECT_EQ(bench.recorder.recent(10, 100).next, 10u);
}

TEST(Recorder, A_long_call_is_shown_by_its_ends) {
  Bench bench;
  bench.begin("a1", "c1", "f1");
  for (int i = 0; i < 99; ++i) bench.send(text("SIP/2.0 180 Ringing", "c1", "f1", "a1"));
  const std::size_t one = bench.recorder.of_call("a1", 1, 1).messages.front().octets.size();
  const auto all = bench.recorder.ends_of_call("a1", 100 * one);
  ASSERT_EQ(all.size(), 100u);
  for (const Message& message : all) EXPECT_EQ(message.left_out, 0u);
  const auto ends = bench.recorder.ends_of_call("a1", 30 * one);
  ASSERT_EQ(ends.size(), 30u);
  for (std::size_t i = 0; i < ends.size(); ++i) {
    EXPECT_EQ(ends[i].number, i < 10 ? i + 1 : 71 + i) << i;
    EXPECT_EQ(ends[i].left_out, i == 10 ? 70u : 0u) << i;
  }
  const auto newest = bench.recorder.ends_of_call("a1", 1);
  ASSERT_EQ(newest.size(), 1u);
  EXPECT_EQ(newest[0].number, 100u);
  EXPECT_EQ(newest[0].left_out, 99u);
  EXPECT_TRUE(bench.recorder.ends_of_call("nobody", 100).empty());
}

TEST(Recorder, Keeps_nothing_when_it_is_off_and_no_secret_ever) {
  Bench off(0, 0);
  off.begin("a1", "c1", "f1");
  off.recorder.failed("a1");
  EXPECT_TRUE(off.kept("a1").empty());
  EXPECT_EQ(off.recorder.counters().kept.get(), 0u);
  Bench bench;
  bench.hear("INVITE sip:x@y SIP/2.0\r\nAuthorization: Digest response=\"s3cret\"\r\n\r\n");
  EXPECT_EQ(bench.recorder.recent(0, 100).messages.front().octets.find("s3cret"), std::string::npos);
}

TEST(Recorder, Counts_what_is_too_large_and_leaves_no_gap_for_it) {
  Bench bench(1 << 14, 0);
  bench.hear(std::string(10'000, 'x'));
  bench.hear("small");
  EXPECT_EQ(bench.recorder.counters().too_large.get(), 1u);
  EXPECT_EQ(bench.recorder.recent(0, 100).messages.front().sequence, 1u);
}

}  // namespace
}  // namespace sallyport::trace
