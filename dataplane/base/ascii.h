// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sallyport {

// Independent of any locale.
[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace sallyport
