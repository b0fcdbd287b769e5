// SPDX-License-Identifier: Apache-2.0
// Messages that cross, come twice, come late or do not come: in both directions, and nothing is left.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

class Races : public BothWays {};
INSTANTIATE_TEST_SUITE_P(Calls, Races, ::testing::Bool(), direction_name);

TEST_P(Races, A_200_that_crosses_the_CANCEL_gets_ACK_and_BYE_and_the_caller_487) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.cancel();
  phones.expect(caller, "SIP/2.0 487");
  const Sent cancel = phones.expect(callee, "CANCEL ");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(callee, "ACK ");
  const Sent bye = phones.expect(callee, "BYE ");
  phones.answer(callee, cancel, "200 OK");
  phones.answer(callee, bye, "200 OK");
  EXPECT_FALSE(phones.heard(caller, "BYE "));
  bench.expect_nothing_left();
}

TEST_P(Races, A_CANCEL_before_any_response_waits_for_one) {
  phones.call(caller.sdp());
  phones.cancel();
  const Sent accepted = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(accepted.header("CSeq"), "1 CANCEL");
  EXPECT_EQ(accepted.tag_of("To"), phones.expect(caller, "SIP/2.0 487").tag_of("To")) << "RFC 3261 9.2";
  EXPECT_FALSE(phones.heard(callee, "CANCEL ")) << "RFC 3261 9.1";
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  phones.answer(callee, callee.incoming, "487 Request Terminated");
  bench.expect_nothing_left();
}

TEST_P(Races, A_200_to_the_CANCEL_without_a_final_response_ends_after_64_T1) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.cancel();
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(Races, A_CANCEL_that_is_never_answered_ends_after_64_T1) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.cancel();
  bench.expect_nothing_left();
}

TEST_P(Races, A_200_long_after_the_CANCEL_is_acknowledged_and_ended) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.cancel();
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  bench.expect_nothing_left();
  phones.forget();
  for (int copies = 0; copies < 2; ++copies) {
    phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
    EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), callee.tag);
    const Sent bye = phones.expect(callee, "BYE ");
    EXPECT_EQ(bye.header("Call-ID"), callee.call_id);
    EXPECT_EQ(bye.tag_of("To"), callee.tag);
    EXPECT_EQ(bye.tag_of("From"), callee.incoming.tag_of("From"));
    phones.answer(callee, bye, "200 OK");
  }
  EXPECT_FALSE(phones.heard(caller, ""));
  bench.expect_nothing_left();
}

TEST_P(Races, A_200_of_a_fork_after_the_failure_of_another_is_acknowledged_and_ended) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "603 Decline", {}, {}, "first");
  phones.expect(callee, "ACK ");
  phones.expect(caller, "SIP/2.0 603");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(), {}, "second");
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "second");
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(Races, A_200_from_where_nothing_could_be_sent_to_is_acknowledged_and_ended) {
  phones.call(caller.sdp());
  bench.report_unreachable(callee.incoming);
  phones.forget();
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(callee, "ACK ");
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");
  phones.forget();
}

TEST_P(Races, A_late_copy_of_the_200_of_a_call_that_is_up_does_not_end_it) {
  phones.establish();
  bench.advance(40 * kSecond);
  phones.forget();
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  EXPECT_FALSE(phones.heard(callee, "BYE "));
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  phones.end();
}

TEST_P(Races, A_200_to_a_re_INVITE_long_after_its_CANCEL_is_acknowledged_and_put_back) {
  phones.establish();
  const std::string re = phones.request(caller, "INVITE", sdp(caller.ip, 4100));
  const Sent invite = phones.expect(callee, "INVITE ");
  phones.answer(callee, invite, "180 Ringing");
  phones.send(caller, make_cancel(re));
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  bench.advance(33 * kSecond);
  phones.expect(caller, "SIP/2.0 487");
  phones.ack(caller, caller.cseq);
  bench.advance(5 * kSecond);
  phones.forget();
  phones.answer(callee, invite, "200 OK", callee.sdp());
  phones.expect(callee, "ACK ");
  phones.answer(callee, phones.expect(callee, "INVITE "), "200 OK", callee.sdp());
  phones.expect(callee, "ACK ");
  EXPECT_EQ(phones.flow(caller)->remote.port, caller.media_port);
  phones.end();
}

TEST_P(Races, A_BYE_that_crosses_a_re_INVITE_ends_both) {
  phones.establish();
  phones.request(caller, "INVITE", sdp(caller.ip, 4100));
  const Sent invite = phones.expect(callee, "INVITE ");
  phones.request(callee, "BYE");
  EXPECT_EQ(phones.expect(callee, "SIP/2.0 200").header("CSeq"), "101 BYE");
  phones.expect(caller, "SIP/2.0 487");
  phones.ack(caller, caller.cseq);
  const Sent bye = phones.expect(caller, "BYE ");
  phones.answer(callee, invite, "200 OK", callee.sdp());
  phones.expect(callee, "ACK ");
  phones.answer(caller, bye, "200 OK");
  bench.expect_nothing_left();
}

