// SPDX-License-Identifier: Apache-2.0
// Structured log lines to standard error, as logfmt or JSON, through spdlog. Workers never log. A shard logs
// through RateLimit and off its path.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "controlplane/config/config.h"
#include "dataplane/base/clock.h"

namespace sallyport::ops {

// Once at start, and again on a reload. Before it, text at level info.
void set_up_log(const config::Log& log);

// Until the next reload, which sets what the file says. Any thread.
void set_log_level(config::LogLevel level);
[[nodiscard]] config::LogLevel log_level();
// "debug", "info", "warning", "error".
[[nodiscard]] std::optional<config::LogLevel> log_level_named(std::string_view name);

using Field = std::pair<std::string_view, std::string>;
using Fields = std::initializer_list<Field>;

// `time=... level=info msg="port up" port=access` or the same as an object. Any thread; may block.
void log(config::LogLevel level, std::string_view message, Fields fields = {});
inline void log_info(std::string_view message, Fields fields = {}) {
  log(config::LogLevel::info, message, fields);
}
inline void log_warning(std::string_view message, Fields fields = {}) {
  log(config::LogLevel::warning, message, fields);
}
inline void log_error(std::string_view message, Fields fields = {}) {
  log(config::LogLevel::error, message, fields);
}

// The line as it would be written, without time. For tests.
[[nodiscard]] std::string format_line(config::LogFormat format, config::LogLevel level,
                                      std::string_view message, Fields fields);

// Lets `burst` lines through at once and then one an `interval_ns`; says how many it held back. Any thread,
// no lock.
class RateLimit {
 public:
  RateLimit(Nanoseconds interval_ns, std::uint32_t burst) : interval_ns_(interval_ns), burst_(burst) {}
  // True: log now; `held_back` lines were not.
  [[nodiscard]] bool admit(Nanoseconds now_ns, std::uint64_t& held_back);

 private:
  Nanoseconds interval_ns_;
  std::uint32_t burst_;
  std::atomic<Nanoseconds> next_free_ns_{0};  // when a bucket of that many would be full again
  std::atomic<std::uint64_t> held_back_{0};
};

}  // namespace sallyport::ops
