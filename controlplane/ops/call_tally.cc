// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/call_tally.h"

#include <algorithm>

#include "controlplane/ops/e_model.h"
#include "controlplane/ops/family.h"
#include "controlplane/response_map/reason.h"
#include "controlplane/response_map/tables.h"
#include "controlplane/stats/labels.h"

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

template <typename Key>
void count(std::map<Key, std::uint64_t>& series, const Key& key, const Key& other) {
  const bool room = series.contains(key) || series.size() < CallTally::kMostSeries;
  ++series[room ? key : other];
}

std::string cause_text(std::string_view reason) {
  const std::uint8_t cause = response_map::q850_of(reason);
  return cause != 0 ? std::to_string(cause) : "none";
}

// A code's label: itself, or `other`.
std::string code_text(std::uint16_t code) {
  const std::uint16_t known = stats::slot_code(stats::code_slot(code));
  return known != 0 ? std::to_string(known) : "other";
}

}  // namespace

void CallTally::add(const stats::CallRecord& record) {
  if (record.kind != stats::RecordKind::end || record.from_peer.empty()) return;
  const std::lock_guard lock(mutex_);
  if (record.answered_ns != 0) {
    add_media(record);
    if (record.duration_ns.value_or(0) >= kShortest && is_one_way(record))
      ++one_way_[{record.from_peer, record.to_peer}];
    return;
  }
  add_failure(record);
}

void CallTally::know_phrases(const std::vector<config::MapConfig>& maps) {
  const std::lock_guard lock(mutex_);
  for (const config::MapConfig& map : maps) {
    for (const config::MapRule& rule : map.rules) {
      if (rule.phrase) known_phrases_.insert(*rule.phrase);
      if (rule.send_phrase) known_phrases_.insert(*rule.send_phrase);
    }
  }
}

void CallTally::add_failure(const stats::CallRecord& record) {
  failures_.push_front({.ended_ns = record.ended_ns,
                        .id = record.id,
                        .from = record.from_peer,
                        .to = record.to_peer,
                        .caller = record.caller,
                        .callee = record.callee,
                        .received = record.received,
                        .received_phrase = record.received_phrase,
                        .reason_received = record.reason_received,
                        .sent = record.sent,
                        .phrase = record.sent_phrase,
                        .reason_sent = record.reason_sent,
                        .local_error = record.local_error,
                        .rule = record.rule});
  if (failures_.size() > kFailuresKept) failures_.pop_back();
  const std::string other = "other";
  count(rules_, std::string(record.rule.empty() ? "none" : record.rule.view()), other);
  count(causes_,
        {record.from_peer, record.to_peer.empty() ? "none" : record.to_peer,
         cause_text(record.reason_received), cause_text(record.reason_sent)},
        {other, other, other, other});
  if (record.received != 0) add_phrase("received", record.received, record.received_phrase);
  add_phrase("sent", record.sent, record.sent_phrase);
}

void CallTally::add_phrase(const char* side, std::uint16_t code, const std::string& phrase) {
  const bool known = phrase == response_map::standard_phrase(code) || known_phrases_.contains(phrase) ||
                     response_map::find_vendor(code, phrase) != nullptr;
  count(phrases_, {side, code, known ? phrase : "other"}, {side, 0, "other"});
}

void CallTally::add_media(const stats::CallRecord& record) {
  for (const stats::MediaRecord& media : record.media) {
    const auto loss = loss_ratio(media.counters);
    if (media.rtcp || !loss) continue;
    Quality& quality = quality_[media.leg == 0 ? record.from_realm : record.to_realm];
    ++quality.loss[bucket_of(kLossBounds, *loss)];
    quality.loss_sum += *loss;
    if (const auto mos = mos_of(media, record)) {
      ++quality.mos[bucket_of(kMosBounds, *mos)];
      quality.mos_sum += *mos;
    }
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
  collect_failures(out);
}

void CallTally::collect_failures(MetricFamilies& out) const {
  Family rules("call_failure_rules_total");
  Family causes("call_failure_causes_total");
  Family phrases("call_failure_phrases_total");
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [rule, n] : rules_) rules.counter({{"rule", rule}}, n);
    for (const auto& [cause, n] : causes_) {
      causes.counter(
          {{"from", cause.from}, {"to", cause.to}, {"received", cause.received}, {"sent", cause.sent}}, n);
    }
    std::map<Phrase, std::uint64_t> by_label;  // codes that are told as `other` share a series
    for (const auto& [phrase, n] : phrases_) {
      const bool told = stats::slot_code(stats::code_slot(phrase.code)) != 0;
      by_label[told ? phrase : Phrase{phrase.side, 0, phrase.phrase}] += n;
    }
    for (const auto& [phrase, n] : by_label) {
      phrases.counter({{"side", phrase.side}, {"code", code_text(phrase.code)}, {"phrase", phrase.phrase}},
                      n);
    }
  }
  for (Family* family : {&rules, &causes, &phrases}) out.push_back(family->take());
}

std::vector<FailedCall> CallTally::failures() const {
  const std::lock_guard lock(mutex_);
  return {failures_.begin(), failures_.end()};
}

}  // namespace sallyport::ops
