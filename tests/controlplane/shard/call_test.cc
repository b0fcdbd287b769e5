// SPDX-License-Identifier: Apache-2.0
// One call with two legs, driven from the endpoints over the shipped shard.
#include <gtest/gtest.h>

#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

TEST_F(CallTest, An_answered_call_ends_with_the_callers_BYE) {
  establish();
  EXPECT_EQ(bench.flows.size(), 4u);
  caller_hangs_up();
  EXPECT_TRUE(bench.flows.empty());
  bench.expect_nothing_left();
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(bench.records.records[0].ended_by, stats::EndedBy::caller);
  EXPECT_EQ(bench.records.records[0].sent, 200);
  EXPECT_EQ(bench.records.records[0].to_peer, "carrier-a");
}

TEST_F(CallTest, The_callee_hangs_up_and_his_Reason_goes_on) {
  establish();
  std::string bye = make_uas_request("BYE", out, "ct1", "192.0.2.10:5060", 1, "z9hG4bKcb1");
  bye.insert(bye.find("Content-Length"), "Reason: Q.850;cause=16\r\n");
  bench.receive("core", kCarrierA, bye);
  EXPECT_EQ(bench.take_one("SIP/2.0 200").remote, *Endpoint::parse(kCarrierA));
  const Sent to_caller = bench.take_one("BYE ");
  EXPECT_EQ(to_caller.remote, *Endpoint::parse(kCaller));
  EXPECT_EQ(to_caller.header("Reason"), "Q.850;cause=16");
  EXPECT_EQ(to_caller.header("Call-ID"), "caller-1@198.51.100.20");
  bench.receive("access", kCaller, make_response(to_caller, "200 OK", ""));
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).ended_by, stats::EndedBy::callee);
}

TEST_F(CallTest, Nothing_of_the_caller_is_seen_by_the_carrier) {
  const Sent sent =
      place({.contact = "<sip:alice@198.51.100.20:5060>", .more = "X-Inside: 198.51.100.20\r\n"});
  for (const char* secret :
       {"198.51.100", "office.example", "caller-1", "fa1", "SecretPhone", "Secret", "z9hG4bKcaller1"}) {
    EXPECT_EQ(sent.text.find(secret), std::string::npos) << secret << " in\n" << sent.text;
  }
  EXPECT_EQ(sent.start_line(), "INVITE sip:4930123@192.0.2.10 SIP/2.0");
  EXPECT_EQ(sent.header("Max-Forwards"), "69");
  EXPECT_NE(sent.body().find("c=IN IP4 192.0.2.1\r\n"), std::string::npos);
  EXPECT_EQ(sent.local, *Endpoint::parse("192.0.2.1:5060"));
  EXPECT_NE(sent.header("From").find("\"Alice\" <sip:alice@192.0.2.1>"), std::string::npos);
  // Via first: an ICMP error quotes the branch.
  EXPECT_EQ(sent.text.find("\r\nVia: "), sent.text.find("\r\n"));
  bench.receive("core", kCarrierA, make_response(sent, "486 Busy Here", "ct1"));
}

TEST_F(CallTest, Nothing_of_the_carrier_is_seen_by_the_caller) {
  establish();
  for (const char* secret : {"192.0.2", "SecretSwitch", "ct1", "callee"}) {
    EXPECT_EQ(ok.text.find(secret), std::string::npos) << secret << " in\n" << ok.text;
  }
  EXPECT_NE(ok.header("To").find(";tag="), std::string::npos);
  EXPECT_NE(ok.body().find("c=IN IP4 198.51.100.1\r\n"), std::string::npos);
  caller_hangs_up();
}

