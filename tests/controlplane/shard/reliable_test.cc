// SPDX-License-Identifier: Apache-2.0
// Reliable provisional responses (RFC 3262), from end to end and on one leg only.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kSupported = "Supported: 100rel\r\n";

std::string rseq(unsigned number) {
  return "Require: 100rel\r\nRSeq: " + std::to_string(number) + "\r\n";
}
// The RAck that acknowledges `response`, whose INVITE had CSeq `cseq`.
std::string rack(const Sent& response, unsigned cseq = 1) {
  return "RAck: " + response.header("RSeq") + " " + std::to_string(cseq) + " INVITE\r\n";
}

class ReliableProvisionals : public BothWays {
 protected:
  // The callee's reliable 183, as the caller has it.
  Sent progress(unsigned number, std::string_view body, std::string_view tag = {}) {
    phones.answer(callee, callee.incoming, "183 Session Progress", body, rseq(number), tag);
    return phones.expect(caller, "SIP/2.0 183");
  }
  void answer_and_end() {
    phones.answer(callee, callee.incoming, "200 OK");
    phones.expect(caller, "SIP/2.0 200");
    phones.expect(callee, "ACK ");
    phones.ack(caller, 1);
    phones.end();
  }
};
INSTANTIATE_TEST_SUITE_P(Calls, ReliableProvisionals, ::testing::Bool(), direction_name);

TEST_P(ReliableProvisionals, Go_from_end_to_end_with_numbers_of_our_own) {
  const Sent invite = phones.call(caller.sdp(), kSupported);
  EXPECT_NE(invite.header("Supported").find("100rel"), std::string::npos);
  EXPECT_EQ(invite.header("Require"), "");
  const Sent first = progress(7000, callee.sdp());
  EXPECT_EQ(first.header("Require"), "100rel");
  EXPECT_NE(first.header("RSeq"), "7000");
  EXPECT_FALSE(phones.heard(callee, "PRACK ")) << "the callee's waits for the caller's";
  phones.request(caller, "PRACK", {}, rack(first));
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("CSeq"), "2 PRACK");
  const Sent prack = phones.expect(callee, "PRACK ");
  EXPECT_EQ(prack.header("RAck"), "7000 1 INVITE");
  EXPECT_EQ(prack.header("CSeq"), "2 PRACK");
  EXPECT_TRUE(prack.is("PRACK sip:" + callee.address()));
  phones.answer(callee, prack, "200 OK");
  const Sent second = progress(7001, {});
  EXPECT_EQ(std::stoul(second.header("RSeq")), std::stoul(first.header("RSeq")) + 1);
  phones.request(caller, "PRACK", {}, rack(second));
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.forget();
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_TRUE(phones.expect(caller, "SIP/2.0 200").body().empty()) << "the answer has been acknowledged";
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(ReliableProvisionals, Are_repeated_from_T1_doubling_and_the_call_fails_with_504_after_64_T1) {
  phones.call(caller.sdp(), kSupported);
  progress(1, callee.sdp());
  bench.advance(3600 * kMillisecond, 10 * kMillisecond);
  int copies = 0;
  while (phones.heard(caller, "SIP/2.0 183")) {
    phones.expect(caller, "SIP/2.0 183");
    ++copies;
  }
  EXPECT_EQ(copies, 3) << "after 0.5, 1.5 and 3.5 seconds";
  bench.advance(29 * kSecond);
  EXPECT_TRUE(phones.heard(caller, "SIP/2.0 504"));
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  phones.answer(callee, callee.incoming, "487 Request Terminated");
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "prack-timeout");
}

TEST_P(ReliableProvisionals, A_PRACK_for_nothing_that_is_out_gets_481) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(1, callee.sdp());
  phones.request(caller, "PRACK", {}, "RAck: 5 1 INVITE\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 481").header("CSeq"), "2 PRACK");
  phones.request(caller, "PRACK", {}, rack(first, 9));
  phones.expect(caller, "SIP/2.0 481");
  phones.request(caller, "PRACK", {}, "RAck: nonsense\r\n");
  phones.expect(caller, "SIP/2.0 400");
  phones.request(caller, "PRACK", {}, rack(first));
  phones.expect(caller, "SIP/2.0 200");
  phones.request(caller, "PRACK", {}, rack(first));
  phones.expect(caller, "SIP/2.0 481");
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  answer_and_end();
}

