// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/call_tally.h"

#include <algorithm>

#include "controlplane/ops/family.h"

namespace sallyport::ops {
namespace {

constexpr std::array<double, 9> kLossBounds{0, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2};
constexpr std::array<double, 10> kMosBounds{1.5, 2, 2.5, 3, 3.3, 3.6, 3.8, 4, 4.2, 4.4};

template <std::size_t N>
std::size_t bucket_of(const std::array<double, N>& bounds, double value) {
  return static_cast<std::size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
}

// RTP came from one side only: of all streams together, so that a held one does not count.
bool is_one_way(const stats::CallRecord& record) {
  std::array<std::uint64_t, 2> packets{};
  for (const stats::MediaRecord& media : record.media) {
    if (!media.rtcp) packets[media.leg != 0 ? 1 : 0] += media.counters.packets;
  }
  return (packets[0] == 0) != (packets[1] == 0);
}

}  // namespace

std::optional<double> loss_ratio(const dp::FlowCounters& counters) {
  const std::uint64_t expected = counters.packets + counters.lost;
  if (counters.packets == 0) return std::nullopt;
  return static_cast<double>(counters.lost) / static_cast<double>(expected);
}

double estimate_mos(double loss) {
  constexpr double kRating = 93.2;  // G.107 with all defaults
  constexpr double kBpl = 25.1;
  const double percent = std::clamp(loss, 0.0, 1.0) * 100;
  const double r = kRating - 95 * percent / (percent + kBpl);
  if (r <= 0) return 1;
  return std::max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

void CallTally::add(const stats::CallRecord& record) {
  if (record.kind != stats::RecordKind::end) return;
  const std::lock_guard lock(mutex_);
  if (record.answered_ns != 0) {
    add_media(record);
    if (record.ended_ns - record.answered_ns >= kShortest && is_one_way(record))
      ++one_way_[{record.from_peer, record.to_peer}];
    return;
  }
  failures_.push_front({record.ended_ns, record.id, record.from_peer, record.to_peer, record.caller,
                        record.callee, record.received, record.sent, record.sent_phrase, record.rule});
  if (failures_.size() > kFailuresKept) failures_.pop_back();
}

void CallTally::add_media(const stats::CallRecord& record) {
  for (const stats::MediaRecord& media : record.media) {
    const auto loss = loss_ratio(media.counters);
    if (media.rtcp || !loss) continue;
    Quality& quality = quality_[media.leg == 0 ? record.from_realm : record.to_realm];
    const double mos = estimate_mos(*loss);
    ++quality.loss[bucket_of(kLossBounds, *loss)];
    ++quality.mos[bucket_of(kMosBounds, mos)];
    quality.loss_sum += *loss;
    quality.mos_sum += mos;
  }
}

void CallTally::collect(MetricFamilies& out) const {
  Family one_way("calls_one_way_media_total");
  Family loss("media_loss_ratio");
  Family mos("media_mos");
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [pair, count] : one_way_)
      one_way.counter({{"from", pair.first}, {"to", pair.second}}, count);
    for (const auto& [realm, quality] : quality_) {
      loss.histogram({{"realm", realm}}, kLossBounds, quality.loss, quality.loss_sum);
      mos.histogram({{"realm", realm}}, kMosBounds, quality.mos, quality.mos_sum);
    }
  }
  for (Family* family : {&one_way, &loss, &mos}) out.push_back(family->take());
}

std::vector<FailedCall> CallTally::failures() const {
  const std::lock_guard lock(mutex_);
  return {failures_.begin(), failures_.end()};
}

}  // namespace sallyport::ops
