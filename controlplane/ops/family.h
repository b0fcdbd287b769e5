// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/stats/histogram.h"

namespace sallyport::ops {

using LabelPairs = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// One metric of the catalogue while it is collected: `name` without the prefix, as metric_info() knows it.
class Family {
 public:
  explicit Family(std::string_view name);

  void counter(LabelPairs labels, std::uint64_t value);
  void counter_seconds(LabelPairs labels, double value);
  void gauge(LabelPairs labels, double value);
  // Counts by bucket, not cumulative, one more than `bounds`. Nothing where all are 0.
  void histogram(LabelPairs labels, std::span<const double> bounds, std::span<const std::uint64_t> counts,
                 double sum);
  // Several histograms of the same bounds (one a shard) as one. Nothing where none has a value.
  void histogram(LabelPairs labels, const std::vector<const stats::Histogram*>& parts);

  [[nodiscard]] prometheus::MetricFamily take() { return std::move(family_); }

 private:
  prometheus::ClientMetric& add(LabelPairs labels);
  prometheus::MetricFamily family_;
};

}  // namespace sallyport::ops
