// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/base/address.h"

namespace sallyport::dp {

struct TcpSegment {
  Endpoint source;
  Endpoint destination;
  std::uint8_t flags = 0;  // octet 13 of the header (RFC 9293 3.1)
};

// The TCP segment in an untagged Ethernet frame, when it is one whose header is there: IPv4 (first fragment)
// or IPv6 without extension headers, which is what the kernel sends. Anything else, or too short: nullopt.
[[nodiscard]] std::optional<TcpSegment> tcp_segment(std::span<const std::byte> frame);

}  // namespace sallyport::dp
