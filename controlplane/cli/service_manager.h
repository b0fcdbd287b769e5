// SPDX-License-Identifier: Apache-2.0
// The word to systemd (sd_notify(3)): readiness, the end, and a sign of life as often as its watchdog wants.
// Without systemd nothing of it happens.
#pragma once

#include "dataplane/base/clock.h"

namespace sallyport::cli {

class ServiceManager {
 public:
  ServiceManager();
  // Any thread. ready() also ends what reloading() has begun.
  static void ready();
  static void reloading();
  static void stopping();
  // To be called often: true when a sign of life is due (a third of the watchdog's time has gone).
  [[nodiscard]] bool sign_is_due(Nanoseconds now_ns) const {
    return interval_ns_ != 0 && now_ns - last_ns_ >= interval_ns_ / 3;
  }
  void sign_of_life(Nanoseconds now_ns);

 private:
  Nanoseconds interval_ns_ = 0;  // 0: no watchdog
  Nanoseconds last_ns_ = 0;
};

}  // namespace sallyport::cli
