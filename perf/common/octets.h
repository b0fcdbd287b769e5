// SPDX-License-Identifier: Apache-2.0
// What the benchmarks write their frames with. It shares nothing with the dataplane's own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sallyport::perf {

// In network order.
inline void put16(std::uint8_t* at, std::size_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
inline void put32(std::uint8_t* at, std::size_t value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}

// RFC 1071: the one's complement sum of `bytes` octets and `sum`, folded to 16 bits; an odd last octet is
// padded.
[[nodiscard]] inline std::uint32_t folded_sum(const std::uint8_t* at, std::size_t bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i + 1 < bytes; i += 2) sum += static_cast<std::uint32_t>(at[i] << 8 | at[i + 1]);
  if (bytes % 2 != 0) sum += static_cast<std::uint32_t>(at[bytes - 1] << 8);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

// Of an IPv4 header at `ip` and the UDP datagram behind it, all other fields of both are there: the two
// checksums.
inline void put_checksums(std::uint8_t* ip, std::size_t udp_bytes) {
  constexpr std::size_t kIpBytes = 20;
  put16(ip + 10, 0);
  put16(ip + kIpBytes + 6, 0);
  put16(ip + 10, ~folded_sum(ip, kIpBytes, 0));
  const std::uint32_t pseudo = folded_sum(ip + 12, 8, static_cast<std::uint32_t>(17 + udp_bytes));
  const std::uint32_t sum = folded_sum(ip + kIpBytes, udp_bytes, pseudo);
  put16(ip + kIpBytes + 6, sum == 0xffff ? 0xffff : ~sum);  // RFC 768: 0 would say that there is none
}

}  // namespace sallyport::perf
