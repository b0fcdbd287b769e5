// SPDX-License-Identifier: Apache-2.0
// A tap device of our own on /dev/net/tun, in the network namespace of the thread that opens it. It is gone
// when it is closed, also when the process dies, and with it its addresses, routes and settings. It has no
// offloads (no IFF_VNET_HDR), so the kernel fills in whole checksums and cuts TCP to the MTU itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::dp {

class Tap {
 public:
  Tap() = default;
  // The errno on failure: EBUSY when a device of that name is open elsewhere.
  [[nodiscard]] static std::expected<Tap, int> open(const std::string& name);
  ~Tap();
  Tap(Tap&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), ifindex_(other.ifindex_), name_(std::move(other.name_)) {}
  Tap& operator=(Tap&& other) noexcept;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] unsigned ifindex() const { return ifindex_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  // One whole frame without waiting. read: octets, 0 when there is none. write: false when the kernel took it
  // not; with a VLAN tag (four octets after the two MAC addresses) left out when `untag`.
  [[nodiscard]] std::size_t read(std::span<std::byte> into) const;
  [[nodiscard]] bool write(std::span<const std::byte> frame, bool untag) const;

 private:
  int fd_ = -1;
  unsigned ifindex_ = 0;
  std::string name_;
};

// "sp-access", "sp-core.100": at most 15 characters. A name that is too long is cut and made unique by
// `port`.
[[nodiscard]] std::string tap_name(std::string_view port_name, unsigned port, std::uint16_t vlan);

}  // namespace sallyport::dp