TEST_F(CallTest, Flows_are_open_before_the_INVITE_leaves_and_know_both_ends_after_the_answer) {
  establish();
  const dp::FlowSpec *a = nullptr, *b = nullptr;
  for (const auto& [slot, spec] : bench.flows) {
    if (spec.kind != dp::FlowKind::rtp) continue;
    (spec.owner.leg == 0 ? a : b) = &spec;
  }
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->remote, *Endpoint::parse("198.51.100.20:4000"));
  EXPECT_EQ(b->remote, *Endpoint::parse("192.0.2.10:6000"));
  EXPECT_EQ(a->pair, b->self);
  EXPECT_EQ(a->signalling_source, *IpAddress::parse("198.51.100.20"));
  EXPECT_NE(ok.body().find("m=audio " + std::to_string(a->local.port)), std::string::npos);
  EXPECT_NE(out.body().find("m=audio " + std::to_string(b->local.port)), std::string::npos);
  caller_hangs_up();
}

TEST_F(CallTest, Early_media_of_a_183_reaches_the_caller_and_the_200_may_come_without_SDP) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "183 Session Progress", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  const Sent progress = bench.take_one("SIP/2.0 183");
  EXPECT_NE(progress.body().find("c=IN IP4 198.51.100.1"), std::string::npos);
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA));
  ok = bench.take_one("SIP/2.0 200");
  EXPECT_EQ(ok.tag_of("To"), progress.tag_of("To"));
  bench.take_one("ACK ");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_busy_callee_is_a_486_to_the_caller_and_leaves_nothing) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "486 Busy Here", "ct1"));
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:4930123@192.0.2.10"));
  const Sent busy = bench.take_one("SIP/2.0 486");
  EXPECT_EQ(busy.header("Reason"), "Q.850;cause=17;text=\"User busy\"");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, busy, 1, "z9hG4bKcaller1"));
  EXPECT_TRUE(bench.flows.empty());
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_vendor_code_is_mapped) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "499 Codec Mismatch", "ct1"));
  bench.take_one("ACK ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 488").is("SIP/2.0 488"));
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).received, 499);
  EXPECT_EQ(bench.records.records.at(0).sent, 488);
}

// What was received and what was sent: code, phrase and Reason, and the rule that decided.
TEST_F(CallTest, A_failed_call_tells_both_sides_of_its_failure_in_its_record) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "499 Codec Mismatch", "ct1", {}, {},
                              "Reason: SIP;cause=499\r\nReason: Q.850 ;cause=65\r\n ;text=\"no codec\"\r\n"));
  bench.take_one("ACK ");
  const Sent refused = bench.take_one("SIP/2.0 488");
  bench.expect_nothing_left();
  const stats::CallRecord& record = bench.records.records.at(0);
  EXPECT_EQ(record.received, 499);
  EXPECT_EQ(record.received_phrase, "Codec Mismatch");
  EXPECT_EQ(record.reason_received, "SIP;cause=499, Q.850 ;cause=65 ;text=\"no codec\"");
  EXPECT_EQ(record.attempts.at(0).reason_received, record.reason_received);
  EXPECT_EQ(record.sent, 488);
  EXPECT_EQ(refused.start_line(), "SIP/2.0 488 " + std::string(record.sent_phrase));
  EXPECT_NE(record.reason_sent, "");
  EXPECT_EQ(record.reason_sent, refused.header("Reason"));
  EXPECT_NE(record.rule, "");
}

TEST_F(CallTest, Of_a_Reason_without_end_only_so_much_is_kept) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "486 Busy Here", "ct1", {}, {},
                              "Reason: SIP;cause=486;text=\"" + std::string(3000, 'x') + "\"\r\n"));
  bench.take();
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).reason_received.size(), stats::kMostReasonBytes);
}

TEST_F(CallTest, What_an_earlier_target_gave_as_its_Reason_is_its_own) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "503 Service Unavailable", "ct1", {}, {}, "Reason: Q.850;cause=42\r\n"));
  bench.take_one("ACK ");
  const Sent second = bench.take_one("INVITE ");
  bench.receive("core", kCarrierB, make_response(second, "486 Busy Here", "bt"));
  bench.take();
  bench.expect_nothing_left();
  const stats::CallRecord& record = bench.records.records.at(0);
  ASSERT_EQ(record.attempts.size(), 2u);
  EXPECT_EQ(record.attempts[0].reason_received, "Q.850;cause=42");
  EXPECT_EQ(record.attempts[1].reason_received, "");
  EXPECT_EQ(record.reason_received, "");
}

