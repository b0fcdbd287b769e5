// SPDX-License-Identifier: Apache-2.0
// A re-INVITE that meets something else, or is left alone: in both directions of the call, from either side.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

class ReInviteRaces : public EitherSide {
 protected:
  ReInviteRaces() {
    phones.establish();
    text = phones.request(asker, "INVITE", sdp(asker.ip, asker.media_port + 100));
    phones.expect(asker, "SIP/2.0 100");
    invite = phones.expect(other, "INVITE ");
  }
  void accept() {
    phones.answer(other, invite, "200 OK", other.sdp());
    phones.expect(other, "ACK ");
    EXPECT_EQ(phones.expect(asker, "SIP/2.0 200").header("CSeq"), std::to_string(asker.cseq) + " INVITE");
  }
  void both_hear_bye() {
    phones.answer(asker, phones.expect(asker, "BYE "), "200 OK");
    phones.answer(other, phones.expect(other, "BYE "), "200 OK");
    phones.bench.expect_nothing_left();
  }
  [[nodiscard]] unsigned port() { return phones.flow(asker)->remote.port; }

  std::string text;
  Sent invite;
};
INSTANTIATE_TEST_SUITE_P(Calls, ReInviteRaces, ::testing::ValuesIn(kAllSides), sides_name);

TEST_P(ReInviteRaces, A_lost_ACK_repeats_the_200_then_ends_both_legs) {
  accept();
  phones.bench.advance(10 * kSecond);
  EXPECT_TRUE(phones.heard(asker, "SIP/2.0 200"));
  EXPECT_FALSE(phones.heard(asker, "BYE "));
  phones.bench.advance(23 * kSecond);
  both_hear_bye();
}

TEST_P(ReInviteRaces, A_repeated_200_gets_its_ACK_again_and_goes_no_further) {
  accept();
  phones.ack(asker, asker.cseq);
  phones.answer(other, invite, "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  EXPECT_FALSE(phones.heard(asker, "SIP/2.0"));
  phones.end();
}

TEST_P(ReInviteRaces, A_copy_after_its_ACK_starts_nothing) {
  accept();
  phones.ack(asker, asker.cseq);
  phones.send(asker, text);
  EXPECT_FALSE(phones.heard(other, ""));
  EXPECT_FALSE(phones.heard(asker, ""));
  EXPECT_EQ(port(), asker.media_port + 100);
  phones.end();
}

TEST_P(ReInviteRaces, A_BYE_of_the_asker_behind_it_ends_both) {
  phones.request(asker, "BYE");
  EXPECT_NE(phones.expect(asker, "SIP/2.0 200").header("CSeq").find("BYE"), std::string::npos);
  phones.expect(asker, "SIP/2.0 487");
  phones.answer(other, phones.expect(other, "BYE "), "200 OK");
  phones.answer(other, invite, "487 Request Terminated");
  phones.expect(other, "ACK ");
  phones.bench.expect_nothing_left();
}

TEST_P(ReInviteRaces, A_BYE_of_the_other_side_that_crosses_it_ends_both) {
  phones.request(other, "BYE");
  phones.expect(other, "SIP/2.0 200");
  phones.expect(asker, "SIP/2.0 487");
  phones.answer(asker, phones.expect(asker, "BYE "), "200 OK");
  phones.answer(other, invite, "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  phones.bench.expect_nothing_left();
}

TEST_P(ReInviteRaces, A_CANCEL_that_the_200_crosses_changes_nothing) {
  phones.answer(other, invite, "180 Ringing");
  phones.send(asker, make_cancel(text));
  phones.expect(other, "CANCEL ");
  phones.forget();
  accept();
  phones.ack(asker, asker.cseq);
  EXPECT_EQ(port(), asker.media_port + 100);
  phones.end();
}

TEST_P(ReInviteRaces, A_200_to_the_CANCEL_without_a_final_response_is_487_after_64_T1) {
  phones.answer(other, invite, "180 Ringing");
  phones.send(asker, make_cancel(text));
  phones.answer(other, phones.expect(other, "CANCEL "), "200 OK");
  EXPECT_FALSE(phones.heard(asker, "SIP/2.0 487"));
  phones.bench.advance(33 * kSecond);
  EXPECT_TRUE(phones.heard(asker, "SIP/2.0 487"));
  EXPECT_EQ(port(), asker.media_port);
  EXPECT_EQ(phones.bench.shard().manager().calls(), 1u);
  phones.end();
}

TEST_P(ReInviteRaces, An_UPDATE_of_the_other_side_meanwhile_is_491) {
  phones.request(other, "UPDATE", sdp(other.ip, other.media_port + 100));
  phones.expect(other, "SIP/2.0 491");
  accept();
  phones.ack(asker, asker.cseq);
  EXPECT_EQ(phones.flow(other)->remote.port, other.media_port);
  phones.end();
}

TEST_P(ReInviteRaces, An_INFO_of_each_side_goes_through_meanwhile) {
  for (Phone* from : {&asker, &other}) {
    phones.request(*from, "INFO");
    Phone& to = from == &asker ? other : asker;
    phones.answer(to, phones.expect(to, "INFO "), "200 OK");
    EXPECT_NE(phones.expect(*from, "SIP/2.0 200").header("CSeq").find("INFO"), std::string::npos);
  }
  phones.answer(other, invite, "200 OK", other.sdp());
  phones.expect(asker, "SIP/2.0 200");
  phones.ack(asker, asker.cseq - 1);
  phones.end();
}

TEST_P(ReInviteRaces, One_that_nobody_answers_is_408_and_ends_both) {
  phones.bench.advance(33 * kSecond);
  EXPECT_TRUE(phones.heard(asker, "SIP/2.0 408"));
  both_hear_bye();
}

}  // namespace
}  // namespace sallyport::shard
