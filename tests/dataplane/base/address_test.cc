// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_set>
#include <vector>

namespace sallyport {
namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

TEST(IpAddressText, Reads_and_writes_what_it_read) {
  const struct {
    std::string_view text;
    std::string_view canonical;
    std::string_view in_uri;
  } rows[] = {
      {"0.0.0.0", "0.0.0.0", "0.0.0.0"},
      {"192.0.2.1", "192.0.2.1", "192.0.2.1"},
      {"255.255.255.255", "255.255.255.255", "255.255.255.255"},
      {"::", "::", "[::]"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", "[2001:db8::1]"},
      {"2001:db8::1:0:0:1", "2001:db8::1:0:0:1", "[2001:db8::1:0:0:1]"},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(ip(row.text).to_text(), row.canonical);
    EXPECT_EQ(ip(row.text).to_uri_text(), row.in_uri);
  }
  EXPECT_EQ(IpAddress().to_text(), "none");
}

TEST(IpAddressText, Refuses_everything_else) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {""sv, "192.0.2"sv, "192.0.2.1.1"sv, "192.0.2.256"sv, "192.0.2.01"sv, " 192.0.2.1"sv, "192.0.2.1 "sv,
        "0x7f.0.0.1"sv, "2130706433"sv, "[::1]"sv, "fe80::1%eth0"sv, "1::2::3"sv, ":::"sv, "g::"sv, "host"sv,
        "192.0.2.1\0"sv, "192.0.2.1\0x"sv, "11111:1111:1111:1111:1111:1111:111:1111:1111:1"sv}) {
    EXPECT_FALSE(IpAddress::parse(text).has_value()) << text;
  }
}

// What the C library reads, which the kernel's tools and the peers use.
void expect_as_inet_pton(const std::string& text) {
  std::uint8_t bytes[16];
  const auto parsed = IpAddress::parse(text);
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) {
    ASSERT_TRUE(parsed.has_value()) << text;
    ASSERT_EQ(*parsed, IpAddress::from_bytes(Family::v4, bytes)) << text;
  } else if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) {
    ASSERT_TRUE(parsed.has_value()) << text;
    ASSERT_EQ(*parsed, IpAddress::from_bytes(Family::v6, bytes)) << text;
  } else {
    ASSERT_FALSE(parsed.has_value()) << text;
  }
}

TEST(IpAddressText, Is_read_as_the_C_library_reads_it) {
  std::mt19937 random(4291);
  const std::vector<std::string> pieces{"0",   "1",   "00", "01",   "9",   "10",    "99",  "100", "255",
                                        "256", "300", "ab", "FFFF", "12a", "fff",   "000", ".",   ".",
                                        ".",   ":",   ":",  ":",    "::",  "g",     "x",   " ",   "%",
                                        "/",   "-1",  "+1", "1e1",  "::1", "12345", "fe80"};
  const auto piece = [&] { return pieces[random() % pieces.size()]; };
  for (int round = 0; round < 100'000; ++round) {
    std::string text;
    switch (round % 3) {
      case 0:  // any pieces
        for (auto n = random() % 12; n > 0; --n) text += piece();
        break;
      case 1:  // nearly an IPv4 address
        for (int part = 0; part < 4; ++part) text += (part == 0 ? "" : ".") + std::to_string(random() % 260);
        if (random() % 3 == 0) text.replace(random() % text.size(), 1, piece());
        break;
      default:  // nearly an IPv6 address
        for (auto n = random() % 9; n > 0; --n)
          text += pieces[random() % 16] + (random() % 7 == 0 ? "::" : ":");
        text += random() % 4 == 0 ? "192.0.2." + std::to_string(random() % 260) : pieces[random() % 16];
    }
    expect_as_inet_pton(text);
  }
}

TEST(IpAddressBytes, Are_in_network_order_whatever_the_way_in) {
  const std::uint8_t bytes[] = {192, 0, 2, 1};
  EXPECT_EQ(IpAddress::v4(0xc0000201), ip("192.0.2.1"));
  EXPECT_EQ(IpAddress::from_bytes(Family::v4, bytes), ip("192.0.2.1"));
  EXPECT_EQ(ip("192.0.2.1").v4_host_order(), 0xc0000201u);
  EXPECT_NE(ip("::192.0.2.1"), ip("192.0.2.1"));
  EXPECT_EQ(ip("::ffff:192.0.2.1").unmapped(), ip("192.0.2.1"));
  EXPECT_EQ(ip("::fffe:192.0.2.1").unmapped(), ip("::fffe:192.0.2.1"));
  EXPECT_EQ(ip("192.0.2.1").unmapped(), ip("192.0.2.1"));
}

TEST(IpAddressKinds, Private_is_told_from_public_at_the_edges) {
  for (const char* text : {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0",
                           "192.168.255.255", "100.64.0.0", "100.127.255.255", "169.254.0.1",
                           "169.254.255.255", "fc00::", "fdff::1", "fe80::1", "febf::1"}) {
    EXPECT_TRUE(ip(text).is_private()) << text;
  }
  for (const char* text : {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
                           "192.169.0.0", "100.63.255.255", "100.128.0.0", "169.253.255.255", "169.255.0.0",
                           "fbff::1", "fe00::1", "fec0::1", "2001:db8::1", "127.0.0.1", "::1"}) {
    EXPECT_FALSE(ip(text).is_private()) << text;
  }
  EXPECT_FALSE(IpAddress().is_private());
}

