// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "tests/controlplane/resolver/zone_support.h"

namespace sallyport::resolver {
namespace {

int bound(int kind, std::uint16_t& port) {
  const int fd = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(port);
  socklen_t size = sizeof(where);
  const bool good = ::bind(fd, reinterpret_cast<sockaddr*>(&where), size) == 0 &&
                    ::getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) == 0;
  if (!good) {
    ::close(fd);
    return -1;
  }
  port = ntohs(where.sin_port);
  return fd;
}

std::string name_at(const Octets& query, std::size_t& at) {
  std::string name;
  while (at < query.size() && query[at] != 0) {
    const std::size_t size = query[at++];
    if (!name.empty()) name += '.';
    for (std::size_t i = 0; i < size && at < query.size(); ++i) name += static_cast<char>(query[at++]);
  }
  ++at;
  return name;
}

}  // namespace

NameServer::NameServer() {
  // The same port for both; the kernel's choice for UDP may be taken for TCP.
  for (int tries = 0; tries < 50 && tcp_fd_ < 0; ++tries) {
    if (udp_fd_ >= 0) ::close(udp_fd_);
    std::uint16_t port = 0;
    udp_fd_ = bound(SOCK_DGRAM, port);
    tcp_fd_ = bound(SOCK_STREAM, port);
    at_ = {IpAddress::v4(INADDR_LOOPBACK), port};
  }
  if (tcp_fd_ < 0 || ::listen(tcp_fd_, 8) != 0) throw std::runtime_error("no port for a name server");
  bell_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { run(); });
}

NameServer::~NameServer() {
  const std::uint64_t one = 1;
  (void)!::write(bell_, &one, sizeof(one));
  thread_.join();
  for (const int fd : {udp_fd_, tcp_fd_, bell_}) ::close(fd);
}

void NameServer::say(const Zone& zone) {
  const std::lock_guard lock(mutex_);
  zone_ = zone;
}

void NameServer::run() {
  std::array<pollfd, 3> polled{{{udp_fd_, POLLIN, 0}, {tcp_fd_, POLLIN, 0}, {bell_, POLLIN, 0}}};
  while (::poll(polled.data(), polled.size(), -1) > 0 && polled[2].revents == 0) {
    if (polled[0].revents != 0) serve_udp();
    if (polled[1].revents != 0) serve_tcp();
  }
}

void NameServer::serve_udp() {
  Octets query(1500);
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  const auto got =
      ::recvfrom(udp_fd_, query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
  if (got < 12) return;
  query.resize(static_cast<std::size_t>(got));
  udp_.fetch_add(1);
  const Octets reply = reply_to(query, false);
  if (reply.empty()) return;
  ::sendto(udp_fd_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
}

// One connection, served until its end: enough for one client of the tests.
void NameServer::serve_tcp() {
  const int fd = ::accept(tcp_fd_, nullptr, nullptr);
  std::array<std::uint8_t, 2> head{};
  while (::recv(fd, head.data(), head.size(), MSG_WAITALL) == 2) {
    Octets query(static_cast<std::size_t>(head[0] << 8 | head[1]));
    if (::recv(fd, query.data(), query.size(), MSG_WAITALL) != static_cast<ssize_t>(query.size())) break;
    tcp_.fetch_add(1);
    Octets reply = reply_to(query, true);
    if (reply.empty()) continue;
    const auto length = static_cast<std::uint8_t>(reply.size() >> 8);
    reply.insert(reply.begin(), {length, static_cast<std::uint8_t>(reply.size() & 0xff)});
    if (::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
  }
  ::close(fd);
}

Octets NameServer::reply_to(const Octets& query, bool over_tcp) {
  const auto id = static_cast<std::uint16_t>(query[0] << 8 | query[1]);
  std::size_t at = 12;
  const std::string name = name_at(query, at);
  const auto type = static_cast<std::uint16_t>(query.at(at) << 8 | query.at(at + 1));
  switch (mood_.load()) {
    case Mood::silent:
      return {};
    case Mood::fails:
      return MessageWriter(id, 2).question(name, type).take();
    case Mood::lies:  // an answer to another question, from the right place with the right number
      return MessageWriter(id).question("evil.test", type).answer("evil.test", 300, "A 203.0.113.66").take();
    case Mood::answers:
    case Mood::truncates:
      break;
  }
  const std::lock_guard lock(mutex_);
  return zone_.message(id, name, type, mood_.load() == Mood::truncates && !over_tcp);
}

}  // namespace sallyport::resolver
