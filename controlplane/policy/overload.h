// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dataplane/base/clock.h"

namespace sallyport::policy {

// Whether the shard is behind its work. The shard's loop tells what it sees once a turn; new calls are
// refused with 503 while it is behind, which costs less than to be late for all. The state is entered at once
// and left only after the shard has kept up for a while, so that it does not flutter.
class Overload {
 public:
  // RFC 3261's T1: answers later than this cause retransmissions, that is more work.
  static constexpr Nanoseconds kLagEnter = 500 * kMillisecond;
  static constexpr Nanoseconds kLagLeave = 100 * kMillisecond;
  static constexpr double kRingEnter = 0.75;
  static constexpr double kRingLeave = 0.25;
  static constexpr Nanoseconds kQuiet = 1 * kSecond;
  static constexpr Nanoseconds kRetryAfter = 5 * kSecond;

  // `lag_ns`: how long the oldest event of this turn had waited. `ring_fill`: the fullest event ring, 0 to 1.
  void observe(Nanoseconds lag_ns, double ring_fill, Nanoseconds now_ns);
  [[nodiscard]] bool overloaded() const { return overloaded_; }

 private:
  bool overloaded_ = false;
  Nanoseconds last_bad_ns_ = 0;
};

}  // namespace sallyport::policy
