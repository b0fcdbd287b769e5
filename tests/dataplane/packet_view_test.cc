// SPDX-License-Identifier: Apache-2.0
#include "dataplane/packet_view.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "dataplane/checksum.h"
#include "dataplane/classify.h"
#include "tests/dataplane/frame_support.h"

namespace sallyport::dp::test {
namespace {

const UdpFrame kV4{.source = "198.51.100.20:4000", .destination = "198.51.100.1:20000", .payload = rtp(1)};
const UdpFrame kV6{
    .source = "[2001:db8:1::20]:4000", .destination = "[2001:db8:1::1]:20000", .payload = rtp(1)};

Bytes changed(Bytes frame, std::size_t at, std::uint8_t value) {
  frame.at(at) = value;
  return frame;
}
// The IPv4 header at 14, with its checksum made right again.
Bytes repaired(Bytes frame) {
  frame[24] = frame[25] = 0;
  const auto sum = static_cast<std::uint16_t>(~fold(sum_of(&frame[14], (frame[14] & 15u) * 4u)));
  std::memcpy(&frame[24], &sum, 2);
  return frame;
}
Bytes cut(Bytes frame, std::size_t to) {
  frame.resize(to);
  return frame;
}
Bytes tagged(UdpFrame udp, std::uint16_t vlan) {
  udp.vlan = vlan;
  return frame_of(udp);
}
Bytes without_checksum(UdpFrame udp) {
  udp.checksum = UdpChecksum::none;
  return frame_of(udp);
}

DropReason view_of(const Bytes& frame, PacketView& view) {
  return view_packet(frame, frame.size(), false, view);
}

TEST(PacketView, judges_every_length_before_it_reads) {
  const Bytes v4 = frame_of(kV4);
  const Bytes v6 = frame_of(kV6);
  struct Case {
    const char* description;
    Bytes frame;
    DropReason reason;
  };
  const Case cases[] = {
      {"IPv4", v4, kPass},
      {"IPv6", v6, kPass},
      {"tagged", tagged(kV4, 100), kPass},
      {"nothing", {}, DropReason::truncated},
      {"half an Ethernet header", cut(v4, 13), DropReason::truncated},
      {"a tag cut short", cut(tagged(kV4, 100), 17), DropReason::truncated},
      {"an EtherType of others", changed(v4, 12, 0x88), DropReason::not_ip},
      {"ARP cut short", cut(arp_request("198.51.100.20", "198.51.100.1"), 41), DropReason::truncated},
      {"IPv4 header cut short", cut(v4, 33), DropReason::truncated},
      {"IPv4 version 5", changed(v4, 14, 0x55), DropReason::ip_header},
      {"IPv4 header of 16 octets", changed(v4, 14, 0x44), DropReason::ip_header},
      {"IPv4 options beyond the packet", cut(changed(v4, 14, 0x4f), 60), DropReason::truncated},
      {"IPv4 total length below its header", changed(changed(v4, 16, 0), 17, 19), DropReason::ip_header},
      {"IPv4 total length beyond the frame", cut(v4, 100), DropReason::truncated},
      {"IPv4 checksum", changed(v4, 22, 1), DropReason::ip_checksum},
      {"UDP shorter than its header", repaired(changed(changed(cut(v4, 41), 16, 0), 17, 27)),
       DropReason::udp_length},
      {"UDP length 7", changed(changed(v4, 38, 0), 39, 7), DropReason::udp_length},
      {"UDP length beyond the IP packet", changed(v4, 38, 4), DropReason::udp_length},
      {"IPv6 header cut short", cut(v6, 53), DropReason::truncated},
      {"IPv6 version 4", changed(v6, 14, 0x40), DropReason::ip_header},
      {"IPv6 beyond the frame", cut(v6, 100), DropReason::truncated},
      {"IPv6 without a UDP checksum", without_checksum(kV6), DropReason::udp_checksum},
      {"IPv4 without a UDP checksum", without_checksum(kV4), kPass},
      {"TCP cut short", ip_frame("198.51.100.20", "198.51.100.1", 6, Bytes(19, 0)), DropReason::truncated},
      {"IPv6 with seven extension headers",
       ip_frame("2001:db8:1::20", "2001:db8:1::1", 60,
                hex("3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000"
                    "3c00000000000000 1100000000000000 0001000200080000")),
       DropReason::ip_header},
      {"IPv6 extension beyond the packet",
       ip_frame("2001:db8:1::20", "2001:db8:1::1", 0, hex("11ff000000000000")), DropReason::ip_header},
      {"IPv6 routing header with segments left",
       ip_frame("2001:db8:1::20", "2001:db8:1::1", 43, hex("1100000100000000 0001000200080000")),
       DropReason::protocol},
  };
  for (const Case& c : cases) {
    PacketView view;
    EXPECT_EQ(view_of(c.frame, view), c.reason) << c.description;
    // Every shorter frame is judged without reading beyond it: ASan watches.
    for (std::size_t n = 0; n < c.frame.size(); ++n) {
      const Bytes part(c.frame.begin(), c.frame.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_NE(view_packet(part, part.size(), false, view), kPass) << c.description << " cut to " << n;
    }
  }
}

TEST(PacketView, finds_the_payload_behind_tags_options_extensions_and_padding) {
  UdpFrame padded = kV4;
  padded.vlan = 7;
  padded.ip_options = hex("01010101");
  padded.padding = 11;
  const Bytes v6_options = [] {
    Bytes frame = frame_of(kV6);
    const Bytes options = hex("1100010400000000");
    frame.insert(frame.begin() + 54, options.begin(), options.end());
    frame[20] = 0;  // hop-by-hop
    const std::size_t bytes = frame.size() - 54;
    frame[18] = static_cast<std::uint8_t>(bytes >> 8);
    frame[19] = static_cast<std::uint8_t>(bytes);
    return frame;
  }();
  for (const Bytes& frame : {frame_of(padded), v6_options}) {
    PacketView view;
    ASSERT_EQ(view_of(frame, view), kPass);
    const Bytes payload(frame.begin() + view.payload, frame.begin() + view.payload + view.payload_bytes);
    EXPECT_EQ(payload, rtp(1));
    EXPECT_EQ(view.source_port, 4000);
    EXPECT_EQ(view.destination_port, 20000);
    EXPECT_TRUE(udp_checksum_right(view));
  }
}

TEST(Checksum, updates_as_RFC_1624_says) {
  // RFC 1624 4: header checksum 0xDD2F, a word 0x5555 becomes 0x3285: 0x0000, not 0xFFFF.
  EXPECT_EQ(update_checksum(0xdd2f, 0x5555, 0x3285), 0x0000);
  EXPECT_EQ(udp_on_wire(0), 0xffff);
  // RFC 1071 3: 0001 f203 f4f5 f6f7 sums to ddf2.
  const Bytes example = hex("0001f203f4f5f6f7");
  EXPECT_EQ(be16(0xddf2).raw(), fold(sum_of(example.data(), example.size())));
  const Bytes odd = hex("0001f203f4f5f6f7 80");
  EXPECT_EQ(be16(0x5df3).raw(), fold(sum_of(odd.data(), odd.size())));
}

TEST(Classify, sends_each_frame_its_way) {
  RealmOptions access{.name = "access", .port = 0};
  access.addresses = {*Prefix::parse("198.51.100.1/24"), *Prefix::parse("2001:db8:1::1/64")};
  access.sip_udp = 5060;
  RealmOptions tagged_realm{.name = "tagged", .port = 0, .vlan = 100};
  tagged_realm.addresses = {*Prefix::parse("203.0.113.1/24")};
  const LocalTable locals({access, tagged_realm}, {{0, access.addresses[0].address, 20000, 20099, 0},
                                                   {0, access.addresses[1].address, 20000, 20099, 100}});
  const auto udp = [](const char* to, std::uint16_t vlan = 0) {
    return frame_of({.source = "198.51.100.20:4000", .destination = to, .payload = rtp(1), .vlan = vlan});
  };
  const Bytes echo = hex("0800f7ff00000000");
  struct Case {
    const char* description;
    Bytes frame;
    PacketClass is;
    DropReason reason;
  };
  using C = PacketClass;
  const Case cases[] = {
      {"media", udp("198.51.100.1:20000"), C::media, kPass},
      {"the last media port", udp("198.51.100.1:20099"), C::media, kPass},
      {"behind the last", udp("198.51.100.1:20100"), C::drop, DropReason::no_port},
      {"media, IPv6", frame_of(kV6), C::media, kPass},
      {"SIP", udp("198.51.100.1:5060"), C::sip, kPass},
      {"another address", udp("198.51.100.2:5060"), C::drop, DropReason::not_for_us},
      {"another realm's address", udp("203.0.113.1:5060"), C::drop, DropReason::not_for_us},
      {"a realm without SIP", udp("203.0.113.1:5060", 100), C::drop, DropReason::no_port},
      {"a tag that is not ours", udp("198.51.100.1:5060", 101), C::drop, DropReason::wrong_vlan},
      {"our address with another realm's tag", udp("198.51.100.1:5060", 100), C::drop,
       DropReason::not_for_us},
      {"ARP for us", arp_request("198.51.100.20", "198.51.100.1"), C::kernel_neighbour, kPass},
      {"ARP for another", arp_request("198.51.100.20", "198.51.100.2"), C::drop, DropReason::not_for_us},
      {"gratuitous ARP", arp_request("198.51.100.20", "198.51.100.20"), C::kernel_neighbour, kPass},
      {"a neighbour solicitation", ip_frame("2001:db8:1::20", "ff02::1:ff00:1", 58, hex("8700000000000000")),
       C::kernel_neighbour, kPass},
      {"a listener report", ip_frame("fe80::1", "ff02::16", 58, hex("8f00000000000000")), C::drop,
       DropReason::not_for_us},
      {"a ping", ip_frame("198.51.100.20", "198.51.100.1", 1, echo), C::kernel_icmp, kPass},
      {"a ping to all", ip_frame("198.51.100.20", "198.51.100.255", 1, echo), C::drop,
       DropReason::not_for_us},
      {"a destination unreachable", ip_frame("198.51.100.20", "198.51.100.1", 1, hex("0303000000000000")),
       C::icmp_error, kPass},
      {"ICMP in IPv6", ip_frame("2001:db8:1::20", "2001:db8:1::1", 1, echo), C::drop, DropReason::protocol},
      {"TCP", ip_frame("198.51.100.20", "198.51.100.1", 6, Bytes(20, 0)), C::kernel_tcp, kPass},
      {"GRE", ip_frame("198.51.100.20", "198.51.100.1", 47, Bytes(20, 0)), C::drop, DropReason::protocol},
      {"a fragment of UDP", fragment_of(kV4, 8, true, Bytes(8, 0)), C::fragment, kPass},
      {"a fragment of UDP, IPv6", fragment_of(kV6, 8, true, Bytes(8, 0)), C::fragment, kPass},
  };
  for (const Case& c : cases) {
    PacketView view;
    ASSERT_EQ(view_of(c.frame, view), kPass) << c.description;
    const Classified what = classify(view, 0, locals);
    EXPECT_EQ(what.is, c.is) << c.description;
    EXPECT_EQ(what.reason, c.reason) << c.description;
  }
  const Bytes sip = udp("198.51.100.1:5060");
  PacketView view;
  ASSERT_EQ(view_of(sip, view), kPass);
  EXPECT_EQ(classify(view, 1, locals).reason, DropReason::wrong_vlan) << "a port without realms";
}

// The short way is what the long one says, or leaves the frame to it.
TEST(PacketView, sees_the_same_on_the_short_way_as_on_the_long_one) {
  std::mt19937_64 random(11);
  const Bytes good = frame_of(kV4);
  unsigned plain_frames = 0;
  for (int round = 0; round < 100'000; ++round) {
    Bytes frame = good;
    for (auto changes = random() % 3; changes > 0; --changes) {
      std::uint8_t& octet = frame[random() % 48];
      octet = static_cast<std::uint8_t>(octet ^ 1u << random() % 8);
    }
    if (random() % 4 == 0) frame.resize(random() % (frame.size() + 1));
    const bool trusted = random() % 2 == 0;
    PacketView plain;
    if (!view_plain_packet(frame, frame.size(), trusted, plain)) continue;
    ++plain_frames;
    PacketView any;
    ASSERT_EQ(view_any_packet(frame, frame.size(), trusted, any), kPass) << to_hex(frame);
    ASSERT_EQ(plain, any) << to_hex(frame);
  }
  EXPECT_GT(plain_frames, 10'000u);
}

}  // namespace
}  // namespace sallyport::dp::test
