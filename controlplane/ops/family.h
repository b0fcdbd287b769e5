// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/stats/histogram.h"

namespace sallyport::ops {

using LabelPairs = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// One metric of the interface while it is collected: `name` without the prefix.
class Family {
 public:
  Family(std::string_view name, std::string_view help, prometheus::MetricType type);

  void counter(LabelPairs labels, std::uint64_t value);
  void gauge(LabelPairs labels, double value);
  // Several histograms of the same bounds (one a shard) as one. Nothing where none has a value.
  void histogram(LabelPairs labels, const std::vector<const stats::Histogram*>& parts);

  [[nodiscard]] prometheus::MetricFamily take() { return std::move(family_); }

 private:
  prometheus::ClientMetric& add(LabelPairs labels);
  prometheus::MetricFamily family_;
};

}  // namespace sallyport::ops
