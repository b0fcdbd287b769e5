// SPDX-License-Identifier: Apache-2.0
// SIP datagrams on a path narrower than the port.
#include <gmock/gmock.h>

#include "dataplane/path_mtu.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr std::size_t kLinkBytes = 14;

std::string request(const Rig& rig, std::size_t body) {
  const std::string branch =
      "z9hG4bK" + steer::IdentifierCodec(rig.key).mint({steer::TokenKind::branch, 0, 42, 6});
  return "INVITE sip:1000@core SIP/2.0\r\nVia: SIP/2.0/UDP core:5060;branch=" + branch +
         "\r\nMax-Forwards: 69\r\nTo: <sip:1000@core>\r\nFrom: <sip:a@core>;tag=x\r\nCall-ID: y\r\n"
         "CSeq: 1 INVITE\r\nContent-Length: " +
         std::to_string(body) + "\r\n\r\n" + std::string(body, 'b');
}

class PathMtu : public WorkerTest {};

TEST_F(PathMtu, IPv4_SIP_may_be_cut_on_its_way) {
  Rig rig;
  for (int i = 0; i < 2; ++i) rig.sip_send(1, "192.0.2.1:5060", "192.0.2.10:5060", request(rig, 1000));
  rig.turn();
  const auto sent = rig.sent(kCore);
  ASSERT_THAT(sent, SizeIs(2));
  for (const Bytes& frame : sent) {
    EXPECT_EQ(frame[kLinkBytes + 6], 0) << "neither DF nor a fragment";
    EXPECT_EQ(frame[kLinkBytes + 7], 0);
    EXPECT_TRUE(read_frame(frame)->ip_checksum_right);
  }
  const auto id = [](const Bytes& frame) { return frame[kLinkBytes + 4] << 8 | frame[kLinkBytes + 5]; };
  EXPECT_NE(id(sent[0]), id(sent[1])) << "RFC 6864 4.1: not atomic, so each has its own";
}

TEST_F(PathMtu, of_an_ICMP_error_that_quotes_a_request_of_ours_cuts_what_follows) {
  struct Case {
    const char* description;
    const char* local;
    const char* remote;
    const char* router;
    std::uint8_t type, code;
    std::uint16_t said, mtu;
  };
  const Case cases[] = {
      {"IPv4", "192.0.2.1", "192.0.2.10", "192.0.2.254", 3, 4, 800, 800},
      {"IPv4, an old router", "192.0.2.1", "192.0.2.10", "192.0.2.254", 3, 4, 0, PathMtus::kFloor4},
      {"IPv6", "2001:db8:2::1", "2001:db8:2::10", "2001:db8:2::fe", 2, 0, 1300, 1300},
      {"IPv6, absurd", "2001:db8:2::1", "2001:db8:2::10", "2001:db8:2::fe", 2, 0, 600, PathMtus::kFloor6},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    const auto endpoint = [](const char* address) {
      return Endpoint{*IpAddress::parse(address), 5060}.to_text();
    };
    const std::string message = request(rig, 1100);
    const auto send = [&](const char* remote) {
      rig.sip_send(1, endpoint(c.local), endpoint(remote), message);
      rig.turn();
      return rig.sent(kCore);
    };
    const auto whole = send(c.remote);
    ASSERT_THAT(whole, SizeIs(1));

    rig.put(kCore, icmp_error(c.router, c.local, c.type, c.code, whole[0], c.said));
    rig.turn();
    const auto told = rig.events<SipUnreachable>(Event::sip_unreachable);
    ASSERT_THAT(told, SizeIs(1));
    EXPECT_EQ(told[0].slot, 42u);

    const auto pieces = send(c.remote);
    EXPECT_GT(pieces.size(), 1u);
    for (const Bytes& piece : pieces) EXPECT_LE(piece.size() - kLinkBytes, c.mtu);
    const auto joined = join_fragments(pieces);
    ASSERT_TRUE(joined.has_value());
    EXPECT_EQ(joined->payload, text(message));
    EXPECT_THAT(send(c.router), SizeIs(1)) << "another destination";
    rig.now += (PathMtus::kLifeSeconds + 1) * kSecond;
    EXPECT_THAT(send(c.remote), SizeIs(1)) << "the path may have changed";
  }
}

TEST_F(PathMtu, of_an_ICMP_error_without_a_branch_of_ours_is_not_believed) {
  Rig rig;
  std::string message = request(rig, 1100);
  message.replace(message.find("z9hG4bK") + 7, 4, "0000");
  const Bytes quoted =
      frame_of({.source = "192.0.2.1:5060", .destination = "192.0.2.10:5060", .payload = text(message)});
  rig.put(kCore, icmp_error("192.0.2.254", "192.0.2.1", 3, 4, quoted, 600));
  rig.turn();
  EXPECT_EQ(rig.drops(kCore, DropReason::icmp_unrelated), 1u);
  rig.sip_send(1, "192.0.2.1:5060", "192.0.2.10:5060", message);
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));
}

}  // namespace
}  // namespace sallyport::dp::test
