// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/via.h"

#include "tests/dataplane/sip/text_support.h"

#include <gtest/gtest.h>

namespace sallyport::sip {
namespace {

TEST(Via, Reads_every_part) {
  const auto via = parse_via(
      "SIP/2.0/UDP "
      "host.example.com:5070;rport=1024;received=192.0.2.1;maddr=224.0.1.75;ttl=1;branch=z9hG4bK77;x");
  ASSERT_TRUE(via.has_value());
  EXPECT_EQ(via->version, "2.0");
  EXPECT_EQ(via->transport, "UDP");
  EXPECT_EQ(via->host, "host.example.com");
  EXPECT_EQ(via->port, 5070);
  EXPECT_TRUE(via->has_rport);
  EXPECT_EQ(via->rport, 1024);
  EXPECT_EQ(via->received, "192.0.2.1");
  EXPECT_EQ(via->maddr, "224.0.1.75");
  EXPECT_EQ(via->branch, "z9hG4bK77");
  EXPECT_EQ(via->params, "rport=1024;received=192.0.2.1;maddr=224.0.1.75;ttl=1;branch=z9hG4bK77;x");
}

TEST(Via, An_rport_that_only_asks_has_no_port) {
  const auto via = parse_via("SIP/2.0/UDP 10.20.0.10:5060;rport;branch=z9hG4bK1");
  ASSERT_TRUE(via.has_value());
  EXPECT_TRUE(via->has_rport);
  EXPECT_EQ(via->rport, 0);
  EXPECT_FALSE(parse_via("SIP/2.0/UDP 10.20.0.10")->has_rport);
}

TEST(Via, White_space_and_folds_may_stand_round_every_separator) {
  const auto via = parse_via("SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5060 ; branch=\r\n z9hG4bK30239");
  ASSERT_TRUE(via.has_value());
  EXPECT_EQ(via->transport, "UDP");
  EXPECT_EQ(via->host, "192.0.2.2");
  EXPECT_EQ(via->port, 5060);
  EXPECT_EQ(via->branch, "z9hG4bK30239");
}

TEST(Via, Takes_any_transport_any_version_and_ipv6) {
  EXPECT_EQ(parse_via("SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en")->transport, "UNKNOWN");
  EXPECT_EQ(parse_via("SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw")->version, "7.0");
  EXPECT_EQ(parse_via("SIP/2.0/TCP [2001:db8::9:1]:6050;branch=z9hG4bK1")->host, "[2001:db8::9:1]");
  EXPECT_EQ(parse_via("SIP/2.0/UDP h;received=[2001:db8::9:255];branch=z9hG4bK1")->received,
            "[2001:db8::9:255]");
  EXPECT_EQ(parse_via("SIP/2.0/UDP iftgw.example.com")->branch, "");
}

TEST(Via, Refuses_the_rest) {
  for (const std::string_view value : {"",
                                       "SIP/2.0/UDP",
                                       "SIP/2.0/UDP ",
                                       "SIP/2.0 UDP h",
                                       "2.0/UDP h",
                                       "XIP/2.0/UDP h",
                                       "SIP/2.0/UDP/h",
                                       "SIP//UDP h",
                                       "SIP/2.0/UDP h:",
                                       "SIP/2.0/UDP h:0",
                                       "SIP/2.0/UDP h:99999",
                                       "SIP/2.0/UDP [::1",
                                       "SIP/2.0/UDP [x]",
                                       "SIP/2.0/UDP 2001:db8::1",
                                       "SIP/2.0/UDP 192.0.2.15;;,;,,",
                                       "SIP/2.0/UDP h;",
                                       "SIP/2.0/UDP h;branch",
                                       "SIP/2.0/UDP h;branch=",
                                       "SIP/2.0/UDP h;branch=\"q\"",
                                       "SIP/2.0/UDP h;branch=a;branch=b",
                                       "SIP/2.0/UDP h;rport=x",
                                       "SIP/2.0/UDP h;rport=0",
                                       "SIP/2.0/UDP h;rport=70000",
                                       "SIP/2.0/UDP h x",
                                       "SIP/2.0/UDP h, SIP/2.0/UDP i",
                                       "SIP/2.0/UDP <h>"}) {
    EXPECT_EQ(fault_of(parse_via(value)), Fault::bad_via) << value;
  }
}

}  // namespace
}  // namespace sallyport::sip
