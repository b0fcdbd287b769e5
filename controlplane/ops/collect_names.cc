// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string_view>

#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"

namespace sallyport::ops {

using resolver::Counters;
using routing::NameState;

namespace {

// A metric's label of a state; `show peers` has it in words.
constexpr std::array<std::string_view, static_cast<std::size_t>(NameState::kCount)> kStates{
    "pending", "resolved", "stale", "no_such_name", "no_records", "unusable", "server_failure"};

void collect_queries(const Counters& counters, MetricFamilies& out) {
  Family queries("dns_queries_total");
  for (std::size_t t = 0; t < resolver::kRecordTypes.size(); ++t) {
    for (std::size_t k = 0; k < counters.queries[t].size(); ++k) {
      queries.counter({{"type", resolver::to_text(resolver::kRecordTypes[t])},
                       {"outcome", resolver::to_text(static_cast<resolver::AnswerKind>(k))}},
                      counters.queries[t][k].get());
    }
  }
  out.push_back(queries.take());
}

// There are names, or there were before a reload.
bool has_names(const Counters& counters) {
  const auto counted = [](const dp::Counter& counter) { return counter.get() != 0; };
  return std::ranges::any_of(counters.names, counted) || std::ranges::any_of(counters.lookups, counted);
}

}  // namespace

void collect_names(const Labels&, const Sources& sources, MetricFamilies& out) {
  if (sources.names == nullptr) return;
  const Counters& counters = *sources.names;
  if (!has_names(counters)) return;
  collect_queries(counters, out);
  Family lookups("dns_lookups_total");
  Family names("dns_names");
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    names.gauge({{"state", kStates[i]}}, static_cast<double>(counters.names[i].get()));
    if (static_cast<NameState>(i) == NameState::pending) continue;
    lookups.counter({{"outcome", kStates[i]}}, counters.lookups[i].get());
  }
  out.push_back(lookups.take());
  out.push_back(names.take());
  Family discarded("dns_discarded_total");
  for (std::size_t i = 0; i < counters.discarded.size(); ++i) {
    discarded.counter({{"reason", resolver::to_text(static_cast<resolver::Discard>(i))}},
                      counters.discarded[i].get());
  }
  out.push_back(discarded.take());
}

}  // namespace sallyport::ops
