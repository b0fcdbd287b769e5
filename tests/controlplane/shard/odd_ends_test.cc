// SPDX-License-Identifier: Apache-2.0
// Calls that end in odd orders: what crosses, what is missing, what comes too late.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kViaA = "192.0.2.10:5060";

class OddEnds : public CallTest {
 protected:
  // The caller asks for a change of the session; the INVITE that reaches the carrier.
  Sent reinvite_from_caller(unsigned cseq, std::string_view body) {
    bench.receive("access", kCaller,
                  make_in_dialog("INVITE", invite, ok, cseq, "z9hG4bKre" + std::to_string(cseq), body));
    bench.take_one("SIP/2.0 100");
    return bench.take_one("INVITE ");
  }
  void answer_byes() {
    for (const Sent& sent : bench.take()) {
      if (!sent.is("BYE ")) continue;
      bench.receive(sent.realm == 0 ? "access" : "core", sent.remote.to_text(),
                    make_response(sent, "200 OK", ""));
    }
  }
  const stats::CallRecord& record() {
    EXPECT_EQ(bench.records.records.size(), 1u);
    return bench.records.records.at(0);
  }
};

TEST_F(OddEnds, A_2xx_without_Contact_is_a_bad_gateway) {
  out = place();
  const std::string bare = make_response(out, "200 OK", "ct1", "", sdp("192.0.2.10", 6000));
  bench.receive("core", kCarrierA, bare);
  EXPECT_TRUE(bench.take_one("SIP/2.0 502").is("SIP/2.0 502"));
  // RFC 3261 13.2.2.4: the carrier gets its ACK all the same, and the session that it believes in its end.
  const Sent ack = bench.take_one("ACK ");
  EXPECT_TRUE(ack.is("ACK sip:192.0.2.10:5060 SIP/2.0"));
  EXPECT_EQ(ack.remote.to_text(), kCarrierA);
  EXPECT_EQ(ack.tag_of("To"), "ct1");
  EXPECT_EQ(ack.header("CSeq"), out.header("CSeq").substr(0, out.header("CSeq").find(' ')) + " ACK");
  const Sent bye = bench.take_one("BYE ");
  EXPECT_TRUE(bye.is("BYE sip:192.0.2.10:5060 SIP/2.0"));
  EXPECT_EQ(bye.remote.to_text(), kCarrierA);
  bench.receive("core", kCarrierA, bare);
  EXPECT_EQ(bench.take_one("ACK ").text, ack.text) << "the repeated 2xx is acknowledged again";
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  EXPECT_EQ(count(bench.take(), "BYE "), 0);
  bench.expect_nothing_left();
  EXPECT_EQ(record().local_error, "answer-fault");
}

TEST_F(OddEnds, A_2xx_with_a_Contact_that_names_nobody_is_acknowledged_along_its_route_and_ended) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "200 OK", "ct1", "*", sdp("192.0.2.10", 6000),
                              "Record-Route: <sip:192.0.2.10:5060;lr>\r\n"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 502").is("SIP/2.0 502"));
  for (const Sent& sent : {bench.take_one("ACK "), bench.take_one("BYE ")}) {
    EXPECT_EQ(sent.header("Route"), "<sip:192.0.2.10:5060;lr>");
    EXPECT_EQ(sent.remote.to_text(), kCarrierA);
  }
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_second_fork_without_Contact_is_acknowledged_and_ended_too) {
  establish();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct2", "", sdp("192.0.2.10", 6002)));
  EXPECT_EQ(bench.take_one("ACK ").tag_of("To"), "ct2");
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.tag_of("To"), "ct2");
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_2xx_without_Contact_after_a_CANCEL_leaves_no_leg) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  bench.receive("access", kCaller, make_cancel(invite));
  bench.take_one("CANCEL ");
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", "", sdp("192.0.2.10", 6000)));
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:callee@192.0.2.10:5060")) << "where the 180 said";
  EXPECT_TRUE(bench.take_one("BYE ").is("BYE sip:callee@192.0.2.10:5060"));
  bench.expect_nothing_left();
  EXPECT_EQ(record().sent, 487);
}

TEST_F(OddEnds, A_2xx_without_any_answer_is_acknowledged_and_ended) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  bench.take();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA));
  bench.take_one("ACK ");
  const Sent bye = bench.take_one("BYE ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 502").is("SIP/2.0 502"));
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
  EXPECT_EQ(record().local_error, "answer-fault");
}

