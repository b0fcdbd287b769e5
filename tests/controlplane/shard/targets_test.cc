// SPDX-License-Identifier: Apache-2.0
// Which target is tried, what is heard of it, and what the caller hears in the end.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

class Targets : public CallTest {
 protected:
  explicit Targets(std::string_view yaml = Bench::default_config()) : CallTest(yaml) {}
  Sent place_again(const std::string& name) {
    bench.receive("access", kCaller, make_invite({.call_id = name, .branch = "z9hG4bK" + name}));
    return bench.take_one("INVITE ");
  }
  void refuse(const Sent& request, std::string_view status, std::string_view more = {}) {
    bench.receive("core", request.remote.to_text(), make_response(request, status, "t", {}, {}, more));
  }
};

TEST_F(Targets, Retry_After_of_a_503_puts_the_target_out_of_use_for_so_long) {
  refuse(place(), "503 Service Unavailable", "Retry-After: 20\r\n");
  refuse(bench.take_one("INVITE "), "486 Busy Here");
  bench.take();
  const Sent second = place_again("second");
  EXPECT_EQ(second.remote, *Endpoint::parse(kCarrierB));
  refuse(second, "486 Busy Here");
  bench.advance(21 * kSecond);
  bench.take();
  const Sent third = place_again("third");
  EXPECT_EQ(third.remote, *Endpoint::parse(kCarrierA));
  refuse(third, "486 Busy Here");
  bench.expect_nothing_left();
}

TEST_F(Targets, A_503_without_Retry_After_is_forgotten_at_once) {
  refuse(place(), "503 Service Unavailable");
  refuse(bench.take_one("INVITE "), "486 Busy Here");
  bench.take();
  const Sent second = place_again("second");
  EXPECT_EQ(second.remote, *Endpoint::parse(kCarrierA));
  refuse(second, "486 Busy Here");
  bench.expect_nothing_left();
}

TEST_F(Targets, One_that_cannot_be_reached_rests_and_when_all_rest_they_are_tried_all_the_same) {
  bench.report_unreachable(place());
  bench.report_unreachable(bench.take_one("INVITE "));
  const Sent answer = bench.take_one("SIP/2.0 5");
  EXPECT_TRUE(answer.is("SIP/2.0 500"))
      << "RFC 3261 16.7: what is true of the peer is not true of us: " << answer.text;
  bench.take();
  bench.receive("access", kCaller, make_invite({.call_id = "second", .branch = "z9hG4bKsecond"}));
  const Sent again = bench.take_one("INVITE ");
  EXPECT_EQ(again.remote, *Endpoint::parse(kCarrierA));
  refuse(again, "486 Busy Here");
  bench.expect_nothing_left();
  ASSERT_EQ(bench.records.records.size(), 2u);
  EXPECT_EQ(bench.records.records[0].local_error, "transport-failure");
  EXPECT_EQ(bench.records.records[0].ended_by, stats::EndedBy::sallyport);
}

TEST_F(Targets, A_6xx_ends_the_search) {
  refuse(place(), "603 Decline");
  EXPECT_TRUE(bench.take_one("SIP/2.0 603").is("SIP/2.0 603"));
  EXPECT_EQ(count(bench.take(), "INVITE "), 0);
  bench.expect_nothing_left();
}

TEST_F(Targets, An_answer_of_the_first_target_after_its_timeout_is_acknowledged_and_ended) {
  const Sent first = place();
  bench.advance(11 * kSecond);
  Sent second;
  for (const Sent& sent : bench.take()) {
    if (sent.is("INVITE ") && sent.remote == *Endpoint::parse(kCarrierB)) second = sent;
  }
  bench.receive("core", kCarrierA,
                make_response(first, "200 OK", "late", kContactA, sdp("192.0.2.10", 6000)));
  std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "ACK sip:callee@192.0.2.10"), 1);
  EXPECT_EQ(count(sent, "BYE sip:callee@192.0.2.10"), 1);
  EXPECT_EQ(count(sent, "SIP/2.0 200"), 0) << "the caller hears nothing of it";
  for (const Sent& bye : sent) {
    if (bye.is("BYE ")) bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  }
  bench.receive("core", kCarrierB,
                make_response(second, "200 OK", "bt", "<sip:x@192.0.2.11>", sdp("192.0.2.11", 6100)));
  ok = bench.take_one("SIP/2.0 200");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.take();
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  const Sent bye = bench.take_one("BYE ");
  bench.receive("core", kCarrierB, make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
  const stats::CallRecord& record = bench.records.records.at(0);
  EXPECT_EQ(record.to_peer, "carrier-b");
  ASSERT_EQ(record.attempts.size(), 2u);
  EXPECT_EQ(record.attempts[0].local_error, "setup-timeout");
  EXPECT_EQ(record.attempts[1].received, 200);
}

