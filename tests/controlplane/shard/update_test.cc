// SPDX-License-Identifier: Apache-2.0
// UPDATE (RFC 3311) before and after the answer, from either side.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kKnows = "Supported: 100rel\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";
constexpr std::string_view kReliable =
    "Require: 100rel\r\nRSeq: 1\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";

class Updates : public BothWays {
 protected:
  // An early session that both sides have acknowledged.
  void early(std::string_view invite_more = kKnows, std::string_view answer_more = kReliable) {
    phones.call(caller.sdp(), invite_more);
    phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(), answer_more);
    const Sent progress = phones.expect(caller, "SIP/2.0 183");
    phones.request(caller, "PRACK", {}, "RAck: " + progress.header("RSeq") + " 1 INVITE\r\n");
    phones.expect(caller, "SIP/2.0 200");
    phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  }
  void answer_and_end() {
    phones.answer(callee, callee.incoming, "200 OK");
    phones.expect(caller, "SIP/2.0 200");
    phones.expect(callee, "ACK ");
    phones.ack(caller, 1);
    phones.end();
  }
  [[nodiscard]] unsigned port(const Phone& phone) { return phones.flow(phone)->remote.port; }
};
INSTANTIATE_TEST_SUITE_P(Calls, Updates, ::testing::Bool(), direction_name);

TEST_P(Updates, Before_the_answer_the_callers_offer_goes_to_the_callee) {
  early();
  phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  const Sent update = phones.expect(callee, "UPDATE ");
  EXPECT_EQ(update.text.find(caller.ip), std::string::npos);
  EXPECT_EQ(update.tag_of("To"), callee.tag);
  EXPECT_EQ(port(caller), caller.media_port) << "not before the answer";
  phones.answer(callee, update, "200 OK", sdp(callee.ip, 6100));
  EXPECT_NE(phones.expect(caller, "SIP/2.0 200").body().find("m=audio"), std::string::npos);
  EXPECT_EQ(port(caller), 4100u);
  EXPECT_EQ(port(callee), 6100u);
  answer_and_end();
}

TEST_P(Updates, Before_the_answer_the_callees_offer_goes_to_the_caller) {
  early();
  phones.request(callee, "UPDATE", sdp(callee.ip, 6100, "a=sendonly\r\n"));
  const Sent update = phones.expect(caller, "UPDATE ");
  EXPECT_NE(update.body().find("a=sendonly"), std::string::npos);
  phones.answer(caller, update, "200 OK", sdp(caller.ip, 4000, "a=recvonly\r\n"));
  EXPECT_NE(phones.expect(callee, "SIP/2.0 200").body().find("a=recvonly"), std::string::npos);
  EXPECT_EQ(port(callee), 6100u);
  answer_and_end();
}

TEST_P(Updates, A_refused_one_leaves_what_was_agreed) {
  early();
  phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  phones.answer(callee, phones.expect(callee, "UPDATE "), "488 Not Acceptable Here");
  phones.expect(caller, "SIP/2.0 488");
  EXPECT_EQ(port(caller), caller.media_port);
  phones.request(caller, "UPDATE", sdp("127.0.0.1", 4100));
  phones.expect(caller, "SIP/2.0 488");
  EXPECT_FALSE(phones.heard(callee, "UPDATE "));
  answer_and_end();
}

TEST_P(Updates, After_the_answer_either_side_may_send_one) {
  phones.establish(kKnows, "Allow: UPDATE\r\n");
  for (const bool by_caller : {true, false}) {
    Phone& asker = by_caller ? caller : callee;
    Phone& other = by_caller ? callee : caller;
    phones.request(asker, "UPDATE", sdp(asker.ip, asker.media_port + 100));
    const Sent update = phones.expect(other, "UPDATE ");
    EXPECT_EQ(update.text.find(asker.ip), std::string::npos);
    phones.answer(other, update, "200 OK", other.sdp());
    phones.expect(asker, "SIP/2.0 200");
    EXPECT_EQ(port(asker), asker.media_port + 100);
  }
  phones.end();
}

