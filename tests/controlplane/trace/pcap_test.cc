// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/pcap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace sallyport::trace {
namespace {

std::uint32_t native(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

unsigned be(std::string_view bytes, std::size_t at, std::size_t count) {
  unsigned value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// RFC 1071 over what holds its own checksum: 0xffff where that is right.
unsigned ones_sum(std::string_view bytes, unsigned sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    sum += be(bytes, i, i + 1 < bytes.size() ? 2 : 1) << (i + 1 < bytes.size() ? 0 : 8);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

Message message(Transport transport, std::string octets) {
  Message one;
  one.transport = transport;
  one.direction = Direction::sent;
  one.local = {IpAddress::v4(0xc0000201), 5060};
  one.remote = {IpAddress::v4(0xc000020a), 5061};
  one.wall_ns = 1'700'000'000 * kSecond + 123'456'789;
  one.octets = std::move(octets);
  return one;
}

// The packets behind their record heads.
std::vector<std::string> packets(std::string_view records) {
  std::vector<std::string> all;
  while (!records.empty()) {
    const std::uint32_t bytes = native(records, 8);
    EXPECT_EQ(native(records, 12), bytes);
    all.emplace_back(records.substr(16, bytes));
    records.remove_prefix(16 + bytes);
  }
  return all;
}

TEST(Pcap, Begins_as_a_file_of_raw_IP_in_nanoseconds) {
  const std::string head = PcapWriter::head();
  ASSERT_EQ(head.size(), 24u);
  EXPECT_EQ(native(head, 0), 0xa1b23c4d);
  EXPECT_EQ(native(head, 20), 101u);
}

TEST(Pcap, A_message_over_UDP_is_one_datagram_between_the_real_ends) {
  PcapWriter writer;
  const std::string record = writer.add(message(Transport::udp, "OPTIONS"));
  EXPECT_EQ(native(record, 0), 1'700'000'000u);
  EXPECT_EQ(native(record, 4), 123'456'789u);
  const std::string packet = packets(record).at(0);
  EXPECT_EQ(be(packet, 0, 1), 0x45u);
  EXPECT_EQ(be(packet, 2, 2), packet.size());
  EXPECT_EQ(be(packet, 9, 1), 17u);
  EXPECT_EQ(be(packet, 12, 4), 0xc0000201);
  EXPECT_EQ(be(packet, 16, 4), 0xc000020a);
  EXPECT_EQ(be(packet, 20, 2), 5060u);
  EXPECT_EQ(be(packet, 22, 2), 5061u);
  EXPECT_EQ(be(packet, 24, 2), 15u);
  EXPECT_EQ(packet.substr(28), "OPTIONS");
  EXPECT_EQ(ones_sum(packet.substr(0, 20)), 0xffffu);
  EXPECT_EQ(ones_sum(packet.substr(20), ones_sum(packet.substr(12, 8), 17 + 15)), 0xffffu);
}

TEST(Pcap, Over_IPv6_too_and_nothing_between_two_families) {
  Message one = message(Transport::udp, "BYE");
  one.local.address = *IpAddress::parse("2001:db8::1");
  PcapWriter writer;
  EXPECT_EQ(writer.add(one), "");
  one.remote.address = *IpAddress::parse("2001:db8::2");
  const std::string packet = packets(writer.add(one)).at(0);
  ASSERT_EQ(packet.size(), 40u + 8 + 3);
  EXPECT_EQ(be(packet, 0, 1), 0x60u);
  EXPECT_EQ(be(packet, 4, 2), 11u);
  EXPECT_EQ(ones_sum(packet.substr(40), ones_sum(packet.substr(8, 32), 17 + 11)), 0xffffu);
}

TEST(Pcap, A_stream_goes_on_from_message_to_message_in_each_direction) {
  PcapWriter writer;
  const auto there = packets(writer.add(message(Transport::tls, std::string(40'000, 'a'))));
  ASSERT_EQ(there.size(), 2u) << "longer than a segment";
  EXPECT_EQ(be(there[0], 9, 1), 6u);
  EXPECT_EQ(be(there[0], 24, 4), 1u);
  EXPECT_EQ(be(there[1], 24, 4), 1u + 32'768);
  Message answer = message(Transport::tls, "200");
  answer.direction = Direction::received;
  const auto back = packets(writer.add(answer));
  EXPECT_EQ(be(back[0], 24, 4), 1u);
  EXPECT_EQ(be(back[0], 28, 4), 1u + 40'000) << "what was heard is acknowledged";
  const auto again = packets(writer.add(message(Transport::tls, "ACK")));
  EXPECT_EQ(be(again[0], 24, 4), 1u + 40'000);
  EXPECT_EQ(be(again[0], 28, 4), 4u);
  EXPECT_EQ(ones_sum(again[0].substr(20), ones_sum(again[0].substr(12, 8), 6 + 23)), 0xffffu);
}

TEST(Pcap, Media_is_a_datagram) {
  const MediaPacket packet{5, {IpAddress::v4(1), 4000}, {IpAddress::v4(2), 20000}, "RTP"};
  EXPECT_EQ(packets(PcapWriter().add(packet)).at(0).substr(28), "RTP");
}

}  // namespace
}  // namespace sallyport::trace
