// SPDX-License-Identifier: Apache-2.0
// Whole calls under the policies of two peers: numbers, codecs, header fields, multipart bodies, challenges.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

// The bench's configuration with more said by the office and by carrier-a.
std::string with_policies(std::string_view office, std::string_view carrier) {
  std::string yaml(Bench::default_config());
  const auto add = [&](std::string_view behind, std::string_view more) {
    const auto at = yaml.find(behind);
    yaml.insert(at + behind.size(), more);
  };
  add("response_map: {send: to-office}\n", office);
  add("targets: [\"sip:192.0.2.10:5060\"]\n", carrier);
  return yaml;
}

constexpr std::string_view kOffice =
    "    trusted: yes\n"
    "    numbers: {plan: {country: 49}, in: {form: e164}, out: {form: national}}\n"
    "    codecs: {remove: [G729]}\n";
constexpr std::string_view kCarrier =
    "    trusted: yes\n"
    "    numbers: {in: {prefix: '+'}, out: {strip: 1}}\n"
    "    codecs: {allow: [PCMA, PCMU], order: [PCMA]}\n"
    "    headers: {pass: [X-Account], remove: [Subject], set: {X-Trunk: t1}}\n"
    "    credentials: {user: sally, password: hush}\n";

class PeerPolicyTest : public CallTest {
 protected:
  explicit PeerPolicyTest(const std::string& yaml = with_policies(kOffice, kCarrier)) : CallTest(yaml) {}
};

TEST_F(PeerPolicyTest, Numbers_are_written_as_each_side_writes_them) {
  const Sent invited = place({.user = "030123",
                              .more = "P-Asserted-Identity: <sip:03055@198.51.100.20>\r\n"
                                      "Diversion: <sip:03066@198.51.100.20>;reason=user-busy\r\n"});
  EXPECT_TRUE(invited.is("INVITE sip:4930123@192.0.2.10 SIP/2.0")) << invited.text;
  EXPECT_EQ(invited.header("To"), "<sip:4930123@192.0.2.10>");
  EXPECT_EQ(invited.header("P-Asserted-Identity"), "<sip:493055@192.0.2.1>");
  EXPECT_EQ(invited.header("Diversion"), "<sip:493066@192.0.2.1>;reason=user-busy");
  bench.receive("core", kCarrierA,
                make_response(invited, "180 Ringing", "ct1", kContactA, {},
                              "P-Asserted-Identity: <sip:493077@192.0.2.10>\r\n"));
  EXPECT_EQ(bench.take_one("SIP/2.0 180").header("P-Asserted-Identity"), "<sip:03077@198.51.100.1>");
}

TEST_F(PeerPolicyTest, Header_fields_pass_by_the_rules_of_the_one_who_is_told) {
  const Sent invited = place({.more = "X-Account: 7\r\nX-Other: 8\r\nSubject: talk\r\n"});
  EXPECT_EQ(invited.header("X-Account"), "7");
  EXPECT_EQ(invited.header("X-Other"), "");
  EXPECT_EQ(invited.header("Subject"), "");
  EXPECT_EQ(invited.header("X-Trunk"), "t1");
}

std::string audio(const std::string& formats) {
  return "v=0\r\no=e 1 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 4000 "
         "RTP/AVP " +
         formats + "\r\n";
}

TEST_F(PeerPolicyTest, Codecs_pass_by_the_rules_of_both) {
  const Sent invited = place({.body = audio("18 0 8 9")});
  EXPECT_NE(invited.body().find(" RTP/AVP 8 0\r\n"), std::string::npos) << invited.body();
}

TEST_F(PeerPolicyTest, Without_a_common_codec_the_next_peer_is_tried_and_then_the_caller_hears_488) {
  invite = make_invite({.body = audio("18")});  // removed by the office's rule, for every target
  bench.receive("access", kCaller, invite);
  const Sent refused = bench.take_one("SIP/2.0 488");
  EXPECT_TRUE(refused.header("Warning").starts_with("305 ")) << refused.text;
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, refused, 1, "z9hG4bKcaller1"));
  bench.expect_nothing_left();
}

TEST_F(PeerPolicyTest, A_codec_that_only_the_second_peer_takes_goes_there) {
  invite = make_invite({.body = audio("9")});
  bench.receive("access", kCaller, invite);
  bench.take_one("SIP/2.0 100");
  const Sent invited = bench.take_one("INVITE ");
  EXPECT_EQ(invited.remote.to_text(), kCarrierB);
  EXPECT_NE(invited.body().find(" RTP/AVP 9\r\n"), std::string::npos);
}

