// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel_mirror.h"

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace sallyport::dp {
namespace {

constexpr std::uint16_t kUsable =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
constexpr Nanoseconds kAskEvery = kSecond;
constexpr Nanoseconds kUsedLately = 10 * kSecond;
constexpr std::size_t kAskedAtMost = 8192;
constexpr std::uint32_t kGroups =
    RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;

// The attributes of one message by type; what is longer than the table is not looked at.
class Attributes {
 public:
  Attributes(const nlmsghdr& message, std::size_t header_bytes) {
    (void)mnl_attr_parse(&message, static_cast<unsigned>(header_bytes), keep, &known_);
  }
  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t type) const {
    if (known_[type] == nullptr || mnl_attr_get_payload_len(known_[type]) < 4) return std::nullopt;
    return mnl_attr_get_u32(known_[type]);
  }
  [[nodiscard]] std::span<const std::uint8_t> octets(std::size_t type) const {
    if (known_[type] == nullptr) return {};
    return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(known_[type])),
            mnl_attr_get_payload_len(known_[type])};
  }
  [[nodiscard]] IpAddress address(std::size_t type, int family) const {
    const auto bytes = octets(type);
    if (family == AF_INET && bytes.size() == 4) return IpAddress::from_bytes(Family::v4, bytes.data());
    if (family == AF_INET6 && bytes.size() == 16) return IpAddress::from_bytes(Family::v6, bytes.data());
    return {};
  }

 private:
  using Known = std::array<const nlattr*, 32>;
  static int keep(const nlattr* attribute, void* known) {
    if (const auto type = mnl_attr_get_type(attribute); type < Known{}.size()) {
      (*static_cast<Known*>(known))[type] = attribute;
    }
    return MNL_CB_OK;
  }
  Known known_{};
};

}  // namespace

KernelMirror::KernelMirror(std::vector<Link> links, NextHopTable& table, std::unique_ptr<Netlink> events,
                           std::unique_ptr<Netlink> requests)
    : links_(std::move(links)), table_(table), events_(std::move(events)), requests_(std::move(requests)) {}

std::unique_ptr<KernelMirror> KernelMirror::start(std::vector<Link> links, NextHopTable& table) {
  // Listen first, then read: nothing that changes in between is missed.
  auto events = Netlink::open(kGroups);
  if (!events) return nullptr;
  auto requests = Netlink::open(0);
  if (!requests) return nullptr;
  std::unique_ptr<KernelMirror> mirror(
      new KernelMirror(std::move(links), table, std::move(events), std::move(requests)));
  if (const int error = mirror->read_all(); error != 0) {
    errno = error;
    return nullptr;
  }
  return mirror;
}

int KernelMirror::link_of(unsigned ifindex) const {
  const auto found = std::ranges::find_if(
      links_, [ifindex](const Link& link) { return link.ifindex != 0 && link.ifindex == ifindex; });
  return found == links_.end() ? -1 : static_cast<int>(found - links_.begin());
}

int KernelMirror::read_all() {
  // What the dump does not name is gone.
  const auto before = std::exchange(known_, {});
  for (const Family family : {Family::v4, Family::v6}) {
    const int error = requests_->dump(RTM_GETNEIGH, family, [this](const nlmsghdr& m) { on_neighbour(m); });
    if (error != 0) return error;
  }
  for (const auto& [key, known] : before) {
    if (!known_.contains(key)) table_.remove_neighbour(key.link, key.address);
  }
  return read_routes();
}

int KernelMirror::read_routes() {
  std::vector<Route> routes;
  for (const Family family : {Family::v4, Family::v6}) {
    const int error = requests_->dump(RTM_GETROUTE, family, [&](const nlmsghdr& message) {
      if (Route route; route_of(message, route)) routes.push_back(route);
    });
    if (error != 0) return error;
  }
  table_.set_routes(std::move(routes));
  return 0;
}

