// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/peer_table.h"

#include <gtest/gtest.h>

#include "tests/controlplane/routing/routing_support.h"

namespace sallyport::routing {
namespace {

struct Case {
  const char* realm;
  const char* source;
  const char* peer;  // nullptr: unknown
};

TEST(PeerTable, The_longest_match_of_the_realm_wins) {
  const auto config = configured(
      "{wide: {realm: in, match: [10.0.0.0/8, \"2001:db8::/32\"]}, net: {realm: in, match: [10.1.0.0/16]}, "
      "host: {realm: in, match: [10.1.2.3, \"2001:db8:0:7::/64\"]}, other: {realm: out, match: "
      "[10.1.0.0/16]}, "
      "odd: {realm: in, match: [172.16.0.0/12, 10.128.0.0/9]}}");
  const PeerTable table(config);
  const Case kCases[] = {
      {"in", "10.1.2.3", "host"},         {"in", "10.1.2.4", "net"},        {"in", "10.2.0.0", "wide"},
      {"in", "11.0.0.0", nullptr},        {"in", "9.255.255.255", nullptr}, {"in", "10.255.255.255", "odd"},
      {"in", "10.127.255.255", "wide"},   {"in", "172.31.255.255", "odd"},  {"in", "172.32.0.0", nullptr},
      {"out", "10.1.2.3", "other"},       {"out", "10.2.0.0", nullptr},     {"in", "2001:db8:0:7::9", "host"},
      {"in", "2001:db8:0:8::9", "wide"},  {"in", "2001:db9::", nullptr},    {"out", "2001:db8::1", nullptr},
      {"in", "::ffff:10.1.2.3", nullptr},
  };
  for (const Case& c : kCases) {
    const auto found = table.find(config.find_realm(c.realm), *IpAddress::parse(c.source));
    EXPECT_EQ(found ? config.peers[*found].name : "", c.peer ? c.peer : "") << c.realm << " " << c.source;
  }
}

TEST(PeerTable, A_realm_that_is_none_knows_nobody) {
  const auto config = configured("{a: {realm: in, match: [0.0.0.0/0]}}");
  const PeerTable table(config);
  EXPECT_EQ(table.find(0, *IpAddress::parse("8.8.8.8")), config.find_peer("a"));
  EXPECT_EQ(table.find(config::kNoIndex, *IpAddress::parse("8.8.8.8")), std::nullopt);
}

}  // namespace
}  // namespace sallyport::routing
