// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp_segment.h"

namespace sallyport::dp {
namespace {

constexpr std::size_t kEthernet = 14;
constexpr std::size_t kTcpHeader = 20;
constexpr std::uint8_t kTcp = 6;

std::uint8_t octet(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}

std::uint16_t number(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

IpAddress address(std::span<const std::byte> bytes, std::size_t at, Family family) {
  return IpAddress::from_bytes(family, reinterpret_cast<const std::uint8_t*>(bytes.data() + at));
}

std::optional<TcpSegment> segment(std::span<const std::byte> tcp, const IpAddress& source,
                                  const IpAddress& destination) {
  if (tcp.size() < kTcpHeader) return std::nullopt;
  return TcpSegment{{source, number(tcp, 0)}, {destination, number(tcp, 2)}, octet(tcp, 13)};
}

std::optional<TcpSegment> in_ipv4(std::span<const std::byte> ip) {
  if (ip.size() < 20 || octet(ip, 0) >> 4 != 4) return std::nullopt;
  const std::size_t header = (octet(ip, 0) & 0x0fu) * 4u;
  const bool first = (number(ip, 6) & 0x1fff) == 0;
  if (header < 20 || ip.size() < header || !first || octet(ip, 9) != kTcp) return std::nullopt;
  return segment(ip.subspan(header), address(ip, 12, Family::v4), address(ip, 16, Family::v4));
}

std::optional<TcpSegment> in_ipv6(std::span<const std::byte> ip) {
  if (ip.size() < 40 || octet(ip, 0) >> 4 != 6 || octet(ip, 6) != kTcp) return std::nullopt;
  return segment(ip.subspan(40), address(ip, 8, Family::v6), address(ip, 24, Family::v6));
}

}  // namespace

std::optional<TcpSegment> tcp_segment(std::span<const std::byte> frame) {
  if (frame.size() < kEthernet) return std::nullopt;
  switch (number(frame, 12)) {
    case 0x0800:
      return in_ipv4(frame.subspan(kEthernet));
    case 0x86dd:
      return in_ipv6(frame.subspan(kEthernet));
    default:
      return std::nullopt;
  }
}

}  // namespace sallyport::dp
