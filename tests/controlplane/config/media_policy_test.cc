// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "controlplane/config/load.h"

namespace sallyport::config {
namespace {

// A realm with these keys in `media`, and a peer with those.
std::string with(const std::string& realm, const std::string& peer = {}) {
  return "dataplane: {ports: {p: {device: net_null}}}\n"
         "realms: {r: {port: p, addresses: [192.0.2.1/24], media: {ports: 20000-20999" +
         (realm.empty() ? "" : ", " + realm) + "}}}\n" + "peers: {a: {realm: r, match: [192.0.2.9]" +
         (peer.empty() ? "" : ", media: {" + peer + "}") + "}}\n";
}

MediaPolicy of_peer(const std::string& realm, const std::string& peer = {}) {
  const auto config = load(with(realm, peer));
  EXPECT_TRUE(config) << format_faults("f", config.error());
  return config ? config->peers.at(0).media : MediaPolicy{};
}

std::string faults(const std::string& text) {
  const auto config = load(text);
  return config ? "" : format_faults("f", config.error());
}

TEST(MediaPolicy, Is_safe_where_nothing_is_said) {
  const MediaPolicy policy = of_peer("");
  EXPECT_EQ(policy.idle_timeout_ns, 60 * kSecond);
  EXPECT_EQ(policy.one_way_timeout_ns, 60 * kSecond);
  EXPECT_EQ(policy.hold_timeout_ns, 3600 * kSecond);
  EXPECT_TRUE(policy.idle_ends && policy.hold_ends);
  EXPECT_FALSE(policy.one_way_ends) << "a muted phone is no reason";
  EXPECT_EQ(policy.relatch_after_ns, 2 * kSecond);
  EXPECT_TRUE(policy.police);
  EXPECT_FALSE(policy.any_payload_type);
}

TEST(MediaPolicy, Of_a_realm_stands_in_its_peers_unless_they_say_otherwise) {
  const MediaPolicy of_realm = of_peer(
      "relatch_after: off, one_way_timeout: 5s, hold_timeout: off, end_on: one_way, police: off, "
      "payload_types: any");
  EXPECT_EQ(of_realm.relatch_after_ns, 0);
  EXPECT_EQ(of_realm.one_way_timeout_ns, 5 * kSecond);
  EXPECT_EQ(of_realm.hold_timeout_ns, 0);
  EXPECT_TRUE(of_realm.one_way_ends);
  EXPECT_FALSE(of_realm.idle_ends || of_realm.hold_ends);
  EXPECT_FALSE(of_realm.police);
  EXPECT_TRUE(of_realm.any_payload_type);
  const MediaPolicy other = of_peer("end_on: [], police: off", "end_on: [idle, one_way], police: negotiated");
  EXPECT_TRUE(other.idle_ends && other.one_way_ends && other.police);
  EXPECT_FALSE(of_peer("end_on: []").idle_ends);
}

TEST(MediaPolicy, Marks_a_realm_s_packets) {
  const auto config = load(with("dscp: 34"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->realms[0].media_dscp, 34);
  EXPECT_EQ(config->realms[0].sip_dscp, 24);
}

TEST(MediaPolicy, Reports_what_it_cannot_be) {
  for (const std::string wrong :
       {"dscp: 64", "relatch_after: 100ms", "relatch_after: 2m", "one_way_timeout: never", "hold_timeout: 5",
        "end_on: never", "end_on: [idle, silence]", "police: strict", "payload_types: all"}) {
    EXPECT_NE(faults(with(wrong)), "") << wrong;
  }
  EXPECT_NE(faults(with("", "dscp: 10")), "") << "of realms only";
}

}  // namespace
}  // namespace sallyport::config