TEST_P(ReliableProvisionals, Where_the_caller_does_not_know_them_we_acknowledge_by_ourselves) {
  phones.call(caller.sdp());
  const Sent first = progress(7, callee.sdp());
  EXPECT_EQ(first.header("RSeq"), "");
  EXPECT_EQ(first.header("Require"), "");
  EXPECT_FALSE(first.body().empty());
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_FALSE(phones.expect(caller, "SIP/2.0 200").body().empty()) << "he has had no answer reliably";
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(ReliableProvisionals,
       Where_the_caller_requires_them_the_callee_hears_of_it_and_plain_ones_are_made_so) {
  const Sent invite = phones.call(caller.sdp(), "Require: 100rel\r\n");
  EXPECT_EQ(invite.header("Require"), "100rel");
  phones.answer(callee, callee.incoming, "180 Ringing");
  const Sent ringing = phones.expect(caller, "SIP/2.0 180");
  EXPECT_NE(ringing.header("RSeq"), "");
  phones.request(caller, "PRACK", {}, rack(ringing));
  phones.expect(caller, "SIP/2.0 200");
  EXPECT_FALSE(phones.heard(callee, "PRACK "));
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  EXPECT_FALSE(phones.expect(caller, "SIP/2.0 200").body().empty());
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(ReliableProvisionals, Out_of_order_or_repeated_ones_of_the_callee_are_left_alone) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(5, callee.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing", {}, rseq(7));
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 180"));
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(), rseq(5));
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 183"));
  phones.request(caller, "PRACK", {}, rack(first));
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.forget();
  answer_and_end();
}

TEST_P(ReliableProvisionals, Wait_for_one_another) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(5, callee.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing", {}, rseq(6));
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 180"));
  phones.request(caller, "PRACK", {}, rack(first));
  const Sent second = phones.expect(caller, "SIP/2.0 180");
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.request(caller, "PRACK", {}, rack(second));
  EXPECT_EQ(phones.expect(callee, "PRACK ").header("RAck"), "6 1 INVITE");
  phones.forget();
  answer_and_end();
}

TEST_P(ReliableProvisionals, A_2xx_waits_until_the_answer_before_it_is_acknowledged) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(1, callee.sdp());
  phones.answer(callee, callee.incoming, "200 OK");
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200"));
  phones.request(caller, "PRACK", {}, rack(first));
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("CSeq"), "2 PRACK");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("CSeq"), "1 INVITE");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(ReliableProvisionals, A_callee_that_hangs_up_while_its_2xx_waits_ends_the_call) {
  phones.call(caller.sdp(), kSupported);
  progress(1, callee.sdp());
  phones.answer(callee, callee.incoming, "200 OK");
  phones.request(callee, "BYE");
  phones.expect(callee, "SIP/2.0 200");
  phones.expect(caller, "SIP/2.0 502");
  bench.expect_nothing_left();
}

TEST_P(ReliableProvisionals, A_CANCEL_while_the_2xx_waits_acknowledges_and_ends_it) {
  phones.call(caller.sdp(), kSupported);
  progress(1, callee.sdp());
  phones.answer(callee, callee.incoming, "200 OK");
  phones.cancel();
  phones.expect(caller, "SIP/2.0 487");
  phones.expect(callee, "ACK ");
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(ReliableProvisionals, A_failure_does_not_wait_and_a_late_PRACK_is_481) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(1, callee.sdp());
  phones.answer(callee, callee.incoming, "486 Busy Here");
  phones.expect(caller, "SIP/2.0 486");
  phones.request(caller, "PRACK", {}, rack(first));
  phones.expect(caller, "SIP/2.0 481");
  bench.expect_nothing_left();
}

