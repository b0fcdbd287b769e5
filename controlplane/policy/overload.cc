// SPDX-License-Identifier: Apache-2.0
#include "controlplane/policy/overload.h"

namespace sallyport::policy {

void Overload::observe(Nanoseconds lag_ns, double ring_fill, Nanoseconds now_ns) {
  if (lag_ns >= kLagEnter || ring_fill >= kRingEnter) overloaded_ = true;
  if (!overloaded_) return;
  const bool keeps_up = lag_ns < kLagLeave && ring_fill < kRingLeave;
  if (!keeps_up) {
    last_bad_ns_ = now_ns;
  } else if (now_ns - last_bad_ns_ >= kQuiet) {
    overloaded_ = false;
  }
}

}  // namespace sallyport::policy
