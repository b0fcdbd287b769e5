// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_rule.h"

#include <algorithm>

#include "dataplane/base/bytes.h"

namespace sallyport::dp {

FlowRule::FlowRule(const MediaRule& rule) {
  attributes_.ingress = 1;
  rte_flow_item* item = pattern_.data();
  *item++ = {.type = RTE_FLOW_ITEM_TYPE_ETH};
  if (rule.vlan != 0) {
    vlan_.tci = be16(rule.vlan).raw();
    vlan_mask_.tci = be16(std::uint16_t{0x0fff}).raw();
    *item++ = {.type = RTE_FLOW_ITEM_TYPE_VLAN, .spec = &vlan_, .mask = &vlan_mask_};
  }
  const std::uint8_t* address = rule.address.bytes().data();
  if (rule.address.is_v4()) {
    ipv4_.hdr.dst_addr = be32(rule.address.v4_host_order()).raw();
    ipv4_mask_.hdr.dst_addr = 0xffffffffu;
    *item++ = {.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ipv4_, .mask = &ipv4_mask_};
  } else {
    std::copy_n(address, sizeof(ipv6_.hdr.dst_addr), ipv6_.hdr.dst_addr);
    std::fill_n(ipv6_mask_.hdr.dst_addr, sizeof(ipv6_mask_.hdr.dst_addr), std::uint8_t{0xff});
    *item++ = {.type = RTE_FLOW_ITEM_TYPE_IPV6, .spec = &ipv6_, .mask = &ipv6_mask_};
  }
  udp_.hdr.dst_port = be16(rule.port).raw();
  udp_mask_.hdr.dst_port = be16(rule.mask).raw();
  *item++ = {.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp_, .mask = &udp_mask_};
  *item = {.type = RTE_FLOW_ITEM_TYPE_END};
  queue_.index = rule.queue;
  actions_ = {rte_flow_action{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue_},
              rte_flow_action{.type = RTE_FLOW_ACTION_TYPE_END}};
}

}  // namespace sallyport::dp
