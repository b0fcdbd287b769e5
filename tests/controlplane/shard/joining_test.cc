// SPDX-License-Identifier: Apache-2.0
// Attended transfers and INVITEs with Replaces (RFC 3891): two calls of ours become one, on one shard and on
// two.
#include "dataplane/sip/uri.h"
#include "tests/controlplane/shard/transfer_fixture.h"

namespace sallyport::shard {
namespace {

class Joining : public TransferTest {
 protected:
  explicit Joining(unsigned shards = 1, std::string_view refer = "follow")
      : TransferTest(transfer_config(refer, shards)) {
    newcomer = {.realm = line1.realm, .ip = GetParam() ? "192.0.2.10" : "198.51.100.77", .media_port = 4400};
  }
  void newcomer_at(const Phone& phone) {
    newcomer = {.realm = phone.realm, .ip = phone.ip, .media_port = 4400};
  }
  virtual void connect_lines() { connect_both(); }
  // Somebody else takes the place of whoever that names.
  std::string send_replacing(std::string_view replaces, std::string_view body = {},
                             std::string_view more = {}) {
    newcomer.is_caller = true;
    newcomer.cseq = 0;
    newcomer.tag = "newcomer";
    newcomer.call_id = "third";
    newcomer.local = "<sip:new@" + newcomer.ip + ">;tag=newcomer";
    const std::string ours = newcomer.realm == "access" ? "198.51.100.1" : "192.0.2.1";
    newcomer.remote = "<sip:0555@" + ours + ">";
    newcomer.target = "sip:0555@" + ours;
    std::string invite = phones.request(newcomer, "INVITE", body.empty() ? newcomer.sdp() : std::string(body),
                                        "Replaces: " + std::string(replaces) + "\r\n" + std::string(more));
    last_invite = newcomer.cseq;
    return invite;
  }
  // Line 2 calls the target, up to the INVITE there.
  void begin_second(std::string_view call_id, const std::optional<std::string>& body = std::nullopt) {
    const std::string ours = line2.realm == "access" ? "198.51.100.1" : "192.0.2.1";
    line2.call_id = call_id;
    line2.local = "<sip:caller@" + line2.ip + ">;tag=" + line2.tag;
    line2.remote = "<sip:0555@" + ours + ">";
    line2.target = "sip:0555@" + ours;
    line2.cseq = 0;
    (void)phones.request(line2, "INVITE", body ? *body : line2.sdp());
    (void)ring(target);
  }
  void ring_target(std::string_view call_id = "second") {
    begin_second(call_id);
    phones.answer(target, target.incoming, "180 Ringing");
    (void)phones.expect(line2, "SIP/2.0 180");
  }
  // That dialog, as who rings knows it: we have begun it.
  [[nodiscard]] std::string ringing_dialog(std::string_view more = {}) const {
    return target.call_id + ";to-tag=" + target.incoming.tag_of("From") + ";from-tag=" + target.tag +
           std::string(more);
  }
  // Line 2 hears an answer, and the target that it is over.
  Sent taken() {
    const Sent answered = phones.expect(line2, "SIP/2.0 200");
    give_up_ringing();
    EXPECT_FALSE(phones.heard(line2, "INVITE ")) << "not before his ACK";
    phones.ack(line2, 1);
    return answered;
  }
  void give_up_ringing() {
    phones.answer(target, phones.expect(target, "CANCEL "), "200 OK");
    phones.answer(target, target.incoming, "487 Request Terminated");
  }
  void newcomer_is_up() {
    (void)phones.expect(newcomer, "SIP/2.0 200");
    phones.ack(newcomer, last_invite);
  }
  void lines_go_on() {
    expect_media_of_lines();
    hang_up(line2, target);
    hang_up(line1, transferee);
    nothing_left();
  }
  void expect_media_of_lines() { EXPECT_EQ(bench.flows.size(), 8u) << "two calls of RTP and RTCP each way"; }

