// SPDX-License-Identifier: Apache-2.0
// Calls over TLS: sips URIs (RFC 3261 8.1.1.8, 12.1.1 and 26.2.2, RFC 5630), and peers that a certificate has
// named.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

// Both realms speak TLS. Certificates are the stream transport's: here any file will do.
std::string with_tls(std::string_view target_a) {
  std::string yaml(Bench::default_config());
  yaml = replaced(
      yaml, "sip: {udp: 5060}",
      "sip: {udp: 5060, tls: 5061}\n    tls: {certificate: /dev/null, key: /dev/null, ca: /dev/null}");
  yaml = replaced(yaml, "match: [\"198.51.100.0/24\"", "match: [\"tls:office.example\", \"198.51.100.0/24\"");
  return replaced(yaml, "targets: [\"sip:192.0.2.10:5060\"]", "targets: [\"" + std::string(target_a) + "\"]");
}

constexpr config::PeerIndex kOffice = 0, kA = 1;
constexpr std::string_view kFarA = "192.0.2.10:5061";

class Sips : public CallTest {
 protected:
  explicit Sips(std::string_view target_a = "sips:192.0.2.10") : CallTest(with_tls(target_a)) {}

  static std::string tls_invite(std::string_view scheme, const InviteOptions& options = {}) {
    std::string text = replaced(make_invite(options), "SIP/2.0/UDP", "SIP/2.0/TLS");
    return replaced(text, "INVITE sip:", "INVITE " + std::string(scheme) + ":");
  }
  void call(const std::string& text, const Bench::Stream& stream = {}) {
    invite = text;
    bench.receive("access", "198.51.100.20:40000", invite, stream);
  }
  // As place() does, over TLS.
  Sent place_by_tls(const std::string& text, const Bench::Stream& stream = {}) {
    call(text, stream);
    EXPECT_TRUE(bench.take_one("SIP/2.0 100").is("SIP/2.0 100"));
    return bench.take_one("INVITE ");
  }
  // The callee answers over the connection that the INVITE went on.
  Sent answer(std::string_view contact = "<sips:callee@192.0.2.10:5061>") {
    bench.receive("core", kFarA, make_response(out, "200 OK", "ct1", contact, sdp("192.0.2.10", 6000)),
                  {.connection = 7, .peer = kA});
    return bench.take_one("SIP/2.0 200");
  }
  void finish() {
    bench.receive("access", "198.51.100.20:40000", make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"),
                  Bench::Stream{});
    bench.receive("access", "198.51.100.20:40000", make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"),
                  Bench::Stream{});
    bench.take_one("SIP/2.0 200");
    const Sent bye = bench.take_one("BYE ");
    EXPECT_EQ(bye.path.transport, sip::Transport::tls);
    EXPECT_EQ(bye.path.peer, kA);
    bench.receive("core", kFarA, make_response(bye, "200 OK", ""), {.connection = 7, .peer = kA});
    bench.expect_nothing_left();
  }
};

TEST_F(Sips, A_sips_call_is_sips_on_both_legs) {
  out = place_by_tls(tls_invite("sips"));
  EXPECT_EQ(out.path.transport, sip::Transport::tls);
  EXPECT_EQ(out.path.peer, kA) << "its certificate has to be this peer's";
  EXPECT_EQ(out.remote, *Endpoint::parse("192.0.2.10:5061"));
  EXPECT_EQ(out.start_line(), "INVITE sips:4930123@192.0.2.10 SIP/2.0");
  EXPECT_EQ(out.header("To"), "<sips:4930123@192.0.2.10>");
  EXPECT_EQ(out.header("Contact"), "<sips:192.0.2.1:5061>");
  EXPECT_TRUE(out.header("Via").starts_with("SIP/2.0/TLS 192.0.2.1:5061;")) << out.header("Via");
  ok = answer();
  EXPECT_EQ(ok.header("Contact"), "<sips:198.51.100.1:5061>");
  EXPECT_EQ(ok.path.connection, 1u);
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sips:callee@192.0.2.10:5061 "));
  finish();
}

