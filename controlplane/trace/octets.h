// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <string>

namespace sallyport::trace {

// A number at the end of `out`, most significant octet first.
template <std::unsigned_integral T>
void put_be(std::string& out, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace sallyport::trace