TEST_F(CallTest, CANCEL_before_the_answer_ends_both_legs) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  bench.take();
  bench.receive("access", kCaller, make_cancel(invite));
  EXPECT_EQ(bench.take_one("SIP/2.0 200").header("CSeq"), "1 CANCEL");
  EXPECT_TRUE(bench.take_one("SIP/2.0 487").is("SIP/2.0 487 Request Terminated"));
  const Sent to_carrier = bench.take_one("CANCEL ");
  EXPECT_EQ(to_carrier.header("Via"), out.header("Via"));
  bench.receive("core", kCarrierA, make_response(to_carrier, "200 OK", "ct1"));
  bench.receive("core", kCarrierA, make_response(out, "487 Request Terminated", "ct1"));
  bench.take_one("ACK ");
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_200_that_crosses_the_CANCEL_is_acknowledged_and_ended) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  bench.take();
  bench.receive("access", kCaller, make_cancel(invite));
  bench.take();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  bench.take_one("ACK ");
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.remote, *Endpoint::parse(kCarrierA));
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_2xx_of_a_second_fork_is_acknowledged_and_ended) {
  establish();
  bench.receive("core", kCarrierA,
                make_response(out, "200 OK", "ct2", "<sip:other@192.0.2.10:5070>", sdp("192.0.2.10", 7000)));
  const Sent ack = bench.take_one("ACK ");
  EXPECT_EQ(ack.tag_of("To"), "ct2");
  EXPECT_EQ(ack.remote, *Endpoint::parse("192.0.2.10:5070"));
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.tag_of("To"), "ct2");
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  EXPECT_TRUE(bench.take().empty()) << "the caller hears nothing of it";
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(CallTest, No_ACK_from_the_caller_ends_both_legs) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  bench.take();
  bench.advance(33 * kSecond);
  int byes = 0;
  for (const Sent& sent : bench.take()) byes += sent.is("BYE ");
  EXPECT_GE(byes, 2) << "one to each leg";
  bench.expect_nothing_left();
}

TEST_F(CallTest, BYE_before_the_ACK_ends_the_call) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.take();
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_private_address_without_a_NAT_is_refused_with_the_configured_phrase) {
  bench.receive("access", kCaller, make_invite({.body = sdp("10.1.2.3", 4000)}));
  const Sent refused = bench.take_one("SIP/2.0 488");
  EXPECT_EQ(refused.start_line(), "SIP/2.0 488 Private IP Address");
  EXPECT_TRUE(refused.header("Warning").starts_with("301 198.51.100.1 \"")) << refused.text;
  EXPECT_EQ(refused.header("Reason").substr(0, 14), "Q.850;cause=31");
  for (const Sent& sent : bench.take()) EXPECT_FALSE(sent.is("INVITE"));
  bench.expect_nothing_left();
  const stats::CallRecord& record = bench.records.records.at(0);
  ASSERT_EQ(record.media.size(), 1u) << "the verdict on the caller's stream, though no port was opened";
  EXPECT_EQ(record.media[0].private_action, "rejected");
  EXPECT_EQ(record.media[0].local, Endpoint{});
}

