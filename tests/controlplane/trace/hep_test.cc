// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/hep.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sallyport::trace {
namespace {

unsigned be(std::string_view bytes, std::size_t at, std::size_t count) {
  unsigned value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// By type; every octet of the datagram is in one of them.
std::map<unsigned, std::string> chunks(std::string_view datagram) {
  EXPECT_EQ(datagram.substr(0, 4), "HEP3");
  EXPECT_EQ(be(datagram, 4, 2), datagram.size());
  std::map<unsigned, std::string> found;
  for (std::size_t at = 6; at < datagram.size(); at += be(datagram, at + 4, 2)) {
    EXPECT_EQ(be(datagram, at, 2), 0u) << "the generic vendor";
    found[be(datagram, at + 2, 2)] = datagram.substr(at + 6, be(datagram, at + 4, 2) - 6);
  }
  return found;
}

Message message() {
  Message one;
  one.local = {IpAddress::v4(0xc0000201), 5060};
  one.remote = {IpAddress::v4(0xc000020a), 5070};
  one.wall_ns = 1'700'000'000 * kSecond + 123'456'789;
  one.octets = "INVITE sip:x SIP/2.0\r\n\r\n";
  one.call = "callname";
  return one;
}

TEST(Hep, Has_the_chunks_of_the_specification) {
  const auto found = chunks(hep_datagram(message(), 2001, "secret"));
  const std::map<unsigned, std::string> expected{
      {1, "\x02"},
      {2, "\x11"},
      {3, "\xc0\x00\x02\x0a" + std::string()},
      {7, "\x13\xce"},
      {8, "\x13\xc4"},
      {10, std::string("\x00\x01\xe2\x40", 4)},
      {11, "\x01"},
      {12, std::string("\x00\x00\x07\xd1", 4)},
      {14, "secret"},
      {15, "INVITE sip:x SIP/2.0\r\n\r\n"},
      {17, "callname"},
  };
  for (const auto& [type, bytes] : expected) {
    if (type == 3) continue;  // holds a zero: below
    EXPECT_EQ(found.at(type), bytes) << "chunk " << type;
  }
  EXPECT_EQ(found.at(3), std::string("\xc0\x00\x02\x0a", 4)) << "it came from the far end";
  EXPECT_EQ(found.at(4), std::string("\xc0\x00\x02\x01", 4));
  EXPECT_EQ(be(found.at(9), 0, 4), 1'700'000'000u);
  EXPECT_EQ(found.size(), 13u);
}

TEST(Hep, Leaves_out_what_there_is_not_and_knows_IPv6_and_TCP) {
  Message one = message();
  one.local.address = *IpAddress::parse("2001:db8::1");
  one.remote.address = *IpAddress::parse("2001:db8::2");
  one.transport = Transport::tcp;
  one.call.clear();
  const auto found = chunks(hep_datagram(one, 1, ""));
  EXPECT_EQ(found.at(1), "\x0a");
  EXPECT_EQ(found.at(2), "\x06");
  EXPECT_EQ(found.at(5).size(), 16u);
  EXPECT_EQ(found.at(6).back(), '\x01');
  for (const unsigned type : {3u, 4u, 14u, 17u}) EXPECT_FALSE(found.contains(type)) << type;
}

TEST(Hep, Is_never_longer_than_a_datagram) {
  Message one = message();
  one.octets.assign(65'535, 'x');
  EXPECT_EQ(hep_datagram(one, 1, "secret").size(), 65'507u);
  EXPECT_EQ(chunks(hep_datagram(one, 1, "secret")).at(17), "callname");
}

}  // namespace
}  // namespace sallyport::trace
