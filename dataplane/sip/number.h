// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::sip {

// 1*DIGIT as a number of at most `limit`; nullopt for anything else. Leading zeros are fine (RFC
// 4475 3.1.1.1).
[[nodiscard]] constexpr std::optional<std::uint32_t> parse_number(std::string_view digits,
                                                                  std::uint32_t limit = 0xffffffff) {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > limit) return std::nullopt;
  }
  return static_cast<std::uint32_t>(value);
}

// A port of a sent-by or a URI; 0 is none that can be sent to.
[[nodiscard]] constexpr bool read_port(std::string_view digits, std::uint16_t& port) {
  const auto number = parse_number(digits, 0xffff);
  if (!number || *number == 0) return false;
  port = static_cast<std::uint16_t>(*number);
  return true;
}

}  // namespace sallyport::sip
