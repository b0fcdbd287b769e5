// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "sdp_rewriter/address_policy.h"

namespace sallyport::sdp {
namespace {

// What surrounds an SDP, in words; empty: absent.
struct Surroundings {
  PrivateMedia mode = PrivateMedia::automatic;
  std::vector<std::string> trusted;
  std::vector<std::string> realm{"198.51.100.1/24", "2001:db8:1::1/64"};
  std::string source = "198.51.100.2";
  std::string via;
  std::string contact;
  LatchSetting latch = LatchSetting::automatic;
};

struct Judged {
  StreamVerdict stream;
  std::string reason;
  bool refused = false;
};

std::vector<Prefix> prefixes(const std::vector<std::string>& texts) {
  std::vector<Prefix> result;
  for (const auto& text : texts) result.push_back(Prefix::parse(text).value());
  return result;
}

std::string body(std::string_view connection, std::string_view attribute = {}) {
  return "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN " + std::string(connection) +
         "\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n" + std::string(attribute);
}

const std::array<IpAddress, 2> kOwn{IpAddress::parse("192.0.2.1").value(),
                                    IpAddress::parse("10.99.0.1").value()};

bool is_open(const Endpoint& endpoint) {
  return endpoint.address == kOwn[0] && (endpoint.port == 30000 || endpoint.port == 30001);
}

Judged judged(const std::string& sdp, const Surroundings& s) {
  const auto description = Description::parse(sdp);
  EXPECT_TRUE(description) << sdp;
  if (!description) return {};
  const auto trusted = prefixes(s.trusted);
  const auto realm = prefixes(s.realm);
  const PolicyInput input{.mode = s.mode,
                          .latch = s.latch,
                          .trusted_private = trusted,
                          .realm_addresses = realm,
                          .own_addresses = kOwn,
                          .source = host_address(s.source),
                          .via = host_address(s.via),
                          .contact = host_address(s.contact),
                          .is_open_media_port = is_open};
  const Verdict verdict = judge(*description, input);
  const StreamVerdict& stream = verdict.streams.at(verdict.deciding_stream);
  return {stream, reason_text(stream, input), verdict.refused};
}

constexpr std::array kModes{PrivateMedia::automatic, PrivateMedia::latch, PrivateMedia::reject,
                            PrivateMedia::trust};

// Each private range by its edges, and its neighbours outside (RFC 1918, 6598, 3927, 4193, 4291).
constexpr std::array kPrivate{
    "IP4 10.0.0.0",         "IP4 10.255.255.255",  "IP4 172.16.0.1",      "IP4 172.31.255.255",
    "IP4 192.168.0.1",      "IP4 192.168.255.255", "IP4 100.64.0.1",      "IP4 100.127.255.255",
    "IP4 169.254.0.1",      "IP4 169.254.255.254", "IP6 fc00::1",         "IP6 fdff:ffff::1",
    "IP6 fe80::1",          "IP6 febf::1",         "IP6 ::ffff:10.0.0.1", "IP6 ::ffff:192.168.1.1",
    "IP4 ::ffff:172.16.9.9"};
constexpr std::array kPublic{"IP4 9.255.255.255",  "IP4 11.0.0.0",          "IP4 172.15.255.255",
                             "IP4 172.32.0.0",     "IP4 192.167.255.255",   "IP4 192.169.0.0",
                             "IP4 100.63.255.255", "IP4 100.128.0.0",       "IP4 169.253.255.255",
                             "IP4 169.255.0.0",    "IP6 fbff::1",           "IP6 fec0::1",
                             "IP6 2001:db8::5",    "IP6 ::ffff:203.0.113.7"};

TEST(AddressPolicy, Mode_reject_refuses_every_private_range) {
  for (const auto* connection : kPrivate) {
    const Judged j = judged(body(connection), {.mode = PrivateMedia::reject});
    EXPECT_EQ(j.stream.action, Action::rejected) << connection;
    EXPECT_EQ(j.stream.rule, Rule::mode_reject) << connection;
    EXPECT_EQ(j.stream.refusal, Refusal::private_address) << connection;
    EXPECT_TRUE(j.refused);
  }
}

TEST(AddressPolicy, Public_addresses_are_accepted_strictly_in_every_mode) {
  for (const auto* connection : kPublic) {
    for (const PrivateMedia mode : kModes) {
      const Judged j = judged(body(connection), {.mode = mode});
      EXPECT_EQ(j.stream.action, Action::public_address) << connection << name(mode);
      EXPECT_EQ(j.stream.latch, LatchMode::off);
      EXPECT_FALSE(j.refused);
    }
  }
}

TEST(AddressPolicy, Trusted_private_comes_before_every_mode) {
  for (const PrivateMedia mode : kModes) {
    const Judged in =
        judged(body("IP4 172.20.1.1"), {.mode = mode, .trusted = {"10.0.0.0/8", "172.16.0.0/12"}});
    EXPECT_EQ(in.stream.action, Action::trusted) << name(mode);
    EXPECT_EQ(in.stream.rule, Rule::trusted_private);
    EXPECT_EQ(in.stream.latch, LatchMode::off);
    // Also where far-end NAT is evident: what is trusted is trusted strictly.
    const Judged nat =
        judged(body("IP4 172.20.1.1"),
               {.mode = mode, .trusted = {"172.16.0.0/12"}, .source = "203.0.113.9", .via = "172.20.1.1"});
    EXPECT_EQ(nat.stream.action, Action::trusted);
    EXPECT_EQ(nat.stream.latch, LatchMode::off);
  }
  EXPECT_EQ(judged(body("IP4 172.32.0.1"), {.trusted = {"172.0.0.0/8"}}).stream.action,
            Action::public_address);
  EXPECT_EQ(judged(body("IP4 192.168.1.1"), {.mode = PrivateMedia::reject, .trusted = {"172.16.0.0/12"}})
                .stream.action,
            Action::rejected);
}

TEST(AddressPolicy, Trusted_private_knows_mapped_addresses_on_both_sides) {
  const PrivateMedia reject = PrivateMedia::reject;
  EXPECT_EQ(
      judged(body("IP6 ::ffff:172.20.1.1"), {.mode = reject, .trusted = {"172.16.0.0/12"}}).stream.action,
      Action::trusted);
  EXPECT_EQ(
      judged(body("IP4 172.20.1.1"), {.mode = reject, .trusted = {"::ffff:172.16.0.0/108"}}).stream.action,
      Action::trusted);
  EXPECT_EQ(judged(body("IP6 fd00::7"), {.mode = reject, .trusted = {"fd00::/8"}}).stream.action,
            Action::trusted);
}

TEST(AddressPolicy, Modes_trust_and_latch_do_what_they_say) {
  for (const auto* connection : kPrivate) {
    const Judged trust = judged(body(connection), {.mode = PrivateMedia::trust});
    EXPECT_EQ(trust.stream.action, Action::trusted);
    EXPECT_EQ(trust.stream.rule, Rule::mode_trust);
    EXPECT_EQ(trust.stream.latch, LatchMode::off);
    const Judged latch = judged(body(connection), {.mode = PrivateMedia::latch});
    EXPECT_EQ(latch.stream.action, Action::latched);
    EXPECT_EQ(latch.stream.rule, Rule::mode_latch);
    EXPECT_EQ(latch.stream.latch, LatchMode::once);
  }
}

// Rule 3: every combination of realm, source, SDP address and Via or Contact.
TEST(AddressPolicy, Auto_decides_by_realm_source_and_evidence) {
  struct Case {
    std::string_view description;
    std::string realm, source, via, contact, connection;
    Action action;
    Rule rule;
  };
  const Case cases[] = {
      {"all private and equal: no NAT", "10.1.0.1/16", "10.2.0.9", "10.2.0.9", "10.2.0.9", "IP4 10.2.0.9",
       Action::no_nat, Rule::auto_no_nat},
      {"the same, Via says a name", "10.1.0.1/16", "10.2.0.9", "ua.example", "", "IP4 10.2.0.9",
       Action::no_nat, Rule::auto_no_nat},
      {"the same over unique local IPv6", "fd00::1/64", "fd00::9", "", "", "IP6 fd00::9", Action::no_nat,
       Rule::auto_no_nat},
      {"the same, SDP address mapped", "10.1.0.1/16", "10.2.0.9", "", "", "IP6 ::ffff:10.2.0.9",
       Action::no_nat, Rule::auto_no_nat},
      {"the same, source mapped", "10.1.0.1/16", "::ffff:10.2.0.9", "", "", "IP4 10.2.0.9", Action::no_nat,
       Rule::auto_no_nat},
      {"the same, realm mapped", "::ffff:10.1.0.1/112", "10.2.0.9", "", "", "IP4 10.2.0.9", Action::no_nat,
       Rule::auto_no_nat},
      {"realm and source private, SDP address another", "10.1.0.1/16", "10.2.0.9", "10.2.0.8", "",
       "IP4 10.2.0.8", Action::rejected, Rule::auto_otherwise},
      {"source equals, realm public", "198.51.100.1/24", "10.2.0.9", "10.2.0.9", "", "IP4 10.2.0.9",
       Action::rejected, Rule::auto_otherwise},
      {"realm private in the other family only", "fd00::1/64", "10.2.0.9", "", "", "IP4 10.2.0.9",
       Action::rejected, Rule::auto_otherwise},
      {"far-end NAT by the Via", "198.51.100.1/24", "198.51.100.2", "10.20.0.10", "", "IP4 10.20.0.10",
       Action::latched, Rule::auto_far_end_nat},
      {"far-end NAT by the Contact", "198.51.100.1/24", "198.51.100.2", "203.0.113.1", "10.20.0.10",
       "IP4 10.20.0.10", Action::latched, Rule::auto_far_end_nat},
      {"far-end NAT, SDP in another private range", "198.51.100.1/24", "198.51.100.2", "10.20.0.10", "",
       "IP4 192.168.7.7", Action::latched, Rule::auto_far_end_nat},
      {"far-end NAT in front of a private realm", "10.1.0.1/16", "198.51.100.2", "10.20.0.10", "",
       "IP4 10.20.0.10", Action::latched, Rule::auto_far_end_nat},
      {"far-end NAT, Via in 100.64/10", "198.51.100.1/24", "198.51.100.2", "100.64.3.3", "", "IP4 100.64.3.3",
       Action::latched, Rule::auto_far_end_nat},
      {"far-end NAT, Via mapped", "198.51.100.1/24", "198.51.100.2", "[::ffff:10.20.0.10]", "",
       "IP4 10.20.0.10", Action::latched, Rule::auto_far_end_nat},
      {"far-end NAT over IPv6", "2001:db8:1::1/64", "2001:db8:9::9", "[fd00::9]", "", "IP6 fd00::9",
       Action::latched, Rule::auto_far_end_nat},
      {"Via and Contact public", "198.51.100.1/24", "198.51.100.2", "198.51.100.2", "198.51.100.2",
       "IP4 10.20.0.10", Action::rejected, Rule::auto_otherwise},
      {"Via and Contact are names", "198.51.100.1/24", "198.51.100.2", "ua.example", "ua.example",
       "IP4 10.20.0.10", Action::rejected, Rule::auto_otherwise},
      {"neither known", "198.51.100.1/24", "198.51.100.2", "", "", "IP4 10.20.0.10", Action::rejected,
       Rule::auto_otherwise},
      {"Via private, source private too", "198.51.100.1/24", "192.168.1.1", "10.20.0.10", "",
       "IP4 10.20.0.10", Action::rejected, Rule::auto_otherwise},
      {"Via private, source mapped private", "198.51.100.1/24", "::ffff:192.168.1.1", "10.20.0.10", "",
       "IP4 10.20.0.10", Action::rejected, Rule::auto_otherwise},
      {"source unknown is no evidence", "198.51.100.1/24", "", "10.20.0.10", "", "IP4 10.20.0.10",
       Action::rejected, Rule::auto_otherwise},
  };
  for (const Case& c : cases) {
    const Judged j = judged(body(c.connection),
                            {.realm = {c.realm}, .source = c.source, .via = c.via, .contact = c.contact});
    EXPECT_EQ(name(j.stream.action), name(c.action)) << c.description;
    EXPECT_EQ(name(j.stream.rule), name(c.rule)) << c.description;
    EXPECT_EQ(j.refused, c.action == Action::rejected) << c.description;
    EXPECT_EQ(j.stream.latch, c.action == Action::latched ? LatchMode::once : LatchMode::off)
        << c.description;
  }
}

// Nothing lets these in: each mode, with everything trusted, with evidence of NAT.
TEST(AddressPolicy, Mapped_addresses_of_the_packet_count_as_the_ipv4_address_inside) {
  const auto mapped = [](std::string_view text) { return IpAddress::parse(text).value(); };
  PolicyInput input{.source = mapped("::ffff:198.51.100.2"), .via = mapped("::ffff:10.20.0.10")};
  EXPECT_TRUE(far_end_nat(input));
  input.source = mapped("::ffff:192.168.1.1");
  EXPECT_FALSE(far_end_nat(input));
  input = {.source = mapped("198.51.100.2"), .contact = mapped("::ffff:10.20.0.10")};
  EXPECT_TRUE(far_end_nat(input));
}

TEST(AddressPolicy, Some_addresses_are_refused_whatever_the_mode) {
  struct Case {
    std::string connection;
    Refusal refusal;
  };
  const Case cases[] = {
      {"IP4 127.0.0.1", Refusal::loopback},
      {"IP4 127.255.255.254", Refusal::loopback},
      {"IP6 ::1", Refusal::loopback},
      {"IP6 ::ffff:127.0.0.1", Refusal::loopback},
      {"IP4 224.0.0.1", Refusal::multicast},
      {"IP4 239.255.255.255/127/2", Refusal::multicast},
      {"IP6 ff02::1", Refusal::multicast},
      {"IP6 ff15::101/3", Refusal::multicast},
      {"IP6 ::ffff:224.1.1.1", Refusal::multicast},
      {"IP4 255.255.255.255", Refusal::broadcast},
      {"IP6 ::ffff:255.255.255.255", Refusal::broadcast},
      {"IP4 198.51.100.255", Refusal::broadcast},
      {"IP4 0.0.0.1", Refusal::unspecified},
      {"IP4 0.10.0.0", Refusal::unspecified},
      {"IP4 ua.example.com", Refusal::host_name},
      {"IP4 localhost", Refusal::host_name},
      {"IP6 fe80::1%eth0", Refusal::host_name},
      {"IP4 010.0.0.1", Refusal::host_name},
      {"IP4 10.1", Refusal::host_name},
      {"IP4 10.0.0.256", Refusal::host_name},
      {"IP4 0x0a000001", Refusal::host_name},
      {"IP6 [fd00::1]", Refusal::host_name},
      {"IP6 host.invalid", Refusal::host_name},
      {"IP4 198.51.100.1", Refusal::own_address},
      {"IP6 2001:db8:1::1", Refusal::own_address},
      {"IP6 ::ffff:198.51.100.1", Refusal::own_address},
      {"IP4 10.99.0.1", Refusal::own_address},
  };
  for (const Case& c : cases) {
    for (const PrivateMedia mode : kModes) {
      const Judged j =
          judged(body(c.connection), {.mode = mode, .trusted = {"0.0.0.0/0", "::/0"}, .via = "10.20.0.10"});
      EXPECT_EQ(j.stream.action, Action::rejected_always) << c.connection << " " << name(mode);
      EXPECT_EQ(name(j.stream.refusal), name(c.refusal)) << c.connection;
      EXPECT_EQ(j.stream.latch, LatchMode::off);
      EXPECT_TRUE(j.refused);
    }
  }
}

TEST(AddressPolicy, Network_types_other_than_IN_have_no_address) {
  std::string sdp = body("IP4 198.51.100.20");
  sdp.replace(sdp.find("c=IN"), 4, "c=TN");
  EXPECT_EQ(judged(sdp, {}).stream.refusal, Refusal::host_name);
}

TEST(AddressPolicy, A_subnet_of_two_addresses_has_no_broadcast) {
  EXPECT_EQ(judged(body("IP4 198.51.100.3"), {.realm = {"198.51.100.2/31"}}).stream.action,
            Action::public_address);
  EXPECT_EQ(judged(body("IP4 198.51.100.3"), {.realm = {"198.51.100.1/30"}}).stream.refusal,
            Refusal::broadcast);
}

TEST(AddressPolicy, Our_own_address_is_allowed_at_an_open_media_port) {
  for (const PrivateMedia mode : kModes) {
    const Judged j = judged(body("IP4 192.0.2.1"), {.mode = mode, .latch = LatchSetting::once});
    EXPECT_EQ(j.stream.action, Action::own_media) << name(mode);
    EXPECT_EQ(j.stream.latch, LatchMode::off);
    EXPECT_FALSE(j.refused);
  }
  EXPECT_EQ(judged(body("IP4 192.0.2.1", "a=rtcp:30001\r\n"), {}).stream.action, Action::own_media);
  EXPECT_EQ(judged(body("IP6 ::ffff:192.0.2.1"), {}).stream.action, Action::own_media);
  const Judged closed = judged(body("IP4 192.0.2.1", "a=rtcp:30003\r\n"), {});
  EXPECT_EQ(closed.stream.refusal, Refusal::own_address);
  EXPECT_TRUE(closed.stream.decided_by_rtcp);
}

TEST(AddressPolicy, Our_own_address_is_refused_when_nobody_knows_of_open_ports) {
  const auto description = Description::parse(body("IP4 192.0.2.1"));
  ASSERT_TRUE(description);
  const PolicyInput input{.mode = PrivateMedia::trust, .own_addresses = kOwn};
  EXPECT_EQ(judge(*description, input).streams[0].refusal, Refusal::own_address);
}

TEST(AddressPolicy, Hold_without_an_address_is_allowed_in_every_mode) {
  for (const auto* connection : {"IP4 0.0.0.0", "IP6 ::", "IP6 ::ffff:0.0.0.0"}) {
    for (const PrivateMedia mode : kModes) {
      for (const auto* attribute :
           {"", "a=sendonly\r\n", "a=inactive\r\n", "a=rtcp:9 IN IP4 0.0.0.0\r\n", "a=rtcp:9\r\n"}) {
        const Judged j = judged(body(connection, attribute), {.mode = mode});
        EXPECT_EQ(j.stream.action, Action::hold) << connection << attribute;
        EXPECT_EQ(j.stream.latch, LatchMode::off);
        EXPECT_FALSE(j.refused);
      }
    }
  }
}

TEST(AddressPolicy, The_address_in_rtcp_is_judged_as_well) {
  struct Case {
    std::string_view connection, attribute;
    PrivateMedia mode;
    Action action;
    Refusal refusal;
  };
  const Case cases[] = {
      {"IP4 198.51.100.20", "a=rtcp:30005\r\n", PrivateMedia::reject, Action::public_address, Refusal::none},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP4 203.0.113.5\r\n", PrivateMedia::reject,
       Action::public_address, Refusal::none},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP4 10.0.0.1\r\n", PrivateMedia::reject, Action::rejected,
       Refusal::private_address},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP4 10.0.0.1\r\n", PrivateMedia::latch, Action::latched,
       Refusal::none},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP4 10.0.0.1\r\n", PrivateMedia::trust, Action::trusted,
       Refusal::none},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP4 127.0.0.1\r\n", PrivateMedia::trust, Action::rejected_always,
       Refusal::loopback},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP6 ::ffff:10.0.0.1\r\n", PrivateMedia::reject, Action::rejected,
       Refusal::private_address},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP4 ua.example\r\n", PrivateMedia::trust,
       Action::rejected_always, Refusal::host_name},
      {"IP4 198.51.100.20", "a=rtcp:30005 IN IP4 198.51.100.1\r\n", PrivateMedia::trust,
       Action::rejected_always, Refusal::own_address},
      {"IP4 198.51.100.20", "a=rtcp:9 IN IP4 0.0.0.0\r\n", PrivateMedia::trust, Action::rejected_always,
       Refusal::unspecified},
      {"IP4 198.51.100.20", "a=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux\r\n", PrivateMedia::trust,
       Action::public_address, Refusal::none},
      {"IP4 0.0.0.0", "a=rtcp:9 IN IP4 10.0.0.1\r\n", PrivateMedia::reject, Action::rejected,
       Refusal::private_address},
      {"IP4 10.0.0.1", "a=rtcp:9 IN IP4 203.0.113.5\r\n", PrivateMedia::reject, Action::rejected,
       Refusal::private_address},
  };
  for (const Case& c : cases) {
    const Judged j = judged(body(c.connection, c.attribute), {.mode = c.mode});
    EXPECT_EQ(name(j.stream.action), name(c.action)) << c.connection << c.attribute;
    EXPECT_EQ(name(j.stream.refusal), name(c.refusal)) << c.connection << c.attribute;
  }
}

