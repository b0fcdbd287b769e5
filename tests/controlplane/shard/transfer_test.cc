// SPDX-License-Identifier: Apache-2.0
// REFERs that Sallyport follows: the target is called, and whoever is referred is joined to it.
#include "tests/controlplane/shard/transfer_fixture.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kPlace = "sip:0555@10.9.8.7:5070";

class Transfer : public TransferTest {
 protected:
  Transfer() : TransferTest(transfer_config()) {}
  // Up to the INVITE at the target.
  void refer_to_target() {
    connect(line1, transferee, "4930123", "first");
    refer(kPlace);
    (void)ring(target);
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, Transfer, ::testing::Bool(), transfer_name);

TEST_P(Transfer, The_target_is_called_and_the_transferee_joins_it) {
  connect(line1, transferee, "4930123", "first");
  const std::string told = transferee.incoming.body();
  refer(kPlace);
  const Sent invite = ring(target);
  EXPECT_TRUE(invite.is("INVITE sip:0555@" + target.ip));
  for (const std::string& secret : {line1.ip, transferee.ip, std::string("10.9.8.7")})
    EXPECT_EQ(invite.text.find(secret), std::string::npos) << invite.text;
  EXPECT_EQ(invite.header("Supported").find("100rel"), std::string::npos);
  phones.answer(target, invite, "183 Session Progress", target.sdp());
  EXPECT_EQ(notified("active"), "SIP/2.0 183 Session Progress\r\n");
  expect_no_media_to(target);
  EXPECT_FALSE(phones.heard(transferee, "INVITE ")) << "he stays where he is until the target answers";
  phones.answer(target, invite, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  rejoin(transferee);
  EXPECT_EQ(origin(last_offer, 1), origin(told, 1)) << "RFC 3264 8";
  EXPECT_EQ(std::stoul(origin(last_offer, 2)), std::stoul(origin(told, 2)) + 1);
  EXPECT_EQ(last_offer.find(target.ip), std::string::npos);
  EXPECT_EQ(notified("terminated;reason=noresource"), "SIP/2.0 200 OK\r\n");
  hung_up(line1);
  expect_media(transferee, target);
  hang_up(transferee, target);
  nothing_left();
  ASSERT_EQ(bench.records.records.size(), 4u) << "a line at each answer, and one at each end";
  EXPECT_EQ(bench.records.records[2].reason, "Transferred");
}

TEST_P(Transfer, The_new_pair_goes_on_like_any_call) {
  refer_to_target();
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  rejoin(transferee);
  (void)notified("terminated");
  hung_up(line1);
  (void)phones.request(target, "INVITE", target.sdp("a=sendonly\r\n"));
  const Sent hold = phones.expect(transferee, "INVITE ");
  EXPECT_NE(hold.body().find("a=sendonly"), std::string::npos);
  phones.answer(transferee, hold, "200 OK", transferee.sdp("a=recvonly\r\n"));
  (void)phones.expect(target, "SIP/2.0 200");
  phones.ack(target, target.cseq);
  (void)phones.expect(transferee, "ACK ");
  (void)phones.request(transferee, "INFO", "Signal=1\r\n", "Content-Type: application/dtmf-relay\r\n");
  phones.answer(target, phones.expect(target, "INFO "), "200 OK");
  (void)phones.expect(transferee, "SIP/2.0 200");
  hang_up(target, transferee);
  nothing_left();
}

TEST_P(Transfer, Who_was_on_hold_is_no_more) {
  connect(line1, transferee, "4930123", "first");
  (void)phones.request(line1, "INVITE", line1.sdp("a=sendonly\r\n"));
  phones.answer(transferee, phones.expect(transferee, "INVITE "), "200 OK", transferee.sdp("a=recvonly\r\n"));
  (void)phones.expect(line1, "SIP/2.0 200");
  phones.ack(line1, line1.cseq);
  (void)phones.expect(transferee, "ACK ");
  refer(kPlace);
  EXPECT_EQ(ring(target).body().find("a=recvonly"), std::string::npos);
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  rejoin(transferee);
  EXPECT_EQ(last_offer.find("only"), std::string::npos);
  (void)notified("terminated");
  hung_up(line1);
  hang_up(transferee, target);
  nothing_left();
}

TEST_P(Transfer, A_target_that_refuses_leaves_the_first_call_as_it_was) {
  refer_to_target();
  phones.answer(target, target.incoming, "486 Busy Here");
  EXPECT_EQ(notified("terminated"), "SIP/2.0 486 Busy Here\r\n");
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  EXPECT_FALSE(phones.heard(transferee, "INVITE "));
  (void)phones.request(line1, "INFO");
  phones.answer(transferee, phones.expect(transferee, "INFO "), "200 OK");
  (void)phones.expect(line1, "SIP/2.0 200");
  // He may try again, and his notifications now say which REFER they are for.
  (void)phones.request(line1, "REFER", {}, "Refer-To: <sip:0556@x>\r\n");
  (void)phones.expect(line1, "SIP/2.0 202");
  const Sent notify = phones.expect(line1, "NOTIFY ");
  EXPECT_EQ(notify.header("Event"), "refer;id=" + std::to_string(line1.cseq));
  phones.answer(line1, notify, "200 OK");
  (void)ring(target);
  phones.answer(target, target.incoming, "603 Decline");
  EXPECT_EQ(notified("terminated"), "SIP/2.0 603 Decline\r\n");
  hang_up(line1, transferee);
  nothing_left();
}

TEST_P(Transfer, A_transferor_who_goes_at_once_leaves_the_transferee_waiting) {
  refer_to_target();
  (void)phones.request(line1, "BYE");
  (void)phones.expect(line1, "SIP/2.0 200");
  EXPECT_FALSE(phones.heard(transferee, "BYE "));
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  rejoin(transferee);
  EXPECT_EQ(notified("terminated"), "SIP/2.0 200 OK\r\n");
  expect_media(transferee, target);
  hang_up(target, transferee);
  nothing_left();
}

TEST_P(Transfer, Who_waits_for_a_target_that_refuses_is_hung_up) {
  refer_to_target();
  (void)phones.request(line1, "BYE");
  (void)phones.expect(line1, "SIP/2.0 200");
  phones.answer(target, target.incoming, "486 Busy Here");
  (void)notified("terminated");
  hung_up(transferee);
  nothing_left();
}

TEST_P(Transfer, A_transferee_who_hangs_up_ends_all_of_it) {
  refer_to_target();
  phones.answer(target, target.incoming, "180 Ringing");
  (void)notified("active");
  (void)phones.request(transferee, "BYE");
  (void)phones.expect(transferee, "SIP/2.0 200");
  EXPECT_TRUE(notified("terminated").starts_with("SIP/2.0 487"));
  hung_up(line1);
  phones.answer(target, phones.expect(target, "CANCEL "), "200 OK");
  phones.answer(target, target.incoming, "487 Request Terminated");
  nothing_left();
}

TEST_P(Transfer, A_transferee_who_refuses_the_target_stays_in_the_first_call) {
  refer_to_target();
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  rejoin(transferee, "488 Not Acceptable Here");
  EXPECT_EQ(notified("terminated"), "SIP/2.0 488 Not Acceptable Here\r\n");
  hung_up(target);
  expect_media(transferee, line1);
  hang_up(line1, transferee);
  nothing_left();
}

TEST_P(Transfer, A_target_that_hangs_up_before_the_transferee_is_there_gives_him_back) {
  refer_to_target();
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  const Sent invite = phones.expect(transferee, "INVITE ");
  (void)phones.request(target, "BYE");
  (void)phones.expect(target, "SIP/2.0 200");
  EXPECT_TRUE(notified("terminated").starts_with("SIP/2.0 "));
  // He has taken the target's media meanwhile: he is told of the first call's once more.
  phones.answer(transferee, invite, "200 OK", transferee.sdp());
  (void)phones.expect(transferee, "ACK ");
  rejoin(transferee);
  EXPECT_GT(std::stoul(origin(last_offer, 2)), std::stoul(origin(invite.body(), 2)));
  EXPECT_EQ(origin(last_offer, 1), origin(invite.body(), 1));
  expect_media(transferee, line1);
  hang_up(line1, transferee);
  nothing_left();
}

TEST_P(Transfer, A_transferee_who_hangs_up_while_he_is_asked_ends_it) {
  refer_to_target();
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  const Sent invite = phones.expect(transferee, "INVITE ");
  (void)phones.request(transferee, "BYE");
  (void)phones.expect(transferee, "SIP/2.0 200");
  hung_up(target);
  EXPECT_TRUE(notified("terminated").starts_with("SIP/2.0 "));
  phones.answer(transferee, invite, "487 Request Terminated");
  hung_up(line1);
  nothing_left();
}

TEST_P(Transfer, Who_wants_no_notifications_gets_none) {
  connect(line1, transferee, "4930123", "first");
  (void)phones.request(line1, "REFER", {}, "Refer-To: <sip:0555@x>\r\nRefer-Sub: false\r\n");
  EXPECT_EQ(phones.expect(line1, "SIP/2.0 202").header("Refer-Sub"), "false");
  (void)ring(target);
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  rejoin(transferee);
  EXPECT_FALSE(phones.heard(line1, "NOTIFY "));
  hung_up(line1);
  hang_up(transferee, target);
  nothing_left();
}

TEST_P(Transfer, One_REFER_at_a_time_and_only_where_a_route_leads) {
  refer_to_target();
  (void)phones.request(line1, "REFER", {}, "Refer-To: <sip:0556@x>\r\n");
  (void)phones.expect(line1, "SIP/2.0 491");
  (void)phones.request(line1, "SUBSCRIBE", {}, "Event: refer\r\nExpires: 0\r\n");
  EXPECT_EQ(phones.expect(line1, "SIP/2.0 200").header("Expires"), "0");
  (void)notified("terminated");
  phones.answer(target, target.incoming, "486 Busy Here");
  EXPECT_FALSE(phones.heard(line1, "NOTIFY ")) << "he has unsubscribed";
  hang_up(line1, transferee);
  nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
