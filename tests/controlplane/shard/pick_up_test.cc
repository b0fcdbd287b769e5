// SPDX-License-Identifier: Apache-2.0
// An INVITE with Replaces of a dialog that we have begun and that rings (RFC 3891 3): its caller is answered
// and joins the newcomer.
#include <functional>
#include <set>
#include <string>

#include "tests/controlplane/shard/joining_fixture.h"

namespace sallyport::shard {
namespace {

class PickUp : public Joining {
 protected:
  explicit PickUp(const std::string& yaml = transfer_config()) : Joining(yaml) {}
  // Where the only call lives.
  [[nodiscard]] unsigned home() { return bench.shard(0).manager().calls() == 1 ? 0 : 1; }
  std::set<bool> apart;  // whether the two calls were, of each that has been picked up
  // His answer to an offer without streams.
  static std::string no_stream(const Phone& phone) {
    const std::string whole = phone.sdp();
    return whole.substr(0, whole.find("m="));
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, PickUp, ::testing::Bool(), transfer_name);

class PickUpAcross : public PickUp {
 protected:
  PickUpAcross() : PickUp(transfer_config("follow", 2)) {}
  // Call-IDs, until calls of one shard and of two have been joined.
  void for_each_way(const std::function<void(const std::string& call_id)>& join) {
    apart.clear();
    for (int n = 0; n < 32 && apart.size() < 2; ++n) {
      SCOPED_TRACE(n);
      join("ringing-" + std::to_string(n));
    }
    EXPECT_EQ(apart.size(), 2u);
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, PickUpAcross, ::testing::Bool(), transfer_name);

#define PICKED_UP(id)                                                                   \
  ring_target(id);                                                                      \
  const unsigned there = home();                                                        \
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
  apart.insert(flow_towards(newcomer)->owner.shard != there);                           \
  hang_up(newcomer, line2);                                                             \
  nothing_left()

#define TAKEN_WITHOUT_AN_OFFER(id)                                                          \
  ring_target(id, std::string());                                                           \
  const unsigned there = home();                                                            \
  newcomer_at(target);                                                                      \
  send_replacing(ringing_dialog());                                                         \
  const Sent answered = taken(no_stream(line2));                                            \
  EXPECT_NE(answered.body().find("v=0"), std::string::npos);                                \
  EXPECT_EQ(answered.body().find("m="), std::string::npos) << answered.text;                \
  EXPECT_EQ(answered.body().find("0.0.0.0"), std::string::npos) << answered.text;           \
  rejoin(line2);                                                                            \
  EXPECT_EQ(origin(last_offer, 1), origin(answered.body(), 1)) << "RFC 3264 8";             \
  EXPECT_EQ(std::stoul(origin(last_offer, 2)), std::stoul(origin(answered.body(), 2)) + 1); \
  EXPECT_NE(last_offer.find("m=audio "), std::string::npos);                                \
  newcomer_is_up();                                                                         \
  expect_media(newcomer, line2);                                                            \
  apart.insert(flow_towards(newcomer)->owner.shard != there);                               \
  hang_up(newcomer, line2);                                                                 \
  nothing_left()

TEST_P(PickUp, A_call_that_rings_is_taken_by_who_names_its_dialog) {
  PICKED_UP("second");
}

TEST_P(PickUpAcross, A_call_that_rings_is_taken_wherever_it_lives) {
  for_each_way([&](const std::string& id) { PICKED_UP(id); });
}

TEST_P(PickUp, A_caller_who_has_heard_early_media_hears_the_same_answer_again) {
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

TEST_P(PickUp, A_fork_that_rings_is_taken_too_and_a_200_that_crosses_is_ended) {
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

TEST_P(PickUp, A_caller_who_does_not_take_the_newcomer_is_hung_up) {
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

TEST_P(PickUp, A_caller_who_never_acknowledges_is_hung_up_and_the_newcomer_hears_481) {
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

TEST_P(PickUp, A_newcomer_who_has_given_up_meanwhile_leaves_the_caller_to_be_hung_up) {
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

// ---- of a caller without an offer, who is to answer ours

TEST_P(PickUp, A_caller_without_an_offer_is_offered_no_stream_and_then_the_newcomers) {
  TAKEN_WITHOUT_AN_OFFER("second");
}

TEST_P(PickUpAcross, A_caller_without_an_offer_is_taken_wherever_his_call_lives) {
  for_each_way([&](const std::string& id) { TAKEN_WITHOUT_AN_OFFER(id); });
}

TEST_P(PickUp, A_newcomer_without_an_offer_gets_the_callers) {
  ring_target("second", std::string());
  newcomer_at(target);
  send_replacing(ringing_dialog(), std::string());
  (void)taken(no_stream(line2));
  const Sent invite = phones.expect(line2, "INVITE ");
  EXPECT_EQ(invite.body(), "");
  phones.answer(line2, invite, "200 OK", line2.sdp());
  const Sent offered = phones.expect(newcomer, "SIP/2.0 200");
  EXPECT_NE(offered.body().find("m=audio "), std::string::npos);
  phones.ack(newcomer, last_invite, newcomer.sdp());
  const Sent ack = phones.expect(line2, "ACK ");
  EXPECT_NE(ack.body().find("m=audio "), std::string::npos) << ack.text;
  expect_media(newcomer, line2);
  hang_up(newcomer, line2);
  nothing_left();
}

TEST_P(PickUp, A_caller_who_does_not_take_the_newcomers_offer_after_none_is_hung_up) {
  ring_target("second", std::string());
  newcomer_at(target);
  send_replacing(ringing_dialog());
  (void)taken(no_stream(line2));
  rejoin(line2, "488 Not Acceptable Here");
  (void)phones.expect(newcomer, "SIP/2.0 488");
  phones.ack(newcomer, last_invite);
  hung_up(line2);
  nothing_left();
}

// Only while the offer of who rings is open.
TEST_P(PickUp, A_caller_who_owes_an_answer_is_taken_once_he_has_given_it) {
  begin_second("second", std::string(), "Supported: 100rel\r\n");
  phones.answer(target, target.incoming, "183 Session Progress", target.sdp(),
                "Require: 100rel\r\nRSeq: 1\r\n");
  const Sent progress = phones.expect(line2, "SIP/2.0 183");
  newcomer_at(target);
  send_replacing(ringing_dialog());
  (void)phones.expect(newcomer, "SIP/2.0 491");
  phones.ack(newcomer, last_invite);
  (void)phones.request(line2, "PRACK", line2.sdp(), "RAck: " + progress.header("RSeq") + " 1 INVITE\r\n");
  (void)phones.expect(line2, "SIP/2.0 200");
  phones.answer(target, phones.expect(target, "PRACK "), "200 OK");
  send_replacing(ringing_dialog(), {}, {}, "fourth");
  EXPECT_EQ(taken().body(), "") << "he has given his answer";
  rejoin(line2);
  newcomer_is_up();
  expect_media(newcomer, line2);
  hang_up(line2, newcomer);
  nothing_left();
}

// ---- by a REFER

// Whoever is transferred takes the call that rings at the transferor's.
TEST_P(PickUp, A_REFER_to_a_call_that_rings_at_the_transferors_joins_its_caller) {
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

}  // namespace
}  // namespace sallyport::shard