TEST_F(OddEnds, A_2xx_without_an_offer_to_an_INVITE_without_SDP_is_acknowledged_and_ended) {
  out = place({.body = ""});
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA));
  bench.take_one("ACK ");
  bench.take_one("BYE ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 502").is("SIP/2.0 502"));
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_re_INVITE_whose_2xx_is_never_acknowledged_ends_the_call) {
  establish();
  const Sent re = reinvite_from_caller(2, sdp("198.51.100.20", 4100));
  bench.receive("core", kCarrierA, make_response(re, "200 OK", "", kContactA, sdp("192.0.2.10", 6000)));
  bench.take();
  bench.advance(33 * kSecond);
  const std::vector<Sent> sent = bench.take();
  EXPECT_GE(count(sent, "BYE sip:alice@198.51.100.20"), 1);
  EXPECT_GE(count(sent, "BYE sip:callee@192.0.2.10"), 1);
  bench.expect_nothing_left();
  EXPECT_EQ(record().local_error, "ack-timeout");
}

TEST_F(OddEnds, A_failed_re_INVITE_whose_ACK_is_lost_does_not_end_the_call) {
  establish();
  const Sent re = reinvite_from_caller(2, sdp("198.51.100.20", 4100));
  bench.receive("core", kCarrierA, make_response(re, "488 Not Acceptable Here", ""));
  bench.advance(40 * kSecond);
  EXPECT_EQ(count(bench.take(), "BYE "), 0);
  caller_hangs_up(3);
  bench.expect_nothing_left();
}

TEST_F(OddEnds, The_2xx_of_a_late_re_INVITE_is_acknowledged_when_the_call_ends_first) {
  establish();
  const Sent re = reinvite_from_caller(2, "");
  bench.receive("core", kCarrierA, make_response(re, "200 OK", "", kContactA, sdp("192.0.2.10", 6100)));
  bench.take_one("SIP/2.0 200");
  EXPECT_EQ(count(bench.take(), "ACK "), 0) << "it waits for the caller's";
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 3, "z9hG4bKbye1"));
  bench.take_one("SIP/2.0 200");
  EXPECT_EQ(bench.take_one("ACK ").header("CSeq"), re.header("CSeq").substr(0, 2) + "ACK");
  bench.receive("core", kCarrierA, make_response(bench.take_one("BYE "), "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_second_fork_is_acknowledged_and_ended_while_the_call_goes_on) {
  establish();
  bench.receive("core", kCarrierA,
                make_response(out, "200 OK", "fork2", "<sip:two@192.0.2.10:5070>", sdp("192.0.2.10", 7000)));
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:two@192.0.2.10:5070"));
  const Sent bye = bench.take_one("BYE ");
  EXPECT_TRUE(bye.is("BYE sip:two@192.0.2.10:5070"));
  EXPECT_EQ(bye.remote, *Endpoint::parse("192.0.2.10:5070"));
  EXPECT_EQ(bye.tag_of("To"), "fork2");
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_second_fork_that_answers_after_the_call_is_freed_is_acknowledged_and_ended) {
  establish();
  caller_hangs_up();
  bench.turn();
  EXPECT_EQ(bench.shard().manager().calls(), 0u);
  bench.take();
  const std::string late =
      make_response(out, "200 OK", "fork2", "<sip:two@192.0.2.10:5070>", sdp("192.0.2.10", 7000));
  bench.receive("core", kCarrierA, late);
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:two@192.0.2.10:5070"));
  const Sent bye = bench.take_one("BYE ");
  bench.receive("core", kCarrierA, late);
  EXPECT_EQ(bench.take().size(), 1u) << "the repeated 2xx gets its ACK again, and no second BYE";
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_CANCEL_after_the_200_changes_nothing) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.take();
  bench.receive("access", kCaller, make_cancel(invite));
  const std::vector<Sent> sent = bench.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is("SIP/2.0 200"));
  EXPECT_EQ(sent[0].header("CSeq"), "1 CANCEL");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  caller_hangs_up();
  bench.expect_nothing_left();
  EXPECT_EQ(record().sent, 200);
}

