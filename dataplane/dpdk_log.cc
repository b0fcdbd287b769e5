// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk_log.h"

#include <dlfcn.h>
#include <rte_log.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace sallyport::dp {
namespace {

ssize_t take_of_stream(void* log, const char* text, std::size_t octets) {
  static_cast<DpdkLog*>(log)->take({text, octets});
  return static_cast<ssize_t>(octets);
}

// Loaded by the driver or not at all: nothing of ours is linked with them.
struct Library {
  const char* file;
  const char* set_print;
};
constexpr std::array<Library, 2> kLibraries{
    {{"libbpf.so.1", "libbpf_set_print"}, {"libxdp.so.1", "libxdp_set_print"}}};

std::atomic<DpdkLog*> g_listening{nullptr};  // their printing has no argument of ours

}  // namespace

DpdkLog::DpdkLog(Notices tell) : tell_(std::move(tell)) {
  if (!tell_) return;
  cookie_io_functions_t functions{};
  functions.write = take_of_stream;
  stream_ = fopencookie(this, "w", functions);
  if (stream_ != nullptr) rte_openlog_stream(stream_);
}

DpdkLog::~DpdkLog() {
  for (const auto& [set_print, before] : libraries_) set_print(before);
  if (stream_ == nullptr) return;
  g_listening.store(nullptr);
  rte_openlog_stream(nullptr);  // back to its own
  std::fclose(stream_);
}

void DpdkLog::take_libraries() {
  if (stream_ == nullptr || !libraries_.empty()) return;
  g_listening.store(this);
  for (const Library& library : kLibraries) {
    void* const loaded = dlopen(library.file, RTLD_NOW | RTLD_NOLOAD);
    if (loaded == nullptr) continue;
    auto* const set_print = reinterpret_cast<SetPrint*>(dlsym(loaded, library.set_print));
    if (set_print != nullptr) libraries_.emplace_back(set_print, set_print(print));
    dlclose(loaded);  // the driver keeps it
  }
}

int DpdkLog::print(int level, const char* format, va_list arguments) {
  constexpr int kInfo = 1;  // LIBBPF_INFO, above it debugging
  DpdkLog* const log = g_listening.load();
  if (level > kInfo || log == nullptr) return 0;
  std::array<char, 1024> text{};
  const int octets = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (octets <= 0) return octets;
  log->take({text.data(), std::min<std::size_t>(static_cast<std::size_t>(octets), text.size() - 1)});
  if (static_cast<std::size_t>(octets) >= text.size()) log->take("\n");
  return octets;
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
