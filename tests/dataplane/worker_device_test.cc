// SPDX-License-Identifier: Apache-2.0
// What a device does for a worker, or to it: checksums that it has verified or will compute, and packets in
// pieces.
#include <gmock/gmock.h>
#include <rte_mbuf.h>

#include "dataplane/checksum.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr auto kUa = "198.51.100.20:4000";
constexpr auto kCarrier = "192.0.2.10:7000";
constexpr auto kLocalA = "198.51.100.1:20000";
constexpr auto kLocalC = "192.0.2.1:20000";
constexpr auto kSip = "198.51.100.1:5060";

std::string options_request(std::size_t body = 0) {
  return "OPTIONS sip:198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bK1\r\n"
         "Max-Forwards: 70\r\nTo: <sip:a@b>\r\nFrom: <sip:a@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
         "Content-Length: " +
         std::to_string(body) + "\r\n\r\n" + std::string(body, 'x');
}

Bytes talk(std::uint16_t sequence, std::size_t octets) {
  return rtp(sequence, 0, 0x11223344, octets);
}

class DeviceHelp : public WorkerTest {
 protected:
  static void open(Rig& rig) {
    rig.install(rig.flow(0, kLocalA, kLocalC, kUa));
    rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
    rig.turn();
  }
  static Bytes media(std::uint16_t sequence, std::size_t octets = 160) {
    return frame_of({.source = kUa, .destination = kLocalA, .payload = talk(sequence, octets)});
  }
  static Bytes sip(UdpChecksum checksum) {
    return frame_of(
        {.source = kUa, .destination = kSip, .payload = text(options_request()), .checksum = checksum});
  }
};

// The wrong checksums show who looked: a device that says "good" is believed, any other word is not.
TEST_F(DeviceHelp, a_checksum_that_the_device_verified_is_not_verified_again) {
  struct Case {
    const char* description;
    std::uint64_t flags;
    bool passes;
  };
  const Case udp[] = {
      {"UDP good", RTE_MBUF_F_RX_L4_CKSUM_GOOD, true},
      {"no word", 0, false},
      {"UDP bad", RTE_MBUF_F_RX_L4_CKSUM_BAD, false},
      {"nothing to be verified", RTE_MBUF_F_RX_L4_CKSUM_NONE, false},
      {"IP good", RTE_MBUF_F_RX_IP_CKSUM_GOOD, false},
  };
  for (const Case& c : udp) {
    Rig rig;
    rig.put(kAccess, sip(UdpChecksum::wrong), 0, c.flags);
    rig.turn();
    EXPECT_THAT(rig.events<SipReceived>(Event::sip_received), SizeIs(c.passes ? 1 : 0)) << c.description;
    EXPECT_EQ(rig.drops(kAccess, DropReason::udp_checksum), c.passes ? 0u : 1u) << c.description;
  }
  const Case ip[] = {{"IP good", RTE_MBUF_F_RX_IP_CKSUM_GOOD, true},
                     {"no word", 0, false},
                     {"IP bad", RTE_MBUF_F_RX_IP_CKSUM_BAD, false},
                     {"UDP good", RTE_MBUF_F_RX_L4_CKSUM_GOOD, false}};
  for (const Case& c : ip) {
    Rig rig;
    open(rig);
    Bytes frame = media(1);
    frame[14 + 10] ^= 0x55;
    rig.put(kAccess, frame, 0, c.flags);
    rig.turn();
    EXPECT_THAT(rig.sent(kCore), SizeIs(c.passes ? 1 : 0)) << c.description;
    EXPECT_EQ(rig.drops(kAccess, DropReason::ip_checksum), c.passes ? 0u : 1u) << c.description;
  }
}

TEST_F(DeviceHelp, a_right_checksum_that_the_device_calls_wrong_passes) {
  Rig rig;
  rig.put(kAccess, sip(UdpChecksum::none), 0, RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_BAD);
  rig.turn();
  EXPECT_THAT(rig.events<SipReceived>(Event::sip_received), SizeIs(1));
}

// A device may call the checksum of a fragment good, which is none.
TEST_F(DeviceHelp, the_checksum_of_a_datagram_in_fragments_is_verified_here) {
  Rig rig;
  const auto pieces = fragments_of({.source = kUa,
                                    .destination = kSip,
                                    .payload = text(options_request(3000)),
                                    .checksum = UdpChecksum::wrong},
                                   1000);
  for (const Bytes& piece : pieces)
    rig.put(kAccess, piece, 0, RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD);
  rig.turn();
  EXPECT_EQ(rig.drops(kAccess, DropReason::udp_checksum), pieces.size());
}

TEST_F(DeviceHelp, what_the_device_said_on_arrival_does_not_leave_with_the_packet) {
  Rig rig;
  open(rig);
  rig.put(kAccess, media(1), 0, RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD);
  rig.turn();
  ASSERT_THAT(rig.sent(kCore), SizeIs(1));
  EXPECT_EQ(rig.asked[0].flags, 0u);
}

// The sum that the device completes: what stands in the field and all of the datagram.
void complete_as_a_device(Bytes& frame, std::size_t l3, std::size_t l3_bytes) {
  const std::size_t udp = l3 + l3_bytes;
  const std::uint16_t sum = fold(sum_of(&frame[udp], frame.size() - udp));
  const std::uint16_t checksum = udp_on_wire(static_cast<std::uint16_t>(~sum));
  std::memcpy(&frame[udp + 6], &checksum, sizeof(checksum));
}