TEST(AddressPolicy, An_rtcp_attribute_in_capitals_is_judged_too) {
  const Judged j =
      judged(body("IP4 198.51.100.20", "a=RTCP:30005 IN IP4 10.0.0.1\r\n"), {.mode = PrivateMedia::reject});
  EXPECT_EQ(j.stream.action, Action::rejected);
}

TEST(AddressPolicy, Each_stream_is_judged_by_its_own_address) {
  const std::string sdp =
      "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 ua.example\r\nt=0 0\r\n"
      "m=audio 30000 RTP/AVP 0\r\nc=IN IP4 198.51.100.20\r\n"
      "m=video 0 RTP/AVP 31\r\n"  // the host name of the session, but port 0
      "m=image 30002 udptl t38\r\nc=IN IP4 10.0.0.1\r\n"
      "m=audio 30004 RTP/AVP 0\r\nc=IN IP4 198.51.100.20\r\nc=IN IP4 127.0.0.1\r\n";  // every c= counts
  const auto description = Description::parse(sdp);
  ASSERT_TRUE(description);
  const Verdict verdict = judge(*description, {.mode = PrivateMedia::latch});
  ASSERT_EQ(verdict.streams.size(), 4u);
  EXPECT_EQ(verdict.streams[0].action, Action::public_address);
  EXPECT_EQ(verdict.streams[1].action, Action::not_judged);
  EXPECT_EQ(verdict.streams[2].action, Action::latched);
  EXPECT_EQ(verdict.streams[3].refusal, Refusal::loopback);
  EXPECT_EQ(verdict.deciding_stream, 3u);
  EXPECT_TRUE(verdict.refused);
}

