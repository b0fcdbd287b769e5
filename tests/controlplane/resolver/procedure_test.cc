// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/procedure.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/controlplane/resolver/resolver_config_support.h"
#include "tests/controlplane/resolver/zone_support.h"

namespace sallyport::resolver {
namespace {

class ProcedureTest : public testing::Test {
 protected:
  // Walks to the end; `asked_`: "NAPTR x; SRV _sip._udp.x" by step.
  Outcome walk(const std::string& uri, const std::string& realm = "out") {
    config_ = configured("{p: {realm: " + realm + ", targets: ['" + uri + "']}}");
    const Wanted what = wanted(config_, config_.peers[0], config_.peers[0].targets[0]);
    Known known;
    asked_.clear();
    for (int step = 0; step < 10; ++step) {
      Outcome outcome = procedure(what, known);
      if (outcome.missing.empty()) return outcome;
      for (const Question& question : outcome.missing) {
        asked_ += (asked_.empty() ? "" : "; ") + std::string(to_text(question.type)) + " " + question.name;
        known[question] = failing_ == question.name ? Answer{} : zone_.answer(question);
      }
    }
    ADD_FAILURE() << "no end";
    return {};
  }
  // "0/0/0 udp 192.0.2.10:5060": rank, entry, weight and place.
  static std::string text(const Outcome& outcome) {
    constexpr const char* kTransports[]{"udp", "tcp", "tls"};
    std::string out;
    for (const routing::ResolvedPlace& place : outcome.places) {
      out += (out.empty() ? "" : ", ") + std::to_string(place.rank) + "/" + std::to_string(place.entry) +
             "/" + std::to_string(place.weight) + " " + kTransports[static_cast<int>(place.transport)] + " " +
             place.endpoint.to_text();
    }
    return out.empty() ? std::string(routing::to_text(outcome.state)) : out;
  }
  std::string places(const std::string& uri, const std::string& realm = "out") {
    return text(walk(uri, realm));
  }