TEST_P(ReliableProvisionals, A_late_offer_in_a_reliable_18x_is_answered_in_the_PRACK) {
  const Sent invite = phones.call({}, kSupported);
  EXPECT_NE(invite.header("Supported").find("100rel"), std::string::npos);
  const Sent offer = progress(1, callee.sdp());
  EXPECT_NE(offer.body().find("m=audio"), std::string::npos);
  phones.request(caller, "PRACK", caller.sdp(), rack(offer));
  EXPECT_TRUE(phones.expect(caller, "SIP/2.0 200").body().empty());
  const Sent prack = phones.expect(callee, "PRACK ");
  EXPECT_NE(prack.body().find("m=audio"), std::string::npos);
  EXPECT_EQ(prack.body().find(caller.ip), std::string::npos);
  phones.answer(callee, prack, "200 OK");
  EXPECT_EQ(phones.flow(caller)->remote.port, caller.media_port);
  EXPECT_EQ(phones.flow(callee)->remote.port, callee.media_port);
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_TRUE(phones.expect(caller, "SIP/2.0 200").body().empty());
  EXPECT_TRUE(phones.expect(callee, "ACK ").body().empty()) << "it waits for nothing";
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(ReliableProvisionals, A_PRACK_without_the_answer_that_is_due_ends_the_call) {
  phones.call({}, kSupported);
  const Sent offer = progress(1, callee.sdp());
  phones.request(caller, "PRACK", {}, rack(offer));
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 488").header("CSeq"), "2 PRACK");
  phones.expect(caller, "SIP/2.0 502");
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  phones.answer(callee, callee.incoming, "487 Request Terminated");
  bench.expect_nothing_left();
}

TEST_P(ReliableProvisionals, Are_not_offered_for_a_late_offer_that_the_caller_could_not_answer) {
  const Sent invite = phones.call({});
  EXPECT_EQ(invite.header("Supported").find("100rel"), std::string::npos);
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.ack(caller, 1, caller.sdp());
  EXPECT_FALSE(phones.expect(callee, "ACK ").body().empty());
  phones.end();
}

TEST_P(ReliableProvisionals, An_offer_in_a_PRACK_is_answered_in_its_200) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(1, callee.sdp());
  phones.request(caller, "PRACK", sdp(caller.ip, 4100), rack(first));
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200")) << "its answer has to come first";
  const Sent prack = phones.expect(callee, "PRACK ");
  EXPECT_NE(prack.body().find("m=audio"), std::string::npos);
  EXPECT_EQ(phones.flow(caller)->remote.port, caller.media_port) << "not before the answer";
  phones.answer(callee, prack, "200 OK", sdp(callee.ip, 6100));
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("CSeq"), "2 PRACK");
  EXPECT_NE(ok.body().find("m=audio"), std::string::npos);
  EXPECT_EQ(phones.flow(caller)->remote.port, 4100);
  EXPECT_EQ(phones.flow(callee)->remote.port, 6100);
  answer_and_end();
}

TEST_P(ReliableProvisionals, An_offer_in_a_PRACK_that_has_nothing_to_acknowledge_there_goes_as_an_UPDATE) {
  phones.call(caller.sdp(), "Require: 100rel\r\n");
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(),
                rseq(1) + "Allow: INVITE, PRACK, UPDATE\r\n");
  const Sent first = phones.expect(caller, "SIP/2.0 183");
  phones.request(caller, "PRACK", {}, rack(first));
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.answer(callee, callee.incoming, "180 Ringing");
  phones.forget();
  phones.bench.advance(600 * kMillisecond);
  const Sent second = phones.expect(caller, "SIP/2.0 180");
  phones.request(caller, "PRACK", sdp(caller.ip, 4100), rack(second));
  const Sent update = phones.expect(callee, "UPDATE ");
  EXPECT_FALSE(phones.heard(callee, "PRACK "));
  phones.answer(callee, update, "200 OK", sdp(callee.ip, 6100));
  EXPECT_NE(phones.expect(caller, "SIP/2.0 200").body().find("m=audio"), std::string::npos);
  EXPECT_EQ(phones.flow(caller)->remote.port, 4100);
  EXPECT_EQ(phones.flow(callee)->remote.port, 6100);
  answer_and_end();
}

