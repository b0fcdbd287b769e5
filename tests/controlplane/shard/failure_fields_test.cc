// SPDX-License-Identifier: Apache-2.0
// What a final failure has to carry beside its code, as the side that asked hears it.
#include <gtest/gtest.h>

#include <string>

#include "tests/controlplane/shard/call_fixture.h"
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kBlocked =
    R"(Q.850;cause=21;text="v=analytics1;url=https://block.example";location=LN)";

// The lines of `message` that are of that field.
std::string lines_of(const Sent& message, const std::string& name) {
  std::string out;
  for (std::size_t at = 0; (at = message.text.find("\r\n" + name + ": ", at)) != std::string::npos; ++at) {
    out += message.text.substr(at + 2, message.text.find("\r\n", at + 2) - at);
  }
  return out;
}

TEST(FailureFields, Of_a_refused_INVITE_reach_the_caller_with_the_code_that_they_belong_to) {
  struct Case {
    const char* status;
    std::string said;
    const char* name;
    std::string heard;  // all lines of that name; empty: none
  };
  const std::string challenge = R"(Digest realm="carrier", nonce="n1", qop="auth,auth-int")";
  const std::string allow =
      "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, SUBSCRIBE, PUBLISH";
  const Case cases[]{
      {"401 Unauthorized", "WWW-Authenticate: " + challenge + "\r\nWWW-Authenticate: Bearer realm=\"b\"\r\n",
       "WWW-Authenticate", "WWW-Authenticate: " + challenge + "\r\nWWW-Authenticate: Bearer realm=\"b\"\r\n"},
      {"407 Proxy Authentication Required", "Proxy-Authenticate: " + challenge + "\r\n", "Proxy-Authenticate",
       "Proxy-Authenticate: " + challenge + "\r\n"},
      {"403 Forbidden", "WWW-Authenticate: " + challenge + "\r\n", "WWW-Authenticate", ""},
      {"415 Unsupported Media Type", "Accept: text/plain\r\n", "Accept", "Accept: application/sdp\r\n"},
      {"420 Bad Extension", "Unsupported: sing, dance\r\n", "Unsupported", "Unsupported: sing, dance\r\n"},
      {"421 Extension Required", "Require: sing\r\n", "Require", "Require: sing\r\n"},
      {"603 Network Blocked", "Reason: " + std::string(kBlocked) + "\r\n", "Reason",
       "Reason: " + std::string(kBlocked) + "\r\n"},
      {"603 Decline", "Reason: SIP;cause=603;text=\"no\"\r\n", "Reason",
       "Reason: SIP;cause=603;text=\"no\"\r\nReason: Q.850;cause=21;text=\"Call rejected\"\r\n"},
      {"486 Busy Here", "Reason: Q.850;cause=17;text=\"on host7.carrier\"\r\n", "Reason",
       "Reason: Q.850;cause=17;text=\"User busy\"\r\n"},
      {"608 Rejected",
       "Call-Info: <https://secret.example/x>;purpose=icon, <https://block.example/c>;purpose=jwscard\r\n",
       "Call-Info", "Call-Info: <https://block.example/c>;purpose=jwscard\r\n"},
      {"603 Decline", "Call-Info: <https://block.example/c>;purpose=jwscard\r\n", "Call-Info", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.status) + " " + c.name);
    Bench bench;
    const std::string invite = make_invite();
    bench.receive("access", kCaller, invite);
    bench.take_one("SIP/2.0 100");
    bench.receive("core", kCarrierA,
                  make_response(bench.take_one("INVITE "), c.status, "ct1", {}, {}, c.said));
    bench.take_one("ACK ");
    const Sent refused = bench.take_one("SIP/2.0 " + std::string(c.status));
    EXPECT_EQ(lines_of(refused, c.name), c.heard) << refused.text;
    bench.receive("access", kCaller, make_in_dialog("ACK", invite, refused, 1, "z9hG4bKcaller1"));
    bench.expect_nothing_left();
  }
  Bench bench;
  bench.receive("access", kCaller, make_invite());
  bench.receive(
      "core", kCarrierA,
      make_response(bench.take_one("INVITE "), "405 Method Not Allowed", "ct1", {}, {}, "Allow: SECRET\r\n"));
  const std::string heard = bench.take_one("SIP/2.0 405").header("Allow");
  EXPECT_TRUE(heard.starts_with(allow)) << heard;
}

