// SPDX-License-Identifier: Apache-2.0
#include "dataplane/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sallyport::dp {
namespace {

constexpr std::size_t kBufferBytes = 32'768;  // MNL_SOCKET_BUFFER_SIZE's upper bound, for dumps

std::uint8_t family_of(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}
std::uint8_t address_bits(const IpAddress& address) {
  return address.is_v4() ? 32 : 128;
}

void put_address(nlmsghdr* message, std::uint16_t type, const IpAddress& address) {
  mnl_attr_put(message, type, address_bits(address) / 8u, address.bytes().data());
}

// A message being written: header, then the family's own header of type T, then attributes.
template <typename T>
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_.data())) {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    body_ = static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  T* operator->() { return body_; }
  nlmsghdr* header() { return header_; }

 private:
  alignas(nlmsghdr) std::array<char, 512> buffer_{};
  nlmsghdr* header_;
  T* body_;
};

int call_handler(const nlmsghdr* message, void* handler) {
  (*static_cast<const Netlink::Handler*>(handler))(*message);
  return MNL_CB_OK;
}

// `kept`: a const nlattr*, of a neighbour's address.
int keep_destination(const nlattr* attribute, void* kept) {
  if (mnl_attr_get_type(attribute) == NDA_DST) *static_cast<const nlattr**>(kept) = attribute;
  return MNL_CB_OK;
}

// A request holds a pointer into itself, so it is filled in place and never copied.
void fill_default_route(Request<rtmsg>& request, unsigned ifindex, const IpAddress& gateway,
                        std::uint32_t table, std::uint32_t metric) {
  request->rtm_family = family_of(gateway);
  request->rtm_table = RT_TABLE_UNSPEC;
  request->rtm_protocol = RTPROT_STATIC;
  request->rtm_scope = RT_SCOPE_UNIVERSE;
  request->rtm_type = RTN_UNICAST;
  put_address(request.header(), RTA_GATEWAY, gateway);
  mnl_attr_put_u32(request.header(), RTA_OIF, ifindex);
  mnl_attr_put_u32(request.header(), RTA_TABLE, table);
  mnl_attr_put_u32(request.header(), RTA_PRIORITY, metric);
}

void fill_rule(Request<fib_rule_hdr>& request, const Netlink::Rule& rule) {
  request->family = family_of(rule.source);
  request->src_len = address_bits(rule.source);
  request->action = FR_ACT_TO_TBL;
  request->table = RT_TABLE_UNSPEC;
  put_address(request.header(), FRA_SRC, rule.source);
  mnl_attr_put_u32(request.header(), FRA_TABLE, rule.table);
  mnl_attr_put_u32(request.header(), FRA_PRIORITY, rule.priority);
  if (rule.without_default) mnl_attr_put_u32(request.header(), FRA_SUPPRESS_PREFIXLEN, 0);
}

}  // namespace

std::unique_ptr<Netlink> Netlink::open(std::uint32_t groups) {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups != 0 ? SOCK_NONBLOCK : 0));
  if (socket == nullptr) return nullptr;
  if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
    const int error = errno;
    mnl_socket_close(socket);
    errno = error;
    return nullptr;
  }
  return std::unique_ptr<Netlink>(new Netlink(socket));
}

Netlink::~Netlink() {
  mnl_socket_close(socket_);
}

int Netlink::fd() const {
  return mnl_socket_get_fd(socket_);
}

// Sends and reads the acknowledgement, or the entries of a dump up to its end.
int Netlink::transact(nlmsghdr& request, const Handler* handler) {
  request.nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_, &request, request.nlmsg_len) < 0) return errno;
  alignas(nlmsghdr) std::array<char, kBufferBytes> buffer;
  for (;;) {
    const ssize_t got = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    const int more =
        mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), sequence_, mnl_socket_get_portid(socket_),
                   handler == nullptr ? nullptr : call_handler, const_cast<Handler*>(handler));
    // ESRCH and EPROTO: the answer to an earlier request that was given up; EINTR: the dump was disturbed.
    if (more < 0) return errno == 0 ? EPROTO : errno;
    if (more == MNL_CB_STOP) return 0;
  }
}

