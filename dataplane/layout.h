// SPDX-License-Identifier: Apache-2.0
// What follows from the options alone: no device, no kernel, no DPDK.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/dataplane.h"

namespace sallyport::dp {

// One range for each media address, in the order of realms and addresses; slots are dealt from 0 up.
[[nodiscard]] std::vector<MediaRange> media_layout(const std::vector<RealmOptions>& realms);

// Where the kernel listens for SIP over TCP and TLS.
[[nodiscard]] std::vector<Endpoint> tcp_listeners(const std::vector<RealmOptions>& realms);

// Whether a worker's NUMA node is another one than its port's; -1: a node that is not known, and of no
// matter.
[[nodiscard]] constexpr bool is_distant(int worker_node, int port_node) {
  return worker_node >= 0 && port_node >= 0 && worker_node != port_node;
}

// The first thing that is wrong with the options, as one sentence.
[[nodiscard]] std::expected<void, std::string> check_options(const DataplaneOptions& options);

}  // namespace sallyport::dp
