// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/base/clock.h"

namespace sallyport::dp {

// The generic cell rate algorithm (ITU-T I.371 Annex A): a token bucket in one instant. `due` is when the
// bucket is full again; a packet conforms when that is no further ahead than the tolerance. A packet that
// does not conform takes nothing.
[[nodiscard]] constexpr bool conforms(Nanoseconds due, Nanoseconds now_ns, Nanoseconds tolerance_ns) {
  return due - now_ns <= tolerance_ns;
}
constexpr void charge(Nanoseconds& due, Nanoseconds now_ns, Nanoseconds cost_ns) {
  due = std::max(due, now_ns) + cost_ns;
}

// A flow's media may come in one lump after a stall of the network: as much as a second of it.
inline constexpr Nanoseconds kMediaTolerance = kSecond;

}  // namespace sallyport::dp
