// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/api/contract.h"
#include "dataplane/base/clock.h"

namespace sallyport::stats {

using dp::Counter;

// A value that goes up and down. One writer; readers on other threads see whole values.
class Gauge {
 public:
  void add(std::int64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Upper bounds in ns, ascending; the bucket above the last is there without being named.
inline constexpr std::array<Nanoseconds, 16> kDelayBounds{
    5 * kMillisecond,   10 * kMillisecond,  25 * kMillisecond,  50 * kMillisecond,
    100 * kMillisecond, 250 * kMillisecond, 500 * kMillisecond, 1 * kSecond,
    2 * kSecond,        3 * kSecond,        5 * kSecond,        10 * kSecond,
    20 * kSecond,       30 * kSecond,       60 * kSecond,       180 * kSecond};
inline constexpr std::array<Nanoseconds, 16> kDurationBounds{
    1 * kSecond,    3 * kSecond,      5 * kSecond,      10 * kSecond,    30 * kSecond,   60 * kSecond,
    120 * kSecond,  300 * kSecond,    600 * kSecond,    900 * kSecond,   1800 * kSecond, 3600 * kSecond,
    7200 * kSecond, 14'400 * kSecond, 28'800 * kSecond, 43'200 * kSecond};
inline constexpr std::array<Nanoseconds, 16> kJitterBounds{
    100 * kMicrosecond, 250 * kMicrosecond, 500 * kMicrosecond, 1 * kMillisecond,
    2 * kMillisecond,   3 * kMillisecond,   5 * kMillisecond,   8 * kMillisecond,
    12 * kMillisecond,  20 * kMillisecond,  30 * kMillisecond,  50 * kMillisecond,
    80 * kMillisecond,  120 * kMillisecond, 250 * kMillisecond, 1 * kSecond};
// Round trips; ITU-T G.114 takes 150 ms one way for good and 400 ms for the limit.
inline constexpr std::array<Nanoseconds, 16> kRttBounds{
    1 * kMillisecond,   2 * kMillisecond,   5 * kMillisecond,    10 * kMillisecond,
    20 * kMillisecond,  30 * kMillisecond,  50 * kMillisecond,   80 * kMillisecond,
    120 * kMillisecond, 160 * kMillisecond, 220 * kMillisecond,  300 * kMillisecond,
    500 * kMillisecond, 800 * kMillisecond, 1500 * kMillisecond, 5 * kSecond};

// One writer, the shard; ops reads without a lock. A reader may see an observation in its bucket and not yet
// in the sum: Prometheus bears that.
class Histogram {
 public:
  using Bounds = std::array<Nanoseconds, 16>;
  explicit Histogram(const Bounds& bounds) : bounds_(&bounds) {}

  void observe(Nanoseconds value) {
    std::size_t i = 0;
    while (i < bounds_->size() && value > (*bounds_)[i]) ++i;
    buckets_[i].add();
    sum_ns_.add(value > 0 ? static_cast<std::uint64_t>(value) : 0);
  }

  [[nodiscard]] const Bounds& bounds() const { return *bounds_; }
  // Not cumulative; the last is what lies above all bounds.
  [[nodiscard]] std::span<const Counter, 17> buckets() const { return buckets_; }
  [[nodiscard]] std::uint64_t sum_ns() const { return sum_ns_.get(); }

 private:
  const Bounds* bounds_;
  std::array<Counter, 17> buckets_;
  Counter sum_ns_;
};

}  // namespace sallyport::stats
