// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace sallyport::perf {

// Throws std::runtime_error: a benchmark without what it needs measures nothing.
inline void must(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}

}  // namespace sallyport::perf
