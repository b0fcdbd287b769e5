// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are kept in wire order: one's
// complement addition does not care (RFC 1071 2(B)), so nothing is swapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/base/bytes.h"

namespace sallyport::dp {

[[nodiscard]] constexpr std::uint16_t fold(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// The one's complement sum of `size` octets, not folded; an odd last octet is padded with zero. Below 2^48
// for any datagram, so sums may be added before they are folded.
[[nodiscard]] inline std::uint64_t sum_of(const void* data, std::size_t size) {
  const auto* at = static_cast<const std::uint8_t*>(data);
  std::uint64_t sum = 0;
  for (; size >= 4; size -= 4, at += 4) {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof(word));
    sum += word;
  }
  if (size >= 2) {
    std::uint16_t word;
    std::memcpy(&word, at, sizeof(word));
    sum += word;
    at += 2;
    size -= 2;
  }
  if (size == 1) {
    const std::uint8_t pair[2] = {*at, 0};
    std::uint16_t word;
    std::memcpy(&word, pair, sizeof(word));
    sum += word;
  }
  return sum;
}

// Of the pseudo-header's length and protocol: the same for IPv4 (RFC 768) and IPv6 (RFC 8200 8.1).
[[nodiscard]] inline std::uint64_t pseudo_tail_sum(std::uint32_t bytes, std::uint8_t protocol) {
  const be32 length(bytes);
  const be16 next(protocol);
  return std::uint64_t{length.raw()} + next.raw();
}

// RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). An error in the octets stays an error of the same size.
[[nodiscard]] constexpr std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t old_sum,
                                                      std::uint16_t new_sum) {
  return static_cast<std::uint16_t>(~fold(std::uint64_t{static_cast<std::uint16_t>(~checksum)} +
                                          static_cast<std::uint16_t>(~old_sum) + new_sum));
}

// UDP sends a computed 0 as all ones: 0 on the wire means none (RFC 768).
[[nodiscard]] constexpr std::uint16_t udp_on_wire(std::uint16_t checksum) {
  return checksum == 0 ? std::uint16_t{0xffff} : checksum;
}

}  // namespace sallyport::dp
