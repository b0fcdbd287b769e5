// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/service_manager.h"

#include <systemd/sd-daemon.h>

#include <string>

namespace sallyport::cli {

ServiceManager::ServiceManager() {
  std::uint64_t interval_us = 0;
  if (::sd_watchdog_enabled(0, &interval_us) > 0)
    interval_ns_ = static_cast<Nanoseconds>(interval_us) * kMicrosecond;
}

// What systemd does not take is nothing that we could mend.
void ServiceManager::ready() {
  static_cast<void>(::sd_notify(0, "READY=1"));
}
// The time is what tells it from an earlier one (sd_notify(3)).
void ServiceManager::reloading() {
  const std::string word = "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_now_ns() / kMicrosecond);
  static_cast<void>(::sd_notify(0, word.c_str()));
}
void ServiceManager::stopping() {
  static_cast<void>(::sd_notify(0, "STOPPING=1"));
}
void ServiceManager::sign_of_life(Nanoseconds now_ns) {
  last_ns_ = now_ns;
  static_cast<void>(::sd_notify(0, "WATCHDOG=1"));
}

}  // namespace sallyport::cli
