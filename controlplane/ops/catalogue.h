// SPDX-License-Identifier: Apache-2.0
// Every metric that Sallyport has, said once: a family takes its type and its help from here, `sallyport
// metrics --list` prints it, and METRICS.md beside this file is made from it.
#pragma once

#include <prometheus/metric_type.h>

#include <span>
#include <string>
#include <string_view>

namespace sallyport::ops {

struct MetricInfo {
  std::string_view name;  // without the prefix
  prometheus::MetricType type;
  std::string_view labels;   // names, comma and blank between them; empty: none
  std::string_view meaning;  // one sentence; the help text
};

inline constexpr std::string_view kMetricPrefix = "sallyport_";

[[nodiscard]] std::span<const MetricInfo> catalogue();
// Throws std::logic_error for a name that is not in the catalogue: a bug of ours that every test meets.
[[nodiscard]] const MetricInfo& metric_info(std::string_view name);
[[nodiscard]] std::string_view type_text(prometheus::MetricType type);

// `sallyport metrics --list`, and with --markdown the page METRICS.md.
[[nodiscard]] std::string catalogue_text();
[[nodiscard]] std::string catalogue_markdown();

}  // namespace sallyport::ops
