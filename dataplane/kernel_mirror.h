// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Keeps a NextHopTable equal to what the kernel knows of our taps. Neighbours follow
// their notifications one by one; a change of a route reads all routes again, once a turn at most. A
// neighbour's MAC is used in every state but incomplete and failed. Since the kernel sees none of our
// traffic, its entries grow stale while we use them: those used lately are given to the kernel to probe
// (NTF_USE: stale, delay 5 s, probe, reachable), which also keeps its garbage collection off them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/netlink.h"
#include "dataplane/next_hop.h"

namespace sallyport::dp {

class KernelMirror {
 public:
  struct Link {
    unsigned ifindex = 0;  // 0: no tap
  };
  // `links[n]`: the tap of link n. Null: errno says why.
  [[nodiscard]] static std::unique_ptr<KernelMirror> start(std::vector<Link> links, NextHopTable& table);

  [[nodiscard]] int fd() const { return events_->fd(); }
  void read_events();                                  // when fd() is readable
  std::uint64_t resolve_requests(Nanoseconds now_ns);  // each turn; how many went to the kernel
  std::uint64_t probe_used(Nanoseconds now_ns);        // each turn, works once a second; how many were probed

 private:
  struct Key {
    std::uint8_t link = 0;
    IpAddress address;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return IpAddressHash{}(key.address) * 31 + key.link; }
  };
  struct Known {
    MacAddress mac{};
    std::uint16_t state = 0;  // NUD_...
  };
  KernelMirror(std::vector<Link> links, NextHopTable& table, std::unique_ptr<Netlink> events,
               std::unique_ptr<Netlink> requests);

  [[nodiscard]] int read_all();
  [[nodiscard]] int read_routes();
  void on_message(const nlmsghdr& message);
  void on_neighbour(const nlmsghdr& message);
  [[nodiscard]] bool route_of(const nlmsghdr& message, Route& out) const;
  [[nodiscard]] int link_of(unsigned ifindex) const;  // -1: none of ours
  void forget(const Key& key);

  std::vector<Link> links_;
  NextHopTable& table_;
  std::unique_ptr<Netlink> events_;
  std::unique_ptr<Netlink> requests_;
  std::unordered_map<Key, Known, KeyHash> known_;
  std::unordered_map<Key, Nanoseconds, KeyHash> asked_;  // when the kernel was last asked
  bool routes_changed_ = false;
  bool lost_events_ = false;
  Nanoseconds probed_ns_ = 0;
};

}  // namespace sallyport::dp
