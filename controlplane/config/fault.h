// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::config {

// Where something stands in the configuration file, counted from 1. Line 0: it was not written, or a
// fault of the file as a whole.
struct Place {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend constexpr auto operator<=>(const Place&, const Place&) = default;
};

struct Fault {
  Place at;
  std::string message;
  friend auto operator<=>(const Fault&, const Fault&) = default;
};

// One line each, "FILE:LINE:COLUMN: message\n", in the order given (load() sorts by place). A fault
// without a place is "FILE: message\n".
[[nodiscard]] std::string format_faults(std::string_view file, std::span<const Fault> faults);

}  // namespace sallyport::config