TEST_F(DeviceHelp, the_checksum_of_SIP_that_we_send_is_left_to_a_device_that_computes_it) {
  struct Case {
    const char* local;
    const char* remote;
    std::uint64_t family;
    unsigned ip_bytes;
  };
  for (const Case& c : {Case{kSip, "198.51.100.20:5060", RTE_MBUF_F_TX_IPV4, 20},
                        Case{"[2001:db8:1::1]:5060", "[2001:db8:1::20]:5060", RTE_MBUF_F_TX_IPV6, 40}}) {
    Rig rig({.device_checksums = true});
    rig.sip_send(0, c.local, c.remote, options_request());
    rig.turn();
    auto sent = rig.sent(kAccess);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(rig.asked[0].flags, RTE_MBUF_F_TX_UDP_CKSUM | c.family);
    EXPECT_EQ(rig.asked[0].l2_bytes, 14u);
    EXPECT_EQ(rig.asked[0].l3_bytes, c.ip_bytes);
    EXPECT_FALSE(read_frame(sent[0])->udp_checksum_right);
    complete_as_a_device(sent[0], 14, c.ip_bytes);
    EXPECT_TRUE(read_frame(sent[0])->udp_checksum_right);
    EXPECT_TRUE(read_frame(sent[0])->ip_checksum_right);
  }
}

TEST_F(DeviceHelp, nothing_is_asked_for_fragments_and_media) {
  Rig rig({.device_checksums = true});
  open(rig);
  rig.sip_send(0, kSip, "198.51.100.20:5060", options_request(3000));
  rig.put(kAccess, media(1));
  rig.turn();
  const auto fragments = rig.sent(kAccess);
  ASSERT_THAT(fragments, SizeIs(3));
  for (const Rig::Asked& asked : rig.asked) EXPECT_EQ(asked.flags, 0u);
  EXPECT_TRUE(join_fragments(fragments)->udp_checksum_right);
  ASSERT_THAT(rig.sent(kCore), SizeIs(1));
  EXPECT_EQ(rig.asked[0].flags, 0u);
}

// Devices cut what is larger than one buffer of theirs, and some cut headers off.
TEST_F(DeviceHelp, media_in_pieces_is_relayed_whole) {
  for (const std::size_t piece : {14u, 33u, 42u, 64u, 100u, 200u}) {
    SCOPED_TRACE(piece);
    Rig rig;
    open(rig);
    rig.put_in_pieces(kAccess, media(1), piece);
    rig.put_in_pieces(kAccess, media(2, 1400), 512);
    rig.turn();
    const auto sent = rig.sent(kCore);
    ASSERT_THAT(sent, SizeIs(2));
    EXPECT_EQ(read_frame(sent[0])->payload, rtp(1));
    EXPECT_EQ(read_frame(sent[1])->payload, talk(2, 1400));
    EXPECT_TRUE(read_frame(sent[1])->udp_checksum_right);
    EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 2u);
  }
}

// Larger than any buffer, from a network of jumbo frames to one without.
TEST_F(DeviceHelp, jumbo_media_in_pieces_leaves_in_fragments) {
  Rig rig;
  open(rig);
  rig.put_in_pieces(kAccess, media(1, 8000), 2048);
  rig.turn();
  const auto sent = rig.sent(kCore);
  ASSERT_THAT(sent, SizeIs(6));
  EXPECT_EQ(join_fragments(sent)->payload, talk(1, 8000));
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 1u);
}

TEST_F(DeviceHelp, media_in_pieces_goes_on_to_its_worker) {
  Rig rig({.workers = 2});
  rig.install(rig.flow(0, "198.51.100.1:20002", "192.0.2.1:20002", kUa));
  rig.install(rig.flow(1, "192.0.2.1:20002", "198.51.100.1:20002", kCarrier));
  rig.turn();
  rig.put_in_pieces(kAccess,
                    frame_of({.source = kUa, .destination = "198.51.100.1:20002", .payload = rtp(1)}), 64, 0);
  rig.turn();
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::handed_over), 1u);
}

TEST_F(DeviceHelp, a_latch_is_proved_by_packets_in_pieces) {
  Rig rig;
  FlowSpec latching = rig.flow(0, kLocalA, kLocalC, "");
  latching.signalling_source = *IpAddress::parse("198.51.100.20");
  latching.latch = LatchMode::once;
  rig.install(latching);
  rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
  rig.turn();
  for (std::uint16_t i = 1; i <= 3; ++i) rig.put_in_pieces(kAccess, media(i), 60);
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(3)) << "what was proof is relayed, too";
}

TEST_F(DeviceHelp, SIP_in_pieces_reaches_its_shard) {
  Rig rig;
  rig.put_in_pieces(
      kAccess, frame_of({.source = kUa, .destination = kSip, .payload = text(options_request(5000))}), 1024);
  rig.turn();
  ASSERT_THAT(rig.events<SipReceived>(Event::sip_received), SizeIs(1));
  EXPECT_EQ(rig.octets[0], options_request(5000));
}

TEST_F(DeviceHelp, pieces_that_end_within_the_headers_are_judged_as_a_whole) {
  Rig rig;
  open(rig);
  Bytes frame = media(1);
  frame.resize(40);  // its IP header says more
  rig.put_in_pieces(kAccess, frame, 7);
  rig.turn();
  EXPECT_EQ(rig.drops(kAccess, DropReason::truncated), 1u);
}

}  // namespace
}  // namespace sallyport::dp::test