int Netlink::receive(const Handler& handler) {
  alignas(nlmsghdr) std::array<char, kBufferBytes> buffer;
  for (;;) {
    const ssize_t got = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
    if (got == 0) return 0;
    (void)mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), 0, 0, call_handler,
                     const_cast<Handler*>(&handler));
  }
}

int Netlink::dump(std::uint16_t type, Family family, const Handler& handler) {
  // ndmsg, rtmsg and fib_rule_hdr are 12 octets and begin with the family.
  static_assert(sizeof(rtmsg) == sizeof(ndmsg) && sizeof(rtmsg) == sizeof(fib_rule_hdr));
  Request<rtmsg> request(type, NLM_F_DUMP);
  request->rtm_family = family == Family::v4 ? AF_INET : AF_INET6;
  return transact(*request.header(), &handler);
}

int Netlink::link_up(unsigned ifindex, std::uint16_t mtu, const std::uint8_t* mac) {
  Request<ifinfomsg> request(RTM_NEWLINK, NLM_F_ACK);
  request->ifi_index = static_cast<int>(ifindex);
  request->ifi_flags = IFF_UP;
  request->ifi_change = IFF_UP;
  if (mtu != 0) mnl_attr_put_u32(request.header(), IFLA_MTU, mtu);
  if (mac != nullptr) mnl_attr_put(request.header(), IFLA_ADDRESS, 6, mac);
  return transact(*request.header(), nullptr);
}

int Netlink::add_address(unsigned ifindex, const Prefix& address) {
  Request<ifaddrmsg> request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  request->ifa_family = family_of(address.address);
  request->ifa_prefixlen = address.length;
  request->ifa_flags = IFA_F_NODAD;
  request->ifa_index = ifindex;
  put_address(request.header(), IFA_LOCAL, address.address);
  put_address(request.header(), IFA_ADDRESS, address.address);
  return transact(*request.header(), nullptr);
}

int Netlink::add_default_route(unsigned ifindex, const IpAddress& gateway, std::uint32_t table,
                               std::uint32_t metric) {
  Request<rtmsg> request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND);
  fill_default_route(request, ifindex, gateway, table, metric);
  return transact(*request.header(), nullptr);
}

int Netlink::delete_default_route(unsigned ifindex, const IpAddress& gateway, std::uint32_t table,
                                  std::uint32_t metric) {
  Request<rtmsg> request(RTM_DELROUTE, NLM_F_ACK);
  fill_default_route(request, ifindex, gateway, table, metric);
  return transact(*request.header(), nullptr);
}

int Netlink::add_rule(const Rule& rule) {
  Request<fib_rule_hdr> request(RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  fill_rule(request, rule);
  return transact(*request.header(), nullptr);
}

int Netlink::delete_rule(const Rule& rule) {
  Request<fib_rule_hdr> request(RTM_DELRULE, NLM_F_ACK);
  fill_rule(request, rule);
  return transact(*request.header(), nullptr);
}

int Netlink::use_neighbour(unsigned ifindex, const IpAddress& address) {
  Request<ndmsg> request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE);
  request->ndm_family = family_of(address);
  request->ndm_ifindex = static_cast<int>(ifindex);
  request->ndm_state = NUD_NONE;
  request->ndm_flags = NTF_USE;
  put_address(request.header(), NDA_DST, address);
  return transact(*request.header(), nullptr);
}

bool Netlink::knows_neighbour(unsigned ifindex, const IpAddress& address) {
  constexpr unsigned kUsable =
      NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
  bool known = false;
  const int error = dump(RTM_GETNEIGH, address.family(), [&](const nlmsghdr& message) {
    if (mnl_nlmsg_get_payload_len(&message) < sizeof(ndmsg)) return;
    const auto* neighbour = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
    if (neighbour->ndm_ifindex != static_cast<int>(ifindex) || (neighbour->ndm_state & kUsable) == 0) return;
    const nlattr* destination = nullptr;
    (void)mnl_attr_parse(&message, sizeof(ndmsg), keep_destination, static_cast<void*>(&destination));
    const std::size_t bytes = address_bits(address) / 8u;
    if (destination == nullptr || mnl_attr_get_payload_len(destination) != bytes) return;
    known |= std::memcmp(mnl_attr_get_payload(destination), address.bytes().data(), bytes) == 0;
  });
  return error == 0 && known;
}

}  // namespace sallyport::dp