TEST_F(CallTest, A_caller_behind_a_NAT_is_latched_answered_and_called_at_his_packets_source) {
  const std::string_view nat = "198.51.100.2:40000";
  invite = make_invite(
      {.via = "10.20.0.10:5060", .contact = "<sip:alice@10.20.0.10:5060>", .body = sdp("10.20.0.10", 4000)});
  bench.receive("access", nat, invite);
  EXPECT_EQ(bench.take_one("SIP/2.0 100").remote, *Endpoint::parse(nat));
  out = bench.take_one("INVITE ");
  EXPECT_EQ(out.text.find("10.20.0"), std::string::npos);
  for (const auto& [slot, spec] : bench.flows) {
    EXPECT_EQ(spec.latch, spec.owner.leg == 0 ? dp::LatchMode::once : dp::LatchMode::off);
  }
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.take();
  bench.receive("access", nat, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.advance(25 * kSecond + 100 * kMillisecond);
  const Sent keepalive = bench.take_one("OPTIONS ");
  EXPECT_EQ(keepalive.remote, *Endpoint::parse(nat));
  // Many phones ignore it: that is no end of the call, whatever a timeout means elsewhere (RFC 5057 5.1).
  bench.advance(60 * kSecond);
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  EXPECT_EQ(count(bench.take(), "BYE "), 0);
  bench.receive("core", kCarrierA, make_uas_request("BYE", out, "ct1", "192.0.2.10:5060", 1, "z9hG4bKcb1"));
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.remote, *Endpoint::parse(nat));
  bench.receive("access", nat, make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_phone_behind_a_NAT_that_no_longer_knows_the_dialog_ends_the_call) {
  const std::string_view nat = "198.51.100.2:40000";
  for (const char* status : {"481 Call/Transaction Does Not Exist", "408 Request Timeout"}) {
    SCOPED_TRACE(status);
    invite = make_invite({.call_id = std::string(status).substr(0, 3),
                          .via = "10.20.0.10:5060",
                          .contact = "<sip:alice@10.20.0.10:5060>",
                          .body = sdp("10.20.0.10", 4000),
                          .branch = std::string("z9hG4bK") + status[2]});
    bench.receive("access", nat, invite);
    out = bench.take_one("INVITE ");
    bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
    ok = bench.take_one("SIP/2.0 200");
    bench.receive("access", nat, make_in_dialog("ACK", invite, ok, 1, std::string("z9hG4bKa") + status[2]));
    bench.take();
    bench.advance(25 * kSecond + 100 * kMillisecond);
    bench.receive("access", nat, make_response(bench.take_one("OPTIONS "), status, ""));
    EXPECT_EQ(count(bench.take(), "BYE "), 2);
    bench.expect_nothing_left();
    bench.take();
  }
}

TEST_F(CallTest, A_refused_answer_in_a_200_is_acknowledged_and_ended) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.168.1.1", 6000)));
  bench.take_one("ACK ");
  const Sent bye = bench.take_one("BYE ");
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  EXPECT_TRUE(bench.take_one("SIP/2.0 4").is("SIP/2.0 488"));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_refused_answer_in_a_183_cancels_that_leg) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "183 Session Progress", "ct1", kContactA, sdp("192.168.1.1", 6000)));
  bench.take_one("CANCEL ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 4").is("SIP/2.0 488"));
  bench.receive("core", kCarrierA, make_response(out, "487 Request Terminated", "ct1"));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_503_goes_to_the_next_target) {
  out = place();
  const auto old_flows = bench.flows;
  bench.receive("core", kCarrierA, make_response(out, "503 Service Unavailable", "ct1"));
  bench.take_one("ACK ");
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(second.remote, *Endpoint::parse(kCarrierB));
  EXPECT_NE(second.header("Call-ID"), out.header("Call-ID"));
  EXPECT_NE(second.tag_of("From"), out.tag_of("From"));
  bench.turn();
  EXPECT_EQ(bench.flows.size(), 4u);
  bench.receive("core", kCarrierB,
                make_response(second, "200 OK", "bt", "<sip:x@192.0.2.11>", sdp("192.0.2.11", 6100)));
  ok = bench.take_one("SIP/2.0 200");
  bench.take_one("ACK ");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.remote, *Endpoint::parse("192.0.2.11:5060"));
  bench.receive("core", kCarrierB, make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
  ASSERT_EQ(bench.records.records.at(0).attempts.size(), 2u);
}

