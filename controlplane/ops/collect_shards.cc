// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "controlplane/ops/ask_shards.h"
#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"
#include "controlplane/ops/over_workers.h"

namespace sallyport::ops {
namespace {

using sip::TransactionCounters;
using stats::ShardTotals;

// One number of the shards' totals or transactions, summed.
template <typename Parts, typename Read>
std::uint64_t sum_of(const Parts& parts, Read read) {
  std::uint64_t sum = 0;
  for (const auto* part : parts) sum += read(*part).get();
  return sum;
}

void collect_retransmissions(const Sources& sources, MetricFamilies& out) {
  Family family("sip_retransmissions_total");
  const auto add = [&](std::string_view kind, stats::MethodCounters ShardTotals::* table) {
    for (std::size_t d = 0; d < stats::kDirectionNames.size(); ++d) {
      std::map<std::string_view, std::uint64_t> by_method;  // two values of sip::Method share `other`
      for (const stats::ShardStatistics* shard : sources.shards) {
        for (std::size_t m = 0; m < stats::kMethodNames.size(); ++m)
          by_method[stats::kMethodNames[m]] += (shard->totals.*table)[d][m].get();
      }
      for (const auto& [method, count] : by_method) {
        if (count == 0) continue;
        family.counter({{"kind", kind}, {"direction", stats::kDirectionNames[d]}, {"method", method}}, count);
      }
    }
  };
  add("request", &ShardTotals::retransmitted_requests);
  add("response", &ShardTotals::retransmitted_responses);
  out.push_back(family.take());
}

void collect_transactions(const Sources& sources, MetricFamilies& out) {
  if (sources.transactions.empty()) return;
  const auto sum = [&](dp::Counter TransactionCounters::* member) {
    return sum_of(sources.transactions,
                  [&](const TransactionCounters& t) -> const dp::Counter& { return t.*member; });
  };
  Family active("sip_transactions_active");
  active.gauge({{"kind", "client"}}, static_cast<double>(sum(&TransactionCounters::clients_active)));
  active.gauge({{"kind", "server"}}, static_cast<double>(sum(&TransactionCounters::servers_active)));
  Family begun("sip_transactions_total");
  begun.counter({{"kind", "client"}}, sum(&TransactionCounters::clients_started));
  begun.counter({{"kind", "server"}}, sum(&TransactionCounters::servers_started));
  Family events("sip_transaction_events_total");
  constexpr std::array<std::pair<std::string_view, dp::Counter TransactionCounters::*>, 10> kEvents{
      {{"timeout", &TransactionCounters::timeouts},
       {"missing_ack", &TransactionCounters::missing_acks},
       {"transport_error", &TransactionCounters::transport_errors},
       {"stray_response", &TransactionCounters::stray_responses},
       {"stray_ack", &TransactionCounters::stray_acks},
       {"unknown_tag", &TransactionCounters::unknown_tags},
       {"merged_request", &TransactionCounters::merged_requests},
       {"no_room", &TransactionCounters::refused_full},
       {"request_too_large", &TransactionCounters::refused_large},
       {"response_too_large", &TransactionCounters::large_responses}}};
  for (const auto& [name, member] : kEvents) events.counter({{"event", name}}, sum(member));
  for (Family* family : {&active, &begun, &events}) out.push_back(family->take());
}

// Malformed messages by fault, as the workers and the stream transport name them.
void collect_faults(const Sources& sources, MetricFamilies& out) {
  Family faults("sip_faults_total");
  constexpr auto kFaults = static_cast<std::size_t>(sip::Fault::kCount);
  static_assert(kFaults <= 64);
  for (std::size_t i = 1; i < kFaults; ++i) {
    const auto of_fault = [&](const dp::WorkerCounters& w) -> const dp::Counter& { return w.sip_faults[i]; };
    std::uint64_t count = sources.stream == nullptr ? 0 : sources.stream->faults[i].get();
    if (sources.dataplane != nullptr) count += over_workers(*sources.dataplane, of_fault);
    if (count != 0) faults.counter({{"fault", sip::fault_name(static_cast<sip::Fault>(i))}}, count);
  }
  out.push_back(faults.take());
}

void collect_rings(const Sources& sources, MetricFamilies& out) {
  Family full("ring_full_total");
  const auto commands = [](const ShardTotals& t) -> const auto& { return t.commands_ring_full; };
  std::uint64_t refused = 0;
  for (const stats::ShardStatistics* shard : sources.shards) refused += commands(shard->totals).get();
  full.counter({{"ring", "commands"}}, refused);
  std::uint64_t events = 0;
  if (sources.dataplane != nullptr) {
    for (std::size_t shard = 0; shard < dp::kMaxShards; ++shard) {
      events += over_workers(*sources.dataplane, [&](const dp::WorkerCounters& w) -> const dp::Counter& {
        return w.event_ring_full[shard];
      });
    }
  }
  full.counter({{"ring", "events"}}, events);
  full.counter({{"ring", "records"}}, sources.records ? sources.records().dropped : 0);
  out.push_back(full.take());
}

double used(const dp::RecordRing& ring) {
  return static_cast<double>(ring.used_bytes()) / static_cast<double>(ring.capacity_bytes());
}

void collect_ring_levels(const Sources& sources, MetricFamilies& out) {
  Family level("ring_used_ratio");
  for (unsigned shard = 0; shard < sources.shards.size(); ++shard) {
    double commands = 0;
    double events = 0;
    for (unsigned w = 0; w < sources.dataplane->workers(); ++w) {
      commands = std::max(commands, used(sources.dataplane->commands(shard, w)));
      events = std::max(events, used(sources.dataplane->events(w, shard)));
    }
    const std::string name = std::to_string(shard);
    level.gauge({{"ring", "commands"}, {"shard", name}}, commands);
    level.gauge({{"ring", "events"}, {"shard", name}}, events);
  }
  out.push_back(level.take());
}

// A peer is up where any shard finds it so. A shard that does not answer has no say.
void collect_health(const Sources& sources, MetricFamilies& out) {
  Family answering("shard_answering");
  Family up("peer_up");
  std::map<std::string, bool> usable;
  std::vector<bool> heard(sources.query->shards());
  const auto read = [](stats::ShardView& view) { return view.peers(); };
  static_cast<void>(ask_shards(*sources.query, sources.query_timeout, read,
                               [&](unsigned shard, const std::vector<stats::PeerRow>& rows) {
                                 heard[shard] = true;
                                 for (const stats::PeerRow& row : rows) {
                                   if (!row.removed) usable[row.name] |= row.usable;
                                 }
                               }));
  for (unsigned shard = 0; shard < heard.size(); ++shard)
    answering.gauge({{"shard", std::to_string(shard)}}, heard[shard] ? 1 : 0);
  for (const auto& [peer, is_up] : usable) up.gauge({{"peer", peer}}, is_up ? 1 : 0);
  out.push_back(answering.take());
  out.push_back(up.take());
}

void collect_lag(const Sources& sources, MetricFamilies& out) {
  Family lag("shard_lag_seconds");
  for (unsigned shard = 0; shard < sources.shards.size(); ++shard) {
    lag.gauge({{"shard", std::to_string(shard)}},
              static_cast<double>(sources.lag_ns(shard)) / static_cast<double>(kSecond));
  }
  out.push_back(lag.take());
}

void collect_odd_ends(const Sources& sources, MetricFamilies& out) {
  Family silent("sip_silent_drops_total");
  Family stateless("sip_stateless_replies_total");
  std::uint64_t drops = 0;
  std::uint64_t replies = 0;
  for (const stats::ShardStatistics* shard : sources.shards) {
    drops += shard->totals.silent_drops.get();
    replies += shard->totals.stateless_replies.get();
  }
  silent.counter({}, drops);
  stateless.counter({}, replies);
  out.push_back(silent.take());
  out.push_back(stateless.take());
}

void collect_media_timeouts(const Sources& sources, MetricFamilies& out) {
  Family family("media_timeouts_total");
  for (std::size_t kind = 0; kind < stats::kMediaTimeoutNames.size(); ++kind) {
    for (std::size_t action = 0; action < stats::kMediaTimeoutActions.size(); ++action) {
      std::uint64_t count = 0;
      for (const stats::ShardStatistics* shard : sources.shards)
        count += shard->totals.media_timeouts[kind][action].get();
      family.counter(
          {{"kind", stats::kMediaTimeoutNames[kind]}, {"action", stats::kMediaTimeoutActions[action]}},
          count);
    }
  }
  out.push_back(family.take());
}

}  // namespace

void collect_shards(const Labels&, const Sources& sources, MetricFamilies& out) {
  collect_retransmissions(sources, out);
  collect_transactions(sources, out);
  collect_odd_ends(sources, out);
  collect_media_timeouts(sources, out);
  collect_rings(sources, out);
  collect_faults(sources, out);
  if (sources.dataplane != nullptr) collect_ring_levels(sources, out);
  if (sources.lag_ns) collect_lag(sources, out);
  if (sources.query != nullptr) collect_health(sources, out);
}

}  // namespace sallyport::ops