TEST_F(Targets, A_late_offer_goes_to_the_next_target_too) {
  out = place({.body = ""});
  refuse(out, "503 Service Unavailable");
  const Sent second = bench.take_one("INVITE ");
  EXPECT_TRUE(second.body().empty());
  bench.receive("core", kCarrierB,
                make_response(second, "200 OK", "bt", "<sip:x@192.0.2.11>", sdp("192.0.2.11", 6100)));
  ok = bench.take_one("SIP/2.0 200");
  EXPECT_FALSE(ok.body().empty());
  bench.take();
  bench.receive("access", kCaller,
                make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1", sdp("198.51.100.20", 4000)));
  EXPECT_FALSE(bench.take_one("ACK ").body().empty());
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  bench.receive("core", kCarrierB, make_response(bench.take_one("BYE "), "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(Targets, Early_media_of_a_target_that_fails_gives_way_to_the_next) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "183 Session Progress", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  bench.take_one("SIP/2.0 183");
  refuse(out, "503 Service Unavailable");
  const Sent second = bench.take_one("INVITE ");
  bench.receive("core", kCarrierB,
                make_response(second, "200 OK", "bt", "<sip:x@192.0.2.11>", sdp("192.0.2.11", 6100)));
  ok = bench.take_one("SIP/2.0 200");
  EXPECT_EQ(bench.flows.size(), 4u);
  for (const auto& [slot, spec] : bench.flows) EXPECT_NE(spec.remote.port, 6000);
  bench.take();
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  bench.receive("core", kCarrierB, make_response(bench.take_one("BYE "), "200 OK", ""));
  bench.expect_nothing_left();
}

constexpr std::string_view kTwoFamilies = R"(dataplane:
  cores: [1]
  ports: {access: {device: "net_null0"}, core: {device: "net_null1"}}
realms:
  access: {port: access, addresses: ["198.51.100.1/24"], media: {ports: 20000-20099}}
  core: {port: core, addresses: ["192.0.2.1/24", "2001:db8:2::1/64"], media: {ports: 30000-30099}}
peers:
  office: {realm: access, match: ["198.51.100.0/24"]}
  carrier-a:
    realm: core
    match: ["192.0.2.10", "2001:db8:2::10"]
    targets: ["sip:[2001:db8:2::10]:5060", "sip:192.0.2.10:5060"]
routes:
  - {from: office, to: [carrier-a]}
)";

struct TwoFamilies : Targets {
  TwoFamilies() : Targets(kTwoFamilies) {}
};
TEST_F(TwoFamilies, Failover_from_IPv6_to_IPv4_offers_ports_of_the_other_family) {
  out = place();
  EXPECT_NE(out.body().find("c=IN IP6 2001:db8:2::1\r\n"), std::string::npos);
  bench.receive("core", "[2001:db8:2::10]:5060", make_response(out, "503 Service Unavailable", "t"));
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(second.remote, *Endpoint::parse(kCarrierA));
  EXPECT_NE(second.body().find("c=IN IP4 192.0.2.1\r\n"), std::string::npos);
  EXPECT_EQ(second.text.find("2001:db8"), std::string::npos);
  bench.turn();
  EXPECT_EQ(bench.flows.size(), 4u);
  refuse(second, "486 Busy Here");
  bench.expect_nothing_left();
}

TEST_F(Targets, A_provisional_response_that_the_map_changes_goes_on_as_changed) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "181 Call Is Being Forwarded", "ct1", kContactA));
  EXPECT_EQ(count(bench.take(), "SIP/2.0 181"), 1);
  bench.receive("core", kCarrierA, make_response(out, "100 Trying", ""));
  EXPECT_TRUE(bench.take().empty()) << "100 is of its hop";
  refuse(out, "486 Busy Here");
  bench.expect_nothing_left();
}

