// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "controlplane/config/read.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kLongestSocketPath = 107;  // sun_path, with its NUL
constexpr std::size_t kLongestPath = 4095;
constexpr Nanoseconds kInterimDefault = kSecond * 15 * 60;
constexpr std::size_t kSmallestFile = 64 << 10;  // a record is some 2 KiB
constexpr std::size_t kLargestFile = std::size_t{1} << 40;
constexpr unsigned kMostFiles = 1000;

constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels{{{"debug", LogLevel::debug},
                                                                        {"info", LogLevel::info},
                                                                        {"warning", LogLevel::warning},
                                                                        {"error", LogLevel::error}}};
constexpr std::array<std::pair<std::string_view, LogFormat>, 2> kFormats{
    {{"text", LogFormat::text}, {"json", LogFormat::json}}};

// Where it stands, for who holds it against others.
Place read_listen(MapReader& top, std::string_view section, std::optional<Endpoint>& listen) {
  Place place;
  const auto value = top.get(section);
  if (!value) return place;
  MapReader reader(*value);
  if (const auto where = reader.need("listen")) {
    place = where->at();
    const auto word = where->text();
    if (word && *word == "off") {
      listen.reset();
    } else if (word) {
      if (const auto endpoint = where->endpoint()) listen = *endpoint;
    }
  }
  reader.finish();
  return place;
}

void read_admin(MapReader& top, Admin& admin) {
  const auto value = top.get("admin");
  if (!value) return;
  MapReader reader(*value);
  if (const auto socket = reader.need("socket")) {
    if (auto path = socket->absolute_path(kLongestSocketPath)) admin.socket = std::move(*path);
  }
  reader.finish();
}

void read_cdr(MapReader& top, Cdr& cdr) {
  const auto value = top.get("cdr");
  if (!value) return;
  MapReader reader(*value);
  if (const auto file = reader.need("file")) {
    if (auto path = file->absolute_path(kLongestPath)) cdr.file = std::move(*path);
  }
  cdr.interim_ns = kInterimDefault;
  reader.duration_or_off("interim", cdr.interim_ns, kSecond, kDay);
  if (const auto rotate = reader.get("rotate"))
    cdr.rotate_bytes = rotate->bytes(kSmallestFile, kLargestFile, true).value_or(kSmallestFile);
  if (const auto keep = reader.get("keep")) {
    cdr.keep = static_cast<unsigned>(keep->number(0, kMostFiles).value_or(0));
    if (cdr.rotate_bytes == 0) keep->fault("is how many rotated files stay: it needs 'rotate'");
  }
  reader.finish();
}

void read_log(MapReader& top, Log& log) {
  const auto value = top.get("log");
  if (!value) return;
  MapReader reader(*value);
  reader.choice<LogLevel>("level", log.level, kLevels);
  reader.choice<LogFormat>("format", log.format, kFormats);
  reader.finish();
}

}  // namespace

void read_operations(MapReader& top, Draft& draft) {
  Config& config = draft.config;
  read_listen(top, "metrics", config.metrics.listen);
  draft.status_listen = read_listen(top, "status", config.status.listen);
  read_admin(top, config.admin);
  read_cdr(top, config.cdr);
  read_log(top, config.log);
}

}  // namespace sallyport::config
