// SPDX-License-Identifier: Apache-2.0
// A MediaRule in the words of rte_flow: Ethernet, VLAN if any, IP by destination, UDP by masked destination
// port.
#pragma once

#include <rte_flow.h>

#include <array>

#include "dataplane/eth_device.h"

namespace sallyport::dp {

class FlowRule {
 public:
  explicit FlowRule(const MediaRule& rule);
  FlowRule(const FlowRule&) = delete;  // the pattern points into it
  FlowRule& operator=(const FlowRule&) = delete;

  [[nodiscard]] const rte_flow_attr& attributes() const { return attributes_; }
  [[nodiscard]] const rte_flow_item* pattern() const { return pattern_.data(); }
  [[nodiscard]] const rte_flow_action* actions() const { return actions_.data(); }

 private:
  rte_flow_attr attributes_{};
  rte_flow_item_vlan vlan_{}, vlan_mask_{};
  rte_flow_item_ipv4 ipv4_{}, ipv4_mask_{};
  rte_flow_item_ipv6 ipv6_{}, ipv6_mask_{};
  rte_flow_item_udp udp_{}, udp_mask_{};
  rte_flow_action_queue queue_{};
  std::array<rte_flow_item, 5> pattern_{};
  std::array<rte_flow_action, 2> actions_{};
};

}  // namespace sallyport::dp
