// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk_log.h"

#include <rte_log.h>
#include <sys/types.h>

#include <utility>

namespace sallyport::dp {
namespace {

ssize_t take_of_stream(void* log, const char* text, std::size_t octets) {
  static_cast<DpdkLog*>(log)->take({text, octets});
  return static_cast<ssize_t>(octets);
}

}  // namespace

DpdkLog::DpdkLog(Notices tell) : tell_(std::move(tell)) {
  if (!tell_) return;
  cookie_io_functions_t functions{};
  functions.write = take_of_stream;
  stream_ = fopencookie(this, "w", functions);
  if (stream_ != nullptr) rte_openlog_stream(stream_);
}

DpdkLog::~DpdkLog() {
  if (stream_ == nullptr) return;
  rte_openlog_stream(nullptr);  // back to its own
  std::fclose(stream_);
}

void DpdkLog::take(std::string_view text) {
  const std::lock_guard lock(mutex_);
  begun_ += text;
  for (auto end = begun_.find('\n'); end != std::string::npos; end = begun_.find('\n')) {
    if (end > 0) tell_("DPDK", std::string_view(begun_).substr(0, end));
    begun_.erase(0, end + 1);
  }
}

}  // namespace sallyport::dp