  Zone zone_;
  std::string failing_;  // every question about this name
  std::string asked_;
  config::Config config_;
};

TEST_F(ProcedureTest, A_port_means_addresses_only) {
  zone_.add("x.test", "A 192.0.2.10").add("x.test", "NAPTR 1 1 s SIP+D2T _sip._tcp.x.test");
  EXPECT_EQ(places("sip:x.test:5070"), "1/0/0 udp 192.0.2.10:5070");
  EXPECT_EQ(asked_, "A x.test; AAAA x.test");
  EXPECT_EQ(places("sip:x.test:5070;transport=tcp"), "1/0/0 tcp 192.0.2.10:5070");
}

TEST_F(ProcedureTest, A_transport_means_its_SRV_and_no_NAPTR) {
  zone_.add("_sip._tcp.x.test", "SRV 10 0 5062 a.test").add("a.test", "A 192.0.2.10").empty("x.test");
  EXPECT_EQ(places("sip:x.test;transport=tcp"), "0/0/0 tcp 192.0.2.10:5062");
  EXPECT_EQ(asked_, "SRV _sip._tcp.x.test; A a.test; AAAA a.test");
  zone_.add("x.test", "A 192.0.2.20");
  EXPECT_EQ(places("sip:x.test;transport=udp"), "1/0/0 udp 192.0.2.20:5060") << "no SRV: the name itself";
}

TEST_F(ProcedureTest, NAPTR_decides_by_order_and_preference_between_what_the_realm_speaks) {
  zone_.add("x.test", "NAPTR 10 50 s SIP+D2U _sip._udp.x.test")
      .add("x.test", "NAPTR 10 40 s SIP+D2T _sip._tcp.x.test")
      .add("x.test", "NAPTR 10 10 s SIPS+D2T _sips._tcp.x.test")
      .add("x.test", "NAPTR 20 10 s SIP+D2U _sip._udp.late.test")
      .add("x.test", "NAPTR 5 10 u SIP+D2U !a!b! .")
      .add("_sip._udp.x.test", "SRV 10 0 5060 a.test")
      .add("_sip._tcp.x.test", "SRV 10 0 5061 a.test")
      .add("a.test", "A 192.0.2.10");
  EXPECT_EQ(places("sip:x.test"), "0/0/0 tcp 192.0.2.10:5061, 1/1/0 udp 192.0.2.10:5060");
  EXPECT_EQ(asked_, "NAPTR x.test; SRV _sip._tcp.x.test; SRV _sip._udp.x.test; A a.test; AAAA a.test");
  EXPECT_EQ(places("sip:x.test", "in"), "0/0/0 udp 192.0.2.10:5060") << "that realm speaks UDP only";
}

TEST_F(ProcedureTest, Without_NAPTR_each_transport_of_the_realm_is_looked_for) {
  zone_.empty("x.test").add("_sip._tcp.x.test", "SRV 10 0 5060 a.test").add("a.test", "AAAA 2001:db8:2::10");
  EXPECT_EQ(places("sip:x.test"), "0/0/0 tcp [2001:db8:2::10]:5060");
  EXPECT_EQ(asked_, "NAPTR x.test; SRV _sip._tcp.x.test; SRV _sip._udp.x.test; A a.test; AAAA a.test");
}

TEST_F(ProcedureTest, Without_SRV_it_is_UDP_at_5060_and_the_realm_s_first_family_first) {
  zone_.add("x.test", "A 192.0.2.11").add("x.test", "A 192.0.2.10").add("x.test", "AAAA 2001:db8:2::10");
  EXPECT_EQ(places("sip:x.test"),
            "0/0/0 udp [2001:db8:2::10]:5060, 1/1/0 udp 192.0.2.10:5060, 1/2/0 udp 192.0.2.11:5060");
  EXPECT_EQ(places("sip:x.test", "in"), "0/0/0 udp 192.0.2.10:5060, 0/1/0 udp 192.0.2.11:5060");
}

TEST_F(ProcedureTest, SRV_has_ranks_by_priority_and_an_entry_for_each_record) {
  zone_.add("_sip._udp.x.test", "SRV 20 5 5060 c.test")
      .add("_sip._udp.x.test", "SRV 10 70 5060 a.test")
      .add("_sip._udp.x.test", "SRV 10 30 5070 b.test")
      .add("a.test", "A 192.0.2.10")
      .add("a.test", "AAAA 2001:db8:2::10")
      .add("b.test", "A 192.0.2.11")
      .add("c.test", "A 192.0.2.12");
  EXPECT_EQ(places("sip:x.test;transport=udp"),
            "0/0/70 udp [2001:db8:2::10]:5060, 0/0/70 udp 192.0.2.10:5060, 0/1/30 udp 192.0.2.11:5070, "
            "1/2/5 udp 192.0.2.12:5060");
}

TEST_F(ProcedureTest, The_root_as_target_says_that_there_is_no_such_service) {
  zone_.add("x.test", "A 192.0.2.10").add("_sip._udp.x.test", "SRV 0 0 0 .");
  EXPECT_EQ(places("sip:x.test;transport=udp"), "no records for us");
  EXPECT_EQ(asked_, "SRV _sip._udp.x.test");
}

TEST_F(ProcedureTest, What_is_not_there_has_its_name) {
  EXPECT_EQ(places("sip:x.test"), "no such name");
  zone_.empty("x.test");
  EXPECT_EQ(places("sip:x.test"), "no records for us");
  zone_.add("x.test", "AAAA 2001:db8:2::10");
  EXPECT_EQ(places("sip:x.test:5060", "in"), "no records for us") << "IPv6 is not asked for there";
}

TEST_F(ProcedureTest, Addresses_that_may_not_be_called_are_discarded_and_counted) {
  zone_.add("x.test", "A 192.0.2.1").add("x.test", "A 198.51.100.1").add("x.test", "A 127.0.0.1");
  zone_.add("x.test", "A 224.0.0.1").add("x.test", "A 0.0.0.0").add("x.test", "AAAA fe80::1");
  zone_.add("x.test", "AAAA ::ffff:127.0.0.1");
  const Outcome outcome = walk("sip:x.test:5060");
  EXPECT_EQ(text(outcome), "no usable address");
  EXPECT_EQ(outcome.discarded[static_cast<std::size_t>(Discard::own_address)], 2u);
  EXPECT_EQ(outcome.discarded[static_cast<std::size_t>(Discard::no_unicast)], 5u);
}

TEST_F(ProcedureTest, A_server_that_fails_makes_no_guess_of_another_way) {
  zone_.add("x.test", "A 192.0.2.10").add("a.test", "A 192.0.2.11");
  failing_ = "x.test";
  EXPECT_EQ(walk("sip:x.test").state, routing::NameState::server_failure);
  EXPECT_EQ(asked_, "NAPTR x.test");
  failing_ = "_sip._udp.x.test";
  EXPECT_EQ(walk("sip:x.test").state, routing::NameState::server_failure);
  EXPECT_EQ(asked_, "NAPTR x.test; SRV _sip._tcp.x.test; SRV _sip._udp.x.test");
}

TEST_F(ProcedureTest, One_server_s_address_that_cannot_be_had_leaves_the_others) {
  zone_.add("_sip._udp.x.test", "SRV 1 1 5060 a.test").add("_sip._udp.x.test", "SRV 2 1 5060 b.test");
  zone_.add("a.test", "A 192.0.2.10").add("b.test", "A 192.0.2.11");
  failing_ = "a.test";
  const Outcome outcome = walk("sip:x.test;transport=udp");
  EXPECT_EQ(text(outcome), "1/1/1 udp 192.0.2.11:5060");
  EXPECT_TRUE(outcome.incomplete);
}

TEST_F(ProcedureTest, Much_is_bounded) {
  for (int i = 0; i < 60; ++i) {
    const std::string host = "h" + std::to_string(i) + ".test";
    zone_.add("_sip._udp.x.test", "SRV 1 1 5060 " + host);
    for (int j = 1; j < 30; ++j)
      zone_.add(host, "A 192.0." + std::to_string(i + 3) + "." + std::to_string(j));
  }
  const Outcome outcome = walk("sip:x.test;transport=udp");
  EXPECT_EQ(outcome.places.size(), kMostPlaces);
  EXPECT_GT(outcome.discarded[static_cast<std::size_t>(Discard::too_many)], 0u);
  EXPECT_EQ(std::ranges::count(asked_, ';'), 2 * kMostServers) << "SRV, then A and AAAA of each server";
}

TEST_F(ProcedureTest, The_same_place_stands_once) {
  zone_.add("_sip._udp.x.test", "SRV 1 1 5060 a.test").add("_sip._udp.x.test", "SRV 2 1 5060 a.test");
  zone_.add("a.test", "A 192.0.2.10");
  EXPECT_EQ(places("sip:x.test;transport=udp"), "0/0/1 udp 192.0.2.10:5060");
}

TEST_F(ProcedureTest, The_least_TTL_of_what_was_used_counts) {
  zone_.add("x.test", "NAPTR 1 1 s SIP+D2U _sip._udp.x.test", 500);
  zone_.add("_sip._udp.x.test", "SRV 1 1 5060 a.test", 70).add("a.test", "A 192.0.2.10", 90);
  EXPECT_EQ(walk("sip:x.test").ttl_s, 70u);
}

}  // namespace
}  // namespace sallyport::resolver
