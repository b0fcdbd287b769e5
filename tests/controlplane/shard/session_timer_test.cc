// SPDX-License-Identifier: Apache-2.0
// Session timers (RFC 4028), on each leg by itself.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

// The example with `session_timer` of carrier-a and of the office.
std::string config(std::string_view timer) {
  std::string text(Bench::default_config());
  for (const std::string_view peer : {"  office:\n", "  carrier-a:\n"}) {
    text.insert(text.find(peer) + peer.size(), "    session_timer: " + std::string(timer) + "\n");
  }
  return text;
}

constexpr std::string_view kTimer = "Supported: timer\r\n";

class SessionTimers : public BothWays {};
INSTANTIATE_TEST_SUITE_P(Calls, SessionTimers, ::testing::Bool(), direction_name);

class OwnSessionTimers : public BothWays {
 protected:
  OwnSessionTimers() : BothWays(kConfig) {}
  static inline const std::string kConfig = config("{expires: 600s, min_se: 120s}");
};
INSTANTIATE_TEST_SUITE_P(Calls, OwnSessionTimers, ::testing::Bool(), direction_name);

TEST_P(SessionTimers, What_the_caller_asks_for_is_agreed_on_his_leg_and_not_asked_of_the_other) {
  const Sent invite = phones.call(caller.sdp(), "Supported: timer\r\nSession-Expires: 1800\r\n");
  EXPECT_EQ(invite.header("Session-Expires"), "");
  EXPECT_NE(invite.header("Supported").find("timer"), std::string::npos);
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("Session-Expires"), "1800;refresher=uac");
  EXPECT_EQ(ok.header("Require"), "timer");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.bench.advance(1700 * kSecond, kSecond);
  EXPECT_FALSE(phones.heard(caller, "BYE "));
  phones.request(caller, "UPDATE", {}, "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("Session-Expires"), "1800;refresher=uac");
  phones.forget();
  phones.bench.advance(1760 * kSecond, kSecond);
  EXPECT_FALSE(phones.heard(caller, "BYE "));
  phones.bench.advance(20 * kSecond, kSecond);
  phones.answer(caller, phones.expect(caller, "BYE "), "200 OK");
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "session-expired");
}

TEST_P(SessionTimers, Where_we_are_chosen_we_refresh_at_half_by_UPDATE) {
  phones.call(caller.sdp(),
              "Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 200;refresher=uas\r\n");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("Session-Expires"), "200;refresher=uas");
  EXPECT_EQ(ok.header("Require"), "");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  for (int round = 0; round < 3; ++round) {
    bench.advance(99 * kSecond, kSecond);
    EXPECT_FALSE(phones.heard(caller, "UPDATE "));
    bench.advance(2 * kSecond, kSecond);
    const Sent update = phones.expect(caller, "UPDATE ");
    EXPECT_EQ(update.header("Session-Expires"), "200;refresher=uac");
    EXPECT_TRUE(update.body().empty());
    EXPECT_FALSE(phones.heard(callee, "UPDATE "));
    phones.answer(caller, update, "200 OK", {}, "Session-Expires: 200;refresher=uac\r\nRequire: timer\r\n");
    phones.forget();  // it was repeated meanwhile
  }
  phones.end();
}

TEST_P(SessionTimers, Without_UPDATE_we_refresh_by_a_re_INVITE_with_the_SDP_that_stands) {
  phones.call(caller.sdp(), "Supported: timer\r\nSession-Expires: 200;refresher=uas\r\n");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(101 * kSecond, kSecond);
  const Sent refresh = phones.expect(caller, "INVITE ");
  EXPECT_EQ(refresh.body(), ok.body()) << "version and all";
  phones.answer(caller, refresh, "200 OK", sdp(caller.ip, 4100), "Session-Expires: 200;refresher=uac\r\n");
  phones.expect(caller, "ACK ");
  EXPECT_FALSE(phones.heard(callee, "INVITE "));
  EXPECT_EQ(phones.flow(caller)->remote.port, 4100) << "his answer may move him";
  phones.end();
}