TEST_F(OddEnds, A_BYE_before_the_answer_is_a_CANCEL_to_the_callee_and_487_to_the_INVITE) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  const Sent ringing = bench.take_one("SIP/2.0 180");
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ringing, 2, "z9hG4bKbye1"));
  bench.take_one("CANCEL ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 487").is("SIP/2.0 487 Request Terminated"));
  bench.receive("core", kCarrierA, make_response(out, "487 Request Terminated", "ct1"));
  bench.expect_nothing_left();
  EXPECT_EQ(record().sent, 487);
  EXPECT_EQ(record().local_error, "cancelled");
}

TEST_F(OddEnds, A_BYE_before_the_answer_that_requires_in_vain_ends_the_call_too) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  const Sent ringing = bench.take_one("SIP/2.0 180");
  std::string bye = make_in_dialog("BYE", invite, ringing, 2, "z9hG4bKbye1");
  bye.insert(bye.find("Max-Forwards"), "Require: sing\r\n");
  bench.receive("access", kCaller, bye);
  EXPECT_EQ(bench.take_one("SIP/2.0 420").header("Unsupported"), "sing");
  bench.take_one("CANCEL ");
  bench.take_one("SIP/2.0 487");
  bench.receive("core", kCarrierA, make_response(out, "487 Request Terminated", "ct1"));
  bench.expect_nothing_left();
}

TEST_F(OddEnds, BYEs_that_cross_are_both_answered) {
  establish();
  bench.receive("core", kCarrierA, make_uas_request("BYE", out, "ct1", kViaA, 1, "z9hG4bKcb1"));
  bench.take_one("SIP/2.0 200");
  const Sent to_caller = bench.take_one("BYE ");
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 200").is("SIP/2.0 200"));
  bench.receive("access", kCaller, make_response(to_caller, "481 Call/Transaction Does Not Exist", ""));
  EXPECT_TRUE(bench.take().empty());
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_BYE_of_the_callee_waits_for_the_callers_ACK) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.receive("core", kCarrierA, make_uas_request("BYE", out, "ct1", kViaA, 1, "z9hG4bKcb1"));
  EXPECT_EQ(count(bench.take(), "BYE "), 0) << "RFC 3261 15: not before the ACK";
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  const Sent bye = bench.take_one("BYE ");
  bench.receive("access", kCaller, make_response(bye, "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_BYE_of_the_caller_takes_the_place_of_ours_that_waits_for_his_ACK) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.receive("core", kCarrierA, make_uas_request("BYE", out, "ct1", kViaA, 1, "z9hG4bKcb1"));
  bench.take();
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 200").is("SIP/2.0 200"));
  bench.advance(40 * kSecond);
  EXPECT_EQ(count(bench.take(), "BYE "), 0);
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_200_that_crosses_a_BYE_of_the_early_dialog_is_repeated_until_its_ACK) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  const Sent ringing = bench.take_one("SIP/2.0 180");
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  bench.take();
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ringing, 2, "z9hG4bKbye1"));
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "SIP/2.0 200"), 1);
  EXPECT_EQ(count(sent, "BYE "), 1);
  for (const Sent& bye : sent) {
    if (bye.is("BYE ")) bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  }
  bench.advance(kSecond);
  EXPECT_EQ(bench.take_one("SIP/2.0 200").header("CSeq"), "1 INVITE") << "the first was lost";
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  EXPECT_EQ(bench.shard().manager().calls(), 0u);
  bench.advance(10 * kSecond);
  EXPECT_TRUE(bench.take().empty());
  bench.expect_nothing_left();
}

TEST_F(OddEnds, Without_an_ACK_both_legs_are_ended_after_64_T1) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  bench.advance(31 * kSecond);
  std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "BYE "), 0);
  EXPECT_EQ(count(sent, "SIP/2.0 200"), 10) << "T1 doubling up to T2 (RFC 3261 13.3.1.4)";
  bench.advance(1100 * kMillisecond);
  sent = bench.take();
  EXPECT_GE(count(sent, "BYE sip:alice@198.51.100.20"), 1);
  EXPECT_GE(count(sent, "BYE sip:callee@192.0.2.10"), 1);
  bench.expect_nothing_left();
  EXPECT_EQ(record().local_error, "ack-timeout");
  EXPECT_EQ(record().sent, 200);
}