TEST(AddressPolicy, Streams_with_port_0_are_not_judged) {
  std::string sdp = body("IP4 127.0.0.1");
  sdp.replace(sdp.find("30000"), 5, "0");
  const Judged j = judged(sdp, {.mode = PrivateMedia::reject});
  EXPECT_EQ(j.stream.action, Action::not_judged);
  EXPECT_FALSE(j.refused);
}

TEST(AddressPolicy, A_description_without_streams_is_accepted) {
  const auto description = Description::parse("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n");
  ASSERT_TRUE(description);
  const Verdict verdict = judge(*description, {});
  EXPECT_FALSE(verdict.refused);
  EXPECT_EQ(verdict.action(), Action::not_judged);
}

TEST(AddressPolicy, Latch_auto_is_strict_to_a_public_address_unless_far_end_nat_is_evident) {
  EXPECT_EQ(judged(body("IP4 203.0.113.5"), {}).stream.latch, LatchMode::off);
  EXPECT_EQ(judged(body("IP4 203.0.113.5"), {.via = "198.51.100.2"}).stream.latch, LatchMode::off);
  EXPECT_EQ(judged(body("IP4 203.0.113.5"), {.via = "10.20.0.10"}).stream.latch, LatchMode::once);
  EXPECT_EQ(judged(body("IP4 203.0.113.5"), {.contact = "192.168.1.9"}).stream.latch, LatchMode::once);
  EXPECT_EQ(judged(body("IP4 203.0.113.5"), {.source = "10.0.0.1", .via = "10.20.0.10"}).stream.latch,
            LatchMode::off);
}