TEST_P(SessionTimers, A_refresh_that_is_pending_elsewhere_is_tried_again) {
  phones.call(caller.sdp(), "Supported: timer\r\nSession-Expires: 200;refresher=uas\r\n");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(101 * kSecond, kSecond);
  phones.answer(caller, phones.expect(caller, "INVITE "), "491 Request Pending");
  phones.expect(caller, "ACK ");
  phones.forget();
  bench.advance(4100 * kMillisecond);
  phones.answer(caller, phones.expect(caller, "INVITE "), "200 OK", caller.sdp(),
                "Session-Expires: 200;refresher=uac\r\n");
  phones.expect(caller, "ACK ");
  phones.end();
}

TEST_P(SessionTimers, A_re_INVITE_that_meets_our_refresh_gets_491) {
  phones.call(caller.sdp(), "Supported: timer\r\nSession-Expires: 200;refresher=uas\r\n");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(101 * kSecond, kSecond);
  const Sent refresh = phones.expect(caller, "INVITE ");
  phones.request(caller, "INVITE", sdp(caller.ip, 4100));
  phones.expect(caller, "SIP/2.0 491");
  phones.ack(caller, caller.cseq);
  phones.request(callee, "INVITE", sdp(callee.ip, 6100));
  phones.expect(callee, "SIP/2.0 491");
  phones.ack(callee, callee.cseq);
  phones.answer(caller, refresh, "200 OK", caller.sdp(), "Session-Expires: 200;refresher=uac\r\n");
  phones.expect(caller, "ACK ");
  phones.end();
}

TEST_P(SessionTimers, A_refresh_that_finds_no_dialog_ends_the_call_on_both_sides) {
  phones.call(caller.sdp(),
              "Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 200;refresher=uas\r\n");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(101 * kSecond, kSecond);
  phones.answer(caller, phones.expect(caller, "UPDATE "), "481 Call/Transaction Does Not Exist");
  phones.answer(caller, phones.expect(caller, "BYE "), "481 Call/Transaction Does Not Exist");
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(SessionTimers, Too_small_an_interval_is_422_with_Min_SE) {
  phones.establish();
  phones.request(caller, "UPDATE", {}, "Supported: timer\r\nSession-Expires: 60\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 422").header("Min-SE"), "90");
  phones.request(callee, "INVITE", callee.sdp(), "Supported: timer\r\nSession-Expires: 89\r\n");
  EXPECT_EQ(phones.expect(callee, "SIP/2.0 422").header("Min-SE"), "90");
  phones.ack(callee, callee.cseq);
  phones.end();
}

TEST(SessionTimersAtTheDoor, Too_small_an_interval_is_422_and_no_call) {
  Bench bench;
  bench.receive("access", "198.51.100.20:5060",
                make_invite({.more = "Supported: timer\r\nSession-Expires: 60\r\n"}));
  EXPECT_EQ(bench.take_one("SIP/2.0 422").header("Min-SE"), "90");
  EXPECT_EQ(bench.shard().manager().calls(), 0u);
  bench.expect_nothing_left();
}

TEST_P(OwnSessionTimers, Are_asked_of_the_callee_and_offered_to_the_caller) {
  const Sent invite = phones.call(caller.sdp(), kTimer);
  EXPECT_EQ(invite.header("Session-Expires"), "600");
  EXPECT_EQ(invite.header("Min-SE"), "120");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(),
                "Session-Expires: 600;refresher=uas\r\nRequire: timer\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("Session-Expires"), "600;refresher=uac");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(560 * kSecond, kSecond);
  phones.request(caller, "UPDATE", {}, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
  phones.expect(caller, "SIP/2.0 200");
  EXPECT_FALSE(phones.heard(callee, "BYE "));
  bench.advance(10 * kSecond, kSecond);
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");  // it never refreshed
  phones.answer(caller, phones.expect(caller, "BYE "), "200 OK");
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "session-expired");
}