TEST_P(Races, A_BYE_of_the_caller_before_his_ACK_ends_both) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.end();
}

TEST_P(Races, A_BYE_of_the_callee_before_the_ACK_waits_on_the_callers_leg) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.request(callee, "BYE");
  phones.expect(callee, "SIP/2.0 200");
  EXPECT_FALSE(phones.heard(caller, "BYE ")) << "RFC 3261 15: not before the ACK";
  phones.ack(caller, 1);
  phones.answer(caller, phones.expect(caller, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(Races, An_early_BYE_of_the_caller_is_a_CANCEL_there_and_487_here) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.expect(caller, "SIP/2.0 180");
  phones.request(caller, "BYE");
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(caller, "SIP/2.0 487");
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  phones.answer(callee, callee.incoming, "487 Request Terminated");
  bench.expect_nothing_left();
}

TEST_P(Races, A_retransmitted_INVITE_after_the_ACK_starts_nothing) {
  phones.establish();
  phones.send(caller, caller.invite);
  EXPECT_FALSE(phones.heard(callee, "INVITE "));
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0"));
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  phones.end();
}

TEST_P(Races, A_retransmitted_INVITE_while_ringing_hears_the_last_response_again) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.expect(caller, "SIP/2.0 180");
  phones.send(caller, caller.invite);
  phones.expect(caller, "SIP/2.0 180");
  phones.answer(callee, callee.incoming, "486 Busy Here");
  phones.expect(caller, "SIP/2.0 486");
  bench.expect_nothing_left();
}

TEST_P(Races, A_lost_ACK_of_the_caller_repeats_the_200_then_ends_both_legs) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  bench.advance(10 * kSecond);
  EXPECT_TRUE(phones.heard(caller, "SIP/2.0 200"));
  bench.advance(23 * kSecond);
  phones.answer(caller, phones.expect(caller, "BYE "), "200 OK");
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(Races, A_repeated_200_of_the_callee_whose_ACK_was_lost_gets_it_again) {
  phones.establish();
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(callee, "ACK ");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200"));
  phones.end();
}

TEST_P(Races, A_stray_ACK_changes_nothing_and_is_never_answered) {
  phones.establish();
  phones.ack(caller, 1);
  phones.ack(caller, 77);
  phones.ack(callee, 5);
  EXPECT_FALSE(phones.heard(caller, ""));
  EXPECT_FALSE(phones.heard(callee, ""));
  phones.end();
  phones.ack(caller, 1);
  EXPECT_FALSE(phones.heard(caller, ""));
}

TEST_P(Races, Responses_after_their_transaction_change_nothing) {
  phones.establish();
  bench.advance(40 * kSecond);
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.answer(callee, callee.incoming, "486 Busy Here");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  EXPECT_FALSE(phones.heard(caller, ""));
  EXPECT_FALSE(phones.heard(callee, ""));
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  phones.end();
}

TEST_P(Races, Requests_in_the_wrong_order_get_500) {
  phones.establish();
  caller.cseq = 9;
  phones.request(caller, "OPTIONS");
  phones.expect(caller, "SIP/2.0 200");
  caller.cseq = 4;
  phones.request(caller, "UPDATE", caller.sdp());
  phones.expect(caller, "SIP/2.0 500");
  caller.cseq = 10;
  phones.end();
}

TEST_P(Races, A_request_with_another_tag_or_Call_ID_finds_no_dialog) {
  phones.establish();
  const std::string local = caller.local;
  caller.local = "<sip:caller@" + caller.ip + ">;tag=somebody";
  phones.request(caller, "BYE");
  phones.expect(caller, "SIP/2.0 481");
  caller.local = local;
  const std::string call_id = std::exchange(caller.call_id, "other-call");
  phones.request(caller, "BYE");
  phones.expect(caller, "SIP/2.0 481");
  caller.call_id = call_id;
  phones.end();
}

TEST_P(Races, A_CANCEL_of_a_re_INVITE_goes_through_and_the_call_goes_on) {
  phones.establish();
  const std::string text = phones.request(caller, "INVITE");
  const Sent invite = phones.expect(callee, "INVITE ");
  phones.answer(callee, invite, "180 Ringing");
  std::string cancel = text;
  cancel.replace(0, 6, "CANCEL");
  cancel.replace(cancel.find("2 INVITE"), 8, "2 CANCEL");
  phones.send(caller, cancel);
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  phones.answer(callee, invite, "487 Request Terminated");
  phones.expect(caller, "SIP/2.0 487");
  phones.ack(caller, 2);
  phones.end();
}

}  // namespace
}  // namespace sallyport::shard
