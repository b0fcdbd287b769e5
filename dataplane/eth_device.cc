// SPDX-License-Identifier: Apache-2.0
#include "dataplane/eth_device.h"

#include <rte_errno.h>
#include <rte_interrupts.h>

#include <array>
#include <cerrno>
#include <vector>

#include "dataplane/flow_rule.h"

namespace sallyport::dp {
namespace {

using TablePart = rte_eth_rss_reta_entry64;  // 64 indices and a mask of those that are meant

[[nodiscard]] std::vector<TablePart> parts_for(std::size_t entries) {
  std::vector<TablePart> parts((entries + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE);
  for (std::size_t i = 0; i < entries; ++i)
    parts[i / RTE_ETH_RETA_GROUP_SIZE].mask |= std::uint64_t{1} << i % RTE_ETH_RETA_GROUP_SIZE;
  return parts;
}

class RteEthDevice final : public EthDevice {
 public:
  explicit RteEthDevice(std::uint16_t port) : port_(port) {}

  int info(rte_eth_dev_info& out) override { return rte_eth_dev_info_get(port_, &out); }
  int configure(std::uint16_t queues, const rte_eth_conf& conf) override {
    return rte_eth_dev_configure(port_, queues, queues, &conf);
  }

  int set_hash(std::span<const std::uint8_t> key, std::uint64_t fields) override {
    std::vector<std::uint8_t> copy(key.begin(), key.end());
    rte_eth_rss_conf conf{};
    conf.rss_key = copy.empty() ? nullptr : copy.data();
    conf.rss_key_len = static_cast<std::uint8_t>(copy.size());
    conf.rss_hf = fields;
    return rte_eth_dev_rss_hash_update(port_, &conf);
  }
  int hash(std::span<std::uint8_t> key, std::uint64_t& fields) override {
    rte_eth_rss_conf conf{};
    conf.rss_key = key.data();
    conf.rss_key_len = static_cast<std::uint8_t>(key.size());
    const int error = rte_eth_dev_rss_hash_conf_get(port_, &conf);
    fields = conf.rss_hf;
    return error;
  }
  int set_table(std::span<const std::uint16_t> queues) override {
    std::vector<TablePart> parts = parts_for(queues.size());
    for (std::size_t i = 0; i < queues.size(); ++i)
      parts[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = queues[i];
    return rte_eth_dev_rss_reta_update(port_, parts.data(), static_cast<std::uint16_t>(queues.size()));
  }
  int table(std::span<std::uint16_t> queues) override {
    std::vector<TablePart> parts = parts_for(queues.size());
    const int error =
        rte_eth_dev_rss_reta_query(port_, parts.data(), static_cast<std::uint16_t>(queues.size()));
    for (std::size_t i = 0; i < queues.size(); ++i)
      queues[i] = parts[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
    return error;
  }

  rte_flow* add_rule(const MediaRule& rule, std::string& why) override {
    const FlowRule words(rule);
    rte_flow_error error{};
    rte_flow* flow = rte_flow_create(port_, &words.attributes(), words.pattern(), words.actions(), &error);
    if (flow == nullptr) why = error.message != nullptr ? error.message : rte_strerror(rte_errno);
    return flow;
  }
  void remove_rule(rte_flow* rule) override {
    rte_flow_error error{};
    (void)rte_flow_destroy(port_, rule, &error);
  }

  int watch(std::uint16_t queue, int epoll) override {
    return rte_eth_dev_rx_intr_ctl_q(port_, queue, epoll, RTE_INTR_EVENT_ADD, nullptr);
  }
  void unwatch(std::uint16_t queue, int epoll) override {
    (void)rte_eth_dev_rx_intr_ctl_q(port_, queue, epoll, RTE_INTR_EVENT_DEL, nullptr);
  }
  void drain(int epoll) override {
    std::array<rte_epoll_event, 32> events;  // reading what is counted there is the library's
    (void)rte_epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 0);
  }
  // A device whose descriptor is the kernel's own (a tap) has nothing to arm: it tells of every packet.
  int arm(std::uint16_t queue) override {
    const int error = rte_eth_dev_rx_intr_enable(port_, queue);
    return error == -ENOTSUP ? 0 : error;
  }
  void disarm(std::uint16_t queue) override { (void)rte_eth_dev_rx_intr_disable(port_, queue); }

 private:
  std::uint16_t port_;
};

}  // namespace

std::unique_ptr<EthDevice> eth_device(std::uint16_t port) {
  return std::make_unique<RteEthDevice>(port);
}

}  // namespace sallyport::dp
