// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/certificate.h"

#include <gtest/gtest.h>

#include "tests/controlplane/stream/certificates_support.h"

namespace sallyport::stream {
namespace {

using Names = std::vector<std::string>;

struct Case {
  const char* what;
  Wish wish;
  Names identities;
};

// RFC 5922 7.1, by example.
TEST(Certificate, Is_for_the_sip_domains_that_RFC_5922_finds_in_it) {
  const std::vector<Case> cases{
      {"sip URIs outweigh DNS names",
       {"cn.example", "URI:sip:One.example, DNS:two.example, URI:sip:three.example"},
       {"one.example", "three.example"}},
      {"sips names a domain as well", {"cn.example", "URI:sips:one.example"}, {"one.example"}},
      {"a port and parameters are no part of the name",
       {"cn.example", "URI:sip:one.example:5061;transport=tls"},
       {"one.example"}},
      {"a user is nobody's domain",
       {"cn.example", "URI:sip:alice@one.example, DNS:two.example"},
       {"two.example"}},
      {"URIs of other schemes say nothing",
       {"cn.example", "URI:https://one.example, DNS:two.example"},
       {"two.example"}},
      {"DNS names without a sip URI",
       {"cn.example", "DNS:One.Example, DNS:two.example"},
       {"one.example", "two.example"}},
      {"the CN where there is no other name", {"CN.example"}, {"cn.example"}},
      {"the CN also beside an address alone", {"cn.example", "IP:192.0.2.1"}, {"cn.example"}},
      {"but not beside a name of these kinds", {"cn.example", "URI:sip:alice@one.example"}, {}},
      {"nor beside one that is not sip", {"cn.example", "URI:https://one.example"}, {}},
  };
  const Authority authority;
  for (const Case& one : cases) {
    Key key;
    EXPECT_EQ(sip_identities(authority.sign(one.wish, key).get()), one.identities) << one.what;
  }
}

TEST(Certificate, Names_are_compared_whole_and_without_case_and_a_wildcard_names_nobody) {
  const Authority authority;
  Key key;
  const Certificate made = authority.sign({"x", "DNS:sip.example, DNS:*.example"}, key);
  EXPECT_TRUE(is_for(made.get(), "SIP.Example"));
  EXPECT_FALSE(is_for(made.get(), "sip.example.evil"));
  EXPECT_FALSE(is_for(made.get(), "a.sip.example"));
  EXPECT_FALSE(is_for(made.get(), "other.example"));
  EXPECT_FALSE(is_for(made.get(), "example"));
  EXPECT_FALSE(is_for(made.get(), ""));
}

TEST(Certificate, An_address_has_to_stand_in_it_as_an_address) {
  const Authority authority;
  Key key;
  const Certificate made = authority.sign({"192.0.2.9", "IP:192.0.2.1, IP:2001:db8::1, DNS:192.0.2.7"}, key);
  EXPECT_TRUE(is_for(made.get(), *IpAddress::parse("192.0.2.1")));
  EXPECT_TRUE(is_for(made.get(), *IpAddress::parse("2001:db8::1")));
  EXPECT_FALSE(is_for(made.get(), *IpAddress::parse("192.0.2.2")));
  EXPECT_FALSE(is_for(made.get(), *IpAddress::parse("192.0.2.7")));
  EXPECT_FALSE(is_for(made.get(), *IpAddress::parse("192.0.2.9")));
}

TEST(Certificate, May_be_used_for_SIP_where_it_does_not_say_that_it_is_for_something_else) {
  const Authority authority;
  const std::vector<std::pair<const char*, bool>> cases{{"", true},
                                                        {"serverAuth", true},
                                                        {"clientAuth", true},
                                                        {"anyExtendedKeyUsage", true},
                                                        {"1.3.6.1.5.5.7.3.20", true},
                                                        {"emailProtection, 1.3.6.1.5.5.7.3.20", true},
                                                        {"emailProtection", false},
                                                        {"codeSigning, timeStamping", false}};
  for (const auto& [usage, good] : cases) {
    Key key;
    EXPECT_EQ(is_for_sip(authority.sign({.common_name = "a.example", .usage = usage}, key).get()), good)
        << usage;
  }
}

}  // namespace
}  // namespace sallyport::stream
