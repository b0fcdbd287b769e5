// SPDX-License-Identifier: Apache-2.0
// An answer to a later offer that our policy refuses: who asked hears why and goes on as he was, who answered
// is put back, from either side.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

unsigned long version(const Sent& message) {
  const std::string body = message.body();
  std::size_t at = body.find("\r\no=") + 4;
  for (int skip = 0; skip < 2; ++skip) at = body.find(' ', at) + 1;
  return std::stoul(body.substr(at));
}

// All behind the o= line.
std::string described(const Sent& message) {
  const std::string body = message.body();
  return body.substr(body.find("\r\ns="));
}

class Restored : public EitherSide {
 protected:
  // `knows_update`: the one who is to be put back.
  void establish(bool knows_update = false) {
    const std::string_view knows = knows_update ? "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n" : "";
    phones.establish(knows, knows);
  }
  Sent offer(std::string_view body) {
    phones.request(asker, "INVITE", body);
    phones.expect(asker, "SIP/2.0 100");
    return phones.expect(other, "INVITE ");
  }
  // The asker's re-INVITE has failed so; he acknowledges it.
  Sent refused(std::string_view status) {
    const Sent failure = phones.expect(asker, status);
    phones.ack(asker, asker.cseq);
    return failure;
  }
  // The call ends on both sides by us.
  void ended() {
    phones.answer(asker, phones.expect(asker, "BYE "), "200 OK");
    phones.answer(other, phones.expect(other, "BYE "), "200 OK");
    phones.bench.expect_nothing_left();
  }
  void goes_on() {
    ASSERT_NE(phones.flow(asker), nullptr);
    ASSERT_NE(phones.flow(other), nullptr);
    EXPECT_EQ(phones.flow(asker)->remote,
              *Endpoint::parse(asker.ip + ":" + std::to_string(asker.media_port)));
    EXPECT_EQ(phones.flow(other)->remote,
              *Endpoint::parse(other.ip + ":" + std::to_string(other.media_port)));
    EXPECT_EQ(phones.bench.shard().manager().calls(), 1u);
    phones.end();
  }
  // The re-INVITE that tells him of the session before, his answer having been refused.
  Sent put_back() {
    establish();
    phones.answer(other, offer(asker.sdp()), "200 OK", hidden());
    refused("SIP/2.0 488");
    phones.expect(other, "ACK ");
    return phones.expect(other, "INVITE ");
  }
  static std::string hidden() { return sdp("192.168.1.1", 7000); }
};
INSTANTIATE_TEST_SUITE_P(Calls, Restored, ::testing::ValuesIn(kAllSides), sides_name);

