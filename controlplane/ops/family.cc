// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/family.h"

#include <array>

namespace sallyport::ops {

namespace {
double seconds(Nanoseconds ns) {
  return static_cast<double>(ns) / static_cast<double>(kSecond);
}
}  // namespace

Family::Family(std::string_view name, std::string_view help, prometheus::MetricType type) {
  family_.name = "sallyport_" + std::string(name);
  family_.help = help;
  family_.type = type;
}

prometheus::ClientMetric& Family::add(LabelPairs labels) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label.reserve(labels.size());
  for (const auto& [name, value] : labels) metric.label.push_back({std::string(name), std::string(value)});
  return metric;
}

void Family::counter(LabelPairs labels, std::uint64_t value) {
  add(labels).counter.value = static_cast<double>(value);
}
void Family::gauge(LabelPairs labels, double value) {
  add(labels).gauge.value = value;
}

void Family::histogram(LabelPairs labels, const std::vector<const stats::Histogram*>& parts) {
  std::array<std::uint64_t, 17> counts{};
  std::uint64_t total = 0;
  std::uint64_t sum_ns = 0;
  for (const stats::Histogram* part : parts) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i] += part->buckets()[i].get();
    }
    sum_ns += part->sum_ns();
  }
  for (const std::uint64_t count : counts) total += count;
  if (total == 0) return;
  prometheus::ClientMetric& metric = add(labels);
  metric.histogram.sample_count = total;
  metric.histogram.sample_sum = seconds(static_cast<Nanoseconds>(sum_ns));
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i + 1 < counts.size(); ++i) {
    cumulative += counts[i];
    metric.histogram.bucket.push_back({cumulative, seconds(parts.front()->bounds()[i])});
  }
}

}  // namespace sallyport::ops
