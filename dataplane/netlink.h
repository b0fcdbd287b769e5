// SPDX-License-Identifier: Apache-2.0
// What Sallyport asks of the kernel's routing tables, one rtnetlink message each. Of the network namespace in
// which the socket was opened. Used at start, stop and a reload, and by the exception thread; never by a worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "dataplane/base/address.h"

struct mnl_socket;
struct nlmsghdr;

namespace sallyport::dp {

class Netlink {
 public:
  // `groups`: RTMGRP_... bits to listen to; 0 for a socket of requests. Null: errno says why.
  [[nodiscard]] static std::unique_ptr<Netlink> open(std::uint32_t groups);
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // Each returns 0 or a positive errno.
  [[nodiscard]] int link_up(unsigned ifindex, std::uint16_t mtu, const std::uint8_t* mac);
  [[nodiscard]] int add_address(unsigned ifindex, const Prefix& address);  // no duplicate address detection
  [[nodiscard]] int add_default_route(unsigned ifindex, const IpAddress& gateway, std::uint32_t table,
                                      std::uint32_t metric);
  [[nodiscard]] int delete_default_route(unsigned ifindex, const IpAddress& gateway, std::uint32_t table,
                                         std::uint32_t metric);
  // "from `source` lookup `table`"; its default routes do not count when `without_default`.
  struct Rule {
    IpAddress source;
    std::uint32_t table = 0;
    std::uint32_t priority = 0;
    bool without_default = false;
    friend bool operator==(const Rule&, const Rule&) = default;
  };
  [[nodiscard]] int add_rule(const Rule& rule);
  [[nodiscard]] int delete_rule(const Rule& rule);
  // Has the kernel resolve or, when it is stale, probe a neighbour.
  [[nodiscard]] int use_neighbour(unsigned ifindex, const IpAddress& address);

  // True: the kernel has a MAC of it that may be used.
  [[nodiscard]] bool knows_neighbour(unsigned ifindex, const IpAddress& address);

  using Handler = std::function<void(const nlmsghdr&)>;
  // RTM_GETNEIGH, RTM_GETROUTE or RTM_GETRULE of one family; `handler` gets each entry.
  [[nodiscard]] int dump(std::uint16_t type, Family family, const Handler& handler);
  // Of a listening socket: what has come, without waiting. ENOBUFS: something was lost, dump again.
  [[nodiscard]] int receive(const Handler& handler);
  [[nodiscard]] int fd() const;

 private:
  explicit Netlink(mnl_socket* socket) : socket_(socket) {}
  [[nodiscard]] int transact(nlmsghdr& request, const Handler* handler);

  mnl_socket* socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace sallyport::dp