TEST_F(CallTest, When_every_target_fails_the_caller_hears_the_last_failure) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "503 Service Unavailable", "ct1"));
  bench.take_one("ACK ");
  const Sent second = bench.take_one("INVITE ");
  bench.receive("core", kCarrierB, make_response(second, "503 Service Unavailable", "bt"));
  bench.take_one("ACK ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 480").is("SIP/2.0 480 Temporarily Unavailable"));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_silent_target_is_given_up_after_setup_and_the_next_is_tried) {
  out = place();
  bench.advance(11 * kSecond);
  Sent second;
  for (const Sent& sent : bench.take()) {
    if (sent.is("INVITE ") && sent.remote == *Endpoint::parse(kCarrierB)) second = sent;
  }
  ASSERT_FALSE(second.text.empty());
  bench.receive("core", kCarrierB, make_response(second, "486 Busy Here", "bt"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 486").is("SIP/2.0 486"));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_late_2xx_of_a_target_that_was_given_up_leaves_open_offers_to_the_next_alone) {
  for (const std::string_view method : {"INVITE", "UPDATE"}) {
    const std::string name(method);
    const std::string knows = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n";
    invite = make_invite({.call_id = name, .more = knows, .branch = "z9hG4bK" + name});
    bench.receive("access", kCaller, invite);
    out = bench.take_one("INVITE ");
    bench.receive("core", kCarrierA, make_response(out, "100 Trying", ""));
    bench.advance(10500 * kMillisecond);
    Sent second;
    for (const Sent& sent : bench.take()) {
      if (sent.is("INVITE ") && sent.remote == *Endpoint::parse(kCarrierB)) second = sent;
    }
    bench.receive(
        "core", kCarrierB,
        make_response(second, "200 OK", "bt", "<sip:x@192.0.2.11>", sdp("192.0.2.11", 6000), knows));
    ok = bench.take_one("SIP/2.0 200");
    bench.take_one("ACK ");
    bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKa" + name));
    bench.receive("access", kCaller,
                  make_in_dialog(method, invite, ok, 2, "z9hG4bKb" + name, sdp("198.51.100.20", 4100)));
    const Sent asked = bench.take_one(name + " ");
    bench.receive("core", kCarrierA,
                  make_response(out, "200 OK", "at", "<sip:x@192.0.2.10>", sdp("192.0.2.10", 6000)));
    const auto sent = bench.take();
    EXPECT_EQ(count(sent, "SIP/2.0 491"), 0) << name;
    EXPECT_EQ(count(sent, "ACK "), 1);
    for (const Sent& one : sent) {
      if (one.is("BYE ")) bench.receive("core", kCarrierA, make_response(one, "200 OK", ""));
    }
    bench.receive("core", kCarrierB,
                  make_response(asked, "200 OK", "", "<sip:x@192.0.2.11>", sdp("192.0.2.11", 6100)));
    const Sent answered = bench.take_one("SIP/2.0 200");
    EXPECT_EQ(answered.header("CSeq"), "2 " + name);
    EXPECT_NE(answered.body(), "");
    if (method == "INVITE")
      bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 2, "z9hG4bKc" + name));
    bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 3, "z9hG4bKd" + name));
    bench.take_one("SIP/2.0 200");
    for (const Sent& one : bench.take()) {
      if (one.is("BYE ")) bench.receive("core", kCarrierB, make_response(one, "200 OK", ""));
    }
    bench.expect_nothing_left();
  }
}

TEST_F(CallTest, An_ICMP_error_fails_the_attempt_at_once) {
  out = place();
  bench.report_unreachable(out);
  EXPECT_EQ(bench.take_one("INVITE ").remote, *Endpoint::parse(kCarrierB));
}

TEST_F(CallTest, A_request_too_big_for_its_path_fails_the_attempt_at_once) {
  out = place();
  bench.report_unreachable(out, true);
  EXPECT_EQ(bench.take_one("INVITE ").remote, *Endpoint::parse(kCarrierB));
}

TEST_F(CallTest, The_ring_limit_cancels_the_callee_and_tells_the_caller) {
  out = place({.user = "0123"});
  EXPECT_EQ(out.remote, *Endpoint::parse(kCarrierB));
  bench.receive("core", kCarrierB, make_response(out, "180 Ringing", "bt", "<sip:x@192.0.2.11>"));
  bench.take();
  bench.advance(60 * kSecond + 100 * kMillisecond);
  bench.take_one("CANCEL ");
  bench.receive("core", kCarrierB, make_response(out, "487 Request Terminated", "bt"));
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "ring-timeout");
  EXPECT_GE(bench.records.records.at(0).sent, 400);
}