TEST_F(Sips, A_sip_call_goes_to_a_sips_target_as_sips_and_its_caller_keeps_sip) {
  out = place();  // over UDP
  EXPECT_EQ(out.start_line(), "INVITE sips:4930123@192.0.2.10 SIP/2.0");
  EXPECT_EQ(out.header("Contact"), "<sips:192.0.2.1:5061>");
  ok = answer();
  EXPECT_EQ(ok.header("Contact"), "<sip:198.51.100.1:5060>");
  bench.take_one("ACK ");
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.path.transport, sip::Transport::tls);
  bench.receive("core", kFarA, make_response(bye, "200 OK", ""), {.connection = 7, .peer = kA});
  bench.expect_nothing_left();
}

TEST_F(Sips, A_sips_URI_that_came_over_UDP_or_TCP_is_refused) {
  invite = replaced(make_invite(), "INVITE sip:", "INVITE sips:");
  bench.receive("access", kCaller, invite);
  const Sent refused = bench.take_one("SIP/2.0 480");
  EXPECT_TRUE(refused.header("Warning").starts_with("380 ")) << refused.header("Warning");
  EXPECT_TRUE(bench.take().empty());
  std::string second = replaced(tls_invite("sips"), "z9hG4bKcaller1", "z9hG4bKcaller2");
  second = replaced(replaced(second, "SIP/2.0/TLS", "SIP/2.0/TCP"), "caller-1@", "caller-2@");
  call(second, {.transport = sip::Transport::tcp});
  EXPECT_TRUE(bench.take_one("SIP/2.0 480").is("SIP/2.0 480"));
  bench.expect_nothing_left();
}

// carrier-b has UDP alone: a call by sips must not reach it.
TEST_F(Sips, A_sips_call_does_not_fail_over_to_a_target_without_TLS) {
  out = place_by_tls(tls_invite("sips"));
  bench.receive("core", kFarA, make_response(out, "503 Service Unavailable", "ct1"),
                {.connection = 7, .peer = kA});
  bench.take_one("ACK ");
  const Sent refused = bench.take_one("SIP/2.0 480");
  EXPECT_TRUE(refused.header("Warning").starts_with("380 ")) << refused.header("Warning");
  EXPECT_TRUE(bench.take().empty());
  ASSERT_EQ(bench.records.records.size(), 0u);
  bench.receive("access", "198.51.100.20:40000", make_in_dialog("ACK", invite, refused, 1, "z9hG4bKcaller1"),
                Bench::Stream{});
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "sips-not-allowed");
}

TEST_F(Sips, Who_called_by_sips_is_redirected_to_sips) {
  out = place_by_tls(tls_invite("sips"));
  bench.receive(
      "core", kFarA,
      make_response(out, "302 Moved Temporarily", "ct1", "<sips:555@192.0.2.10>, <sip:556@192.0.2.10>"),
      {.connection = 7, .peer = kA});
  bench.take_one("ACK ");
  const Sent moved = bench.take_one("SIP/2.0 302");
  EXPECT_EQ(moved.header("Contact"), "<sips:555@198.51.100.1:5061>");
  EXPECT_NE(moved.text.find("Contact: <sips:556@198.51.100.1:5061>"), std::string::npos) << moved.text;
  bench.receive("access", "198.51.100.20:40000", make_in_dialog("ACK", invite, moved, 1, "z9hG4bKcaller1"),
                Bench::Stream{});
  bench.expect_nothing_left();
}

TEST_F(Sips, Who_called_by_sip_is_redirected_to_sips_where_the_callee_says_so) {
  out = place();  // over UDP
  bench.receive(
      "core", kFarA,
      make_response(out, "302 Moved Temporarily", "ct1", "<sips:555@192.0.2.10>, <sip:556@192.0.2.10>"),
      {.connection = 7, .peer = kA});
  bench.take_one("ACK ");
  const Sent moved = bench.take_one("SIP/2.0 302");
  EXPECT_EQ(moved.header("Contact"), "<sips:555@198.51.100.1:5061>");
  EXPECT_NE(moved.text.find("Contact: <sip:556@198.51.100.1:5060>"), std::string::npos) << moved.text;
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, moved, 1, "z9hG4bKcaller1"));
  bench.expect_nothing_left();
}

