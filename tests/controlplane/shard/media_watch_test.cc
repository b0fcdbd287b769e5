// SPDX-License-Identifier: Apache-2.0
// Silent media: which silence ends a call, which is only counted, and what it is measured from.
#include <set>

#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

std::string with_media(std::string_view keys) {
  std::string yaml(Bench::default_config());
  for (std::size_t at = 0; (at = yaml.find("media: {ports: ", at)) != std::string::npos;) {
    at = yaml.find('}', at);
    yaml.insert(at, ", " + std::string(keys));
  }
  return yaml;
}

class MediaWatch : public CallTest {
 protected:
  explicit MediaWatch(
      const std::string& yaml = with_media("idle_timeout: 60s, one_way_timeout: 20s, hold_timeout: 10m"))
      : CallTest(yaml) {}
  // The RTP flow of a leg.
  std::uint32_t flow(std::uint8_t leg) const {
    for (const auto& [slot, spec] : bench.flows) {
      if (spec.owner.leg == leg && spec.kind == dp::FlowKind::rtp) return slot;
    }
    return 0;
  }
  // Legs that hear BYE; it may have been sent more than once.
  std::size_t byes() {
    std::set<std::string> legs;
    for (const Sent& sent : bench.take()) {
      if (sent.is("BYE ")) legs.emplace(sent.header("Call-ID"));
    }
    return legs.size();
  }
  std::uint64_t counted(stats::MediaTimeout timeout, int action) {
    return bench.shard()
        .statistics()
        .totals.media_timeouts[static_cast<std::size_t>(timeout)][static_cast<std::size_t>(action)]
        .get();
  }
  // The caller changes the direction; the carrier's answer mirrors it.
  void change(std::string_view offer, std::string_view answer, unsigned cseq) {
    const std::string branch = "z9hG4bKre" + std::to_string(cseq);
    bench.receive(
        "access", kCaller,
        make_in_dialog("INVITE", invite, ok, cseq, branch, sdp("198.51.100.20", 4000, std::string(offer))));
    bench.take_one("SIP/2.0 100");
    const Sent re = bench.take_one("INVITE ");
    bench.receive(
        "core", kCarrierA,
        make_response(re, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000, std::string(answer))));
    bench.take_one("SIP/2.0 200");
    bench.take_one("ACK ");
    bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, cseq, branch + "a"));
    bench.take();
  }
};

TEST_F(MediaWatch, One_silent_side_is_counted_and_the_call_goes_on) {
  establish();
  bench.advance(30 * kSecond, kSecond);
  bench.report_idle(flow(0));  // for 20 s
  bench.advance(kSecond);
  EXPECT_EQ(counted(stats::MediaTimeout::one_way, 0), 1u);
  bench.advance(300 * kSecond, kSecond);
  EXPECT_EQ(counted(stats::MediaTimeout::one_way, 0), 1u) << "told once";
  EXPECT_EQ(byes(), 0u);
  bench.report_idle(flow(0), true);
  bench.report_idle(flow(0));
  bench.advance(kSecond);
  EXPECT_EQ(counted(stats::MediaTimeout::one_way, 0), 2u) << "it was heard meanwhile";
  caller_hangs_up();
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).media_timeout, "one_way");
  EXPECT_TRUE(bench.records.records.at(0).local_error.empty());
}

TEST_F(MediaWatch, Nobody_heard_ends_the_call_when_the_last_has_been_silent_for_so_long) {
  establish();
  bench.advance(100 * kSecond, kSecond);
  bench.take();
  bench.report_idle(flow(1));
  bench.advance(10 * kSecond, kSecond);
  bench.report_idle(flow(0));  // its last packet was 20 s ago
  bench.advance(39 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u);
  bench.advance(2 * kSecond, kSecond);
  EXPECT_EQ(byes(), 2u);
  EXPECT_EQ(counted(stats::MediaTimeout::idle, 1), 1u);
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "media-timeout");
  EXPECT_EQ(bench.records.records.at(0).media_timeout, "idle");
}

