// SPDX-License-Identifier: Apache-2.0
// 401 and 407 inside dialogs: requests of ours go out once more with credentials and all that they said
// before; and what the caller answers to a challenge that has crossed goes on.
#include "tests/controlplane/shard/call_fixture.h"
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kRefused = "401 Unauthorized";

std::string digest(std::string_view nonce, std::string_view more = {}) {
  return "WWW-Authenticate: Digest realm=\"r\", nonce=\"" + std::string(nonce) + "\", qop=\"auth\"" +
         std::string(more) + "\r\n";
}

std::string with_credentials(std::string_view more = {}) {
  std::string yaml(Bench::default_config());
  for (const std::string_view peer : {"  office:\n", "  carrier-a:\n"}) {
    yaml.insert(yaml.find(peer) + peer.size(),
                "    credentials: {user: sally, password: hush}\n" + std::string(more));
  }
  return yaml;
}

unsigned number_of(const Sent& request) {
  return static_cast<unsigned>(std::stoul(request.header("CSeq")));
}

class Challenged : public BothWays {
 protected:
  explicit Challenged(const std::string& yaml = with_credentials()) : BothWays(yaml) {}

  // The request once more: the same but for its number, its branch and what proves who we are.
  Sent again(Phone& phone, const Sent& first, std::string_view nonce, std::string_view more = {}) {
    phones.answer(phone, first, kRefused, {}, digest(nonce, more));
    const std::string method = first.text.substr(0, first.text.find(' ') + 1);
    const Sent second = phones.expect(phone, method);
    EXPECT_NE(second.header("Authorization").find("nonce=\"" + std::string(nonce) + "\""), std::string::npos)
        << second.text;
    EXPECT_GT(number_of(second), number_of(first));
    EXPECT_NE(second.header("Via"), first.header("Via"));
    EXPECT_EQ(bare(second), bare(first));
    return second;
  }
  static std::string bare(const Sent& request) {
    std::string text = request.text;
    for (const std::string_view name : {"Via: ", "CSeq: ", "Authorization: "}) {
      const auto at = text.find("\r\n" + std::string(name));
      if (at != std::string::npos) text.erase(at, text.find("\r\n", at + 2) - at);
    }
    return text;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, Challenged, ::testing::Bool(), direction_name);

TEST_P(Challenged, A_BYE_goes_out_again_with_all_that_it_brought) {
  phones.establish();
  const std::string more = "Reason: Q.850;cause=16\r\nUser-to-User: 56\r\nContent-Type: application/isup\r\n";
  (void)phones.request(caller, "BYE", "\x0c", more);
  (void)phones.expect(caller, "SIP/2.0 200");
  const Sent bye = phones.expect(callee, "BYE ");
  const Sent second = again(callee, bye, "n1");
  EXPECT_EQ(second.header("Reason"), "Q.850;cause=16");
  EXPECT_EQ(second.header("User-to-User"), "56");
  EXPECT_EQ(second.body(), "\x0c");
  phones.answer(callee, again(callee, second, "n2", ", stale=true"), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(Challenged, Credentials_that_are_refused_are_not_sent_for_ever) {
  phones.establish();
  (void)phones.request(caller, "BYE");
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.answer(callee, again(callee, phones.expect(callee, "BYE "), "n1"), kRefused, {}, digest("n2"));
  EXPECT_FALSE(phones.heard(callee, "BYE "));
  bench.expect_nothing_left();
}

TEST_P(Challenged, The_BYE_of_another_fork_goes_out_again_and_its_ACK_has_the_INVITEs_credentials) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, kRefused, {}, digest("n0"));
  (void)phones.expect(callee, "ACK ");
  callee.incoming = phones.expect(callee, "INVITE ");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  (void)phones.expect(callee, "ACK ");
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.ack(caller, 1);
  const auto fork = [&](std::string_view tag) {
    phones.answer(callee, callee.incoming, "200 OK", callee.sdp(), {}, tag);
    EXPECT_EQ(phones.expect(callee, "ACK ").header("Authorization"), callee.incoming.header("Authorization"));
    const Sent bye = phones.expect(callee, "BYE ");
    EXPECT_EQ(bye.tag_of("To"), tag);
    return bye;
  };
  // Once, and once more for a stale nonce.
  const Sent stale = again(callee, again(callee, fork("two"), "n1"), "n2", ", stale=true");
  phones.answer(callee, stale, kRefused, {}, digest("n3", ", stale=true"));
  EXPECT_FALSE(phones.heard(callee, "BYE "));
  phones.answer(callee, again(callee, fork("three"), "n1"), kRefused, {}, digest("n2"));
  EXPECT_FALSE(phones.heard(callee, "BYE ")) << "refused";
  phones.answer(callee, again(callee, fork("four"), "n1"), "200 OK");
  phones.end();
}

TEST_P(Challenged, The_BYE_of_a_fork_whose_call_is_long_gone_goes_out_again) {
  phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "486 Busy Here", {}, {}, "one");
  (void)phones.expect(callee, "ACK ");
  (void)phones.expect(caller, "SIP/2.0 486");
  phones.ack(caller, 1);
  EXPECT_EQ(bench.shard().manager().calls(), 0u);
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(), {}, "two");
  (void)phones.expect(callee, "ACK ");
  phones.answer(callee, again(callee, phones.expect(callee, "BYE "), "n1"), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(Challenged, A_PRACK_goes_out_again_with_and_without_an_offer) {
  const std::string reliable = "Require: 100rel\r\nAllow: UPDATE, PRACK\r\nRSeq: ";
  phones.call(caller.sdp(), "Supported: 100rel\r\nAllow: UPDATE, PRACK\r\n");
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(), reliable + "1\r\n");
  const Sent first = phones.expect(caller, "SIP/2.0 183");
  (void)phones.request(caller, "PRACK", {}, "RAck: " + first.header("RSeq") + " 1 INVITE\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.answer(callee, again(callee, phones.expect(callee, "PRACK "), "n1"), "200 OK");

  phones.answer(callee, callee.incoming, "180 Ringing", {}, reliable + "2\r\n");
  const Sent second = phones.expect(caller, "SIP/2.0 180");
  (void)phones.request(caller, "PRACK", caller.sdp(), "RAck: " + second.header("RSeq") + " 1 INVITE\r\n");
  const Sent prack = phones.expect(callee, "PRACK ");
  EXPECT_NE(prack.body(), "");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 200")) << "the answer is the callee's to give";
  const Sent repeated = again(callee, prack, "n2", ", stale=true");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 401"));
  phones.answer(callee, repeated, "200 OK", callee.sdp());
  EXPECT_NE(phones.expect(caller, "SIP/2.0 200").body(), "");
  phones.answer(callee, callee.incoming, "486 Busy Here");
  (void)phones.expect(caller, "SIP/2.0 486");
  bench.expect_nothing_left();
}

class ChallengedTransfer : public Challenged {
 protected:
  ChallengedTransfer() : Challenged(with_credentials("    refer: follow\n")) {}
};
INSTANTIATE_TEST_SUITE_P(Ways, ChallengedTransfer, ::testing::Bool(), direction_name);

TEST_P(ChallengedTransfer, A_NOTIFY_of_ours_goes_out_again) {
  phones.establish();
  (void)phones.request(caller, "REFER", {}, "Refer-To: <sip:4930555@10.9.8.7>\r\n");
  (void)phones.expect(caller, "SIP/2.0 202");
  const Sent notify = again(caller, phones.expect(caller, "NOTIFY "), "n1");
  EXPECT_EQ(notify.body(), "SIP/2.0 100 Trying\r\n");
  EXPECT_EQ(notify.header("Event"), "refer");
  phones.answer(caller, notify, "200 OK");
  (void)phones.request(caller, "BYE");
  (void)phones.expect(caller, "SIP/2.0 200");
}

class ChallengedSubscription : public Challenged {};
INSTANTIATE_TEST_SUITE_P(Ways, ChallengedSubscription, ::testing::Bool(), direction_name);

TEST_P(ChallengedSubscription, NOTIFY_and_SUBSCRIBE_inside_it_go_out_again) {
  const std::string ours = caller.realm == "access" ? "198.51.100.1" : "192.0.2.1";
  caller.call_id = "sub@" + caller.ip;
  caller.local = "<sip:me@" + caller.ip + ">;tag=" + caller.tag;
  caller.remote = "<sip:4930123@" + ours + ">";
  caller.target = "sip:4930123@" + ours;
  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: presence\r\nExpires: 600\r\n");
  const Sent first = phones.expect(callee, "SUBSCRIBE ");
  callee.call_id = first.header("Call-ID");
  callee.local = first.header("To") + ";tag=" + callee.tag;
  callee.remote = first.header("From");
  phones.answer(callee, first, "200 OK", {}, "Expires: 600\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");

  (void)phones.request(callee, "NOTIFY", "open",
                       "Event: presence\r\nContent-Type: text/plain\r\nSubscription-State: active\r\n");
  const Sent notify = again(caller, phones.expect(caller, "NOTIFY "), "n1");
  EXPECT_EQ(notify.body(), "open");
  phones.answer(caller, notify, "200 OK");
  (void)phones.expect(callee, "SIP/2.0 200");

  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: presence\r\nExpires: 600\r\n");
  phones.answer(callee, again(callee, phones.expect(callee, "SUBSCRIBE "), "n2"), "200 OK", {},
                "Expires: 600\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");

  // From now on they prove themselves at once; who refuses that is believed.
  (void)phones.request(callee, "NOTIFY", {}, "Event: presence\r\nSubscription-State: terminated\r\n");
  const Sent last = phones.expect(caller, "NOTIFY ");
  EXPECT_NE(last.header("Authorization").find("nc=00000002"), std::string::npos);
  phones.answer(caller, last, "403 Forbidden");
  (void)phones.expect(callee, "SIP/2.0 403");
  bench.expect_nothing_left();
}

TEST(ChallengedKeepalive, Goes_out_again_and_proves_itself_from_then_on) {
  Phones phones(false, with_credentials());
  Phone& caller = phones.caller;
  caller.via_ip = "10.9.8.7";
  phones.establish();
  phones.bench.advance(25 * kSecond + 200 * kMillisecond);
  phones.answer(caller, phones.expect(caller, "OPTIONS "), kRefused, {}, digest("n1"));
  const Sent again = phones.expect(caller, "OPTIONS ");
  EXPECT_NE(again.header("Authorization").find("nc=00000001"), std::string::npos) << again.text;
  phones.answer(caller, again, "200 OK");
  phones.bench.advance(25 * kSecond + 200 * kMillisecond);
  const Sent next = phones.expect(caller, "OPTIONS ");
  EXPECT_NE(next.header("Authorization").find("nc=00000002"), std::string::npos) << next.text;
  phones.answer(caller, next, "200 OK");
  phones.end();
}

// ---- challenges that cross

constexpr std::string_view kProof =
    "Digest username=\"alice\", realm=\"r\", nonce=\"n1\", uri=\"sip:4930123@198.51.100.1\", "
    "response=\"00112233445566778899aabbccddeeff\", opaque=\"10.1.2.3\"";

class PassedChallenge : public CallTest {
 protected:
  using CallTest::CallTest;
  static std::string proof(std::string_view name = "Authorization") {
    return std::string(name) + ": " + std::string(kProof) + "\r\n";
  }
};

TEST_F(PassedChallenge, Its_answer_crosses_in_the_next_INVITE_its_ACK_and_what_follows) {
  out = place();
  bench.receive("core", kCarrierA,
                make_response(out, "407 Proxy Authentication Required", "ct1", {}, {},
                              "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n1\"\r\n"));
  bench.take_one("ACK ");
  bench.receive("access", kCaller,
                make_in_dialog("ACK", invite, bench.take_one("SIP/2.0 407"), 1, "z9hG4bKcaller1"));
  invite = make_invite({.more = proof("Proxy-Authorization"), .branch = "z9hG4bKcaller2"});
  invite.replace(invite.find("1 INVITE"), 8, "2 INVITE");
  bench.receive("access", kCaller, invite);
  bench.take_one("SIP/2.0 100");
  const Sent asked = bench.take_one("INVITE ");
  EXPECT_EQ(asked.header("Proxy-Authorization"), kProof);
  bench.receive("core", kCarrierA, make_response(asked, "200 OK", "ct2", kContactA, sdp("192.0.2.10", 6000)));
  EXPECT_EQ(bench.take_one("ACK ").header("Proxy-Authorization"), kProof) << "RFC 3261 22.1";
  ok = bench.take_one("SIP/2.0 200");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 2, "z9hG4bKack1"));
  const auto inside = [&](std::string_view method, unsigned cseq, std::string_view body = {}) {
    std::string text = make_in_dialog(method, invite, ok, cseq, "z9hG4bKin" + std::to_string(cseq), body);
    text.insert(text.find("Content-Length"), proof());
    bench.receive("access", kCaller, text);
    const Sent heard = bench.take_one(std::string(method) + " ");
    EXPECT_EQ(heard.header("Authorization"), kProof) << heard.text;
    return heard;
  };
  bench.receive("core", kCarrierA,
                make_response(inside("INVITE", 3, sdp("198.51.100.20", 4002)), "200 OK", "", kContactA,
                              sdp("192.0.2.10", 6000)));
  EXPECT_EQ(bench.take_one("ACK ").header("Authorization"), kProof);
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 3, "z9hG4bKack3"));
  bench.receive("core", kCarrierA, make_response(inside("INFO", 4), "200 OK", ""));
  bench.receive("core", kCarrierA, make_response(inside("BYE", 5), "200 OK", ""));
  bench.expect_nothing_left();
}

class KnownChallenge : public PassedChallenge {
 protected:
  KnownChallenge() : PassedChallenge(with_credentials()) {}
};

TEST_F(KnownChallenge, Nothing_of_the_callers_goes_to_a_peer_that_has_credentials_of_ours) {
  out = place({.more = proof() + proof("Proxy-Authorization")});
  EXPECT_EQ(out.header("Authorization") + out.header("Proxy-Authorization"), "");
  bench.receive("core", kCarrierA, make_response(out, kRefused, "ct1", {}, {}, digest("n1")));
  bench.take_one("ACK ");
  out = bench.take_one("INVITE ");
  EXPECT_NE(out.header("Authorization").find("username=\"sally\""), std::string::npos);
  EXPECT_EQ(out.text.find("alice\", realm"), std::string::npos) << out.text;
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  EXPECT_EQ(bench.take_one("ACK ").header("Authorization"), out.header("Authorization"));
}

}  // namespace
}  // namespace sallyport::shard
