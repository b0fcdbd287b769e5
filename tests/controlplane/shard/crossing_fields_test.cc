// SPDX-License-Identifier: Apache-2.0
// The lists of `headers` hold on whatever crosses, and BYE brings what other requests do.
#include "tests/controlplane/shard/call_fixture.h"
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

// Lines that the lists are about, and what of them is heard.
constexpr std::string_view kSaid =
    "X-Account: 7\r\nX-Other: 8\r\nX-Old: 9\r\nSubject: talk\r\nX-Trunk: his\r\n";

void expect_listed(const Sent& heard) {
  EXPECT_EQ(heard.header("X-Account"), "7") << heard.text;
  EXPECT_EQ(heard.header("X-Trunk"), "t1") << heard.text;
  EXPECT_EQ(heard.header("X-New"), "9") << heard.text;
  for (const char* name : {"X-Other", "X-Old", "Subject"}) EXPECT_EQ(heard.header(name), "") << heard.text;
}

std::string with_lists() {
  std::string config(Bench::default_config());
  for (const std::string_view peer : {"  office:\n", "  carrier-a:\n"}) {
    config.insert(config.find(peer) + peer.size(),
                  "    redirects: pass\n    headers: {pass: [X-Account], remove: [Subject], "
                  "set: {X-Trunk: t1, X-New: {from: X-Old}}}\n");
  }
  return config;
}

class CrossingFields : public BothWays {
 protected:
  CrossingFields() : BothWays(with_lists()) {}
  [[nodiscard]] std::string isup() const {
    return "Content-Type: application/isup;version=itu-t92+\r\nContent-Disposition: "
           "signal;handling=optional\r\n";
  }
  // BYE of one side, and as the other hears it.
  Sent bye(Phone& from, Phone& to, std::string_view body, std::string_view more) {
    (void)phones.request(from, "BYE", body, more);
    (void)phones.expect(from, "SIP/2.0 200");
    const Sent heard = phones.expect(to, "BYE ");
    phones.answer(to, heard, "200 OK");
    bench.expect_nothing_left();
    return heard;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, CrossingFields, ::testing::Bool(), direction_name);

TEST_P(CrossingFields, A_BYE_brings_Reason_User_to_User_and_what_is_listed) {
  for (const bool by_callee : {false, true}) {
    phones.establish();
    Phone& from = by_callee ? callee : caller;
    const Sent heard = bye(from, by_callee ? caller : callee, {},
                           std::string(kSaid) +
                               "Reason: Q.850;cause=16\r\nUser-to-User: 56a390f3;encoding=hex\r\n"
                               "Organization: Secret\r\n");
    expect_listed(heard);
    EXPECT_EQ(heard.header("Reason"), "Q.850;cause=16");
    EXPECT_EQ(heard.header("User-to-User"), "56a390f3;encoding=hex");
    EXPECT_EQ(heard.header("Organization"), "");
    EXPECT_EQ(heard.text.find(from.ip), std::string::npos) << heard.text;
  }
}

TEST_P(CrossingFields, A_BYE_brings_its_body_but_no_session_description) {
  phones.establish();
  const Sent release = bye(caller, callee, "\x0c\x02", isup());
  EXPECT_EQ(release.body(), "\x0c\x02");
  EXPECT_EQ(release.header("Content-Type"), "application/isup;version=itu-t92+");
  EXPECT_EQ(release.header("Content-Disposition"), "signal;handling=optional");
  phones.establish();
  const std::string part = "--b\r\nContent-Type: application/isup\r\n\r\n\x0c\r\n";
  const std::string multipart = "Content-Type: multipart/mixed;boundary=b\r\n";
  const Sent two = bye(callee, caller, part + part + "--b--", multipart);
  EXPECT_EQ(two.body(), part + part + "--b--");
  EXPECT_EQ(two.header("MIME-Version"), "1.0");
  phones.establish();
  const Sent plain = bye(caller, callee, caller.sdp(), {});
  EXPECT_EQ(plain.body() + plain.header("Content-Type"), "");
  phones.establish();
  const std::string hidden =
      part + "--b\r\nContent-Type: application/SDP\r\n\r\n" + callee.sdp() + "\r\n--b--";
  const Sent none = bye(callee, caller, hidden, multipart);
  EXPECT_EQ(none.body() + none.header("Content-Type"), "");
}

TEST_P(CrossingFields, A_BYE_that_has_to_wait_for_an_ACK_has_lost_nothing) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.expect(callee, "ACK ");
  (void)phones.request(callee, "BYE", "\x0c", std::string(kSaid) + "Reason: Q.850;cause=16\r\n" + isup());
  (void)phones.expect(callee, "SIP/2.0 200");
  EXPECT_FALSE(phones.heard(caller, "BYE ")) << "RFC 3261 15: not before the ACK";
  phones.ack(caller, 1);
  const Sent heard = phones.expect(caller, "BYE ");
  expect_listed(heard);
  EXPECT_EQ(heard.header("Reason"), "Q.850;cause=16");
  EXPECT_EQ(heard.body(), "\x0c");
  phones.answer(caller, heard, "200 OK");
  bench.expect_nothing_left();
}