TEST_F(PeerPolicyTest, A_multipart_body_crosses_whole_but_for_its_description) {
  const std::string parts =
      "--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b\r\nContent-Type: application/sdp\r\n\r\n";
  std::string text = make_invite({.body = parts + audio("8") + "\r\n--b--\r\n"});
  const std::string type = "Content-Type: application/sdp\r\nContent-Length";
  text.replace(text.find(type), type.size(), "Content-Type: multipart/mixed;boundary=b\r\nContent-Length");
  invite = text;
  bench.receive("access", kCaller, invite);
  bench.take_one("SIP/2.0 100");
  const Sent invited = bench.take_one("INVITE ");
  EXPECT_EQ(invited.header("Content-Type"), "multipart/mixed;boundary=b");
  EXPECT_EQ(invited.header("MIME-Version"), "1.0");
  EXPECT_TRUE(invited.body().starts_with(parts + "v=0\r\n")) << invited.body();
  EXPECT_TRUE(invited.body().ends_with("\r\n--b--\r\n"));
  EXPECT_EQ(invited.body().find("198.51.100.20"), std::string::npos);
}

TEST_F(PeerPolicyTest, A_second_description_in_a_body_does_not_cross_unread) {
  const std::string part = "--b\r\nContent-Type: application/sdp\r\n\r\n";
  std::string text =
      make_invite({.body = part + audio("8") + "\r\n" + part + sdp("10.20.0.10", 4000) + "\r\n--b--\r\n"});
  const std::string type = "Content-Type: application/sdp\r\nContent-Length";
  text.replace(text.find(type), type.size(), "Content-Type: multipart/mixed;boundary=b\r\nContent-Length");
  invite = text;
  bench.receive("access", kCaller, invite);
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "INVITE "), 0);
  EXPECT_EQ(count(sent, "SIP/2.0 415"), 1);
}

constexpr std::string_view kChallenge =
    "WWW-Authenticate: Digest realm=\"c\", nonce=\"n1\", qop=\"auth\"\r\n";

TEST_F(PeerPolicyTest, A_challenge_is_answered_on_the_same_leg_and_the_call_goes_on) {
  const Sent first = place();
  bench.receive("core", kCarrierA, make_response(first, "401 Unauthorized", "x1", {}, {}, kChallenge));
  std::vector<Sent> sent = bench.take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_TRUE(sent[0].is("ACK "));
  out = sent[1];
  EXPECT_TRUE(out.is("INVITE ")) << out.text;
  EXPECT_EQ(out.header("CSeq"), "2 INVITE");
  EXPECT_EQ(out.header("Call-ID"), first.header("Call-ID"));
  EXPECT_EQ(out.header("From"), first.header("From"));
  EXPECT_NE(out.header("Via"), first.header("Via"));
  EXPECT_EQ(out.body(), first.body());
  EXPECT_NE(out.header("Authorization").find("nc=00000001"), std::string::npos);
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  ok = bench.take_one("SIP/2.0 200");
  const Sent ack = bench.take_one("ACK ");
  EXPECT_EQ(ack.header("CSeq"), "2 ACK");
  EXPECT_EQ(ack.header("Authorization"), out.header("Authorization"));  // RFC 3261 22.1
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));

  // The BYE carries credentials at once, and is sent again for a stale nonce.
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  bench.take_one("SIP/2.0 200");
  const Sent bye = bench.take_one("BYE ");
  EXPECT_NE(bye.header("Authorization").find("nc=00000002"), std::string::npos);
  bench.receive(
      "core", kCarrierA,
      make_response(bye, "401 Unauthorized", "", {}, {},
                    "WWW-Authenticate: Digest realm=\"c\", nonce=\"n2\", qop=\"auth\", stale=true\r\n"));
  const Sent again = bench.take_one("BYE ");
  EXPECT_EQ(again.header("CSeq"), "4 BYE");
  EXPECT_NE(again.header("Authorization").find("nonce=\"n2\""), std::string::npos);
  bench.receive("core", kCarrierA, make_response(again, "200 OK", ""));
  bench.expect_nothing_left();
}

TEST_F(PeerPolicyTest, Credentials_that_are_refused_fail_the_attempt) {
  const Sent first = place();
  bench.receive("core", kCarrierA,
                make_response(first, "407 Proxy Authentication Required", "x1", {}, {},
                              "Proxy-Authenticate: Digest realm=\"c\", nonce=\"n1\"\r\n"));
  const Sent second = bench.take_one("INVITE ");
  EXPECT_NE(second.header("Proxy-Authorization"), "");
  bench.receive("core", kCarrierA,
                make_response(second, "407 Proxy Authentication Required", "x2", {}, {},
                              "Proxy-Authenticate: Digest realm=\"c\", nonce=\"n2\"\r\n"));
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "INVITE sip:4930123@192.0.2.10 "), 0);
  EXPECT_EQ(count(sent, "ACK "), 2);
}

TEST_F(PeerPolicyTest, A_challenged_re_INVITE_goes_out_again) {
  establish();
  bench.receive("access", kCaller,
                make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKre1", sdp("198.51.100.20", 4002)));
  bench.take_one("SIP/2.0 100");
  const Sent first = bench.take_one("INVITE ");
  bench.receive("core", kCarrierA, make_response(first, "401 Unauthorized", "", {}, {}, kChallenge));
  const Sent again = bench.take_one("INVITE ");
  EXPECT_NE(again.header("Authorization"), "");
  EXPECT_EQ(again.body(), first.body());
  bench.receive("core", kCarrierA, make_response(again, "200 OK", "", kContactA, sdp("192.0.2.10", 6000)));
  EXPECT_TRUE(bench.take_one("SIP/2.0 200").is("SIP/2.0 200"));
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 2, "z9hG4bKack2"));
  caller_hangs_up(3);
  bench.expect_nothing_left();
}

