// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace sallyport {

// Instants and spans of the monotonic clock in nanoseconds. Rooms do not read the clock: the loop
// that drives them reads it once a turn and passes `now_ns` in, so tests pass their own.
using Nanoseconds = std::int64_t;

inline constexpr Nanoseconds kMicrosecond = 1'000;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kSecond = 1'000'000'000;
inline constexpr Nanoseconds kDay = 86'400 * kSecond;

// CLOCK_MONOTONIC, ns since an arbitrary start.
[[nodiscard]] inline Nanoseconds monotonic_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// CLOCK_REALTIME, ns since 1970. For records and logs only.
[[nodiscard]] inline Nanoseconds wall_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace sallyport
