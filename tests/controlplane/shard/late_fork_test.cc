// SPDX-License-Identifier: Apache-2.0
// An INVITE without SDP that forks: each early dialog makes an offer of its own (RFC 3262 5), and the caller
// has one dialog with us.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

class LateForks : public BothWays {
 protected:
  void offer(std::string_view tag, std::string_view body) {
    phones.answer(callee, callee.incoming, "183 Session Progress", body,
                  "Require: 100rel\r\nRSeq: 1\r\n" + callee_knows, tag);
  }
  // The caller has the first fork's offer.
  void begin() {
    (void)phones.call({}, "Supported: 100rel\r\n" + caller_knows);
    offer("one", sdp(callee.ip, 7000));
    first = phones.expect(caller, "SIP/2.0 183");
    EXPECT_NE(first.body(), "");
  }
  // And has answered it.
  void answer_first() {
    (void)phones.request(caller, "PRACK", caller.sdp(), "RAck: " + first.header("RSeq") + " 1 INVITE\r\n");
    (void)phones.expect(caller, "SIP/2.0 200");
    const Sent prack = acknowledged("one");
    EXPECT_NE(prack.body().find("RTP/AVP 8 101\r\n"), std::string::npos);
  }
  // The PRACK of that fork, answered.
  Sent acknowledged(std::string_view tag) {
    const Sent prack = phones.expect(callee, "PRACK ");
    EXPECT_EQ(prack.tag_of("To"), tag);
    EXPECT_EQ(prack.header("RAck"), "1 1 INVITE");
    EXPECT_EQ(prack.body().find(caller.ip), std::string::npos) << prack.body();
    phones.answer(callee, prack, "200 OK");
    return prack;
  }
  // What the caller hears of the second fork: progress, in the dialog that he has, and nothing to answer.
  void heard_of_another() {
    const Sent progress = phones.expect(caller, "SIP/2.0 183");
    EXPECT_EQ(progress.tag_of("To"), first.tag_of("To"));
    EXPECT_EQ(progress.header("Require"), "");
    EXPECT_EQ(progress.body(), "");
  }
  // The ACK of the winner.
  Sent wins(std::string_view tag, std::string_view body = {}) {
    callee.tag = tag;
    phones.answer(callee, callee.incoming, "200 OK", body);
    EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").body(), "") << "his answer has been taken";
    const Sent ack = phones.expect(callee, "ACK ");
    EXPECT_EQ(ack.tag_of("To"), tag);
    phones.ack(caller, 1);
    return ack;
  }
  // The winner, whose streams are inactive, is offered what the caller has said.
  Sent asked_again() {
    const Sent invite = phones.expect(callee, "INVITE ");
    EXPECT_EQ(invite.tag_of("To"), callee.tag);
    EXPECT_NE(invite.body().find("RTP/AVP 8 101\r\n"), std::string::npos) << invite.body();
    EXPECT_EQ(invite.body().find("inactive"), std::string::npos) << invite.body();
    return invite;
  }
  void activated(const Sent& before) {
    const Sent invite = asked_again();
    EXPECT_GT(version(invite), version(before)) << "RFC 3264 8";
    phones.answer(callee, invite, "200 OK", sdp(callee.ip, 7010));
    EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), callee.tag);
    EXPECT_EQ(media_at(), 7010u);
  }
  void end() {
    EXPECT_FALSE(phones.heard(caller, "INVITE "));
    EXPECT_FALSE(phones.heard(callee, "INVITE "));
    EXPECT_EQ(phones.flow(caller)->remote.port, caller.media_port);
    phones.end();
  }
  [[nodiscard]] std::string pcmu(unsigned port) const {
    std::string text = sdp(callee.ip, port);
    text.replace(text.find("8 101"), 5, "0");
    return text.substr(0, text.find("a=rtpmap"));
  }
  [[nodiscard]] unsigned media_at() { return phones.flow(callee)->remote.port; }
  static unsigned long version(const Sent& message) {
    const std::string body = message.body();
    const std::size_t id = body.find(' ', body.find("o=")) + 1;
    return std::stoul(body.substr(body.find(' ', id)));
  }
  static void is_inactive(const Sent& message) {
    EXPECT_NE(message.body().find("a=inactive\r\n"), std::string::npos) << message.text;
    EXPECT_NE(message.body().find("m=audio "), std::string::npos) << message.text;
    EXPECT_EQ(message.body().find("m=audio 0 "), std::string::npos) << message.text;
  }

  // The caller has changed his mind meanwhile: an UPDATE to the first fork, which does not answer it.
  Sent update_open() {
    callee_knows = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";
    begin();
    answer_first();
    (void)phones.request(caller, "UPDATE", sdp(caller.ip, 4100, "a=sendonly\r\n"));
    const Sent update = phones.expect(callee, "UPDATE ");
    EXPECT_EQ(update.tag_of("To"), "one");
    return update;
  }
  // He hears that he has to offer that again.
  void is_pending() {
    const Sent refused = phones.expect(caller, "SIP/2.0 491");
    EXPECT_TRUE(refused.header("CSeq").ends_with(" UPDATE")) << refused.text;
  }

  std::string callee_knows;
  std::string caller_knows;
  Sent first;
};
INSTANTIATE_TEST_SUITE_P(Calls, LateForks, ::testing::Bool(), direction_name);