// Its caller's realm has no TLS: sips would lead him nowhere, and sip is less than the callee asked for.
using WithoutTls = CallTest;
TEST_F(WithoutTls, A_Contact_by_sips_is_left_out_of_a_redirect) {
  out = place();
  bench.receive(
      "core", kCarrierA,
      make_response(out, "302 Moved Temporarily", "ct1", "<sips:555@192.0.2.10>, <sip:556@192.0.2.10>"));
  bench.take_one("ACK ");
  const Sent moved = bench.take_one("SIP/2.0 302");
  EXPECT_EQ(moved.header("Contact"), "<sip:556@198.51.100.1:5060>");
  EXPECT_EQ(moved.text.find("555"), std::string::npos) << moved.text;
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, moved, 1, "z9hG4bKcaller1"));
  bench.expect_nothing_left();
}

// RFC 3261 12.1.1: the Request-URI, the top Record-Route, or without one the Contact.
TEST_F(Sips, The_Contact_in_our_answer_is_sips_where_the_way_back_is) {
  struct Case {
    const char* contact;
    const char* route;
    bool sips;
  };
  const Case cases[]{
      {"<sips:alice@198.51.100.20:5061>", "", true},
      {"<sip:alice@198.51.100.20:5061;transport=tls>", "", false},
      {"<sip:alice@198.51.100.20:5061;transport=tls>", "<sips:198.51.100.20;lr>", true},
      {"<sips:alice@198.51.100.20:5061>", "<sip:198.51.100.20;lr>", false},
      {"<sips:alice@198.51.100.20:5061>", "<sip:198.51.100.20;lr>, <sips:198.51.100.21;lr>", false}};
  int n = 0;
  for (const Case& c : cases) {
    const std::string id = std::to_string(n++);
    InviteOptions options{.call_id = "c" + id, .contact = c.contact, .branch = "z9hG4bKc" + id};
    if (*c.route != '\0') options.more = "Record-Route: " + std::string(c.route) + "\r\n";
    out = place_by_tls(tls_invite("sip", options));
    bench.receive("core", kFarA, make_response(out, "180 Ringing", "ct" + id, "<sips:callee@192.0.2.10>"),
                  {.connection = 7, .peer = kA});
    const std::string ours = c.sips ? "<sips:198.51.100.1:5061>" : "<sip:198.51.100.1:5061;transport=tls>";
    EXPECT_EQ(bench.take_one("SIP/2.0 180").header("Contact"), ours) << c.contact << " " << c.route;
    bench.receive("core", kFarA, make_response(out, "486 Busy Here", "ct" + id),
                  {.connection = 7, .peer = kA});
    (void)bench.take();
  }
  bench.advance(70 * kSecond);
}

TEST_F(Sips, A_peer_that_its_certificate_names_is_that_peer_wherever_it_comes_from) {
  invite = tls_invite("sip");
  bench.receive("access", "203.0.113.9:40000", invite, {.peer = kOffice});
  bench.take_one("SIP/2.0 100");
  EXPECT_TRUE(bench.take_one("INVITE ").is("INVITE sips:4930123@192.0.2.10"));
  bench.advance(70 * kSecond);
  EXPECT_EQ(bench.records.records.at(0).from_peer, "office");
}

TEST_F(Sips, A_probe_of_a_sips_target_goes_by_TLS_to_whom_it_is_for) {
  const std::string probing =
      replaced(with_tls("sips:192.0.2.10"), "limits: {setup: 10s", "probe: 30s\n    limits: {setup: 10s");
  Bench other(probing);
  other.advance(40 * kSecond);
  const auto sent = other.take();
  const auto probe =
      std::ranges::find_if(sent, [](const Sent& one) { return one.is("OPTIONS sips:192.0.2.10 "); });
  ASSERT_NE(probe, sent.end());
  EXPECT_EQ(probe->path.transport, sip::Transport::tls);
  EXPECT_EQ(probe->path.peer, kA);
  EXPECT_EQ(probe->header("Contact"), "<sips:192.0.2.1:5061>");
}