TEST_P(ReliableProvisionals, An_offer_in_a_PRACK_before_the_first_answer_is_final_there_is_488) {
  phones.call(caller.sdp(), "Require: 100rel\r\n");
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(), "Allow: INVITE, UPDATE\r\n");
  const Sent first = phones.expect(caller, "SIP/2.0 183");
  EXPECT_NE(first.header("RSeq"), "");
  phones.request(caller, "PRACK", sdp(caller.ip, 4100), rack(first));
  // Here the first answer is acknowledged, there it was never said for good: no offer may follow it.
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 488").header("CSeq"), "2 PRACK");
  EXPECT_FALSE(phones.heard(callee, "UPDATE "));
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(ReliableProvisionals, An_answer_to_an_offer_in_a_PRACK_that_is_refused_ends_no_call) {
  phones.call(caller.sdp(), kSupported);
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(),
                rseq(1) + "Allow: INVITE, PRACK, UPDATE\r\n");
  const Sent first = phones.expect(caller, "SIP/2.0 183");
  phones.request(caller, "PRACK", sdp(caller.ip, 4100), rack(first));
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK", sdp("192.168.1.1", 6100));
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 488").header("CSeq"), "2 PRACK");
  phones.answer(callee, phones.expect(callee, "UPDATE "), "200 OK", callee.sdp());
  EXPECT_EQ(phones.flow(caller)->remote.port, caller.media_port);
  EXPECT_EQ(phones.flow(callee)->remote.port, callee.media_port);
  answer_and_end();
}

TEST_P(ReliableProvisionals, A_refused_offer_in_a_PRACK_leaves_what_was_agreed) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(1, callee.sdp());
  phones.request(caller, "PRACK", sdp("127.0.0.1", 4100), rack(first));
  phones.expect(caller, "SIP/2.0 488");
  const Sent prack = phones.expect(callee, "PRACK ");
  EXPECT_TRUE(prack.body().empty()) << "the response is acknowledged all the same";
  phones.answer(callee, prack, "200 OK");
  EXPECT_EQ(phones.flow(caller)->remote.port, caller.media_port);
  answer_and_end();
}

TEST_P(ReliableProvisionals, Of_two_forks_each_gets_its_PRACK_and_the_caller_one_sequence) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(30, sdp(callee.ip, 7000), "one");
  phones.request(caller, "PRACK", {}, rack(first));
  const Sent to_one = phones.expect(callee, "PRACK ");
  EXPECT_EQ(to_one.tag_of("To"), "one");
  phones.answer(callee, to_one, "200 OK");
  const Sent second = progress(9, sdp(callee.ip, 7002), "two");
  EXPECT_TRUE(second.body().empty()) << "he has his answer";
  EXPECT_EQ(phones.flow(callee)->remote.port, 7002);
  phones.request(caller, "PRACK", {}, rack(second));
  const Sent to_two = phones.expect(callee, "PRACK ");
  EXPECT_EQ(to_two.tag_of("To"), "two");
  EXPECT_EQ(to_two.header("RAck"), "9 1 INVITE");
  phones.answer(callee, to_two, "200 OK");
  phones.forget();
  callee.tag = "one";
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_EQ(phones.flow(callee)->remote.port, 7000);
  phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "one");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(ReliableProvisionals, A_target_that_fails_after_its_answer_was_acknowledged_is_the_last) {
  phones.call(caller.sdp(), kSupported);
  const Sent first = progress(1, callee.sdp());
  phones.request(caller, "PRACK", {}, rack(first));
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.forget();
  phones.answer(callee, callee.incoming, "503 Service Unavailable");
  EXPECT_TRUE(phones.heard(caller, "SIP/2.0 480") || phones.heard(caller, "SIP/2.0 50"));
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
