// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "controlplane/config/load.h"

namespace sallyport::resolver {

// Two realms: `in` speaks UDP over IPv4, `out` UDP and TCP over IPv6 and IPv4. `peers` and `dns` as YAML.
inline config::Config configured(const std::string& peers, const std::string& dns = "{}") {
  const auto config = config::load(
      "dataplane: {ports: {p: {device: net_null}}}\n"
      "realms:\n  in: {port: p, addresses: [198.51.100.1/24]}\n"
      "  out: {port: p, addresses: [\"2001:db8:2::1/64\", 192.0.2.1/24], sip: {udp: 5060, tcp: 5060}}\n"
      "peers: " +
      peers + "\ndns: " + dns + "\n");
  if (config) return *config;
  ADD_FAILURE() << config::format_faults("yaml", config.error());
  return {};
}

}  // namespace sallyport::resolver
