// SPDX-License-Identifier: Apache-2.0
// What is asked of a DPDK device beside packets, and no more than that: the tests have devices that claim,
// refuse and record where no such hardware is at hand. Nothing here is called while there is work: at start,
// and around an idle worker's sleep. 0, or a negative errno as the driver gives it.
#pragma once

#include <rte_ethdev.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/base/address.h"

struct rte_flow;

namespace sallyport::dp {

// UDP to `address` (in that VLAN) whose destination port has (port & mask) == port goes to `queue`.
struct MediaRule {
  IpAddress address;
  std::uint16_t vlan = 0;  // 0: untagged
  std::uint16_t port = 0;
  std::uint16_t mask = 0;
  std::uint16_t queue = 0;
  friend bool operator==(const MediaRule&, const MediaRule&) = default;
};

class EthDevice {
 public:
  virtual ~EthDevice() = default;

  [[nodiscard]] virtual int info(rte_eth_dev_info& out) = 0;
  [[nodiscard]] virtual int configure(std::uint16_t queues, const rte_eth_conf& conf) = 0;

  // The Toeplitz key and the fields that are hashed (RTE_ETH_RSS_...), and the queue of each index.
  [[nodiscard]] virtual int set_hash(std::span<const std::uint8_t> key, std::uint64_t fields) = 0;
  [[nodiscard]] virtual int hash(std::span<std::uint8_t> key, std::uint64_t& fields) = 0;
  [[nodiscard]] virtual int set_table(std::span<const std::uint16_t> queues) = 0;
  [[nodiscard]] virtual int table(std::span<std::uint16_t> queues) = 0;

  // nullptr: refused, and `why` says in the driver's words.
  [[nodiscard]] virtual rte_flow* add_rule(const MediaRule& rule, std::string& why) = 0;
  virtual void remove_rule(rte_flow* rule) = 0;

  // A packet on that queue makes the epoll descriptor readable while the interrupt is armed, until it is
  // drained.
  [[nodiscard]] virtual int watch(std::uint16_t queue, int epoll) = 0;
  virtual void unwatch(std::uint16_t queue, int epoll) = 0;
  virtual void drain(int epoll) = 0;
  [[nodiscard]] virtual int arm(std::uint16_t queue) = 0;
  virtual void disarm(std::uint16_t queue) = 0;
};

// The device that EAL knows by this number.
[[nodiscard]] std::unique_ptr<EthDevice> eth_device(std::uint16_t port);

}  // namespace sallyport::dp
