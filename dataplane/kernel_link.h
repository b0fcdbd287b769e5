// SPDX-License-Identifier: Apache-2.0
// One link's side in the kernel: a tap with the port's MAC and the realms' addresses. Gateways stand in a
// routing table of the link's own, which a rule chooses by source address, so that an answer leaves by the
// link on which its address is, whatever other links or the machine itself have as default route. A socket
// that opens connections has to be bound to one of our addresses.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "dataplane/base/address.h"
#include "dataplane/netlink.h"
#include "dataplane/next_hop.h"
#include "dataplane/sysctl.h"
#include "dataplane/tap.h"

namespace sallyport::dp {

struct KernelLinkPlan {
  std::string tap;
  std::uint8_t link = 0;
  std::uint8_t port = 0;
  std::uint16_t vlan = 0;
  MacAddress mac{};
  std::uint16_t mtu = 1500;
  std::vector<Prefix> addresses;
  std::vector<IpAddress> gateways;
};

class KernelLink {
 public:
  // The error is one sentence that says what to do. `netlink` outlives the link.
  [[nodiscard]] static std::expected<KernelLink, std::string> make(const KernelLinkPlan& plan,
                                                                   Netlink& netlink,
                                                                   const SysctlKeeper& sysctl);
  ~KernelLink();  // the tap takes its addresses and routes with it; rules are taken away one by one
  KernelLink(KernelLink&&) = default;
  KernelLink& operator=(KernelLink&&) = delete;

  // Those that are new come before those that are gone go, so there is a way out throughout. After an error some
  // of both may stand: give it the former ones again.
  [[nodiscard]] std::expected<void, std::string> set_gateways(const std::vector<IpAddress>& gateways);
  [[nodiscard]] const std::vector<IpAddress>& gateways() const { return gateways_; }

  [[nodiscard]] const Tap& tap() const { return tap_; }
  [[nodiscard]] std::uint8_t port() const { return port_; }
  [[nodiscard]] std::uint16_t vlan() const { return vlan_; }

 private:
  KernelLink(const KernelLinkPlan& plan, Netlink& netlink, Tap tap)
      : netlink_(&netlink),
        tap_(std::move(tap)),
        port_(plan.port),
        vlan_(plan.vlan),
        table_(kTableBase + plan.link),
        addresses_(plan.addresses) {}
  [[nodiscard]] std::expected<void, std::string> configure(const KernelLinkPlan& plan);
  [[nodiscard]] std::expected<void, std::string> set_rules(const std::vector<IpAddress>& gateways);
  [[nodiscard]] std::expected<void, std::string> add_rule(const Netlink::Rule& rule);

  static constexpr std::uint32_t kTableBase = 0x5350'0000;  // "SP": out of the way of tables that people number

  Netlink* netlink_;
  Tap tap_;
  std::uint8_t port_;
  std::uint16_t vlan_;
  std::uint32_t table_;
  std::vector<Prefix> addresses_;
  std::vector<IpAddress> gateways_;  // the first has the metric 1
  std::vector<Netlink::Rule> rules_;
};

}  // namespace sallyport::dp
