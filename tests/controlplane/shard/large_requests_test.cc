// SPDX-License-Identifier: Apache-2.0
// Requests of ours that are too large for a datagram (RFC 3261 18.1.1): every kind of them goes by TCP where
// the peer has it, and over UDP all the same where nobody takes it by TCP.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

// Both peers have TCP beside UDP, and we refresh sessions.
std::string with_tcp() {
  std::string yaml(Bench::default_config());
  const auto replace = [&](std::string_view what, std::string_view by) {
    auto at = yaml.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    for (; at != std::string::npos; at = yaml.find(what, at + by.size())) yaml.replace(at, what.size(), by);
  };
  replace("sip: {udp: 5060}", "sip: {udp: 5060, tcp: 5060}");
  replace("targets: [\"sip:198.51.100.20:5060\"]",
          "targets: [\"sip:198.51.100.20:5060\", \"sip:198.51.100.20:5060;transport=tcp\"]");
  replace("targets: [\"sip:192.0.2.10:5060\"]",
          "targets: [\"sip:192.0.2.10:5060\", \"sip:192.0.2.10:5060;transport=tcp\"]");
  return yaml;
}

// Attributes that cross, 1400 octets of them.
std::string filler() {
  std::string text;
  for (int n = 0; n < 14; ++n) text += "a=x-lab-" + std::to_string(n) + ":" + std::string(90, 'v') + "\r\n";
  return text;
}

class LargeRequests : public BothWays {
 protected:
  LargeRequests() : BothWays(with_tcp()) {}

  // The request as that phone gets it: by TCP, and once nobody was there over UDP, the same request.
  Sent expect_large(Phone& phone, std::string_view start) {
    const Sent by_tcp = phones.expect(phone, start);
    EXPECT_EQ(by_tcp.path.transport, sip::Transport::tcp);
    EXPECT_GT(by_tcp.text.size(), sip::kLargestDatagram);
    EXPECT_TRUE(by_tcp.header("Via").starts_with("SIP/2.0/TCP ")) << by_tcp.header("Via");
    bench.report_unreachable(by_tcp);
    Sent by_udp = phones.expect(phone, start);
    EXPECT_EQ(by_udp.path.transport, sip::Transport::udp);
    EXPECT_TRUE(by_udp.header("Via").starts_with("SIP/2.0/UDP ")) << by_udp.header("Via");
    const auto branch = [](const Sent& sent) {
      const std::string via = sent.header("Via");
      const std::size_t at = via.find(";branch=") + 8;
      return via.substr(at, via.find(';', at) - at);
    };
    EXPECT_EQ(branch(by_udp), branch(by_tcp));
    EXPECT_EQ(by_udp.header("CSeq"), by_tcp.header("CSeq"));
    EXPECT_EQ(by_udp.body(), by_tcp.body());
    return by_udp;
  }
  // Route sets that make every request inside the dialogs large.
  std::string long_route(const Phone& phone) const {
    return "Record-Route: <sip:" + phone.address() + ";lr;x=" + std::string(1400, 'r') + ">\r\n";
  }
  std::string subject() const { return "Subject: " + std::string(1400, 's') + "\r\n"; }
};
INSTANTIATE_TEST_SUITE_P(Ways, LargeRequests, ::testing::Bool(), direction_name);

TEST_P(LargeRequests, INVITE_and_BYE) {
  phones.place(caller.sdp(filler()), long_route(caller));
  (void)phones.expect(caller, "SIP/2.0 100");
  callee.incoming = expect_large(callee, "INVITE ");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(), long_route(callee));
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  (void)phones.request(caller, "BYE");
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.answer(callee, expect_large(callee, "BYE "), "200 OK");
  bench.expect_nothing_left();
}

