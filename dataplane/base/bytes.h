// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace sallyport {

// An integer as it stands on the wire. It can only be read or written through host order, so the two
// orders cannot be mixed by accident. Same size as the integer; alignment 1 is not promised.
template <std::unsigned_integral T>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr explicit BigEndian(T host) : raw_(swap(host)) {}

  [[nodiscard]] constexpr T host() const { return swap(raw_); }
  // The bytes as they are, for checksum arithmetic that works in either order.
  [[nodiscard]] constexpr T raw() const { return raw_; }

  friend constexpr bool operator==(BigEndian, BigEndian) = default;

 private:
  static constexpr T swap(T value) {
    if constexpr (std::endian::native == std::endian::little) {
      return std::byteswap(value);
    } else {
      return value;
    }
  }
  T raw_ = 0;
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

// At any alignment.
[[nodiscard]] inline std::uint16_t read16(const std::uint8_t* at) {
  be16 value;
  std::memcpy(&value, at, sizeof(value));
  return value.host();
}

[[nodiscard]] inline std::uint32_t read32(const std::uint8_t* at) {
  be32 value;
  std::memcpy(&value, at, sizeof(value));
  return value.host();
}

}  // namespace sallyport