TEST(AddressPolicy, Latch_mode_for_every_action_and_setting) {
  using enum LatchMode;
  struct Row {
    Action action;
    bool nat;
    std::array<LatchMode, 5> expected;  // by LatchSetting: auto, off, once, same-address, asymmetric
  };
  const Row rows[] = {
      {Action::not_judged, true, {off, off, off, off, off}},
      {Action::public_address, false, {off, off, once, same_address, asymmetric}},
      {Action::public_address, true, {once, off, once, same_address, asymmetric}},
      {Action::own_media, true, {off, off, off, off, off}},
      {Action::trusted, false, {off, off, off, off, off}},
      {Action::trusted, true, {off, off, off, off, off}},
      {Action::no_nat, false, {off, off, off, off, off}},
      {Action::latched, false, {once, once, once, same_address, once}},
      {Action::latched, true, {once, once, once, same_address, once}},
      {Action::hold, true, {off, off, off, off, off}},
      {Action::rejected, true, {off, off, off, off, off}},
      {Action::rejected_always, true, {off, off, off, off, off}},
  };
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.expected.size(); ++i) {
      const auto setting = static_cast<LatchSetting>(i);
      EXPECT_EQ(name(latch_mode(row.action, row.nat, setting)), name(row.expected[i]))
          << name(row.action) << " nat " << row.nat << " " << name(setting);
    }
  }
}

