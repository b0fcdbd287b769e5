// SPDX-License-Identifier: Apache-2.0
// `session_timer` of a peer.
#include <gtest/gtest.h>

#include <string>

#include "controlplane/config/load.h"

namespace sallyport::config {
namespace {

std::string with(std::string_view timer) {
  return "dataplane: {cores: [1], ports: {access: {device: net_null0}}}\n"
         "realms: {access: {port: access, addresses: [\"198.51.100.1/24\"]}}\n"
         "peers: {office: {realm: access, match: [\"198.51.100.0/24\"]" +
         std::string(timer) + "}}\n";
}

TEST(SessionTimerKeys, Are_off_by_default_and_read_with_units) {
  const auto plain = load(with(""));
  ASSERT_TRUE(plain) << format_faults("x", plain.error());
  EXPECT_EQ(plain->peers[0].session_timer.expires_ns, 0);
  EXPECT_EQ(plain->peers[0].session_timer.min_se_ns, 90 * kSecond);
  const auto set = load(with(", session_timer: {expires: 30m, min_se: 120s, refresher: us}"));
  ASSERT_TRUE(set) << format_faults("x", set.error());
  EXPECT_EQ(set->peers[0].session_timer.expires_ns, 1800 * kSecond);
  EXPECT_EQ(set->peers[0].session_timer.min_se_ns, 120 * kSecond);
  EXPECT_EQ(set->peers[0].session_timer.refresher, RefreshBy::us);
}

TEST(SessionTimerKeys, What_cannot_be_is_a_fault) {
  for (const char* bad : {"{expires: 60s}", "{min_se: 30s}", "{refresher: me}",
                          "{expires: 100s, min_se: 200s}", "{interval: 90s}", "on"}) {
    const auto loaded = load(with(std::string(", session_timer: ") + bad));
    ASSERT_FALSE(loaded) << bad;
    EXPECT_EQ(loaded.error().size(), 1u) << bad;
  }
}

}  // namespace
}  // namespace sallyport::config