TEST_F(OddEnds, A_BYE_that_crosses_a_re_INVITE_answers_it_with_487) {
  establish();
  const Sent re = reinvite_from_caller(2, sdp("198.51.100.20", 4100));
  bench.receive("core", kCarrierA, make_uas_request("BYE", out, "ct1", kViaA, 1, "z9hG4bKcb1"));
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "SIP/2.0 487"), 1);
  EXPECT_EQ(count(sent, "BYE sip:alice@198.51.100.20"), 1);
  for (const Sent& message : sent) {
    if (message.is("BYE ")) bench.receive("access", kCaller, make_response(message, "200 OK", ""));
  }
  // The carrier's 200 to the re-INVITE was on its way; its ACK goes all the same, whether or not the call is
  // freed.
  bench.turn();
  bench.receive("core", kCarrierA, make_response(re, "200 OK", "", kContactA, sdp("192.0.2.10", 6000)));
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:callee@192.0.2.10"));
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_request_after_the_end_gets_481) {
  establish();
  caller_hangs_up();
  bench.turn();
  bench.receive("access", kCaller,
                make_in_dialog("INVITE", invite, ok, 3, "z9hG4bKlate", sdp("198.51.100.20", 4000)));
  EXPECT_TRUE(bench.take_one("SIP/2.0 481").is("SIP/2.0 481"));
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKlateack"));
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_request_from_another_peers_address_finds_no_dialog) {
  establish();
  bench.receive("core", kCarrierB, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKspoof"));
  const Sent answer = bench.take_one("SIP/2.0 481");
  EXPECT_EQ(answer.remote.address, Endpoint::parse(kCarrierB)->address);
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_provisional_response_after_the_final_one_changes_nothing) {
  establish();
  bench.receive("core", kCarrierA,
                make_response(out, "183 Session Progress", "ct1", kContactA, sdp("192.0.2.10", 6500)));
  EXPECT_TRUE(bench.take().empty());
  for (const auto& [slot, spec] : bench.flows) EXPECT_NE(spec.remote.port, 6500);
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(OddEnds, A_BYE_that_is_never_answered_is_given_up_after_timer_F) {
  establish();
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  bench.advance(31 * kSecond);
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  EXPECT_TRUE(bench.flows.empty()) << "media ends with the call, not with its last transaction";
  bench.advance(2 * kSecond);
  EXPECT_EQ(bench.shard().manager().calls(), 0u);
  bench.expect_nothing_left();
}

TEST_F(OddEnds, An_unanswered_re_INVITE_ends_the_call_on_both_legs) {
  establish();
  reinvite_from_caller(2, sdp("198.51.100.20", 4100));
  bench.advance(33 * kSecond);
  const std::vector<Sent> sent = bench.take();
  EXPECT_GE(count(sent, "SIP/2.0 408"), 1);
  EXPECT_GE(count(sent, "BYE sip:alice@198.51.100.20"), 1);
  EXPECT_GE(count(sent, "BYE sip:callee@192.0.2.10"), 1);
  bench.expect_nothing_left();
  EXPECT_EQ(record().local_error, "transaction-timeout");
}

TEST_F(OddEnds, A_481_inside_the_dialog_ends_the_call) {
  establish();
  const Sent re = reinvite_from_caller(2, sdp("198.51.100.20", 4100));
  bench.receive("core", kCarrierA, make_response(re, "481 Call/Transaction Does Not Exist", ""));
  EXPECT_EQ(count(bench.take(), "BYE "), 2);
  bench.expect_nothing_left();
}

TEST_F(OddEnds, An_ICMP_error_for_a_BYE_ends_the_leg_at_once) {
  establish();
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  bench.report_unreachable(bench.take_one("BYE "));
  bench.turn();
  EXPECT_EQ(bench.shard().manager().calls(), 0u);
  bench.expect_nothing_left();
}

TEST_F(OddEnds, Calls_are_freed_only_after_the_worker_has_confirmed_and_their_ports_with_them) {
  establish();
  const std::uint32_t used = bench.ports_in_use();
  EXPECT_EQ(used, 2u);
  bench.removals_held = true;
  caller_hangs_up();
  answer_byes();
  bench.advance(60 * kSecond);
  EXPECT_EQ(bench.ports_in_use(), used);
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  EXPECT_TRUE(bench.records.records.empty()) << "the record has the worker's last counters";
  bench.confirm_removals();
  bench.turn();
  EXPECT_EQ(bench.ports_in_use(), 0u);
  EXPECT_EQ(bench.shard().manager().calls(), 0u);
  bench.removals_held = false;
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
