// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace sallyport::b2bua {

// Of a call or a leg on its shard.
struct Handle {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  friend bool operator==(const Handle&, const Handle&) = default;
};

}  // namespace sallyport::b2bua
