// SPDX-License-Identifier: Apache-2.0
// What a re-INVITE may change (RFC 3264 8, RFC 6141, RFC 6337), from either side.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

// The version of an o= line.
unsigned long version(const Sent& message) {
  const std::string body = message.body();
  std::size_t at = body.find("\r\no=") + 4;
  for (int skip = 0; skip < 2; ++skip) at = body.find(' ', at) + 1;
  return std::stoul(body.substr(at));
}

std::string video(unsigned port) {
  return "m=video " + std::to_string(port) + " RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n";
}

std::size_t lines_with(const Sent& message, std::string_view what) {
  std::size_t count = 0;
  const std::string body = message.body();
  for (auto at = body.find(what); at != std::string::npos; at = body.find(what, at + 1)) ++count;
  return count;
}

class ReInvites : public EitherSide {
 protected:
  // The re-INVITE as the other side has it.
  Sent offer(std::string_view body, std::string_view more = {}) {
    phones.request(asker, "INVITE", body, more);
    phones.expect(asker, "SIP/2.0 100");
    return phones.expect(other, "INVITE ");
  }
  // Its 2xx as the asker has it, acknowledged on both sides.
  Sent accept(const Sent& invite, std::string_view body, std::string_view more = {}) {
    phones.answer(other, invite, "200 OK", body, more);
    const Sent ok = phones.expect(asker, "SIP/2.0 200");
    phones.ack(asker, asker.cseq);
    phones.expect(other, "ACK ");
    return ok;
  }
  void refuse(const Sent& invite, std::string_view status) {
    phones.answer(other, invite, status);
    phones.expect(other, "ACK ");
    phones.expect(asker, "SIP/2.0 " + std::string(status.substr(0, 3)));
    phones.ack(asker, asker.cseq);
  }
  [[nodiscard]] const dp::FlowSpec& flow(const Phone& phone, std::size_t stream = 0) {
    return *phones.flow(phone, stream);
  }
  [[nodiscard]] std::string own(unsigned port, std::string_view more = {}) {
    return sdp(asker.ip, port, more);
  }
  [[nodiscard]] std::string theirs(std::string_view more = {}) {
    return sdp(other.ip, other.media_port, more);
  }
};
INSTANTIATE_TEST_SUITE_P(Calls, ReInvites, ::testing::ValuesIn(kAllSides), sides_name);

TEST_P(ReInvites, An_address_change_is_latched_anew_with_the_answer_and_nothing_goes_to_the_old_one) {
  phones.establish();
  const std::string moved = asker.realm == "access" ? "198.51.100.77" : "192.0.2.77";
  const Sent invite = offer(sdp(moved, 4444));
  EXPECT_EQ(flow(asker).remote.port, asker.media_port);
  phones.answer(other, invite, "200 OK", theirs());
  EXPECT_EQ(flow(asker).remote, *Endpoint::parse(moved + ":4444"))
      << "the flow is set before the 2xx is sent";
  phones.expect(asker, "SIP/2.0 200");
  phones.ack(asker, asker.cseq);
  phones.end();
}

TEST_P(ReInvites, Hold_and_resume_in_each_way) {
  phones.establish();
  struct Case {
    const char* offer;
    const char* answer;
    bool old;  // 0.0.0.0
  };
  for (const Case& c : {Case{"sendonly", "recvonly", false}, Case{"inactive", "inactive", false},
                        Case{"sendonly", "recvonly", true}}) {
    SCOPED_TRACE(c.offer);
    const std::string body = c.old ? sdp("0.0.0.0", asker.media_port)
                                   : own(asker.media_port, "a=" + std::string(c.offer) + "\r\n");
    const Sent invite = offer(body);
    EXPECT_NE(invite.body().find("a=" + std::string(c.offer)), std::string::npos) << invite.body();
    EXPECT_EQ(invite.body().find("0.0.0.0"), std::string::npos);
    const Sent held = accept(invite, theirs("a=" + std::string(c.answer) + "\r\n"));
    EXPECT_NE(held.body().find("a=" + std::string(c.answer)), std::string::npos);
    EXPECT_FALSE(flow(asker).may_receive);
    EXPECT_EQ(flow(other).may_receive, std::string_view(c.offer) == "sendonly");
    const Sent resume = offer(own(asker.media_port));
    EXPECT_EQ(lines_with(resume, "a=sendonly") + lines_with(resume, "a=inactive"), 0u);
    accept(resume, theirs());
    EXPECT_TRUE(flow(asker).may_receive);
    EXPECT_TRUE(flow(other).may_receive);
    EXPECT_EQ(flow(asker).remote.port, asker.media_port);
  }
  phones.end();
}