TEST_P(Restored, By_a_re_INVITE_with_the_old_session_and_a_higher_version) {
  establish();
  const Sent agreed = offer(asker.sdp());
  phones.answer(other, agreed, "200 OK", other.sdp());
  phones.expect(asker, "SIP/2.0 200");
  phones.ack(asker, asker.cseq);
  phones.expect(other, "ACK ");
  const Sent invite = offer(sdp(asker.ip, asker.media_port + 100, "a=sendonly\r\n"));
  phones.answer(other, invite, "200 OK", hidden());
  const Sent failure = refused("SIP/2.0 488");
  EXPECT_FALSE(failure.header("Warning").empty());
  EXPECT_EQ(phones.expect(other, "ACK ").body(), "");
  const Sent again = phones.expect(other, "INVITE ");
  EXPECT_EQ(described(again), described(agreed));
  EXPECT_GT(version(again), version(invite));
  phones.answer(other, again, "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  EXPECT_FALSE(phones.heard(asker, "BYE "));
  goes_on();
}

TEST_P(Restored, By_an_UPDATE_where_he_knows_it) {
  establish(true);
  phones.answer(other, offer(sdp(asker.ip, asker.media_port + 100)), "200 OK", hidden());
  refused("SIP/2.0 488");
  phones.expect(other, "ACK ");
  const Sent update = phones.expect(other, "UPDATE ");
  EXPECT_NE(update.body().find("m=audio"), std::string::npos);
  EXPECT_FALSE(phones.heard(other, "INVITE "));
  phones.answer(other, update, "200 OK", other.sdp());
  goes_on();
}

TEST_P(Restored, After_an_UPDATE_too) {
  establish(true);
  phones.request(asker, "UPDATE", sdp(asker.ip, asker.media_port + 100));
  phones.answer(other, phones.expect(other, "UPDATE "), "200 OK", hidden());
  EXPECT_FALSE(phones.expect(asker, "SIP/2.0 488").header("Warning").empty());
  phones.answer(other, phones.expect(other, "UPDATE "), "200 OK", other.sdp());
  goes_on();
}

TEST_P(Restored, By_a_re_INVITE_where_the_UPDATE_is_not_known_after_all) {
  establish(true);
  phones.answer(other, offer(asker.sdp()), "200 OK", hidden());
  refused("SIP/2.0 488");
  phones.expect(other, "ACK ");
  phones.answer(other, phones.expect(other, "UPDATE "), "405 Method Not Allowed");
  phones.answer(other, phones.expect(other, "INVITE "), "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  goes_on();
}

TEST_P(Restored, Again_when_he_is_busy_with_an_offer_of_his_own) {
  establish();
  phones.answer(other, offer(asker.sdp()), "200 OK", hidden());
  refused("SIP/2.0 488");
  phones.expect(other, "ACK ");
  phones.answer(other, phones.expect(other, "INVITE "), "491 Request Pending");
  phones.expect(other, "ACK ");
  EXPECT_FALSE(phones.heard(other, "INVITE "));
  phones.bench.advance(4100 * kMillisecond);
  phones.answer(other, phones.expect(other, "INVITE "), "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  goes_on();
}

TEST_P(Restored, Not_for_ever) {
  establish();
  phones.answer(other, offer(asker.sdp()), "200 OK", hidden());
  refused("SIP/2.0 488");
  for (int tries = 0; tries < 5; ++tries) {
    phones.answer(other, phones.expect(other, "INVITE "), "491 Request Pending");
    phones.forget();
    phones.bench.advance(4100 * kMillisecond);
  }
  EXPECT_FALSE(phones.heard(other, "INVITE "));
  ended();
}

TEST_P(Restored, While_he_is_neither_side_may_offer) {
  establish();
  phones.answer(other, offer(asker.sdp()), "200 OK", hidden());
  refused("SIP/2.0 488");
  const Sent again = phones.expect(other, "INVITE ");
  phones.request(asker, "INVITE", asker.sdp());
  phones.expect(asker, "SIP/2.0 491");
  phones.ack(asker, asker.cseq);
  phones.request(other, "INVITE", other.sdp());
  phones.expect(other, "SIP/2.0 491");
  phones.ack(other, other.cseq);
  phones.answer(other, again, "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  goes_on();
}

TEST_P(Restored, No_more_when_he_stays_where_he_may_not_be) {
  establish();
  phones.answer(other, offer(asker.sdp()), "200 OK", hidden());
  refused("SIP/2.0 488");
  phones.answer(other, phones.expect(other, "INVITE "), "200 OK", hidden());
  ended();
}

TEST_P(Restored, No_more_when_he_refuses_or_says_nothing) {
  for (const bool silent : {false, true}) {
    Phones fresh(GetParam().from_carrier);
    Phone& one = GetParam().by_callee ? fresh.callee : fresh.caller;
    Phone& two = GetParam().by_callee ? fresh.caller : fresh.callee;
    fresh.establish();
    fresh.request(one, "INVITE", one.sdp());
    fresh.answer(two, fresh.expect(two, "INVITE "), "200 OK", hidden());
    fresh.expect(one, "SIP/2.0 488");
    fresh.ack(one, one.cseq);
    const Sent again = fresh.expect(two, "INVITE ");
    if (silent) {
      fresh.bench.advance(33 * kSecond);
    } else {
      fresh.answer(two, again, "488 Not Acceptable Here");
    }
    fresh.answer(one, fresh.expect(one, "BYE "), "200 OK");
    fresh.answer(two, fresh.expect(two, "BYE "), "200 OK");
    fresh.bench.expect_nothing_left();
  }
}

TEST_P(Restored, No_more_when_he_says_that_he_tries_and_nothing_else) {
  const Sent again = put_back();
  phones.answer(other, again, "100 Trying");
  phones.bench.advance(20 * kSecond);
  phones.answer(other, again, "180 Ringing");
  EXPECT_FALSE(phones.heard(asker, "BYE "));
  phones.bench.advance(13 * kSecond);
  phones.answer(other, phones.expect(other, "CANCEL "), "200 OK");
  phones.answer(other, again, "487 Request Terminated");
  ended();
}

TEST_P(Restored, An_answer_before_that_time_is_good_and_the_session_may_change_again) {
  const Sent again = put_back();
  phones.answer(other, again, "100 Trying");
  phones.bench.advance(30 * kSecond);
  phones.answer(other, again, "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  phones.bench.advance(10 * kSecond);
  phones.answer(other, offer(asker.sdp()), "200 OK", other.sdp());
  phones.expect(asker, "SIP/2.0 200");
  phones.ack(asker, asker.cseq);
  goes_on();
}

TEST_P(Restored, No_more_when_he_has_been_offered_a_further_stream) {
  establish();
  const std::string video = "m=video 7002 RTP/AVP 97\r\n";
  phones.answer(other, offer(asker.sdp() + video), "200 OK", hidden() + video);
  refused("SIP/2.0 488");
  phones.expect(other, "ACK ");
  ended();
}

TEST_P(Restored, When_his_own_offer_in_the_2xx_is_refused) {
  establish();
  const Sent invite = offer({});
  EXPECT_EQ(invite.body(), "");
  phones.answer(other, invite, "200 OK", hidden());
  EXPECT_FALSE(refused("SIP/2.0 488").header("Warning").empty());
  const Sent ack = phones.expect(other, "ACK ");
  EXPECT_NE(ack.body().find("m=audio 0 "), std::string::npos) << "RFC 3261 13.2.1: an answer is due";
  phones.answer(other, phones.expect(other, "INVITE "), "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  goes_on();
}

TEST_P(Restored, After_a_200_without_the_answer_that_is_due) {
  establish();
  phones.answer(other, offer(sdp(asker.ip, asker.media_port + 100)), "200 OK");
  refused("SIP/2.0 488");
  phones.expect(other, "ACK ");
  phones.answer(other, phones.expect(other, "INVITE "), "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  goes_on();
}

TEST_P(Restored, No_more_when_his_answer_has_more_streams_than_the_offer) {
  establish();
  phones.answer(other, offer(asker.sdp()), "200 OK", other.sdp() + "m=video 7000 RTP/AVP 96\r\n");
  refused("SIP/2.0 488");
  phones.expect(other, "ACK ");
  ended();
}

TEST_P(Restored, Not_needed_when_the_refused_18x_can_be_cancelled) {
  establish();
  const Sent invite = offer(sdp(asker.ip, asker.media_port + 100));
  phones.answer(other, invite, "183 Session Progress", hidden());
  refused("SIP/2.0 488");
  phones.answer(other, phones.expect(other, "CANCEL "), "200 OK");
  phones.request(asker, "INVITE", asker.sdp());
  phones.expect(asker, "SIP/2.0 491");
  phones.ack(asker, asker.cseq);
  phones.answer(other, invite, "487 Request Terminated");
  phones.expect(other, "ACK ");
  EXPECT_FALSE(phones.heard(other, "INVITE "));
  goes_on();
}

TEST_P(Restored, When_the_2xx_crosses_that_CANCEL) {
  establish();
  const Sent invite = offer(sdp(asker.ip, asker.media_port + 100));
  phones.answer(other, invite, "183 Session Progress", hidden());
  refused("SIP/2.0 488");
  phones.expect(other, "CANCEL ");
  phones.answer(other, invite, "200 OK", hidden());
  phones.expect(other, "ACK ");
  phones.answer(other, phones.expect(other, "INVITE "), "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  goes_on();
}

TEST_P(Restored, Not_needed_when_the_offer_in_his_reliable_18x_has_no_answer) {
  establish();
  const std::string_view knows = "Supported: 100rel\r\n";
  phones.request(asker, "INVITE", {}, knows);
  const std::string number = std::to_string(asker.cseq);
  const Sent invite = phones.expect(other, "INVITE ");
  phones.answer(other, invite, "183 Session Progress", sdp(other.ip, 7000), "Require: 100rel\r\nRSeq: 1\r\n");
  const Sent progress = phones.expect(asker, "SIP/2.0 183");
  phones.request(asker, "PRACK", hidden(), "RAck: " + progress.header("RSeq") + " " + number + " INVITE\r\n");
  EXPECT_NE(phones.expect(asker, "SIP/2.0 488").header("CSeq").find("PRACK"), std::string::npos);
  EXPECT_EQ(phones.expect(asker, "SIP/2.0 488").header("CSeq"), number + " INVITE");
  phones.ack(asker, asker.cseq - 1);
  phones.answer(other, phones.expect(other, "CANCEL "), "200 OK");
  phones.answer(other, invite, "487 Request Terminated");
  phones.expect(other, "ACK ");
  goes_on();
}

TEST_P(Restored, Until_the_call_ends) {
  const Sent again = put_back();
  phones.request(asker, "BYE");
  phones.expect(asker, "SIP/2.0 200");
  phones.answer(other, phones.expect(other, "BYE "), "200 OK");
  phones.answer(other, again, "200 OK", other.sdp());
  phones.expect(other, "ACK ");
  phones.bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
