// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/family.h"

#include <array>
#include <numeric>

#include "controlplane/ops/catalogue.h"

namespace sallyport::ops {

namespace {
double in_seconds(Nanoseconds ns) {
  return static_cast<double>(ns) / static_cast<double>(kSecond);
}
}  // namespace

Family::Family(std::string_view name) {
  const MetricInfo& info = metric_info(name);
  family_.name = std::string(kMetricPrefix) + std::string(info.name);
  family_.help = info.meaning;
  family_.type = info.type;
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
void Family::counter_seconds(LabelPairs labels, double value) {
  add(labels).counter.value = value;
}
void Family::gauge(LabelPairs labels, double value) {
  add(labels).gauge.value = value;
}

void Family::histogram(LabelPairs labels, std::span<const double> bounds,
                       std::span<const std::uint64_t> counts, double sum) {
  const std::uint64_t total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (total == 0) return;
  prometheus::ClientMetric& metric = add(labels);
  metric.histogram.sample_count = total;
  metric.histogram.sample_sum = sum;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    cumulative += counts[i];
    metric.histogram.bucket.push_back({cumulative, bounds[i]});
  }
}

void Family::histogram(LabelPairs labels, const std::vector<const stats::Histogram*>& parts) {
  if (parts.empty()) return;
  std::array<std::uint64_t, 17> counts{};
  std::array<double, 16> bounds{};
  std::uint64_t sum_ns = 0;
  for (const stats::Histogram* part : parts) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += part->buckets()[i].get();
    sum_ns += part->sum_ns();
  }
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = in_seconds(parts.front()->bounds()[i]);
  histogram(labels, bounds, counts, in_seconds(static_cast<Nanoseconds>(sum_ns)));
}

}  // namespace sallyport::ops
