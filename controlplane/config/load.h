// SPDX-License-Identifier: Apache-2.0
// Theory of operation. load() reads YAML in two passes. The first (yaml.h) turns the text into a tree with a
// place for every node and bounds its depth and size, also where aliases multiply it. The second (read_*.cc)
// walks the tree by the schema: a key that it does not ask for is a fault, and so is a key that stands twice.
// Names are resolved after everything was read, so that order in the file does not matter. Nothing stops at
// the first fault.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"

namespace sallyport::config {

// Text longer than this is not read: a fault.
inline constexpr std::size_t kMaxConfigBytes = 4u << 20;

// The configuration, or all faults sorted by place. Never throws for what the text says.
[[nodiscard]] std::expected<Config, std::vector<Fault>> load(std::string_view yaml);

// The same from a file. A file that cannot be read is one fault without a place.
[[nodiscard]] std::expected<Config, std::vector<Fault>> load_file(const std::string& path);

// "250ms", "10s", "5m", "4h", "1d"; several parts may follow one another ("1h30m"). Also "us". A bare number
// has no unit: nullopt, but for "0". Negative or beyond ten years: nullopt.
[[nodiscard]] std::optional<Nanoseconds> parse_duration(std::string_view text);

// "503", "500-599", "4xx" with codes of 100 to 999; nullopt for anything else, also for a range that runs
// backwards.
[[nodiscard]] std::optional<CodeSpan> parse_code_span(std::string_view text);

}  // namespace sallyport::config