TEST_P(CrossingFields, A_BYE_of_ours_has_the_values_of_the_lists) {
  phones.establish();
  bench.shard().set_phase(Phase::ending);
  bench.turn();
  for (Phone* phone : {&caller, &callee}) {
    const Sent heard = phones.expect(*phone, "BYE ");
    EXPECT_EQ(heard.header("X-Trunk"), "t1");
    phones.answer(*phone, heard, "200 OK");
  }
  bench.expect_nothing_left();
}

TEST_P(CrossingFields, A_CANCEL_brings_Reason_and_what_is_listed) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "180 Ringing");
  (void)phones.expect(caller, "SIP/2.0 180");
  std::string cancel = make_cancel(caller.invite);
  cancel.insert(cancel.find("Content-Length"),
                std::string(kSaid) + "Reason: SIP;cause=200\r\nUser-to-User: 56\r\n");
  phones.send(caller, cancel);
  const Sent heard = phones.expect(callee, "CANCEL ");
  expect_listed(heard);
  EXPECT_EQ(heard.header("Reason"), "SIP;cause=200");
  EXPECT_EQ(heard.header("User-to-User"), "");
  phones.answer(callee, callee.incoming, "487 Request Terminated");
  bench.expect_nothing_left();
}

TEST_P(CrossingFields, An_ACK_that_crosses_holds_to_the_lists_and_one_of_ours_has_their_values) {
  phones.call({});
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.request(caller, "ACK", caller.sdp(), kSaid);
  expect_listed(phones.expect(callee, "ACK "));
  (void)phones.request(caller, "INVITE", caller.sdp());
  phones.answer(callee, phones.expect(callee, "INVITE "), "200 OK", callee.sdp());
  const Sent ours = phones.expect(callee, "ACK ");
  EXPECT_EQ(ours.header("X-Trunk"), "t1");
  EXPECT_EQ(ours.header("X-New"), "");
  phones.ack(caller, caller.cseq);
  phones.end();
}

TEST_P(CrossingFields, A_PRACK_holds_to_the_lists) {
  phones.call(caller.sdp(), "Supported: 100rel\r\n");
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(),
                "Require: 100rel\r\nRSeq: 1\r\n");
  const Sent progress = phones.expect(caller, "SIP/2.0 183");
  (void)phones.request(caller, "PRACK", {},
                       "RAck: " + progress.header("RSeq") + " 1 INVITE\r\n" + std::string(kSaid));
  (void)phones.expect(caller, "SIP/2.0 200");
  const Sent heard = phones.expect(callee, "PRACK ");
  expect_listed(heard);
  EXPECT_EQ(heard.header("RAck"), "1 " + callee.incoming.header("CSeq"));
  phones.answer(callee, heard, "200 OK");
  phones.answer(callee, callee.incoming, "486 Busy Here");
  (void)phones.expect(caller, "SIP/2.0 486");
  bench.expect_nothing_left();
}

TEST_P(CrossingFields, A_failure_holds_to_the_lists_whatever_becomes_of_its_code) {
  // 410, 302 and one that becomes another code.
  for (const auto& [said, heard] :
       {std::pair{"410 Gone", "SIP/2.0 410"}, std::pair{"302 Moved", "SIP/2.0 302"},
        std::pair{"422 Too Small", "SIP/2.0 500"}}) {
    SCOPED_TRACE(said);
    phones.call(caller.sdp());
    phones.answer(callee, callee.incoming, said, {},
                  std::string(kSaid) + "Min-SE: 1\r\nUser-to-User: 56\r\n");
    const Sent refused = phones.expect(caller, heard);
    expect_listed(refused);
    EXPECT_EQ(refused.header("User-to-User"), "");
    phones.forget();
    bench.expect_nothing_left();
  }
  phones.establish();
  (void)phones.request(caller, "INVITE", caller.sdp());
  phones.answer(callee, phones.expect(callee, "INVITE "), "488 Not Acceptable Here", {}, kSaid);
  expect_listed(phones.expect(caller, "SIP/2.0 488"));
  phones.ack(caller, caller.cseq);
  (void)phones.request(callee, "MESSAGE", "x", "Content-Type: text/plain\r\n");
  phones.answer(caller, phones.expect(caller, "MESSAGE "), "415 Unsupported Media Type", {}, kSaid);
  expect_listed(phones.expect(callee, "SIP/2.0 415"));
  phones.end();
}

class TwoListedTargets : public CallTest {
 protected:
  TwoListedTargets() : CallTest(with_lists()) {}
};

TEST_F(TwoListedTargets, A_failure_that_nobody_said_has_nothing_of_an_earlier_targets) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "500 Server Internal Error", "at", {}, {}, kSaid));
  bench.take_one("ACK ");
  const Sent second = bench.take_one("INVITE ");
  bench.receive("core", kCarrierB, make_response(second, "180 Ringing", "bt"));
  bench.take();
  bench.receive("access", kCaller, make_cancel(invite));
  std::string heard;
  for (const Sent& sent : bench.take()) {
    if (sent.is("SIP/2.0 487")) heard = sent.text;
  }
  EXPECT_NE(heard, "");
  EXPECT_EQ(heard.find("X-"), std::string::npos) << heard;
}

}  // namespace
}  // namespace sallyport::shard