TEST_P(Updates, Where_the_other_side_does_not_know_it_a_re_INVITE_says_the_same) {
  phones.establish();
  phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  const Sent again = phones.expect(callee, "INVITE ");
  EXPECT_FALSE(phones.heard(callee, "UPDATE "));
  phones.answer(callee, again, "200 OK", sdp(callee.ip, 6100));
  phones.expect(callee, "ACK ");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("CSeq"), "2 UPDATE");
  EXPECT_EQ(port(caller), 4100u);
  EXPECT_EQ(port(callee), 6100u);
  phones.end();
}

TEST_P(Updates, Without_SDP_it_refreshes_its_own_side_alone) {
  early();
  phones.request(caller, "UPDATE");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("CSeq"), "3 UPDATE");
  EXPECT_FALSE(phones.heard(callee, "UPDATE "));
  answer_and_end();
}

TEST_P(Updates, Too_early_ones_are_refused_by_whose_offer_is_open) {
  phones.call(caller.sdp(), kKnows);
  phones.answer(callee, callee.incoming, "180 Ringing", {}, "Allow: UPDATE\r\n");
  phones.expect(caller, "SIP/2.0 180");
  phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  const Sent refused = phones.expect(caller, "SIP/2.0 500");
  EXPECT_NE(refused.header("Retry-After"), "") << "his own offer has no answer yet";
  phones.request(callee, "UPDATE", sdp(callee.ip, 6100));
  phones.expect(callee, "SIP/2.0 491");
  phones.answer(callee, callee.incoming, "486 Busy Here");
  phones.expect(caller, "SIP/2.0 486");
  bench.expect_nothing_left();
}

TEST_P(Updates, Two_that_cross_get_491_and_two_from_one_side_500) {
  early();
  phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  const Sent update = phones.expect(callee, "UPDATE ");
  phones.request(callee, "UPDATE", sdp(callee.ip, 6100));
  phones.expect(callee, "SIP/2.0 491");
  phones.request(caller, "UPDATE", sdp(caller.ip, 4200));
  EXPECT_NE(phones.expect(caller, "SIP/2.0 500").header("Retry-After"), "");
  phones.answer(callee, update, "491 Request Pending");
  phones.expect(caller, "SIP/2.0 491");
  EXPECT_EQ(port(caller), caller.media_port);
  answer_and_end();
}

TEST_P(Updates, One_that_is_open_when_the_2xx_comes_is_finished_after_it) {
  early();
  phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  const Sent update = phones.expect(callee, "UPDATE ");
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("CSeq"), "1 INVITE");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.answer(callee, update, "200 OK", callee.sdp());
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("CSeq"), "3 UPDATE");
  EXPECT_EQ(port(caller), 4100u);
  phones.end();
}

TEST_P(Updates, One_that_is_open_when_the_caller_cancels_gets_487) {
  early();
  phones.request(callee, "UPDATE", sdp(callee.ip, 6100));
  phones.expect(caller, "UPDATE ");
  phones.cancel();
  phones.expect(caller, "SIP/2.0 487");
  phones.answer(callee, phones.expect(callee, "CANCEL "), "200 OK");
  phones.answer(callee, callee.incoming, "487 Request Terminated");
  phones.expect(callee, "SIP/2.0 487");
  bench.expect_nothing_left();
}

TEST_P(Updates, After_a_2xx_that_waits_for_its_ACK_one_goes_through) {
  phones.call(caller.sdp(), kKnows);
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(), "Allow: UPDATE\r\n");
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.request(callee, "UPDATE", sdp(callee.ip, 6100));
  const Sent update = phones.expect(caller, "UPDATE ");
  phones.ack(caller, 1);
  phones.answer(caller, update, "200 OK", caller.sdp());
  phones.expect(callee, "SIP/2.0 200");
  EXPECT_EQ(port(callee), 6100u);
  phones.end();
}

}  // namespace
}  // namespace sallyport::shard