TEST(AddressPolicy, Host_address_takes_uri_hosts) {
  EXPECT_EQ(host_address("10.0.0.1"), IpAddress::parse("10.0.0.1"));
  EXPECT_EQ(host_address("[fd00::1]"), IpAddress::parse("fd00::1"));
  EXPECT_EQ(host_address("fd00::1"), IpAddress::parse("fd00::1"));
  EXPECT_EQ(host_address("[::ffff:10.0.0.1]"), IpAddress::parse("10.0.0.1"));
  for (const auto* host : {"", "[]", "[", "ua.example", "10.0.0"}) EXPECT_FALSE(host_address(host)) << host;
}

TEST(AddressPolicy, Reasons_are_sentences_with_the_facts) {
  struct Case {
    std::string sdp;
    Surroundings surroundings;
    std::string_view reason;
  };
  const Case cases[] = {
      {body("IP4 10.20.0.10"),
       {.via = "10.20.0.10"},
       "c= 10.20.0.10 is private (RFC 1918): far-end NAT is evident: Via 10.20.0.10, source 198.51.100.2"},
      {body("IP4 100.64.0.1"),
       {.via = "ua.example", .contact = "100.64.0.1"},
       "c= 100.64.0.1 is private (RFC 6598): far-end NAT is evident: Contact 100.64.0.1, source "
       "198.51.100.2"},
      {body("IP4 169.254.1.1"),
       {},
       "c= 169.254.1.1 is private (RFC 3927): no evidence of far-end NAT, source 198.51.100.2"},
      {body("IP6 fd00::1"),
       {.mode = PrivateMedia::reject},
       "c= fd00::1 is private (RFC 4193): private_media is reject"},
      {body("IP6 fe80::1"),
       {.mode = PrivateMedia::trust},
       "c= fe80::1 is private (RFC 4291 link-local): private_media is trust"},
      {body("IP4 10.0.0.1"),
       {.mode = PrivateMedia::latch},
       "c= 10.0.0.1 is private (RFC 1918): private_media is latch"},
      {body("IP4 172.16.0.1"),
       {.trusted = {"172.16.0.0/12"}},
       "c= 172.16.0.1 is private (RFC 1918): it is in trusted_private"},
      {body("IP4 10.0.0.9"),
       {.realm = {"10.0.0.1/24"}, .source = "10.0.0.9"},
       "c= 10.0.0.9 is private (RFC 1918): we are private too and the packet came from it, so there is no "
       "NAT between"},
      {body("IP4 203.0.113.5"), {}, "c= 203.0.113.5 is public"},
      {body("IP4 203.0.113.5"),
       {.via = "10.0.0.1"},
       "c= 203.0.113.5 is public; far-end NAT is evident: Via 10.0.0.1, source 198.51.100.2"},
      {body("IP4 0.0.0.0"), {}, "c= 0.0.0.0 holds: nothing is sent there"},
      {body("IP4 192.0.2.1"), {}, "c= 192.0.2.1 is an open media port of ours: the call passes us twice"},
      {body("IP4 ua.example"), {}, "c= ua.example is a host name, which is always refused"},
      {body("IP4 203.0.113.5", "a=rtcp:7 IN IP4 224.0.0.1\r\n"),
       {},
       "a=rtcp 224.0.0.1 is a multicast address, which is always refused"},
  };
  for (const Case& c : cases) EXPECT_EQ(judged(c.sdp, c.surroundings).reason, c.reason);
}

}  // namespace
}  // namespace sallyport::sdp
