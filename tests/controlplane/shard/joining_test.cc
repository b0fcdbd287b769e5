// SPDX-License-Identifier: Apache-2.0
// Attended transfers and INVITEs with Replaces (RFC 3891): two calls of ours become one, on one shard and on
// two (one that rings: pick_up_test.cc).
#include "dataplane/sip/uri.h"
#include "tests/controlplane/shard/joining_fixture.h"

namespace sallyport::shard {
namespace {

class OnOneShard : public Joining {};
INSTANTIATE_TEST_SUITE_P(Ways, OnOneShard, ::testing::Bool(), transfer_name);

class OnTwoShards : public JoiningAcross {};
INSTANTIATE_TEST_SUITE_P(Ways, OnTwoShards, ::testing::Bool(), transfer_name);

// ---- attended transfers

#define ATTENDED_TRANSFER                                              \
  connect_lines();                                                     \
  const std::string before = target.incoming.body();                   \
  refer(referred_dialog());                                            \
  rejoin(target);                                                      \
  EXPECT_EQ(origin(last_offer, 1), origin(before, 1)) << "RFC 3264 8"; \
  EXPECT_EQ(last_offer.find(transferee.ip), std::string::npos);        \
  rejoin(transferee);                                                  \
  EXPECT_EQ(notified("terminated"), "SIP/2.0 200 OK\r\n");             \
  hung_up(line1);                                                      \
  hung_up(line2);                                                      \
  expect_media(transferee, target)

TEST_P(OnOneShard, A_REFER_joins_the_two_who_are_left) {
  ATTENDED_TRANSFER;
  hang_up(transferee, target);
  nothing_left();
}

TEST_P(OnTwoShards, A_REFER_joins_calls_of_two_shards_and_each_dialog_still_finds_its_leg) {
  ATTENDED_TRANSFER;
  // The target's tag names the shard that its leg has left.
  (void)phones.request(target, "INFO", "Signal=1\r\n", "Content-Type: application/dtmf-relay\r\n");
  phones.answer(transferee, phones.expect(transferee, "INFO "), "200 OK");
  (void)phones.expect(target, "SIP/2.0 200");
  (void)phones.request(target, "INVITE", target.sdp("a=sendonly\r\n"));
  phones.answer(transferee, phones.expect(transferee, "INVITE "), "200 OK", transferee.sdp("a=recvonly\r\n"));
  (void)phones.expect(target, "SIP/2.0 200");
  phones.ack(target, target.cseq);
  (void)phones.expect(transferee, "ACK ");
  hang_up(target, transferee);
  nothing_left();
}

// The target's leg has moved, and the BYE that ends what was its call is not answered yet.
#define JOINED_WHILE_THE_OLD_CALL_LINGERS                  \
  connect_lines();                                         \
  refer(referred_dialog());                                \
  rejoin(target);                                          \
  rejoin(transferee);                                      \
  EXPECT_EQ(notified("terminated"), "SIP/2.0 200 OK\r\n"); \
  EXPECT_TRUE(phones.heard(line2, "BYE "))

#define HEARD_WHILE_THE_OLD_CALL_LINGERS                                                            \
  JOINED_WHILE_THE_OLD_CALL_LINGERS;                                                                \
  (void)phones.request(target, "INFO", "Signal=1\r\n", "Content-Type: application/dtmf-relay\r\n"); \
  phones.answer(transferee, phones.expect(transferee, "INFO "), "200 OK");                          \
  (void)phones.expect(target, "SIP/2.0 200");                                                       \
  hung_up(line1);                                                                                   \
  hung_up(line2);                                                                                   \
  hang_up(target, transferee);                                                                      \
  nothing_left()

TEST_P(OnOneShard, Who_has_moved_is_heard_while_the_old_call_still_ends) {
  HEARD_WHILE_THE_OLD_CALL_LINGERS;
}
TEST_P(OnTwoShards, Who_has_moved_is_heard_while_the_old_call_still_ends) {
  HEARD_WHILE_THE_OLD_CALL_LINGERS;
}

TEST_P(OnTwoShards, Who_has_moved_is_replaced_while_the_old_call_still_ends) {
  JOINED_WHILE_THE_OLD_CALL_LINGERS;
  newcomer_at(target);
  const std::string ours = target.remote.substr(target.remote.find(";tag=") + 5);
  send_replacing(target.call_id + ";to-tag=" + ours + ";from-tag=" + target.tag);
  rejoin(transferee);
  newcomer_is_up();
  hung_up(target);
  hung_up(line1);
  hung_up(line2);
  hang_up(newcomer, transferee);
  nothing_left();
}

// He is notified inside his dialog, whose CSeq cannot grow in two places.
TEST_P(OnTwoShards, Who_waits_for_a_transfer_of_his_own_joins_nobody_else) {
  connect_lines();
  (void)phones.request(line2, "REFER", {}, "Refer-To: <sip:0777@10.9.8.7>\r\n");
  (void)phones.expect(line2, "SIP/2.0 202");
  phones.answer(line2, phones.expect(line2, "NOTIFY "), "200 OK");
  Phone called = target;
  (void)ring(called);
  newcomer_at(target);
  const std::string ours = target.remote.substr(target.remote.find(";tag=") + 5);
  send_replacing(target.call_id + ";to-tag=" + ours + ";from-tag=" + target.tag);
  (void)phones.expect(newcomer, "SIP/2.0 491");
  phones.ack(newcomer, last_invite);
  phones.answer(called, called.incoming, "486 Busy Here");
  phones.answer(line2, phones.expect(line2, "NOTIFY "), "200 OK");
  lines_go_on();
}

TEST_P(OnTwoShards, A_BYE_that_is_repeated_after_the_end_still_finds_its_transaction) {
  ATTENDED_TRANSFER;
  const std::string bye = phones.request(target, "BYE");
  (void)phones.expect(target, "SIP/2.0 200");
  hung_up(transferee);
  bench.advance(kSecond);
  phones.forget();
  phones.send(target, bye);
  (void)phones.expect(target, "SIP/2.0 200");
  nothing_left();
}

#define REFUSED_BY_THE_TARGET                                     \
  connect_lines();                                                \
  refer(referred_dialog());                                       \
  rejoin(target, "488 Not Acceptable Here");                      \
  EXPECT_TRUE(notified("terminated").starts_with("SIP/2.0 488")); \
  EXPECT_FALSE(phones.heard(transferee, "INVITE "));              \
  lines_go_on()

TEST_P(OnOneShard, A_target_that_refuses_leaves_both_calls_as_they_were) {
  REFUSED_BY_THE_TARGET;
}
TEST_P(OnTwoShards, A_target_that_refuses_leaves_both_calls_as_they_were) {
  REFUSED_BY_THE_TARGET;
}

#define REFUSED_BY_THE_TRANSFEREE                                              \
  connect_lines();                                                             \
  refer(referred_dialog());                                                    \
  rejoin(target);                                                              \
  const std::string joined = last_offer;                                       \
  rejoin(transferee, "488 Not Acceptable Here");                               \
  EXPECT_TRUE(notified("terminated").starts_with("SIP/2.0 488"));              \
  rejoin(target);                                                              \
  EXPECT_EQ(origin(last_offer, 1), origin(joined, 1));                         \
  EXPECT_GT(std::stoul(origin(last_offer, 2)), std::stoul(origin(joined, 2))); \
  lines_go_on()

TEST_P(OnOneShard, A_transferee_who_refuses_leaves_both_calls_as_they_were) {
  REFUSED_BY_THE_TRANSFEREE;
}
TEST_P(OnTwoShards, A_transferee_who_refuses_leaves_both_calls_as_they_were) {
  REFUSED_BY_THE_TRANSFEREE;
}

TEST_P(OnOneShard, A_REFER_to_a_dialog_that_is_gone_ends_in_481) {
  connect_both();
  const std::string place = referred_dialog();
  hang_up(line2, target);
  refer(place);
  EXPECT_TRUE(notified("terminated").starts_with("SIP/2.0 481"));
  hang_up(line1, transferee);
  nothing_left();
}

// ---- INVITE with Replaces

TEST_P(OnOneShard, An_INVITE_with_Replaces_takes_the_place_of_a_leg) {
  connect_lines();
  send_replacing(dialog());
  rejoin(target);
  newcomer_is_up();
  hung_up(line2);
  hang_up(newcomer, target);
  hang_up(line1, transferee);
  nothing_left();
}

TEST_P(OnTwoShards, An_INVITE_with_Replaces_takes_the_place_of_a_leg_wherever_that_is) {
  connect_lines();
  send_replacing(dialog(), {}, "Require: replaces\r\n");
  rejoin(target);
  newcomer_is_up();
  hung_up(line2);
  hang_up(target, newcomer);
  hang_up(line1, transferee);
  nothing_left();
}

TEST_P(OnOneShard, A_newcomer_without_an_offer_gets_the_one_of_who_is_left) {
  connect_lines();
  send_replacing(dialog(), std::string());
  const Sent invite = phones.expect(target, "INVITE ");
  EXPECT_EQ(invite.body(), "");
  phones.answer(target, invite, "200 OK", target.sdp());
  EXPECT_NE(phones.expect(newcomer, "SIP/2.0 200").body().find("m=audio "), std::string::npos);
  phones.ack(newcomer, last_invite, newcomer.sdp());
  EXPECT_NE(phones.expect(target, "ACK ").body().find("m=audio "), std::string::npos);
  hung_up(line2);
  hang_up(line1, transferee);
  expect_media(newcomer, target);
  hang_up(newcomer, target);
  nothing_left();
}

TEST_P(OnOneShard, A_call_whose_caller_made_no_offer_is_taken_once_its_offer_is_answered) {
  begin_second("second", std::string());
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(line2, "SIP/2.0 200");
  newcomer_at(line2);
  send_replacing(dialog());
  (void)phones.expect(newcomer, "SIP/2.0 491");
  phones.ack(newcomer, last_invite);
  phones.ack(line2, 1, line2.sdp());
  (void)phones.expect(target, "ACK ");
  send_replacing(dialog(), {}, {}, "fourth");
  rejoin(target);
  newcomer_is_up();
  hung_up(line2);
  expect_media(newcomer, target);
  hang_up(target, newcomer);
  nothing_left();
}

TEST_P(OnTwoShards, A_newcomer_who_is_refused_leaves_the_call_as_it_was) {
  connect_lines();
  send_replacing(dialog());
  rejoin(target, "488 Not Acceptable Here");
  (void)phones.expect(newcomer, "SIP/2.0 488");
  lines_go_on();
}

TEST_P(OnOneShard, What_may_not_be_replaced_is_refused_by_name) {
  connect_lines();
  struct Case {
    std::string replaces;
    const char* status;
    const char* rule;  // in the record
  };
  const std::string ours = line2.remote.substr(line2.remote.find(";tag=") + 5);
  const Case kCases[] = {
      {dialog(";early-only"), "SIP/2.0 486", "a refusal of our own: early-only, and the dialog is up"},
      {"second;to-tag=" + ours + ";from-tag=somebody", "SIP/2.0 481", "default of not-in-dialog"},
      {"other;to-tag=" + ours + ";from-tag=line2", "SIP/2.0 481", "default of not-in-dialog"},
      {"second;to-tag=" + ours, "SIP/2.0 400", "a refusal of our own: Replaces that cannot be followed"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.replaces);
    send_replacing(c.replaces);
    (void)phones.expect(newcomer, c.status);
    phones.ack(newcomer, last_invite);
    bench.advance(40 * kSecond, 250 * kMillisecond);
    phones.forget();
    ASSERT_FALSE(bench.records.records.empty());
    EXPECT_EQ(bench.records.records.back().rule, c.rule);
    EXPECT_EQ(bench.records.records.back().received, 0);
  }
  lines_go_on();
}

TEST_P(OnOneShard, A_dialog_that_rings_is_not_replaced_by_who_did_not_begin_it) {
  connect(line1, transferee, "4930123", "first");
  ring_target();
  send_replacing(dialog());
  (void)phones.expect(newcomer, "SIP/2.0 481");
  phones.ack(newcomer, last_invite);
  phones.answer(target, target.incoming, "486 Busy Here");
  (void)phones.expect(line2, "SIP/2.0 486");
  hang_up(line1, transferee);
  nothing_left();
}

// Nobody may be put in the place of who has not answered (RFC 5589 7): the calls go on.
TEST_P(OnOneShard, A_REFER_to_a_call_that_still_rings_there_ends_in_481) {
  connect(line1, transferee, "4930123", "first");
  ring_target();
  refer(referred_dialog());
  EXPECT_TRUE(notified("terminated").starts_with("SIP/2.0 481"));
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(line2, "SIP/2.0 200");
  (void)phones.expect(target, "ACK ");
  phones.ack(line2, 1);
  lines_go_on();
}

TEST_P(OnOneShard, A_Replaces_of_somebody_elses_dialog_goes_on_with_its_call) {
  send_replacing("theirs@pbx;to-tag=a;from-tag=b", {}, "Referred-By: <sip:boss@10.9.8.7>\r\n");
  const Sent invite = ring(target);
  EXPECT_EQ(invite.header("Replaces"), "theirs@pbx;to-tag=a;from-tag=b");
  EXPECT_EQ(invite.text.find("10.9.8.7"), std::string::npos);
  phones.answer(target, invite, "481 Call/Transaction Does Not Exist");
  (void)phones.expect(newcomer, "SIP/2.0 481");
  nothing_left();
}

// ---- and both together: the REFER is passed on, and whoever is referred calls us with what it says

class PassedOn : public Joining {
 protected:
  PassedOn() : Joining(transfer_config("pass", 2)) {}
};
INSTANTIATE_TEST_SUITE_P(Ways, PassedOn, ::testing::Bool(), transfer_name);

TEST_P(PassedOn, A_transferee_who_is_told_of_a_dialog_in_our_words_finds_it) {
  connect_both();
  (void)phones.request(line1, "REFER", {}, "Refer-To: <" + referred_dialog() + ">\r\n");
  const Sent refer = phones.expect(transferee, "REFER ");
  phones.answer(transferee, refer, "202 Accepted");
  (void)phones.expect(line1, "SIP/2.0 202");
  std::string place = refer.header("Refer-To");
  EXPECT_EQ(place.find("line2"), std::string::npos) << "a tag of the other side";
  place = sip::unescape(place.substr(place.find("Replaces=") + 9));
  place.erase(place.find('>'));
  newcomer_at(transferee);
  send_replacing(place);
  rejoin(target);
  newcomer_is_up();
  hung_up(line2);
  hang_up(target, newcomer);
  hang_up(line1, transferee);
  nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
