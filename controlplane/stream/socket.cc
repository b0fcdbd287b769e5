// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/socket.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sallyport::stream {

namespace {

constexpr int kBacklog = 512;
// A far end that has gone without a word is noticed by the kernel after two minutes.
constexpr int kKeepAliveIdle_s = 60;
constexpr int kKeepAliveEvery_s = 15;
constexpr int kKeepAliveProbes = 4;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  [[nodiscard]] sockaddr* any() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress socket_address(const Endpoint& endpoint) {
  SocketAddress out;
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes().data(), sizeof(v4.sin_addr));
    std::memcpy(&out.storage, &v4, sizeof(v4));
    out.length = sizeof(v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.bytes().data(), sizeof(v6.sin6_addr));
    std::memcpy(&out.storage, &v6, sizeof(v6));
    out.length = sizeof(v6);
  }
  return out;
}

Endpoint endpoint_of(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &storage, sizeof(v4));
    return {IpAddress::from_bytes(Family::v4, reinterpret_cast<const std::uint8_t*>(&v4.sin_addr)),
            ntohs(v4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &storage, sizeof(v6));
    return {IpAddress::from_bytes(Family::v6, reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr)),
            ntohs(v6.sin6_port)};
  }
  return {};
}

void set_option(int fd, int level, int name, int value) {
  // None of these is vital: a kernel without one does without.
  (void)::setsockopt(fd, level, name, &value, sizeof(value));
}

void tune(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdle_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveEvery_s);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

Fd make_socket(const IpAddress& address, std::uint8_t dscp) {
  Fd fd(::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd && dscp != 0) mark(fd.get(), address.family(), dscp);
  return fd;
}

}  // namespace

void mark(int fd, Family family, std::uint8_t dscp) {
  const bool v4 = family == Family::v4;
  set_option(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, dscp << 2);
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::expected<Fd, int> listen_on(const Endpoint& at, std::uint8_t dscp) {
  Fd fd = make_socket(at.address, dscp);
  if (!fd) return std::unexpected(errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (at.address.is_v6()) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  SocketAddress address = socket_address(at);
  if (::bind(fd.get(), address.any(), address.length) != 0) return std::unexpected(errno);
  if (::listen(fd.get(), kBacklog) != 0) return std::unexpected(errno);
  return fd;
}

std::expected<Fd, int> connect_from(const IpAddress& local, const Endpoint& remote, std::uint8_t dscp) {
  Fd fd = make_socket(remote.address, dscp);
  if (!fd) return std::unexpected(errno);
  tune(fd.get());
  // The port is chosen at connect, so that one port can lead to several far ends.
  set_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  SocketAddress from = socket_address({local, 0});
  if (::bind(fd.get(), from.any(), from.length) != 0) return std::unexpected(errno);
  SocketAddress to = socket_address(remote);
  if (::connect(fd.get(), to.any(), to.length) != 0 && errno != EINPROGRESS) return std::unexpected(errno);
  return fd;
}

std::expected<Accepted, int> accept_from(int listener) {
  SocketAddress from;
  from.length = sizeof(from.storage);
  Fd fd(::accept4(listener, from.any(), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return std::unexpected(errno);
  tune(fd.get());
  return Accepted{std::move(fd), endpoint_of(from.storage)};
}

Endpoint local_endpoint(int fd) {
  SocketAddress at;
  at.length = sizeof(at.storage);
  if (::getsockname(fd, at.any(), &at.length) != 0) return {};
  return endpoint_of(at.storage);
}

int connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

std::uint64_t unacknowledged(int fd) {
  int octets = 0;
  if (::ioctl(fd, SIOCOUTQ, &octets) != 0 || octets < 0) return 0;
  return static_cast<std::uint64_t>(octets);
}

void end_writing(int fd) {
  (void)::shutdown(fd, SHUT_WR);
}

void close_hard(Fd& fd) {
  const linger hard{1, 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  fd.reset();
}

}  // namespace sallyport::stream