bool KernelMirror::route_of(const nlmsghdr& message, Route& out) const {
  if (message.nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(&message) < sizeof(rtmsg)) return false;
  const auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  if (route->rtm_type != RTN_UNICAST || (route->rtm_flags & RTM_F_CLONED) != 0) return false;
  const Attributes attributes(message, sizeof(rtmsg));
  const int link = link_of(attributes.number(RTA_OIF).value_or(0));
  if (link < 0) return false;
  out.link = static_cast<std::uint8_t>(link);
  out.destination.length = route->rtm_dst_len;
  out.destination.address = attributes.address(RTA_DST, route->rtm_family);
  if (!out.destination.address) {  // the default route has no RTA_DST
    if (route->rtm_dst_len != 0) return false;
    const std::array<std::uint8_t, 16> zero{};
    out.destination.address =
        IpAddress::from_bytes(route->rtm_family == AF_INET ? Family::v4 : Family::v6, zero.data());
  }
  out.gateway = attributes.address(RTA_GATEWAY, route->rtm_family);
  out.metric = attributes.number(RTA_PRIORITY).value_or(0);
  return true;
}

void KernelMirror::forget(const Key& key) {
  known_.erase(key);
  table_.remove_neighbour(key.link, key.address);
}

void KernelMirror::on_neighbour(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(ndmsg)) return;
  const auto* neighbour = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
  const int link = link_of(static_cast<unsigned>(neighbour->ndm_ifindex));
  if (link < 0) return;
  const Attributes attributes(message, sizeof(ndmsg));
  const Key key{static_cast<std::uint8_t>(link), attributes.address(NDA_DST, neighbour->ndm_family)};
  if (!key.address || key.address.is_multicast()) return;
  const auto mac = attributes.octets(NDA_LLADDR);
  if (message.nlmsg_type == RTM_DELNEIGH || (neighbour->ndm_state & kUsable) == 0 || mac.size() != 6) {
    forget(key);
    return;
  }
  MacAddress octets{};
  std::memcpy(octets.data(), mac.data(), octets.size());
  table_.set_neighbour(key.link, key.address, octets);
  known_[key] = {octets, neighbour->ndm_state};
}

void KernelMirror::on_message(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      on_neighbour(message);
      break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
    case RTM_NEWADDR:
    case RTM_DELADDR:
      routes_changed_ = true;
      break;
    default:
      break;
  }
}

void KernelMirror::read_events() {
  const int error = events_->receive([this](const nlmsghdr& message) { on_message(message); });
  if (error != 0 || lost_events_) {
    lost_events_ = read_all() != 0;  // tried again at the next event or tick
    routes_changed_ = false;
  } else if (routes_changed_) {
    routes_changed_ = false;
    lost_events_ = read_routes() != 0;
  }
}

std::uint64_t KernelMirror::resolve_requests(Nanoseconds now_ns) {
  std::uint64_t count = 0;
  table_.drain_requests([&](const NextHopTable::Request& request) {
    const Key key{request.link, request.neighbour};
    if (request.link >= links_.size() || links_[request.link].ifindex == 0) return;
    if (const auto known = known_.find(key); known != known_.end()) {  // it had to give way in the table
      table_.set_neighbour(key.link, key.address, known->second.mac);
      return;
    }
    if (asked_.size() >= kAskedAtMost) asked_.clear();
    const auto [entry, fresh] = asked_.try_emplace(key, now_ns);
    if (!fresh && now_ns - entry->second < kAskEvery) return;
    entry->second = now_ns;
    count += requests_->use_neighbour(links_[request.link].ifindex, request.neighbour) == 0 ? 1 : 0;
  });
  return count;
}

std::uint64_t KernelMirror::probe_used(Nanoseconds now_ns) {
  if (now_ns - probed_ns_ < kSecond) return 0;
  probed_ns_ = now_ns;
  if (lost_events_) read_events();
  std::erase_if(asked_, [now_ns](const auto& asked) { return now_ns - asked.second > kAskEvery; });
  std::uint64_t count = 0;
  table_.for_each_used(now_ns - kUsedLately, [&](const NextHopTable::Request& used) {
    const auto known = known_.find(Key{used.link, used.neighbour});
    if (known == known_.end() || (known->second.state & NUD_STALE) == 0) return;
    count += requests_->use_neighbour(links_[used.link].ifindex, used.neighbour) == 0 ? 1 : 0;
  });
  return count;
}

}  // namespace sallyport::dp