TEST_F(Sips, A_target_is_called_as_it_is_written_a_name_or_an_address) {
  EXPECT_EQ(place_by_tls(tls_invite("sip")).path.host, sip::kAddressHost);
  Bench other(replaced(with_tls("sips:a.example"), "    match: [\"192.0.2.10\"]\n", ""));
  const auto learn = [&](std::string_view at) {
    other.shard().learn(std::make_shared<const routing::ResolvedNames>(
        routing::ResolvedNames{{kA, 0, routing::NameState::resolved,
                                {{.endpoint = *Endpoint::parse(at), .transport = config::Transport::tls}}}}));
    other.turn();
  };
  learn("192.0.2.10:5061");
  other.receive("access", "198.51.100.20:40000", tls_invite("sip"), Bench::Stream{});
  (void)other.take_one("SIP/2.0 100");
  const Sent invited = other.take_one("INVITE ");
  EXPECT_EQ(invited.path.host, sip::host_key("a.example"));
  EXPECT_EQ(invited.path.peer, kA);
  other.receive("core", kFarA, make_response(invited, "486 Busy Here", "t"), {.connection = 7, .peer = kA});
  EXPECT_EQ(other.take_one("ACK ").path.host, sip::host_key("a.example"));
  other.take();
}

TEST_F(Sips, A_message_outside_of_a_call_is_held_to_the_same) {
  const std::string text = replaced(tls_invite("sips", {.body = ""}), "INVITE", "MESSAGE");
  bench.receive("access", "198.51.100.20:40000", text, Bench::Stream{});
  const Sent sent = bench.take_one("MESSAGE ");
  EXPECT_EQ(sent.start_line(), "MESSAGE sips:4930123@192.0.2.10 SIP/2.0");
  EXPECT_EQ(sent.path.transport, sip::Transport::tls);
  EXPECT_EQ(sent.path.peer, kA);
  bench.receive("core", kFarA, make_response(sent, "503 Service Unavailable", "mt1"),
                {.connection = 7, .peer = kA});
  EXPECT_TRUE(bench.take_one("SIP/2.0 480").header("Warning").starts_with("380 "))
      << "carrier-b has UDP alone";
  const std::string plain =
      replaced(tls_invite("sips", {.call_id = "plain", .body = ""}), "INVITE", "MESSAGE");
  bench.receive("access", kCaller,
                replaced(replaced(plain, "z9hG4bKcaller1", "z9hG4bKplain"), "SIP/2.0/TLS", "SIP/2.0/UDP"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 480").header("Warning").starts_with("380 "));
  EXPECT_TRUE(bench.take().empty());
  bench.expect_nothing_left();
}

class SipByTls : public Sips {
 protected:
  SipByTls() : Sips("sip:192.0.2.10;transport=tls") {}
};

TEST_F(SipByTls, A_sip_call_over_TLS_stays_sip) {
  out = place_by_tls(tls_invite("sip"));
  EXPECT_EQ(out.path.transport, sip::Transport::tls);
  EXPECT_EQ(out.start_line(), "INVITE sip:4930123@192.0.2.10;transport=tls SIP/2.0");
  EXPECT_EQ(out.header("Contact"), "<sip:192.0.2.1:5061;transport=tls>");
  ok = answer("<sip:callee@192.0.2.10:5061;transport=tls>");
  EXPECT_EQ(ok.header("Contact"), "<sip:198.51.100.1:5061;transport=tls>");
  bench.take_one("ACK ");
  finish();
}

TEST_F(SipByTls, A_sips_call_makes_it_sips) {
  out = place_by_tls(tls_invite("sips"));
  EXPECT_EQ(out.start_line(), "INVITE sips:4930123@192.0.2.10 SIP/2.0");
  EXPECT_EQ(out.header("Contact"), "<sips:192.0.2.1:5061>");
  bench.advance(70 * kSecond);
}

}  // namespace
}  // namespace sallyport::shard