TEST_F(Targets, The_limits_of_the_peer_that_is_tried_end_its_attempt_and_not_an_answered_call) {
  establish();
  bench.advance(100 * kSecond);
  EXPECT_EQ(bench.shard().manager().calls(), 1u) << "neither setup nor ring runs on";
  bench.take();
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(Targets, Provisional_responses_alone_do_not_hold_the_ring_limit_off) {
  out = place();
  for (int i = 0; i < 7; ++i) {
    bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
    bench.advance(9 * kSecond);
  }
  EXPECT_GE(count(bench.take(), "CANCEL "), 1);
  refuse(out, "487 Request Terminated");
  bench.expect_nothing_left();
}

TEST_F(Targets, A_call_that_comes_back_from_a_switch_is_known_by_our_own_media_port) {
  out = place();
  // The switch sends our offer back to us; the address in it is ours, the port open.
  std::string back = make_invite({.call_id = "spiral",
                                  .via = "192.0.2.10:5060",
                                  .contact = "<sip:sw@192.0.2.10:5060>",
                                  .body = out.body(),
                                  .branch = "z9hG4bKspiral",
                                  .max_forwards = 60});
  bench.receive("core", kCarrierA, back);
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(second.remote, *Endpoint::parse(kCaller));
  EXPECT_EQ(second.header("Max-Forwards"), "59");
  bench.receive("access", kCaller, make_response(second, "486 Busy Here", "x"));
  bench.take();
  // A port of ours that is not open is nobody's.
  std::string closed = out.body();
  closed.replace(closed.find("m=audio ") + 8, 5, "30998");
  if (out.body().find("m=audio 30998") == std::string::npos) {
    bench.receive("core", kCarrierA,
                  make_invite({.call_id = "spiral2",
                               .via = "192.0.2.10:5060",
                               .contact = "<sip:sw@192.0.2.10:5060>",
                               .body = closed,
                               .branch = "z9hG4bKspiral2"}));
    EXPECT_TRUE(bench.take_one("SIP/2.0 488").is("SIP/2.0 488"));
  }
  refuse(out, "486 Busy Here");
  bench.expect_nothing_left();
}

TEST_F(Targets, A_carrier_behind_a_NAT_is_acknowledged_and_ended_at_its_packets_source) {
  out = place();
  bench.receive("core", "192.0.2.10:6060",
                make_response(out, "200 OK", "ct1", "<sip:callee@10.9.9.9:5060>", sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  EXPECT_EQ(bench.take_one("ACK ").remote, *Endpoint::parse("192.0.2.10:6060"));
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.remote, *Endpoint::parse("192.0.2.10:6060"));
  EXPECT_TRUE(bye.is("BYE sip:callee@10.9.9.9:5060")) << "the target is what it said";
  bench.receive("core", "192.0.2.10:6060", make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(Targets, The_2xx_of_a_fork_behind_a_NAT_is_acknowledged_at_its_packets_source) {
  establish();
  bench.receive("core", "192.0.2.10:6060",
                make_response(out, "200 OK", "f2", "<sip:two@10.9.9.9:5060>", sdp("192.0.2.10", 7000)));
  EXPECT_EQ(bench.take_one("ACK ").remote, *Endpoint::parse("192.0.2.10:6060"));
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.remote, *Endpoint::parse("192.0.2.10:6060"));
  bench.receive("core", "192.0.2.10:6060", make_response(bye, "200 OK", ""));
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(Targets, Messages_are_counted_by_peer_direction_and_retransmission) {
  establish();
  caller_hangs_up();
  bench.take();
  const auto& config = bench.config();
  const auto* caller = bench.shard().statistics().find_peer(config.find_peer("office"));
  const auto* carrier = bench.shard().statistics().find_peer(config.find_peer("carrier-a"));
  ASSERT_TRUE(caller && carrier);
  const auto requests = [](const stats::PeerStatistics& peer, stats::Direction direction,
                           sip::Method method) {
    return peer.sip.requests[static_cast<std::size_t>(direction)][static_cast<std::size_t>(method)].get();
  };
  const auto responses = [](const stats::PeerStatistics& peer, stats::Direction direction, unsigned code) {
    return peer.sip.responses[static_cast<std::size_t>(direction)][stats::code_slot(code)].get();
  };
  using enum stats::Direction;
  EXPECT_EQ(requests(*caller, in, sip::Method::invite), 1u);
  EXPECT_EQ(requests(*caller, in, sip::Method::ack), 1u);
  EXPECT_EQ(requests(*caller, in, sip::Method::bye), 1u);
  EXPECT_EQ(responses(*caller, stats::Direction::out, 100), 1u);
  EXPECT_EQ(responses(*caller, stats::Direction::out, 180), 1u);
  EXPECT_EQ(responses(*caller, stats::Direction::out, 200), 2u);
  EXPECT_EQ(requests(*carrier, stats::Direction::out, sip::Method::invite), 1u);
  EXPECT_EQ(requests(*carrier, stats::Direction::out, sip::Method::ack), 1u);
  EXPECT_EQ(requests(*carrier, stats::Direction::out, sip::Method::bye), 1u);
  EXPECT_EQ(responses(*carrier, in, 200), 2u);
  EXPECT_EQ(bench.shard()
                .statistics()
                .totals.retransmitted_requests[1][static_cast<std::size_t>(sip::Method::invite)]
                .get(),
            0u);
  place_again("second");
  bench.advance(1600 * kMillisecond);
  EXPECT_EQ(requests(*carrier, stats::Direction::out, sip::Method::invite), 4u);
  EXPECT_EQ(bench.shard()
                .statistics()
                .totals.retransmitted_requests[1][static_cast<std::size_t>(sip::Method::invite)]
                .get(),
            2u);
}

TEST_F(Targets, Records_tell_the_whole_call) {
  establish();
  bench.advance(5 * kSecond);
  caller_hangs_up();
  bench.expect_nothing_left();
  ASSERT_EQ(bench.records.records.size(), 1u);
  const stats::CallRecord& record = bench.records.records[0];
  EXPECT_EQ(record.kind, stats::RecordKind::end);
  EXPECT_EQ(record.id, ok.tag_of("To"));
  EXPECT_EQ(record.from_peer, "office");
  EXPECT_EQ(record.from_realm, "access");
  EXPECT_EQ(record.to_peer, "carrier-a");
  EXPECT_EQ(record.to_realm, "core");
  EXPECT_EQ(record.caller, "sip:alice@office.example");
  EXPECT_EQ(record.callee, "sip:4930123@198.51.100.1");
  EXPECT_EQ(record.call_id, "caller-1@198.51.100.20");
  EXPECT_EQ(record.source, *Endpoint::parse(kCaller));
  EXPECT_GT(record.started_ns, 0);
  EXPECT_GE(record.ringing_ns, record.started_ns);
  EXPECT_GE(record.answered_ns, record.ringing_ns);
  EXPECT_GE(record.ended_ns, record.answered_ns);
  EXPECT_EQ(record.received, 200);
  EXPECT_EQ(record.sent, 200);
  EXPECT_EQ(record.local_error, "");
  ASSERT_EQ(record.attempts.size(), 1u);
  EXPECT_EQ(record.attempts[0].call_id, out.header("Call-ID"));
  EXPECT_EQ(record.attempts[0].target, *Endpoint::parse(kCarrierA));
  ASSERT_EQ(record.media.size(), 2u);
  EXPECT_EQ(record.media[0].remote, *Endpoint::parse("198.51.100.20:4000"));
  EXPECT_EQ(record.media[1].remote, *Endpoint::parse("192.0.2.10:6000"));
  EXPECT_EQ(record.media[0].private_action, "") << "a public address";
  for (const std::string_view answer : record.answer_sdp)
    EXPECT_NE(answer.find("m=audio"), std::string::npos) << answer;
  EXPECT_NE(record.answer_sdp[0], record.answer_sdp[1]) << "each leg has its own";
}

TEST_F(Targets, A_failed_call_is_recorded_with_what_was_heard_what_was_sent_and_why) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "499 Codec Mismatch", "t"));
  bench.expect_nothing_left();
  const stats::CallRecord& record = bench.records.records.at(0);
  EXPECT_EQ(record.received, 499);
  EXPECT_EQ(record.received_phrase, "Codec Mismatch");
  EXPECT_EQ(record.sent, 488);
  EXPECT_FALSE(record.rule.empty());
  EXPECT_EQ(record.ended_by, stats::EndedBy::callee);
  EXPECT_EQ(record.attempts.at(0).received, 499);
  EXPECT_EQ(record.answered_ns, 0);
}

}  // namespace
}  // namespace sallyport::shard