  Phone newcomer;
  unsigned last_invite = 0;
};

class OnOneShard : public Joining {};
INSTANTIATE_TEST_SUITE_P(Ways, OnOneShard, ::testing::Bool(), transfer_name);

class OnTwoShards : public Joining {
 protected:
  OnTwoShards() : Joining(2) {}
  void connect_lines() override {
    connect(line1, transferee, "4930123", "first");
    const std::size_t other = bench.shard(0).manager().calls() == 1 ? 1 : 0;
    for (int n = 0; bench.shard(other).manager().calls() == 0; ++n) {
      ASSERT_LT(n, 64);
      if (n > 0) hang_up(line2, target);
      connect(line2, target, "0555", "second-" + std::to_string(n));
    }
    EXPECT_EQ(bench.shard(1 - other).manager().calls(), 1u);
  }
};
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

// ---- INVITE with Replaces of a dialog that we have begun and that rings

#define PICKED_UP(id)                                                                   \
  ring_target(id);                                                                      \
  newcomer_at(target);                                                                  \
  send_replacing(ringing_dialog());                                                     \
  const Sent answered = taken();                                                        \
  EXPECT_NE(answered.body().find("a=inactive"), std::string::npos);                     \
  EXPECT_EQ(answered.body().find("m=audio 0 "), std::string::npos);                     \
  rejoin(line2);                                                                        \
  EXPECT_EQ(origin(last_offer, 1), origin(answered.body(), 1));                         \
  EXPECT_GT(std::stoul(origin(last_offer, 2)), std::stoul(origin(answered.body(), 2))); \
  EXPECT_EQ(last_offer.find("inactive"), std::string::npos);                            \
  newcomer_is_up();                                                                     \
  expect_media(newcomer, line2);                                                        \
  hang_up(newcomer, line2);                                                             \
  nothing_left()

TEST_P(OnOneShard, A_call_that_rings_is_taken_by_who_names_its_dialog) {
  PICKED_UP("second");
}

TEST_P(OnTwoShards, A_call_that_rings_is_taken_wherever_it_lives) {
  for (const char* id : {"one", "two", "three", "four"}) {
    SCOPED_TRACE(id);
    PICKED_UP(id);
  }
}

TEST_P(OnOneShard, A_caller_who_has_heard_early_media_hears_the_same_answer_again) {
  begin_second("second");
  phones.answer(target, target.incoming, "183 Session Progress", target.sdp());
  const Sent progress = phones.expect(line2, "SIP/2.0 183");
  newcomer_at(target);
  send_replacing(ringing_dialog(";early-only"));
  EXPECT_EQ(taken().body(), progress.body());
  rejoin(line2);
  newcomer_is_up();
  expect_media(newcomer, line2);
  hang_up(line2, newcomer);
  nothing_left();
}

TEST_P(OnOneShard, A_fork_that_rings_is_taken_too_and_a_200_that_crosses_is_ended) {
  begin_second("second");
  for (const char* tag : {"fork", "target"}) {
    phones.answer(target, target.incoming, "180 Ringing", {}, {}, tag);
    (void)phones.expect(line2, "SIP/2.0 180");
  }
  newcomer_at(target);
  send_replacing(ringing_dialog());
  (void)phones.expect(line2, "SIP/2.0 200");
  phones.answer(target, phones.expect(target, "CANCEL "), "200 OK");
  phones.answer(target, target.incoming, "200 OK", target.sdp());
  (void)phones.expect(target, "ACK ");
  hung_up(target);
  phones.ack(line2, 1);
  rejoin(line2);
  newcomer_is_up();
  hang_up(newcomer, line2);
  nothing_left();
}

TEST_P(OnOneShard, A_caller_who_does_not_take_the_newcomer_is_hung_up) {
  ring_target();
  newcomer_at(target);
  send_replacing(ringing_dialog());
  (void)taken();
  rejoin(line2, "488 Not Acceptable Here");
  (void)phones.expect(newcomer, "SIP/2.0 488");
  phones.ack(newcomer, last_invite);
  hung_up(line2);
  nothing_left();
}

TEST_P(OnOneShard, A_caller_who_never_acknowledges_is_hung_up_and_the_newcomer_hears_481) {
  ring_target();
  newcomer_at(target);
  send_replacing(ringing_dialog());
  (void)phones.expect(line2, "SIP/2.0 200");
  give_up_ringing();
  bench.advance(32 * kSecond + 250 * kMillisecond, 250 * kMillisecond);
  hung_up(line2);
  (void)phones.expect(newcomer, "SIP/2.0 481");
  phones.ack(newcomer, last_invite);
  nothing_left();
}

TEST_P(OnOneShard, A_newcomer_who_has_given_up_meanwhile_leaves_the_caller_to_be_hung_up) {
  ring_target();
  newcomer_at(target);
  const std::string invite = send_replacing(ringing_dialog());
  (void)phones.expect(line2, "SIP/2.0 200");
  give_up_ringing();
  phones.send(newcomer, make_cancel(invite));
  (void)phones.expect(newcomer, "SIP/2.0 487");
  phones.ack(newcomer, last_invite);
  phones.ack(line2, 1);
  hung_up(line2);
  nothing_left();
}

TEST_P(OnOneShard, A_caller_without_an_offer_cannot_be_taken_and_goes_on_ringing) {
  begin_second("second", std::string());
  phones.answer(target, target.incoming, "180 Ringing");
  (void)phones.expect(line2, "SIP/2.0 180");
  newcomer_at(target);
  send_replacing(ringing_dialog());
  (void)phones.expect(newcomer, "SIP/2.0 491");
  phones.ack(newcomer, last_invite);
  phones.answer(target, target.incoming, "486 Busy Here");
  (void)phones.expect(line2, "SIP/2.0 486");
  nothing_left();
}

// Whoever is transferred takes the call that rings at the transferor's.
TEST_P(OnOneShard, A_REFER_to_a_call_that_rings_at_the_transferors_joins_its_caller) {
  if (GetParam()) return;  // the other way round there is no route
  connect(line1, transferee, "4930123", "first");
  target.call_id = "second";
  target.local = "<sip:caller@" + target.ip + ">;tag=" + target.tag;
  target.remote = "<sip:4930124@192.0.2.1>";
  target.target = "sip:4930124@192.0.2.1";
  target.is_caller = true;
  (void)phones.request(target, "INVITE", target.sdp());
  Phone ringing = line1;
  ringing.is_caller = false;
  ringing.tag = "ringing";
  const Sent invite = phones.expect(ringing, "INVITE ");
  phones.answer(ringing, invite, "180 Ringing");
  (void)phones.expect(target, "SIP/2.0 180");
  refer("sip:4930124@10.9.8.7?Replaces=" + invite.header("Call-ID") + "%3Bto-tag%3D" + invite.tag_of("From") +
        "%3Bfrom-tag%3Dringing");
  phones.answer(ringing, phones.expect(ringing, "CANCEL "), "200 OK");
  phones.answer(ringing, invite, "487 Request Terminated");
  (void)phones.expect(target, "SIP/2.0 200");
  phones.ack(target, 1);
  rejoin(target);
  rejoin(transferee);
  EXPECT_EQ(notified("terminated"), "SIP/2.0 200 OK\r\n");
  hung_up(line1);
  expect_media(transferee, target);
  hang_up(transferee, target);
  nothing_left();
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
  PassedOn() : Joining(2, "pass") {}
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