TEST_P(ReInvites, Adding_and_removing_a_stream_keeps_count_and_order) {
  phones.establish();
  const Sent add = offer(own(asker.media_port) + video(asker.media_port + 10));
  EXPECT_LT(add.body().find("m=audio"), add.body().find("m=video"));
  const Sent added = accept(add, theirs() + video(other.media_port + 10));
  EXPECT_EQ(lines_with(added, "m=video 0 "), 0u);
  EXPECT_EQ(phones.bench.flows.size(), 8u);
  EXPECT_EQ(flow(asker, 1).remote.port, asker.media_port + 10);
  const Sent remove = offer(own(asker.media_port) + video(0));
  EXPECT_EQ(lines_with(remove, "m=video 0 "), 1u);
  const Sent removed = accept(remove, theirs() + video(0));
  EXPECT_EQ(lines_with(removed, "m=video 0 "), 1u);
  phones.bench.turn();
  EXPECT_EQ(phones.bench.flows.size(), 4u);
  // An m= line that is gone may not be left out (RFC 3264 8).
  phones.request(asker, "INVITE", own(asker.media_port));
  phones.expect(asker, "SIP/2.0 488");
  phones.ack(asker, asker.cseq);
  phones.end();
}

TEST_P(ReInvites, All_refused_leaves_the_session_unchanged) {
  phones.establish();
  const auto before = phones.bench.flows;
  refuse(offer(own(4444) + video(4454)), "488 Not Acceptable Here");
  phones.bench.turn();
  ASSERT_EQ(phones.bench.flows.size(), before.size());
  for (const auto& [slot, spec] : before) {
    EXPECT_EQ(phones.bench.flows.at(slot).remote, spec.remote);
    EXPECT_EQ(phones.bench.flows.at(slot).may_receive, spec.may_receive);
  }
  // What was refused counts for nothing: the next offer may be the old one.
  accept(offer(own(asker.media_port)), theirs());
  EXPECT_EQ(flow(asker).remote.port, asker.media_port);
  phones.end();
}

TEST_P(ReInvites, A_new_address_is_accepted_while_a_new_stream_is_refused) {
  phones.establish();
  const Sent ok = accept(offer(own(4444) + video(4454)), theirs() + video(0));
  EXPECT_EQ(lines_with(ok, "m=video 0 "), 1u);
  EXPECT_EQ(flow(asker).remote.port, 4444);
  phones.bench.turn();
  EXPECT_EQ(phones.bench.flows.size(), 4u) << "the stream that was opened for the offer is closed";
  phones.end();
}

TEST_P(ReInvites, An_inactive_answer_in_a_reliable_18x_is_settled_by_an_UPDATE_before_the_2xx) {
  constexpr std::string_view kKnows = "Supported: 100rel\r\nAllow: INVITE, ACK, BYE, UPDATE, PRACK\r\n";
  phones.establish(kKnows, kKnows);
  const Sent invite = offer(own(asker.media_port) + video(4454), kKnows);
  EXPECT_NE(invite.header("Supported").find("100rel"), std::string::npos);
  phones.answer(other, invite, "183 Session Progress",
                theirs() + video(other.media_port + 10) + "a=inactive\r\n", "Require: 100rel\r\nRSeq: 1\r\n");
  const Sent progress = phones.expect(asker, "SIP/2.0 183");
  EXPECT_NE(progress.body().find("a=inactive"), std::string::npos);
  EXPECT_FALSE(flow(asker, 1).may_receive);
  const std::string number = std::to_string(asker.cseq);
  phones.request(asker, "PRACK", {}, "RAck: " + progress.header("RSeq") + " " + number + " INVITE\r\n");
  phones.expect(asker, "SIP/2.0 200");
  phones.answer(other, phones.expect(other, "PRACK "), "200 OK");
  // The user has agreed to video: the side that was asked offers it.
  phones.request(other, "UPDATE", theirs() + video(other.media_port + 10));
  const Sent update = phones.expect(asker, "UPDATE ");
  EXPECT_EQ(update.body().find("a=inactive"), std::string::npos);
  phones.answer(asker, update, "200 OK", own(asker.media_port) + video(4454));
  phones.expect(other, "SIP/2.0 200");
  EXPECT_TRUE(flow(asker, 1).may_receive);
  phones.answer(other, invite, "200 OK");
  EXPECT_EQ(phones.expect(asker, "SIP/2.0 200").header("CSeq"), number + " INVITE");
  phones.expect(other, "ACK ");
  phones.request(asker, "UPDATE", own(4446) + video(4454));
  phones.answer(other, phones.expect(other, "UPDATE "), "200 OK", theirs() + video(other.media_port + 10));
  phones.expect(asker, "SIP/2.0 200");
  EXPECT_EQ(flow(asker).remote.port, 4446);
  phones.end();
}

TEST_P(ReInvites, A_failure_after_an_exchange_that_was_finished_keeps_what_it_agreed) {
  constexpr std::string_view kKnows = "Supported: 100rel\r\nAllow: INVITE, ACK, BYE, UPDATE, PRACK\r\n";
  phones.establish(kKnows, kKnows);
  const Sent invite = offer(own(4444), kKnows);
  phones.answer(other, invite, "183 Session Progress", theirs(), "Require: 100rel\r\nRSeq: 1\r\n");
  const Sent progress = phones.expect(asker, "SIP/2.0 183");
  const std::string number = std::to_string(asker.cseq);
  phones.request(asker, "PRACK", {}, "RAck: " + progress.header("RSeq") + " " + number + " INVITE\r\n");
  phones.answer(other, phones.expect(other, "PRACK "), "200 OK");
  phones.forget();
  phones.answer(other, invite, "500 Server Internal Error");
  phones.expect(asker, "SIP/2.0 500");
  EXPECT_EQ(flow(asker).remote.port, 4444) << "RFC 6141 3.4: executed changes stay";
  phones.end();
}

