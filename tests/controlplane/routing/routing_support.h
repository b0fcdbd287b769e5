// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controlplane/config/load.h"
#include "controlplane/routing/router.h"

namespace sallyport::routing {

// Two realms; `peers` and `routes` as YAML blocks.
inline config::Config configured(const std::string& peers, const std::string& routes = "[]") {
  const auto config = config::load(
      "dataplane: {ports: {p: {device: net_null}}}\n"
      "realms:\n  in: {port: p, addresses: [198.51.100.1/24, \"2001:db8:1::1/64\"]}\n"
      "  out: {port: p, addresses: [192.0.2.1/24, \"2001:db8:2::1/64\"], sip: {udp: 5060, tcp: 5060, tls: "
      "5061}, "
      "tls: {certificate: /dev/null, key: /dev/null, ca: /dev/null, verify: optional}}\n"
      "peers: " +
      peers + "\nroutes: " + routes + "\n");
  if (config) return *config;
  ADD_FAILURE() << config::format_faults("yaml", config.error());
  return {};
}

// "a0 a1 b0": peers by name with their target's index.
inline std::string names(const config::Config& config, const std::vector<TargetId>& ids) {
  std::string text;
  for (const TargetId id : ids) {
    text += (text.empty() ? "" : " ") + config.peers[id.peer].name + std::to_string(id.target);
  }
  return text;
}

}  // namespace sallyport::routing