TEST_P(LateForks, The_second_offer_is_answered_with_what_the_caller_has_said_and_its_media_is_heard) {
  begin();
  answer_first();
  EXPECT_EQ(media_at(), 7000u);
  offer("two", sdp(callee.ip, 7002));
  const Sent prack = acknowledged("two");
  EXPECT_NE(prack.body().find("RTP/AVP 8 101\r\n"), std::string::npos) << prack.body();
  EXPECT_EQ(prack.body().find("inactive"), std::string::npos) << prack.body();
  EXPECT_EQ(media_at(), 7002u);
  heard_of_another();
  EXPECT_EQ(wins("two").body(), "");
  EXPECT_EQ(media_at(), 7002u);
  end();
}

TEST_P(LateForks, The_media_goes_back_to_the_first_fork_when_that_wins) {
  begin();
  answer_first();
  offer("two", sdp(callee.ip, 7002));
  (void)acknowledged("two");
  heard_of_another();
  EXPECT_EQ(wins("one").body(), "");
  EXPECT_EQ(media_at(), 7000u);
  end();
}

TEST_P(LateForks, An_offer_that_the_callers_answer_does_not_fit_is_inactive_until_its_fork_wins) {
  begin();
  answer_first();
  offer("two", pcmu(7002));
  const Sent prack = acknowledged("two");
  is_inactive(prack);
  EXPECT_EQ(media_at(), 7000u) << "the first fork is still heard";
  heard_of_another();
  EXPECT_EQ(wins("two").body(), "");
  activated(prack);
  end();
}

TEST_P(LateForks, Of_an_inactive_fork_that_loses_nothing_is_heard_again) {
  begin();
  answer_first();
  offer("two", pcmu(7002));
  is_inactive(acknowledged("two"));
  (void)wins("one");
  EXPECT_EQ(media_at(), 7000u);
  end();
}

TEST_P(LateForks, An_offer_that_comes_before_the_callers_answer_is_not_kept_waiting) {
  begin();
  offer("two", sdp(callee.ip, 7002));
  const Sent prack = acknowledged("two");
  is_inactive(prack);
  heard_of_another();
  answer_first();
  EXPECT_EQ(media_at(), 7000u);
  (void)wins("two");
  activated(prack);
  end();
}

TEST_P(LateForks, A_2xx_of_the_second_waits_for_the_callers_answer_to_the_first) {
  begin();
  offer("two", sdp(callee.ip, 7002));
  const Sent prack = acknowledged("two");
  callee.tag = "two";
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200"));
  (void)phones.request(caller, "PRACK", caller.sdp(), "RAck: " + first.header("RSeq") + " 1 INVITE\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("CSeq"), "2 PRACK");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").body(), "");
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "two");
  phones.ack(caller, 1);
  activated(prack);
  end();
}

TEST_P(LateForks, A_2xx_of_a_fork_never_heard_of_has_its_answer_in_our_ACK) {
  begin();
  answer_first();
  const Sent ack = wins("three", sdp(callee.ip, 7004));
  EXPECT_NE(ack.body().find("RTP/AVP 8 101\r\n"), std::string::npos) << ack.body();
  EXPECT_EQ(media_at(), 7004u);
  end();
}

TEST_P(LateForks, A_2xx_whose_offer_does_not_fit_is_acknowledged_inactive_and_asked_again) {
  begin();
  answer_first();
  const Sent ack = wins("three", pcmu(7004));
  is_inactive(ack);
  activated(ack);
  end();
}