TEST_F(CallTest, The_duration_limit_ends_both_legs) {
  establish();
  bench.advance(3601 * kSecond, 10 * kSecond);
  int byes = 0;
  for (const Sent& sent : bench.take()) byes += sent.is("BYE ");
  EXPECT_GE(byes, 2);
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "duration-limit");
}

TEST_F(CallTest, Silent_media_ends_both_legs) {
  establish();
  bench.advance(60 * kSecond, kSecond);
  bench.take();
  bench.report_silence();
  bench.advance(kSecond);
  int byes = 0;
  for (const Sent& sent : bench.take()) byes += sent.is("BYE ");
  EXPECT_GE(byes, 2);
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "media-timeout");
}

TEST_F(CallTest, A_re_INVITE_goes_to_the_other_leg_and_changes_the_flows_with_its_answer) {
  establish();
  bench.receive(
      "access", kCaller,
      make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKre1", sdp("198.51.100.21", 4444, "a=sendonly\r\n")));
  bench.take_one("SIP/2.0 100");
  const Sent re = bench.take_one("INVITE ");
  EXPECT_EQ(re.header("Call-ID"), out.header("Call-ID"));
  EXPECT_NE(re.body().find("a=sendonly"), std::string::npos);
  EXPECT_NE(re.body().find("c=IN IP4 192.0.2.1\r\n"), std::string::npos);
  const auto a_slot = [&] {
    for (const auto& [slot, spec] : bench.flows) {
      if (spec.owner.leg == 0 && spec.kind == dp::FlowKind::rtp) return slot;
    }
    return dp::kNoSlot;
  }();
  EXPECT_EQ(bench.flows.at(a_slot).remote, *Endpoint::parse("198.51.100.20:4000")) << "not before the answer";
  bench.receive("core", kCarrierA,
                make_response(re, "200 OK", "", kContactA, sdp("192.0.2.10", 6000, "a=recvonly\r\n")));
  bench.take_one("ACK ");
  const Sent answer = bench.take_one("SIP/2.0 200");
  EXPECT_EQ(bench.flows.at(a_slot).remote, *Endpoint::parse("198.51.100.21:4444"));
  EXPECT_FALSE(bench.flows.at(a_slot).may_receive);
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, answer, 2, "z9hG4bKreack"));
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 3, "z9hG4bKbye1"));
  bench.receive("core", kCarrierA, make_response(bench.take_one("BYE "), "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_refused_re_INVITE_leaves_the_session_as_it_was) {
  establish();
  const auto before = bench.flows;
  bench.receive("access", kCaller,
                make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKre1", sdp("198.51.100.21", 4444)));
  const Sent re = bench.take_one("INVITE ");
  bench.receive("core", kCarrierA, make_response(re, "488 Not Acceptable Here", ""));
  bench.take_one("ACK ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 488").is("SIP/2.0 488"));
  for (const auto& [slot, spec] : before) EXPECT_EQ(bench.flows.at(slot).remote, spec.remote);
  bench.receive("access", kCaller,
                make_in_dialog("INVITE", invite, ok, 3, "z9hG4bKre2", sdp("10.0.0.1", 4444)));
  EXPECT_TRUE(bench.take_one("SIP/2.0 488").is("SIP/2.0 488 Private IP Address"));
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 4, "z9hG4bKbye1"));
  bench.receive("core", kCarrierA, make_response(bench.take_one("BYE "), "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_late_offer_is_answered_in_the_ACK) {
  out = place({.body = ""});
  EXPECT_TRUE(out.body().empty());
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  EXPECT_NE(ok.body().find("c=IN IP4 198.51.100.1"), std::string::npos);
  EXPECT_TRUE(bench.take().empty()) << "the carrier's ACK waits for the caller's";
  bench.receive("access", kCaller,
                make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1", sdp("198.51.100.20", 4000)));
  const Sent ack = bench.take_one("ACK ");
  EXPECT_NE(ack.body().find("c=IN IP4 192.0.2.1\r\n"), std::string::npos);
  EXPECT_EQ(bench.flows.size(), 4u);
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_call_from_IPv6_to_IPv4_speaks_each_sides_family) {
  const std::string_view v6 = "[2001:db8:1::20]:5060";
  invite = make_invite({.via = "[2001:db8:1::20]:5060",
                        .contact = "<sip:a@[2001:db8:1::20]:5060>",
                        .body = sdp("2001:db8:1::20", 4000)});
  bench.receive("access", v6, invite);
  out = bench.take_one("INVITE ");
  EXPECT_NE(out.body().find("c=IN IP4 192.0.2.1\r\n"), std::string::npos);
  EXPECT_EQ(out.text.find("2001:db8"), std::string::npos);
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  EXPECT_NE(ok.body().find("c=IN IP6 2001:db8:1::1\r\n"), std::string::npos);
  EXPECT_EQ(ok.header("Contact"), "<sip:[2001:db8:1::1]:5060>");
  bench.take();
  bench.receive("access", v6, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(CallTest, The_end_of_the_process_ends_what_is_up_and_what_is_not) {
  establish();
  bench.receive("access", kCaller, make_invite({.call_id = "second", .branch = "z9hG4bKsecond"}));
  const Sent second = bench.take_one("INVITE ");
  bench.receive("core", kCarrierA, make_response(second, "180 Ringing", "ct9", kContactA));
  bench.take();
  bench.shard().manager().end_all();
  bench.turn();
  int byes = 0, refused = 0, cancels = 0;
  for (const Sent& sent : bench.take()) {
    byes += sent.is("BYE ");
    refused += sent.is("SIP/2.0 503");
    cancels += sent.is("CANCEL ");
    if (sent.is("BYE ")) {
      bench.receive(sent.realm == 0 ? "access" : "core", sent.remote.to_text(),
                    make_response(sent, "200 OK", ""));
    }
  }
  EXPECT_EQ(byes, 2);
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(cancels, 1);
  bench.receive("access", kCaller, make_invite({.call_id = "third", .branch = "z9hG4bKthird"}));
  EXPECT_FALSE(bench.take_one("SIP/2.0 503").header("Retry-After").empty());
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.size(), 3u) << "the one that was refused too";
}

TEST_F(CallTest, A_request_with_our_tag_but_another_Call_ID_or_From_tag_is_no_part_of_the_dialog) {
  establish();
  for (const auto& [what, instead] :
       {std::pair{"caller-1@198.51.100.20", "other-call"}, std::pair{";tag=fa1", ";tag=other"}}) {
    std::string bye = make_in_dialog("BYE", invite, ok, 2, std::string("z9hG4bK") + instead[1]);
    bye.replace(bye.find(what), std::string_view(what).size(), instead);
    bench.receive("access", kCaller, bye);
    EXPECT_TRUE(bench.take_one("SIP/2.0 481").is("SIP/2.0 481")) << instead;
    EXPECT_EQ(bench.flows.size(), 4u) << "the call goes on";
  }
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(CallTest, A_Warning_names_us_as_the_side_that_reads_it_knows_us) {
  bench.receive(
      "core", kCarrierA,
      make_invite(
          {.via = "192.0.2.10:5060", .contact = "<sip:c@192.0.2.10>", .body = sdp("10.3.3.3", 4000)}));
  const Sent refused = bench.take_one("SIP/2.0 488");
  EXPECT_TRUE(refused.header("Warning").starts_with("301 192.0.2.1 ")) << refused.text;
  EXPECT_EQ(refused.text.find("198.51.100.1 "), std::string::npos);
}

TEST_F(CallTest, A_refusal_while_draining_has_one_Retry_After) {
  bench.shard().manager().drain();
  bench.receive("access", kCaller, make_invite());
  const Sent refused = bench.take_one("SIP/2.0 503");
  const auto at = refused.text.find("Retry-After: ");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(refused.text.find("Retry-After: ", at + 1), std::string::npos) << refused.text;
}

}  // namespace
}  // namespace sallyport::shard
