// SPDX-License-Identifier: Apache-2.0
// Requests outside of any dialog that go through: MESSAGE, PUBLISH, and by policy what we do not know.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

struct Side {
  std::string realm;
  std::string ip;
  std::string ours;
};
const Side kOfficeSide{"access", "198.51.100.20", "198.51.100.1"};
const Side kCarrierSide{"core", "192.0.2.10", "192.0.2.1"};

// From the office to the carrier, and back.
class Standalones : public ::testing::TestWithParam<bool> {
 protected:
  explicit Standalones(std::string_view yaml = Bench::default_config()) : bench(yaml) {}
  void TearDown() override { bench.expect_nothing_left(); }

  std::string request(std::string_view method, std::string_view body, std::string_view more = {}) {
    ++number;
    std::string text = std::string(method) + " sip:4930123@" + from.ours + " SIP/2.0\r\nVia: SIP/2.0/UDP " +
                       from.ip + ":5060;branch=z9hG4bKm" + std::to_string(number) + "\r\nFrom: <sip:me@" +
                       from.ip + ">;tag=mine\r\nTo: <sip:4930123@" + from.ours + ">\r\nCall-ID: m" +
                       std::to_string(number) + "@" + from.ip + "\r\nCSeq: 7 " + std::string(method) +
                       "\r\nMax-Forwards: 70\r\nUser-Agent: Secret\r\n" + std::string(more);
    if (!body.empty()) text += "Content-Type: text/plain\r\n";
    return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  void send(std::string_view text) { bench.receive(from.realm, from.ip + ":5060", text); }
  void answer(const Sent& sent, std::string_view status, std::string_view more = {},
              std::string_view body = {}) {
    bench.receive(to.realm, sent.remote.to_text(), make_response(sent, status, "theirs", {}, body, more));
  }

  Bench bench;
  const Side& from = GetParam() ? kCarrierSide : kOfficeSide;
  const Side& to = GetParam() ? kOfficeSide : kCarrierSide;
  int number = 0;
};
const auto kNames = [](const auto& info) { return info.param ? "carrier_to_office" : "office_to_carrier"; };
INSTANTIATE_TEST_SUITE_P(Ways, Standalones, ::testing::Bool(), kNames);

TEST_P(Standalones, A_MESSAGE_goes_where_a_call_would_and_is_answered_from_there) {
  send(request("MESSAGE", "hello", "Subject: greeting\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\n"));
  const Sent message = bench.take_one("MESSAGE ");
  EXPECT_TRUE(message.is("MESSAGE sip:4930123@" + to.ip + " SIP/2.0"));
  EXPECT_EQ(message.remote.to_text(), to.ip + ":5060");
  EXPECT_EQ(message.body(), "hello");
  EXPECT_EQ(message.header("Content-Type"), "text/plain");
  EXPECT_EQ(message.header("Subject"), "greeting");
  EXPECT_EQ(message.header("Max-Forwards"), "69");
  EXPECT_EQ(message.header("Date"), "Sat, 13 Nov 2010 23:29:00 GMT");
  EXPECT_EQ(message.text.find(from.ip), std::string::npos) << message.text;
  EXPECT_EQ(message.text.find("Secret"), std::string::npos);
  EXPECT_NE(message.header("Call-ID"), "m1@" + from.ip);
  // The sender repeats himself; the target hears him once.
  number = 0;
  send(request("MESSAGE", "hello", "Subject: greeting\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\n"));
  EXPECT_TRUE(bench.take().empty());
  answer(message, "202 Accepted");
  const Sent accepted = bench.take_one("SIP/2.0 202");
  EXPECT_EQ(accepted.remote.to_text(), from.ip + ":5060");
  EXPECT_EQ(accepted.text.find(to.ip), std::string::npos) << accepted.text;
  EXPECT_EQ(accepted.text.find("theirs"), std::string::npos);
  EXPECT_TRUE(bench.records.records.empty()) << "a message is no call";
}

TEST_P(Standalones, A_refusal_comes_back_through_the_response_map) {
  send(request("MESSAGE", "hello"));
  answer(bench.take_one("MESSAGE "), "404 Nobody Here", "Server: SecretSwitch\r\n");
  const Sent refused = bench.take_one("SIP/2.0 404");
  EXPECT_EQ(refused.text.find("SecretSwitch"), std::string::npos);
}

TEST_P(Standalones, A_PUBLISH_keeps_its_entity_tag) {
  send(request("PUBLISH", "open", "Event: presence\r\nExpires: 3600\r\nSIP-If-Match: old\r\n"));
  const Sent publish = bench.take_one("PUBLISH ");
  EXPECT_EQ(publish.header("Event"), "presence");
  EXPECT_EQ(publish.header("SIP-If-Match"), "old");
  EXPECT_EQ(publish.header("Expires"), "3600");
  answer(publish, "200 OK", "SIP-ETag: new\r\nExpires: 1800\r\n");
  const Sent ok = bench.take_one("SIP/2.0 200");
  EXPECT_EQ(ok.header("SIP-ETag"), "new");
  EXPECT_EQ(ok.header("Expires"), "1800");
  send(request("PUBLISH", "open", "Event: dance\r\n"));
  answer(bench.take_one("PUBLISH "), "489 Bad Event", "Allow-Events: presence\r\n");
  EXPECT_EQ(bench.take_one("SIP/2.0 489").header("Allow-Events"), "presence");
}

TEST_P(Standalones, Silence_becomes_504_and_never_408) {
  send(request("MESSAGE", "hello"));
  bench.take();
  bench.advance(33 * kSecond, 250 * kMillisecond);
  int refused = 0;
  for (const Sent& sent : bench.take()) {
    EXPECT_FALSE(sent.is("SIP/2.0 408")) << "RFC 4320 4.1";
    refused += sent.is("SIP/2.0 504") ? 1 : 0;
  }
  // The office has one target, the carrier is tried at both of its own.
  if (GetParam()) {
    EXPECT_EQ(refused, 1);
  }
}

TEST_P(Standalones, A_drained_process_takes_none) {
  bench.shard().manager().drain();
  send(request("MESSAGE", "hello"));
  EXPECT_EQ(bench.take_one("SIP/2.0 503").header("Retry-After").empty(), false);
}

TEST_P(Standalones, What_we_do_not_know_is_refused_unless_the_peer_may) {
  send(request("FLY", "up"));
  (void)bench.take_one("SIP/2.0 501");
}

TEST(StandaloneTargets, The_next_target_takes_it_when_the_rule_says_so) {
  Bench bench;
  bench.receive("access", kCaller,
                "MESSAGE sip:4930123@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
                "198.51.100.20:5060;branch=z9hG4bKm\r\nFrom: <sip:a@198.51.100.20>;tag=f\r\nTo: "
                "<sip:4930123@198.51.100.1>\r\nCall-ID: m@x\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: "
                "70\r\nContent-Length: 0\r\n\r\n");
  const Sent first = bench.take_one("MESSAGE ");
  EXPECT_EQ(first.remote.to_text(), kCarrierA);
  bench.receive("core", kCarrierA, make_response(first, "503 Service Unavailable", "t"));
  const Sent second = bench.take_one("MESSAGE ");
  EXPECT_EQ(second.remote.to_text(), kCarrierB);
  bench.receive("core", kCarrierB, make_response(second, "200 OK", "t"));
  (void)bench.take_one("SIP/2.0 200");
  bench.expect_nothing_left();
}

TEST(StandaloneTargets, A_challenge_is_answered_from_the_credentials_of_its_peer) {
  std::string yaml(Bench::default_config());
  const std::string_view carrier = "  carrier-a:\n";
  yaml.insert(yaml.find(carrier) + carrier.size(),
              "    unknown_methods: pass\n    credentials: {user: sally, password: secret}\n");
  yaml.insert(yaml.find("  office:\n") + 10, "    unknown_methods: pass\n");
  Bench bench(yaml);
  bench.receive("access", kCaller,
                "FLY sip:4930123@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
                "198.51.100.20:5060;branch=z9hG4bKm\r\nFrom: <sip:a@198.51.100.20>;tag=f\r\nTo: "
                "<sip:4930123@198.51.100.1>\r\nCall-ID: m@x\r\nCSeq: 1 FLY\r\nMax-Forwards: "
                "70\r\nContent-Length: 0\r\n\r\n");
  const Sent first = bench.take_one("FLY ");
  EXPECT_EQ(first.header("Authorization"), "");
  bench.receive("core", kCarrierA,
                make_response(first, "401 Unauthorized", "t", {}, {},
                              "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5\r\n"));
  const Sent second = bench.take_one("FLY ");
  EXPECT_NE(second.header("Authorization").find("username=\"sally\""), std::string::npos);
  EXPECT_EQ(second.header("CSeq"), "2 FLY");
  EXPECT_EQ(second.header("Call-ID"), first.header("Call-ID"));
  bench.receive("core", kCarrierA, make_response(second, "200 OK", "t"));
  (void)bench.take_one("SIP/2.0 200");
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
