// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

#include "dataplane/dataplane.h"

namespace sallyport::dp {

// What DPDK logs goes line by line to a Notices instead of standard error, for as long as this lives. DPDK has
// one log: one at a time in a process. Its lines come from any thread, also before EAL is started.
class DpdkLog {
 public:
  // An empty `tell` leaves the log where it is.
  explicit DpdkLog(Notices tell);
  ~DpdkLog();
  DpdkLog(const DpdkLog&) = delete;
  DpdkLog& operator=(const DpdkLog&) = delete;

  // Whole lines are told, the rest is kept until its end comes.
  void take(std::string_view text);

 private:
  Notices tell_;
  std::mutex mutex_;
  std::string begun_;  // under mutex_
  std::FILE* stream_ = nullptr;
};

}  // namespace sallyport::dp