// Texts are for humans, and no side is to read the other's addresses in them.
TEST(FailureFields, Phrases_and_texts_with_an_address_do_not_cross) {
  Bench bench;
  bench.receive("access", kCaller, make_invite());
  bench.take_one("SIP/2.0 100");
  const Sent out = bench.take_one("INVITE ");
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing at 192.0.2.10", "ct1"));
  EXPECT_EQ(bench.take_one("SIP/2.0 180").start_line(), "SIP/2.0 180 Ringing");
  bench.receive(
      "core", kCarrierA,
      make_response(
          out, "603 Blocked by 192.0.2.10", "ct1", {}, {},
          "Reason: Q.850;cause=21;text=\"by 192.0.2.10\"\r\nWarning: 399 192.0.2.10 \"192.0.2.10\"\r\n"));
  bench.take_one("ACK ");
  const Sent refused = bench.take_one("SIP/2.0 603");
  EXPECT_EQ(refused.start_line(), "SIP/2.0 603 Decline");
  EXPECT_EQ(lines_of(refused, "Reason"), "Reason: Q.850;cause=21\r\n");
  EXPECT_EQ(refused.text.find("192.0.2.10"), std::string::npos) << refused.text;
}

TEST(FailureFields, What_the_callees_leg_could_not_settle_is_500_to_the_caller) {
  for (const std::string status :
       {"494 Security Agreement Required", "422 Session Interval Too Small", "423 Interval Too Brief"}) {
    SCOPED_TRACE(status);
    Bench bench;
    bench.receive("access", kCaller, make_invite());
    bench.receive("core", kCarrierA,
                  make_response(bench.take_one("INVITE "), status, "ct1", {}, {},
                                "Security-Server: tls\r\nMin-Expires: 9\r\nMin-SE: 9\r\n"));
    const Sent refused = bench.take_one("SIP/2.0 500");
    EXPECT_TRUE(refused.is("SIP/2.0 500 Server Internal Error")) << refused.text;
    EXPECT_EQ(
        lines_of(refused, "Security-Server") + lines_of(refused, "Min-Expires") + lines_of(refused, "Min-SE"),
        "");
  }
}

class FailureFieldsOfPeers : public CallTest {
 protected:
  FailureFieldsOfPeers() : CallTest(yaml()) {}
  static std::string_view yaml() {
    static const std::string text = [] {
      std::string config(Bench::default_config());
      const std::string_view map = "response_map: {send: to-office}\n";
      config.insert(config.find(map) + map.size(), "    headers: {remove: [Call-Info]}\n");
      return config;
    }();
    return text;
  }
};

TEST_F(FailureFieldsOfPeers, Are_not_told_to_who_has_them_removed) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "608 Rejected", "ct1", {}, {},
                              "Call-Info: <https://rejecter.example/card>;purpose=jwscard\r\n"));
  EXPECT_EQ(lines_of(bench.take_one("SIP/2.0 608"), "Call-Info"), "");
}

TEST_F(CallTest, What_an_earlier_target_said_is_not_told_with_another_code) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "500 Server Internal Error", "ct1", {}, {}, "Unsupported: sing\r\n"));
  bench.take_one("ACK ");
  const Sent second = bench.take_one("INVITE ");
  bench.receive("core", kCarrierB, make_response(second, "420 Bad Extension", "bt"));
  EXPECT_EQ(lines_of(bench.take_one("SIP/2.0 420"), "Unsupported"), "");
}

class RefusedInDialog : public BothWays {};
INSTANTIATE_TEST_SUITE_P(Calls, RefusedInDialog, ::testing::Bool(), direction_name);

TEST_P(RefusedInDialog, A_re_INVITE_and_a_MESSAGE_bring_back_what_their_codes_carry) {
  phones.establish();
  phones.request(caller, "INVITE", caller.sdp());
  phones.answer(callee, phones.expect(callee, "INVITE "), "401 Unauthorized", {},
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n");
  phones.expect(callee, "ACK ");
  const Sent challenged = phones.expect(caller, "SIP/2.0 401");
  EXPECT_EQ(challenged.header("WWW-Authenticate"), "Digest realm=\"r\", nonce=\"n\"");
  phones.ack(caller, caller.cseq);
  phones.request(caller, "MESSAGE", "x", "Content-Type: text/plain\r\n");
  phones.answer(callee, phones.expect(callee, "MESSAGE "), "415 Unsupported Media Type", {},
                "Accept: text/html\r\n");
  EXPECT_EQ(lines_of(phones.expect(caller, "SIP/2.0 415"), "Accept"), "Accept: text/html\r\n");
  phones.end();
}

}  // namespace
}  // namespace sallyport::shard