TEST_P(LateForks, A_winner_who_does_not_take_the_callers_session_ends_the_call) {
  begin();
  answer_first();
  (void)wins("three", pcmu(7004));
  phones.answer(callee, asked_again(), "488 Not Acceptable Here");
  (void)phones.expect(callee, "ACK ");
  for (Phone* phone : {&caller, &callee}) phones.answer(*phone, phones.expect(*phone, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(LateForks, A_private_address_of_another_fork_is_answered_without_any_stream) {
  begin();
  answer_first();
  offer("two", sdp("192.168.1.1", 7002));
  const Sent prack = acknowledged("two");
  EXPECT_NE(prack.body().find("m=audio 0 "), std::string::npos) << prack.body();
  EXPECT_EQ(media_at(), 7000u);
  (void)wins("one");
  end();
}

// ---- a fork wins while an early offer is open (RFC 3311)

TEST_P(LateForks, A_2xx_of_another_fork_does_not_wait_for_the_UPDATE_to_the_one_that_has_lost) {
  const Sent update = update_open();
  const Sent ack = wins("three", sdp(callee.ip, 7004));
  is_pending();
  EXPECT_NE(ack.body().find("RTP/AVP 8 101\r\n"), std::string::npos) << ack.body();
  EXPECT_EQ(ack.body().find("sendonly"), std::string::npos) << "that offer was withdrawn";
  EXPECT_EQ(media_at(), 7004u);
  phones.answer(callee, update, "200 OK", sdp(callee.ip, 7002), {}, "one");
  EXPECT_EQ(media_at(), 7004u) << "it has lost";
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200"));
  end();
}

TEST_P(LateForks, A_winner_whose_offer_does_not_fit_is_asked_again_though_an_UPDATE_was_open) {
  (void)update_open();
  const Sent ack = wins("three", pcmu(7004));
  is_pending();
  is_inactive(ack);
  const Sent again = phones.expect(callee, "UPDATE ");
  EXPECT_EQ(again.tag_of("To"), "three");
  EXPECT_GT(version(again), version(ack)) << "RFC 3264 8";
  EXPECT_EQ(again.body().find("sendonly"), std::string::npos) << again.body();
  phones.answer(callee, again, "200 OK", sdp(callee.ip, 7010));
  EXPECT_EQ(media_at(), 7010u);
  end();
}

TEST_P(LateForks, An_inactive_fork_that_wins_is_asked_again_though_an_UPDATE_was_open) {
  callee_knows = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";
  begin();
  answer_first();
  offer("two", pcmu(7002));
  is_inactive(acknowledged("two"));
  heard_of_another();
  (void)phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  EXPECT_EQ(phones.expect(callee, "UPDATE ").tag_of("To"), "one");
  EXPECT_EQ(wins("two").body(), "");
  is_pending();
  const Sent again = phones.expect(callee, "UPDATE ");
  EXPECT_EQ(again.tag_of("To"), "two");
  phones.answer(callee, again, "200 OK", sdp(callee.ip, 7010));
  EXPECT_EQ(media_at(), 7010u);
  end();
}

TEST_P(LateForks, A_2xx_of_an_inactive_fork_waits_for_its_answer_to_the_UPDATE) {
  callee_knows = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";
  begin();
  answer_first();
  offer("two", pcmu(7002));
  const Sent prack = acknowledged("two");
  is_inactive(prack);
  heard_of_another();
  phones.answer(callee, callee.incoming, "199 Early Dialog Terminated", {}, {}, "one");
  (void)phones.request(caller, "UPDATE", caller.sdp());
  const Sent update = phones.expect(callee, "UPDATE ");
  EXPECT_EQ(update.tag_of("To"), "two");
  callee.tag = "two";
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200"));
  EXPECT_FALSE(phones.heard(callee, "ACK "));
  phones.answer(callee, update, "200 OK", sdp(callee.ip, 7020));
  EXPECT_TRUE(phones.expect(caller, "SIP/2.0 200").header("CSeq").ends_with(" UPDATE"));
  EXPECT_TRUE(phones.expect(caller, "SIP/2.0 200").header("CSeq").ends_with(" INVITE"));
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "two");
  phones.ack(caller, 1);
  EXPECT_EQ(media_at(), 7020u);
  phones.answer(callee, phones.expect(callee, "UPDATE "), "200 OK", sdp(callee.ip, 7010));
  EXPECT_EQ(media_at(), 7010u);
  end();
}

class LostForks : public LateForks {
 protected:
  // The first fork has changed the session, and the caller has not answered yet: his UPDATE comes back.
  Sent another_wins_while_an_UPDATE_is_open() {
    caller_knows = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";
    begin();
    answer_first();
    Phone lost = callee;
    lost.local = callee.incoming.header("To") + ";tag=one";
    (void)phones.request(lost, "UPDATE", sdp(callee.ip, 7030));
    const Sent update = phones.expect(caller, "UPDATE ");
    callee.tag = "three";
    phones.answer(callee, callee.incoming, "200 OK", sdp(callee.ip, 7004));
    return update;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, LostForks, ::testing::Bool(), direction_name);

TEST_P(LostForks, A_2xx_waits_for_the_answer_to_the_UPDATE_of_the_fork_that_has_lost) {
  const Sent update = another_wins_while_an_UPDATE_is_open();
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200"));
  phones.answer(caller, update, "200 OK", caller.sdp());
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").body(), "") << "his answer has been taken";
  EXPECT_EQ(phones.expect(callee, "SIP/2.0 200").tag_of("From"), "one") << "the UPDATE's";
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "three");
  phones.ack(caller, 1);
  EXPECT_EQ(media_at(), 7004u);
  end();
}

TEST_P(LostForks, A_refused_UPDATE_of_the_fork_that_has_lost_lets_the_2xx_through) {
  const Sent update = another_wins_while_an_UPDATE_is_open();
  phones.answer(caller, update, "491 Request Pending");
  (void)phones.expect(callee, "SIP/2.0 491");
  (void)phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "three");
  phones.ack(caller, 1);
  EXPECT_EQ(media_at(), 7004u);
  end();
}

}  // namespace
}  // namespace sallyport::shard