TEST_P(ReInvites, A_reliable_18x_without_its_PRACK_fails_the_re_INVITE_alone) {
  constexpr std::string_view kKnows = "Supported: 100rel\r\n";
  phones.establish(kKnows);
  const Sent invite = offer(own(asker.media_port), kKnows);
  phones.answer(other, invite, "180 Ringing", {}, "Require: 100rel\r\nRSeq: 1\r\n");
  phones.bench.advance(33 * kSecond);
  phones.expect(asker, "SIP/2.0 504");
  phones.answer(other, phones.expect(other, "CANCEL "), "200 OK");
  phones.answer(other, invite, "487 Request Terminated");
  phones.expect(other, "ACK ");
  phones.end();
}

TEST_P(ReInvites, Without_SDP_the_offer_comes_in_the_2xx_and_the_answer_in_the_ACK) {
  phones.establish();
  const Sent invite = offer({});
  EXPECT_TRUE(invite.body().empty());
  phones.answer(other, invite, "200 OK", sdp(other.ip, other.media_port + 50));
  const Sent ok = phones.expect(asker, "SIP/2.0 200");
  EXPECT_NE(ok.body().find("m=audio"), std::string::npos);
  EXPECT_FALSE(phones.heard(other, "ACK ")) << "it waits for the answer";
  phones.ack(asker, asker.cseq, own(4448));
  EXPECT_NE(phones.expect(other, "ACK ").body().find("m=audio"), std::string::npos);
  EXPECT_EQ(flow(asker).remote.port, 4448);
  EXPECT_EQ(flow(other).remote.port, other.media_port + 50);
  phones.end();
}

TEST_P(ReInvites, A_codec_change_is_carried_and_held_in_the_flows) {
  phones.establish();
  const auto with_codec = [](std::string body, std::string_view number, std::string_view name) {
    body.replace(body.find("RTP/AVP 8 101"), 13, "RTP/AVP " + std::string(number));
    const std::string map = "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000";
    body.replace(body.find(map), map.size(), "a=rtpmap:" + std::string(number) + " " + std::string(name));
    return body;
  };
  const Sent invite = offer(with_codec(own(asker.media_port), "0", "PCMU/8000"));
  EXPECT_NE(invite.body().find("RTP/AVP 0\r\n"), std::string::npos);
  accept(invite, with_codec(theirs(), "0", "PCMU/8000"));
  EXPECT_EQ(flow(asker).payload_types[0], 1u);
  EXPECT_EQ(flow(other).payload_types[0], 1u);
  phones.end();
}

TEST_P(ReInvites, The_version_of_each_leg_rises_with_each_change_and_only_then) {
  phones.establish();
  const Sent same = offer(own(asker.media_port));
  const unsigned long first = version(same);
  const Sent answer = accept(same, theirs());
  const Sent again = offer(own(asker.media_port));
  EXPECT_EQ(version(again), first);
  EXPECT_EQ(version(accept(again, theirs())), version(answer));
  const Sent held = offer(own(asker.media_port, "a=sendonly\r\n"));
  EXPECT_EQ(version(held), first + 1);
  const Sent ok = accept(held, theirs("a=recvonly\r\n"));
  EXPECT_EQ(version(ok), version(answer) + 1);
  phones.end();
}

TEST_P(ReInvites, Glare_is_491_on_both_sides_and_each_waits_by_itself) {
  phones.establish();
  const Sent invite = offer(own(4444));
  phones.request(other, "INVITE", sdp(other.ip, 6444));
  phones.expect(other, "SIP/2.0 491");
  phones.ack(other, other.cseq);
  refuse(invite, "491 Request Pending");
  EXPECT_EQ(flow(asker).remote.port, asker.media_port);
  phones.bench.advance(3 * kSecond);
  accept(offer(own(4444)), theirs());
  EXPECT_EQ(flow(asker).remote.port, 4444);
  phones.end();
}

TEST_P(ReInvites, A_second_one_before_the_first_is_answered_gets_500) {
  phones.establish();
  const Sent invite = offer(own(4444));
  phones.request(asker, "INVITE", own(4446));
  EXPECT_NE(phones.expect(asker, "SIP/2.0 500").header("Retry-After"), "");
  phones.ack(asker, asker.cseq);
  phones.answer(other, invite, "200 OK", theirs());
  phones.expect(asker, "SIP/2.0 200");
  EXPECT_EQ(flow(asker).remote.port, 4444);
  phones.ack(asker, asker.cseq - 1);
  phones.end();
}

}  // namespace
}  // namespace sallyport::shard
