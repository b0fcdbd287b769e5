// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What can be said of a call only when its record is there: which calls had media from
// one side only, how much was lost and how it will have sounded, which failed lately, and why: by rule, by
// cause, by phrase. Records come from the writer's thread, readers are the metrics', the status page's and
// the admin's: a mutex between them, and never a shard. Labels are bounded: of phrases only those are told
// that the configuration or a table of ours knows, and of everything at most kMostSeries.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/ops/collectors.h"
#include "controlplane/stats/call_record.h"

namespace sallyport::ops {

// A call that failed, for the status page and `show failures`.
struct FailedCall {
  Nanoseconds ended_ns = 0;  // wall clock
  std::string id;
  std::string from;
  std::string to;
  std::string caller;
  std::string callee;
  std::uint16_t received = 0;
  std::string received_phrase;
  std::string reason_received;
  std::uint16_t sent = 0;
  std::string phrase;  // sent
  std::string reason_sent;
  std::string local_error;
  std::string rule;
};

class CallTally {
 public:
  static constexpr std::size_t kFailuresKept = 50;
  // Shorter calls say nothing about media: the first packets may not have come.
  static constexpr Nanoseconds kShortest = 5 * kSecond;

  static constexpr std::size_t kMostSeries = 1024;  // of a family; what is more is `other`

  // The phrases that rules name are told as they are.
  void know_phrases(const std::vector<config::MapConfig>& maps);
  // Attempts from sources that are no peer's are counted elsewhere (sip_responses_total): scanners would push
  // out what failures() is for.
  void add(const stats::CallRecord& record);
  void collect(MetricFamilies& out) const;
  [[nodiscard]] std::vector<FailedCall> failures() const;  // latest first

 private:
  struct Quality {
    std::array<std::uint64_t, 10> loss{};
    std::array<std::uint64_t, 11> mos{};
    double loss_sum = 0;
    double mos_sum = 0;
  };
  struct Phrase {
    std::string side;  // "received", "sent"
    std::uint16_t code = 0;
    std::string phrase;
    auto operator<=>(const Phrase&) const = default;
  };
  struct Cause {
    std::string from;
    std::string to;
    std::string received;
    std::string sent;
    auto operator<=>(const Cause&) const = default;
  };
  void add_media(const stats::CallRecord& record);
  void add_failure(const stats::CallRecord& record);
  void add_phrase(const char* side, std::uint16_t code, const std::string& phrase);
  void collect_failures(MetricFamilies& out) const;

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> one_way_;
  std::map<std::string, Quality> quality_;  // by realm
  std::deque<FailedCall> failures_;
  std::set<std::string> known_phrases_;
  std::map<std::string, std::uint64_t> rules_;
  std::map<Cause, std::uint64_t> causes_;
  std::map<Phrase, std::uint64_t> phrases_;
};

}  // namespace sallyport::ops