TEST(IpAddressKinds, Special_addresses_are_known) {
  EXPECT_TRUE(ip("127.255.0.1").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_FALSE(ip("128.0.0.1").is_loopback());
  EXPECT_FALSE(ip("1::1").is_loopback());
  EXPECT_FALSE(ip("::2").is_loopback());
  EXPECT_TRUE(ip("224.0.0.1").is_multicast());
  EXPECT_TRUE(ip("239.255.255.255").is_multicast());
  EXPECT_TRUE(ip("ff02::1").is_multicast());
  EXPECT_FALSE(ip("240.0.0.1").is_multicast());
  EXPECT_FALSE(ip("223.255.255.255").is_multicast());
  EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
  EXPECT_TRUE(ip("::").is_unspecified());
  EXPECT_FALSE(ip("0.0.0.1").is_unspecified());
  EXPECT_FALSE(IpAddress().is_unspecified());
  EXPECT_TRUE(ip("255.255.255.255").is_broadcast());
  EXPECT_FALSE(ip("255.255.255.254").is_broadcast());
}

TEST(Endpoints, Are_read_with_brackets_round_ipv6_only) {
  EXPECT_EQ(Endpoint::parse("192.0.2.1:5060"), (Endpoint{ip("192.0.2.1"), 5060}));
  EXPECT_EQ(Endpoint::parse("[2001:db8::1]:65535"), (Endpoint{ip("2001:db8::1"), 65535}));
  EXPECT_EQ(Endpoint::parse("[2001:db8::1]:5060")->to_text(), "[2001:db8::1]:5060");
  for (const char* text :
       {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:5060x", ":5060",
        "2001:db8::1:5060", "[192.0.2.1]:5060", "[]:5060", "[2001:db8::1]5060"}) {
    EXPECT_FALSE(Endpoint::parse(text).has_value()) << text;
  }
  EXPECT_FALSE(static_cast<bool>(Endpoint{ip("192.0.2.1"), 0}));
  EXPECT_FALSE(static_cast<bool>(Endpoint{{}, 5060}));
}

TEST(Prefixes, Hold_what_shares_their_bits) {
  const struct {
    const char* prefix;
    const char* inside;
    const char* outside;
    const char* network;
  } rows[] = {
      {"198.51.100.1/24", "198.51.100.255", "198.51.101.0", "198.51.100.0"},
      {"10.0.0.0/9", "10.127.255.255", "10.128.0.0", "10.0.0.0"},
      {"192.0.2.1", "192.0.2.1", "192.0.2.0", "192.0.2.1"},
      {"0.0.0.0/0", "255.1.2.3", "::", "0.0.0.0"},
      {"2001:db8:1::/49", "2001:db8:1:7fff::", "2001:db8:1:8000::", "2001:db8:1::"},
      {"2001:db8::1", "2001:db8::1", "2001:db8::2", "2001:db8::1"},
      {"::/0", "ffff::", "0.0.0.0", "::"},
      {"192.0.2.7/31", "192.0.2.6", "192.0.2.8", "192.0.2.6"},
  };
  for (const auto& row : rows) {
    const Prefix prefix = Prefix::parse(row.prefix).value();
    EXPECT_TRUE(prefix.contains(ip(row.inside))) << row.prefix;
    EXPECT_FALSE(prefix.contains(ip(row.outside))) << row.prefix;
    EXPECT_EQ(prefix.network(), ip(row.network)) << row.prefix;
  }
  EXPECT_EQ(Prefix::parse("192.0.2.1")->to_text(), "192.0.2.1/32");
  for (const char* text :
       {"", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "2001:db8::/129", "192.0.2.0/24x"}) {
    EXPECT_FALSE(Prefix::parse(text).has_value()) << text;
  }
}

TEST(Prefixes, Of_mapped_addresses_are_the_IPv4_networks_inside) {
  const struct {
    const char* prefix;
    const char* unmapped;
  } rows[] = {
      {"::ffff:192.0.2.10", "192.0.2.10/32"},
      {"::ffff:192.0.2.0/120", "192.0.2.0/24"},
      {"::ffff:0.0.0.0/96", "0.0.0.0/0"},
      {"::ffff:0.0.0.0/95", "::ffff:0.0.0.0/95"},
      {"2001:db8::192.0.2.10", "2001:db8::c000:20a/128"},
      {"192.0.2.10/24", "192.0.2.10/24"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(Prefix::parse(row.prefix)->unmapped().to_text(), row.unmapped) << row.prefix;
  }
}

TEST(SamePrefix, Never_joins_two_families_or_nothing) {
  EXPECT_TRUE(same_prefix(ip("192.0.2.1"), ip("192.0.2.2"), 30));
  EXPECT_FALSE(same_prefix(ip("192.0.2.1"), ip("192.0.2.2"), 31));
  EXPECT_FALSE(same_prefix(ip("192.0.2.1"), ip("192.0.2.2"), 200));
  EXPECT_FALSE(same_prefix(ip("0.0.0.0"), ip("::"), 0));
  EXPECT_FALSE(same_prefix({}, {}, 0));
}

TEST(Hashes, Of_different_endpoints_differ) {
  std::unordered_set<std::size_t> seen;
  for (std::uint16_t port = 1; port <= 1000; ++port) seen.insert(EndpointHash{}({ip("192.0.2.1"), port}));
  for (std::uint32_t host = 0; host < 1000; ++host) seen.insert(IpAddressHash{}(IpAddress::v4(host)));
  EXPECT_EQ(seen.size(), 2000u);
}

}  // namespace
}  // namespace sallyport
