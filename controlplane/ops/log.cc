// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

namespace sallyport::ops {
namespace {

std::atomic<config::LogFormat> g_format{config::LogFormat::text};
std::atomic<config::LogLevel> g_level{config::LogLevel::info};

spdlog::level::level_enum level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::debug:
      return spdlog::level::debug;
    case config::LogLevel::info:
      return spdlog::level::info;
    case config::LogLevel::warning:
      return spdlog::level::warn;
    case config::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// The time is the only thing that spdlog's pattern adds; the rest of the line is ours.
const char* pattern_of(config::LogFormat format) {
  return format == config::LogFormat::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})"
                                           : "time=%Y-%m-%dT%H:%M:%S.%eZ %v";
}

const std::shared_ptr<spdlog::logger>& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made =
        std::make_shared<spdlog::logger>("sallyport", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(pattern_of(config::LogFormat::text), spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return instance;
}

// A logfmt value: bare where that is unambiguous, else quoted with escapes.
void append_value(std::string& out, std::string_view value) {
  const bool bare =
      !value.empty() && value.find_first_of(" =\"\\") == std::string_view::npos &&
      std::ranges::none_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x21 || c == 0x7f; });
  if (bare) {
    out += value;
    return;
  }
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  out += '"';
}

std::string logfmt_line(config::LogLevel level, std::string_view message, Fields fields) {
  std::string line = "level=" + std::string(config::to_text(level)) + " msg=";
  append_value(line, message);
  for (const auto& [name, value] : fields) {
    line += ' ';
    line += name;
    line += '=';
    append_value(line, value);
  }
  return line;
}

// The members of an object without its braces: the pattern has them.
std::string json_line(config::LogLevel level, std::string_view message, Fields fields) {
  const auto text = [](std::string_view value) {
    return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  std::string line = "\"level\":" + text(config::to_text(level)) + ",\"msg\":" + text(message);
  for (const auto& [name, value] : fields) line += "," + text(name) + ":" + text(value);
  return line;
}

}  // namespace

std::string format_line(config::LogFormat format, config::LogLevel level, std::string_view message,
                        Fields fields) {
  return format == config::LogFormat::json ? json_line(level, message, fields)
                                           : logfmt_line(level, message, fields);
}

void set_up_log(const config::Log& log) {
  g_format.store(log.format, std::memory_order_relaxed);
  logger()->set_pattern(pattern_of(log.format), spdlog::pattern_time_type::utc);
  set_log_level(log.level);
}

void set_log_level(config::LogLevel level) {
  g_level.store(level, std::memory_order_relaxed);
  logger()->set_level(level_of(level));
}

config::LogLevel log_level() {
  return g_level.load(std::memory_order_relaxed);
}

std::optional<config::LogLevel> log_level_named(std::string_view name) {
  using enum config::LogLevel;
  for (const config::LogLevel level : {debug, info, warning, error}) {
    if (config::to_text(level) == name) return level;
  }
  return std::nullopt;
}

void log(config::LogLevel level, std::string_view message, Fields fields) {
  if (!logger()->should_log(level_of(level))) return;
  const std::string line = format_line(g_format.load(std::memory_order_relaxed), level, message, fields);
  logger()->log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

bool RateLimit::admit(Nanoseconds now_ns, std::uint64_t& held_back) {
  Nanoseconds free_at = next_free_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const Nanoseconds from = free_at > now_ns ? free_at : now_ns;
    if (from - now_ns > interval_ns_ * (static_cast<Nanoseconds>(burst_) - 1)) {
      held_back_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (next_free_ns_.compare_exchange_weak(free_at, from + interval_ns_, std::memory_order_relaxed)) break;
  }
  held_back = held_back_.exchange(0, std::memory_order_relaxed);
  return true;
}

}  // namespace sallyport::ops