TEST_F(MediaWatch, Who_is_heard_again_in_time_keeps_the_call) {
  establish();
  bench.advance(100 * kSecond, kSecond);
  bench.report_silence();
  bench.advance(30 * kSecond, kSecond);
  bench.report_idle(flow(1), true);
  bench.advance(60 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u);
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(MediaWatch, Silence_while_it_rings_counts_from_the_answer) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  bench.take_one("SIP/2.0 180");
  bench.advance(25 * kSecond, kSecond);
  bench.report_silence();
  bench.take();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.take_one("ACK ");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.report_silence();
  bench.advance(59 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u);
  bench.advance(2 * kSecond, kSecond);
  EXPECT_EQ(byes(), 2u);
  bench.expect_nothing_left();
}

TEST_F(MediaWatch, A_call_on_hold_may_be_silent_for_longer_and_after_it_the_time_begins_anew) {
  establish();
  change("a=inactive\r\n", "a=inactive\r\n", 2);
  bench.advance(300 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u);
  change("a=sendrecv\r\n", "a=sendrecv\r\n", 3);
  bench.advance(19 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u);
  bench.advance(41 * kSecond, kSecond);
  bench.report_silence();
  bench.advance(60 * kSecond, kSecond);
  EXPECT_EQ(byes(), 2u) << "resumed, and nobody came back";
  EXPECT_EQ(counted(stats::MediaTimeout::idle, 1), 1u);
  bench.expect_nothing_left();
}

TEST_F(MediaWatch, A_hold_without_an_end_has_one) {
  establish();
  change("a=inactive\r\n", "a=inactive\r\n", 2);
  bench.advance(599 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u);
  bench.advance(2 * kSecond, kSecond);
  EXPECT_EQ(byes(), 2u);
  EXPECT_EQ(counted(stats::MediaTimeout::hold, 1), 1u);
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).media_timeout, "hold");
}

TEST_F(MediaWatch, Music_on_hold_is_heard) {
  establish();
  change("a=sendonly\r\n", "a=recvonly\r\n", 2);
  bench.advance(700 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u) << "the caller plays music";
  bench.report_idle(flow(0));
  bench.advance(581 * kSecond, kSecond);
  EXPECT_EQ(byes(), 2u) << "it has stopped, ten minutes ago";
  bench.expect_nothing_left();
}

struct OtherWay : MediaWatch {
  OtherWay()
      : MediaWatch(
            with_media("idle_timeout: 60s, one_way_timeout: 20s, hold_timeout: off, end_on: [one_way]")) {}
};
TEST_F(OtherWay, What_ends_a_call_is_configured) {
  establish();
  bench.advance(60 * kSecond, kSecond);
  bench.report_silence();
  bench.advance(60 * kSecond, kSecond);
  EXPECT_EQ(byes(), 0u);
  EXPECT_EQ(counted(stats::MediaTimeout::idle, 0), 1u);
  bench.report_idle(flow(1), true);
  bench.advance(20 * kSecond, kSecond);
  EXPECT_EQ(byes(), 2u);
  EXPECT_EQ(counted(stats::MediaTimeout::one_way, 1), 1u);
  bench.expect_nothing_left();
}

// The marks that a realm's media and signalling bear, and what a latch may do, reach the flows.
struct Marked : MediaWatch {
  Marked() : MediaWatch(with_media("dscp: 34, latch: same-address, relatch_after: 3s, police: off")) {}
};
TEST_F(Marked, A_realm_s_policy_stands_in_its_flows) {
  establish();
  for (const auto& [slot, spec] : bench.flows) {
    EXPECT_EQ(spec.dscp, 34);
    EXPECT_EQ(spec.relatch_after_ms, 3000);
    EXPECT_EQ(spec.police_pps, 0);
  }
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(MediaWatch, The_flows_are_policed_by_what_was_agreed) {
  establish();
  EXPECT_EQ(bench.flows.at(flow(0)).police_pps, 200);
  EXPECT_GT(bench.flows.at(flow(0)).police_bytes_per_s, 20'000u);
  EXPECT_EQ(bench.flows.at(flow(1)).dscp, 46);
  caller_hangs_up();
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