class UntrustedTest : public CallTest {};

TEST_F(UntrustedTest, Without_trust_no_identity_leaves_and_who_hides_is_anonymous) {
  const Sent invited =
      place({.more = "Privacy: id\r\nP-Asserted-Identity: <sip:1@h>\r\nDiversion: <sip:2@h>\r\n"});
  EXPECT_TRUE(invited.header("From").starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="));
  EXPECT_EQ(invited.header("P-Asserted-Identity"), "");
  EXPECT_EQ(invited.header("Diversion"), "");
  EXPECT_EQ(invited.header("Privacy"), "id");
}

TEST_F(UntrustedTest, A_challenge_without_credentials_is_a_failure_like_any_other) {
  const Sent first = place();
  bench.receive("core", kCarrierA, make_response(first, "401 Unauthorized", "x1", {}, {}, kChallenge));
  EXPECT_EQ(count(bench.take(), "INVITE sip:4930123@192.0.2.10 "), 0);
}

class RedirectTest : public CallTest {
 protected:
  explicit RedirectTest(
      std::string_view redirects = "    redirects: {mode: follow, depth: 2, allow: [192.0.2.128/25]}\n")
      : CallTest(with_policies("", redirects)) {}
  // The carrier redirects; whatever is sent then, without the ACK.
  std::vector<Sent> redirect(const Sent& request, std::string_view contact) {
    bench.receive("core", request.remote.to_text(),
                  make_response(request, "302 Moved Temporarily", "r1", contact));
    std::vector<Sent> sent = bench.take();
    std::erase_if(sent, [](const Sent& each) { return each.is("ACK "); });
    return sent;
  }
};

TEST_F(RedirectTest, A_302_is_followed_to_where_calls_may_go) {
  const std::vector<Sent> sent = redirect(place(), "<sip:777@192.0.2.200:5070>;q=0.5, <sip:888@192.0.2.11>");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is("INVITE sip:888@192.0.2.11 SIP/2.0")) << sent[0].text;  // carrier-b's target, by q
  EXPECT_EQ(sent[0].remote.to_text(), kCarrierB);
  bench.receive("core", kCarrierB, make_response(sent[0], "486 Busy Here", "b1"));
  const Sent next = bench.take_one("SIP/2.0 486");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, next, 1, "z9hG4bKcaller1"));
  bench.expect_nothing_left();
}

TEST_F(RedirectTest, A_place_of_the_allowed_networks_is_called_and_answers) {
  const std::vector<Sent> sent = redirect(place(), "<sip:777@192.0.2.200:5070>");
  ASSERT_EQ(sent.size(), 1u);
  out = sent[0];
  EXPECT_TRUE(out.is("INVITE sip:777@192.0.2.200:5070 SIP/2.0")) << out.text;
  EXPECT_EQ(out.remote.to_text(), "192.0.2.200:5070");
}

TEST_F(RedirectTest, A_redirect_to_nowhere_goes_to_the_next_target_of_the_route) {
  const std::vector<Sent> sent = redirect(place(), "<sip:777@203.0.113.1>");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is("INVITE sip:4930123@192.0.2.11 ")) << sent[0].text;
}

TEST_F(RedirectTest, A_loop_ends_the_call_with_482) {
  const std::vector<Sent> sent = redirect(place(), "<sip:4930123@192.0.2.10>");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is("SIP/2.0 482 ")) << sent[0].text;
}

class PassedRedirectTest : public RedirectTest {
 protected:
  PassedRedirectTest() : RedirectTest("    redirects: pass\n") {}
};

TEST_F(PassedRedirectTest, Tells_the_caller_the_numbers_at_our_own_host) {
  const std::vector<Sent> sent = redirect(place(), "<sip:777@192.0.2.11>;q=0.5, <sip:888@10.0.0.1;x=y>");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is("SIP/2.0 302 ")) << sent[0].text;
  EXPECT_NE(sent[0].text.find(
                "Contact: <sip:888@198.51.100.1:5060>\r\nContact: <sip:777@198.51.100.1:5060>;q=0.500\r\n"),
            std::string::npos)
      << sent[0].text;
}

class RefusedRedirectTest : public RedirectTest {
 protected:
  RefusedRedirectTest() : RedirectTest("    redirects: refuse\n") {}
};

TEST_F(RefusedRedirectTest, Is_a_failure_of_that_target) {
  const std::vector<Sent> sent = redirect(place(), "<sip:777@192.0.2.11>");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is("INVITE sip:4930123@192.0.2.11 ")) << sent[0].text;
}

}  // namespace
}  // namespace sallyport::shard
