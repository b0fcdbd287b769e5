// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel_link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace sallyport::dp {
namespace {

constexpr std::uint32_t kRulePriority = 5060;
constexpr std::uint32_t kMainTable = 254;

struct Setting {
  std::string_view path;  // %: the tap's name
  std::string_view value;
};
// Only IPv6's duplicate address detection really matters for speed: without these an address is tentative for
// 1 to 2 s. arp_ignore and arp_announce keep each address on its own tap, forwarding 0 keeps frames from one
// tap off the others. A stale neighbour is probed after one second, not five.
constexpr std::array kSettings{
    Setting{"net/ipv4/conf/%/forwarding", "0"},
    Setting{"net/ipv4/conf/%/arp_ignore", "1"},
    Setting{"net/ipv4/conf/%/arp_announce", "2"},
    Setting{"net/ipv4/conf/%/rp_filter", "0"},
    Setting{"net/ipv4/conf/%/accept_redirects", "0"},
    Setting{"net/ipv4/conf/%/send_redirects", "0"},
    Setting{"net/ipv4/conf/%/accept_source_route", "0"},
    Setting{"net/ipv4/neigh/%/delay_first_probe_time", "1"},
    Setting{"net/ipv6/conf/%/disable_ipv6", "0"},
    Setting{"net/ipv6/conf/%/forwarding", "0"},
    Setting{"net/ipv6/conf/%/accept_ra", "0"},
    Setting{"net/ipv6/conf/%/accept_dad", "0"},
    Setting{"net/ipv6/conf/%/dad_transmits", "0"},
    Setting{"net/ipv6/conf/%/router_solicitations", "0"},
    Setting{"net/ipv6/conf/%/accept_redirects", "0"},
    Setting{"net/ipv6/neigh/%/delay_first_probe_time", "1"},
};

void apply_settings(const std::string& tap, const SysctlKeeper& sysctl) {
  for (const Setting& setting : kSettings) {
    const auto at = setting.path.find('%');
    std::string key(setting.path.substr(0, at));
    key.append(tap).append(setting.path.substr(at + 1));
    sysctl.set(key, std::string(setting.value));
  }
}

std::string tap_error(const std::string& name, int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
      return "cannot make the tap " + name + ": /dev/net/tun is not there: load the kernel module tun";
    case EPERM:
    case EACCES:
      return "cannot make the tap " + name + ": no privilege: run as root or with CAP_NET_ADMIN";
    case EBUSY:
      return "the tap " + name +
             " is in use: end the other Sallyport in this network namespace, or name the port otherwise";
    default:
      return "cannot make the tap " + name + ": " + std::strerror(error);
  }
}

}  // namespace

std::expected<KernelLink, std::string> KernelLink::make(const KernelLinkPlan& plan, Netlink& netlink,
                                                        const SysctlKeeper& sysctl) {
  auto tap = Tap::open(plan.tap);
  if (!tap) return std::unexpected(tap_error(plan.tap, tap.error()));
  apply_settings(plan.tap, sysctl);
  KernelLink link(plan, netlink, std::move(*tap));
  if (auto done = link.configure(plan); !done) return std::unexpected(done.error());
  return link;
}

KernelLink::~KernelLink() {
  for (const Netlink::Rule& rule : rules_) (void)netlink_->delete_rule(rule);
}

std::expected<void, std::string> KernelLink::configure(const KernelLinkPlan& plan) {
  if (const int error = netlink_->link_up(tap_.ifindex(), plan.mtu, plan.mac.data()); error != 0) {
    return std::unexpected("cannot bring the tap " + plan.tap + " up: " + std::strerror(error));
  }
  for (const Prefix& address : plan.addresses) {
    if (const int error = netlink_->add_address(tap_.ifindex(), address); error != 0) {
      return std::unexpected("cannot put the address " + address.to_text() + " on the tap " + plan.tap +
                             ": " + std::strerror(error));
    }
  }
  return set_gateways(plan.gateways);
}

std::expected<void, std::string> KernelLink::set_gateways(const std::vector<IpAddress>& gateways) {
  const std::vector<IpAddress> before = std::exchange(gateways_, gateways);
  const auto stands_in = [](const std::vector<IpAddress>& all, std::size_t at, const IpAddress& gateway) {
    return at < all.size() && all[at] == gateway;
  };
  const auto metric = [](std::size_t at) { return static_cast<std::uint32_t>(at + 1); };
  for (std::size_t i = 0; i < gateways.size(); ++i) {
    if (stands_in(before, i, gateways[i])) continue;
    const int error = netlink_->add_default_route(tap_.ifindex(), gateways[i], table_, metric(i));
    if (error == 0 || error == EEXIST) continue;
    return std::unexpected("cannot use the gateway " + gateways[i].to_text() + " on the tap " + tap_.name() +
                           ": " + std::strerror(error) +
                           ": it has to be in the network of one of the realm's addresses");
  }
  if (auto done = set_rules(gateways); !done) return done;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (stands_in(gateways, i, before[i])) continue;
    // ESRCH: it is gone already.
    (void)netlink_->delete_default_route(tap_.ifindex(), before[i], table_, metric(i));
  }
  return {};
}

// Of each address of a family that has a gateway.
std::expected<void, std::string> KernelLink::set_rules(const std::vector<IpAddress>& gateways) {
  std::vector<Netlink::Rule> wanted;
  for (const Prefix& address : addresses_) {
    const auto same_family = [&](const IpAddress& g) { return g.family() == address.address.family(); };
    if (std::ranges::none_of(gateways, same_family)) continue;
    wanted.push_back({address.address, kMainTable, kRulePriority - 1, true});
    wanted.push_back({address.address, table_, kRulePriority, false});
  }
  for (const Netlink::Rule& rule : wanted) {
    if (std::ranges::find(rules_, rule) != rules_.end()) continue;
    if (auto done = add_rule(rule); !done) return done;
  }
  std::erase_if(rules_, [&](const Netlink::Rule& rule) {
    const bool goes = std::ranges::find(wanted, rule) == wanted.end();
    if (goes) (void)netlink_->delete_rule(rule);
    return goes;
  });
  return {};
}

std::expected<void, std::string> KernelLink::add_rule(const Netlink::Rule& rule) {
  // A killed process leaves its rules: take away what is equal first.
  while (netlink_->delete_rule(rule) == 0) {
  }
  if (const int error = netlink_->add_rule(rule); error != 0) {
    return std::unexpected("cannot add the routing rule for " + rule.source.to_text() + ": " +
                           std::strerror(error));
  }
  rules_.push_back(rule);
  return {};
}

}  // namespace sallyport::dp
