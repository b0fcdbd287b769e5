// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dataplane/dataplane.h"

namespace sallyport::ops {

// The sum of one counter over the workers.
template <typename Read>
std::uint64_t over_workers(const dp::Dataplane& dataplane, Read read) {
  std::uint64_t sum = 0;
  for (unsigned w = 0; w < dataplane.workers(); ++w) sum += read(dataplane.counters(w)).get();
  return sum;
}

}  // namespace sallyport::ops
