// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sallyport::dp {
namespace {

constexpr std::size_t kMacBytes = 12;  // destination and source MAC
constexpr std::size_t kVlanTagBytes = 4;

}  // namespace

std::expected<Tap, int> Tap::open(const std::string& name) {
  Tap tap;
  tap.fd_ = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tap.fd_ < 0) return std::unexpected(errno);
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::strncpy(request.ifr_name, name.c_str(), sizeof(request.ifr_name) - 1);
  if (::ioctl(tap.fd_, TUNSETIFF, &request) < 0) return std::unexpected(errno);
  tap.name_ = request.ifr_name;
  tap.ifindex_ = if_nametoindex(request.ifr_name);
  if (tap.ifindex_ == 0) return std::unexpected(errno);
  return tap;
}

Tap::~Tap() {
  if (fd_ >= 0) ::close(fd_);
}

Tap& Tap::operator=(Tap&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(ifindex_, other.ifindex_);
  std::swap(name_, other.name_);
  return *this;
}

std::size_t Tap::read(std::span<std::byte> into) const {
  const ssize_t got = ::read(fd_, into.data(), into.size());
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

bool Tap::write(std::span<const std::byte> frame, bool untag) const {
  if (!untag) return ::write(fd_, frame.data(), frame.size()) == static_cast<ssize_t>(frame.size());
  if (frame.size() < kMacBytes + kVlanTagBytes) return false;
  std::byte* const octets = const_cast<std::byte*>(frame.data());
  const std::size_t rest = kMacBytes + kVlanTagBytes;
  const iovec parts[2] = {{octets, kMacBytes}, {octets + rest, frame.size() - rest}};
  return ::writev(fd_, parts, 2) == static_cast<ssize_t>(frame.size() - kVlanTagBytes);
}

std::string tap_name(std::string_view port_name, unsigned port, std::uint16_t vlan) {
  const std::string tail = vlan == 0 ? std::string() : "." + std::to_string(vlan);
  std::string name = "sp-" + std::string(port_name) + tail;
  if (name.size() < IFNAMSIZ) return name;
  const std::string number = std::to_string(port);
  const std::size_t room = IFNAMSIZ - 1 - 3 - number.size() - tail.size();
  return "sp-" + std::string(port_name.substr(0, room)) + number + tail;
}

}  // namespace sallyport::dp
