// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The names of a configuration, what is known of each, and when it is looked up again:
//
//   due ──▶ looking up ──┬─ places ──────────▶ resolved, due again when the least TTL has passed
//                        ├─ nothing there ───▶ no_such_name, no_records, unusable: at once, due again by the
//                        │                     negative TTL (RFC 2308)
//                        └─ servers failed ──▶ stale while max_stale lasts, else server_failure; due again
//                                              after 1 s, 2 s, 4 s ... 30 s
//
// A look-up begins from nothing each time; at most kMostLookups run at once, so that ten thousand names are
// no flood. Pure but for its counters: the clock, and who asks, are passed in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/resolver/counters.h"
#include "controlplane/resolver/procedure.h"
#include "controlplane/routing/resolved.h"
#include "dataplane/base/clock.h"

namespace sallyport::resolver {

// Asks a name server; the answer comes back through NameBook::answered(), never from within.
using Ask = std::function<void(std::size_t name, const Question& question)>;

class NameBook {
 public:
  static constexpr std::size_t kMostLookups = 32;
  static constexpr Nanoseconds kLongestRetry = 30 * kSecond;
  static constexpr Nanoseconds kLongestNegative = 300 * kSecond;

  NameBook(const config::Config& config, Counters& counters);
  // After a reload: a name that stays keeps what is known of it; what was asked is asked once more, as it may
  // have been asked of other servers, and answers to the old questions count for nothing.
  void succeed(const config::Config& config);

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  // Begins what is due.
  void turn(Nanoseconds now_ns, const Ask& ask);
  // An answer to what was asked for that name.
  void answered(std::size_t name, const Question& question, Answer answer, Nanoseconds now_ns,
                const Ask& ask);
  // When turn() is due next; INT64_MAX: not before an answer.
  [[nodiscard]] Nanoseconds next_ns() const;

  // Every name has been looked up once.
  [[nodiscard]] bool has_settled() const { return unsettled_ == 0; }
  // What has changed since the last time; nullptr: nothing.
  [[nodiscard]] routing::SharedNames take_changed();

 private:
  struct Name {
    Wanted wanted;
    Known known;               // of the look-up that runs
    std::set<Question> asked;  // and not answered
    bool running = false;
    bool settled = false;
    Nanoseconds due_ns = 0;
    Nanoseconds good_until_ns = 0;  // of the places, stale time included
    unsigned failures = 0;          // in a row
  };
  void take_names(const config::Config& config);
  void count_names();
  void go_on(std::size_t index, Nanoseconds now_ns, const Ask& ask);
  void settle(std::size_t index, Outcome outcome, Nanoseconds now_ns);
  void on_failure(Name& name, routing::ResolvedName& shown, Nanoseconds now_ns);
  void on_places(Name& name, routing::ResolvedName& shown, Outcome& outcome, Nanoseconds now_ns);

  config::Dns dns_;
  Counters& counters_;
  std::vector<Name> names_;
  routing::ResolvedNames shown_;  // by the same index
  std::size_t first_ =
      0;  // what the first name is called in questions: those before a reload are none of ours
  std::size_t running_ = 0;
  std::size_t unsettled_ = 0;
  bool changed_ = false;
};

}  // namespace sallyport::resolver
