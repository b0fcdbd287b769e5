// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

  // What AF_XDP's driver brings along (libbpf, libxdp) writes to standard error by itself: from now on here. After
  // EAL has loaded its drivers.
  void take_libraries();

  // Whole lines are told, the rest is kept until its end comes.
  void take(std::string_view text);

 private:
  // libbpf_print_fn_t and libbpf_set_print() of bpf/libbpf.h; libxdp's are the same.
  using Print = int(int level, const char* format, va_list arguments);
  using SetPrint = Print*(Print*);
  static int print(int level, const char* format, va_list arguments);

  Notices tell_;
  std::mutex mutex_;
  std::string begun_;  // under mutex_
  std::FILE* stream_ = nullptr;
  std::vector<std::pair<SetPrint*, Print*>> libraries_;  // how their printing is set, and what it was
};

}  // namespace sallyport::dp