TEST_P(OwnSessionTimers, A_422_of_the_callee_is_met_on_our_leg) {
  const Sent first = phones.call(caller.sdp(), kTimer);
  phones.answer(callee, first, "422 Session Interval Too Small", {}, "Min-SE: 900\r\n");
  phones.expect(callee, "ACK ");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 422"));
  const Sent again = phones.expect(callee, "INVITE ");
  EXPECT_EQ(again.header("Session-Expires"), "900");
  EXPECT_EQ(again.header("Min-SE"), "900");
  EXPECT_EQ(again.header("Call-ID"), first.header("Call-ID"));
  EXPECT_EQ(again.header("From"), first.header("From"));
  EXPECT_EQ(again.header("CSeq"), "2 INVITE");
  EXPECT_EQ(again.body(), first.body());
  callee.incoming = again;
  phones.answer(callee, again, "200 OK", callee.sdp(), "Session-Expires: 900;refresher=uac\r\n");
  phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(phones.expect(callee, "ACK ").header("CSeq"), "2 ACK");
  phones.ack(caller, 1);
  bench.advance(451 * kSecond, kSecond);
  EXPECT_TRUE(phones.heard(callee, "INVITE ")) << "we refresh at half of 900";
  phones.answer(callee, phones.expect(callee, "INVITE "), "200 OK", callee.sdp(),
                "Session-Expires: 900;refresher=uac\r\n");
  phones.end();
}

TEST_P(OwnSessionTimers, A_callee_without_timers_has_none) {
  phones.call(caller.sdp(), kTimer);
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  for (int i = 0; i < 4; ++i) {
    bench.advance(290 * kSecond, kSecond);
    phones.request(caller, "UPDATE", {}, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
    phones.expect(caller, "SIP/2.0 200");
  }
  EXPECT_FALSE(phones.heard(callee, "BYE "));
  EXPECT_FALSE(phones.heard(callee, "INVITE "));
  phones.end();
}

TEST_P(OwnSessionTimers, A_caller_without_timers_is_refreshed_by_us) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("Session-Expires"), "600;refresher=uas");
  EXPECT_EQ(ok.header("Require"), "");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(301 * kSecond, kSecond);
  phones.answer(caller, phones.expect(caller, "INVITE "), "200 OK", caller.sdp());
  phones.expect(caller, "ACK ");
  phones.end();
}

TEST_P(OwnSessionTimers, A_re_INVITE_renews_both_legs_by_their_own_terms) {
  phones.call(caller.sdp(), kTimer);
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(), "Session-Expires: 600;refresher=uas\r\n");
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(500 * kSecond, kSecond);
  phones.request(caller, "INVITE", sdp(caller.ip, 4100),
                 "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n");
  const Sent invite = phones.expect(callee, "INVITE ");
  EXPECT_EQ(invite.header("Session-Expires"), "600;refresher=uas");
  phones.answer(callee, invite, "422 Session Interval Too Small", {}, "Min-SE: 1000\r\n");
  phones.expect(callee, "ACK ");
  const Sent again = phones.expect(callee, "INVITE ");
  EXPECT_EQ(again.header("Session-Expires"), "1000;refresher=uas");
  EXPECT_EQ(again.body(), invite.body());
  phones.answer(callee, again, "200 OK", callee.sdp(), "Session-Expires: 1000;refresher=uas\r\n");
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("CSeq"), "2 INVITE");
  EXPECT_EQ(ok.header("Session-Expires"), "300;refresher=uac");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 2);
  EXPECT_EQ(phones.flow(caller)->remote.port, 4100);
  bench.advance(260 * kSecond, kSecond);
  EXPECT_FALSE(phones.heard(caller, "BYE "));
  bench.advance(10 * kSecond, kSecond);
  EXPECT_TRUE(phones.heard(caller, "BYE "));
  phones.answer(caller, phones.expect(caller, "BYE "), "200 OK");
  phones.answer(callee, phones.expect(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