TEST_P(LargeRequests, SUBSCRIBE_and_NOTIFY_of_a_subscription) {
  const std::string ours = caller.realm == "access" ? "198.51.100.1" : "192.0.2.1";
  caller.call_id = "sub@" + caller.ip;
  caller.local = "<sip:me@" + caller.ip + ">;tag=" + caller.tag;
  caller.remote = "<sip:4930123@" + ours + ">";
  caller.target = "sip:4930123@" + ours;
  const std::string event = "Event: message-summary\r\nExpires: 600\r\n";
  (void)phones.request(caller, "SUBSCRIBE", {}, event + subject());
  callee.incoming = expect_large(callee, "SUBSCRIBE ");
  callee.call_id = callee.incoming.header("Call-ID");
  callee.local = callee.incoming.header("To") + ";tag=" + callee.tag;
  callee.remote = callee.incoming.header("From");
  phones.answer(callee, callee.incoming, "200 OK", {}, "Expires: 600\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  const auto notify = [&](std::string_view state) {
    (void)phones.request(callee, "NOTIFY", std::string(1400, 'm'),
                         "Event: message-summary\r\nContent-Type: application/simple-message-summary\r\n"
                         "Subscription-State: " +
                             std::string(state) + "\r\n");
    phones.answer(caller, expect_large(caller, "NOTIFY "), "200 OK");
    (void)phones.expect(callee, "SIP/2.0 200");
  };
  notify("active");
  (void)phones.request(caller, "SUBSCRIBE", {}, event + subject());
  phones.answer(callee, expect_large(callee, "SUBSCRIBE "), "200 OK", {}, "Expires: 600\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  notify("terminated");
  bench.expect_nothing_left();
}

TEST_P(LargeRequests, PRACK_with_an_answer) {
  (void)phones.call({}, "Supported: 100rel\r\n");
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp(),
                "Require: 100rel\r\nRSeq: 1\r\n");
  const Sent progress = phones.expect(caller, "SIP/2.0 183");
  (void)phones.request(caller, "PRACK", caller.sdp(filler()),
                       "RAck: " + progress.header("RSeq") + " 1 INVITE\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.answer(callee, expect_large(callee, "PRACK "), "200 OK");
  phones.answer(callee, callee.incoming, "200 OK");
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(LargeRequests, The_ACK_that_brings_an_answer_and_over_UDP_when_the_2xx_is_repeated) {
  (void)phones.call({});
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.ack(caller, 1, caller.sdp(filler()));
  const Sent ack = phones.expect(callee, "ACK ");
  EXPECT_EQ(ack.path.transport, sip::Transport::tcp);
  EXPECT_TRUE(ack.header("Via").starts_with("SIP/2.0/TCP "));
  for (int copy = 0; copy < 2; ++copy) {
    phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
    const Sent again = phones.expect(callee, "ACK ");
    EXPECT_EQ(again.path.transport, sip::Transport::udp);
    EXPECT_TRUE(again.header("Via").starts_with("SIP/2.0/UDP "));
    EXPECT_EQ(again.body(), ack.body());
  }
  phones.end();
}

TEST_P(LargeRequests, The_re_INVITE_that_refreshes_a_session) {
  (void)phones.call(caller.sdp(), "Supported: timer\r\nSession-Expires: 200;refresher=uas\r\n");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(filler()));
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(101 * kSecond, kSecond);
  const Sent refresh = expect_large(caller, "INVITE ");
  phones.answer(caller, refresh, "200 OK", caller.sdp(), "Session-Expires: 200;refresher=uac\r\n");
  (void)phones.expect(caller, "ACK ");
  phones.end();
}

TEST_P(LargeRequests, The_UPDATE_that_refreshes_a_session) {
  (void)phones.call(caller.sdp(),
                    "Supported: timer\r\nAllow: INVITE, UPDATE\r\n"
                    "Session-Expires: 200;refresher=uas\r\n" +
                        long_route(caller));
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  bench.advance(101 * kSecond, kSecond);
  phones.answer(caller, expect_large(caller, "UPDATE "), "200 OK", {},
                "Session-Expires: 200;refresher=uac\r\n");
  phones.end();
}

TEST_P(LargeRequests, MESSAGE_outside_of_a_call_and_INFO_within_one) {
  phones.establish();
  (void)phones.request(caller, "INFO", std::string(1400, 'i'), "Content-Type: application/dtmf-relay\r\n");
  phones.answer(callee, expect_large(callee, "INFO "), "200 OK");
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.end();
  const std::string ours = caller.realm == "access" ? "198.51.100.1" : "192.0.2.1";
  Phone sender = caller;
  sender.call_id = "message@" + caller.ip;
  sender.remote = "<sip:4930123@" + ours + ">";
  sender.target = "sip:4930123@" + ours;
  (void)phones.request(sender, "MESSAGE", std::string(1400, 'm'), "Content-Type: text/plain\r\n");
  phones.answer(callee, expect_large(callee, "MESSAGE "), "200 OK");
  (void)phones.expect(sender, "SIP/2.0 200");
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
