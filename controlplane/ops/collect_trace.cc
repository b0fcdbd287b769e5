// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"
#include "controlplane/ops/over_workers.h"

namespace sallyport::ops {
namespace {

void collect_kept(const Sources& sources, MetricFamilies& out) {
  Family kept("trace_messages_total");
  Family gone("trace_overwritten_total");
  const auto sum = [&](dp::Counter trace::Counters::* member) {
    std::uint64_t total = 0;
    for (const trace::Counters* counters : sources.traces) total += (counters->*member).get();
    return total;
  };
  kept.counter({{"ring", "recent"}}, sum(&trace::Counters::kept));
  kept.counter({{"ring", "failed"}}, sum(&trace::Counters::failed_kept));
  gone.counter({{"ring", "recent"}}, sum(&trace::Counters::overwritten));
  gone.counter({{"ring", "failed"}}, sum(&trace::Counters::failed_overwritten));
  Family large("trace_too_large_total");
  large.counter({}, sum(&trace::Counters::too_large));
  for (Family* family : {&kept, &gone, &large}) out.push_back(family->take());
}

void collect_mirror(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family family("trace_media_packets_total");
  family.counter(
      {{"outcome", "copied"}},
      over_workers(dataplane, [](const dp::WorkerCounters& w) -> const dp::Counter& { return w.mirrored; }));
  family.counter({{"outcome", "no_room"}},
                 over_workers(dataplane, [](const dp::WorkerCounters& w) -> const dp::Counter& {
                   return w.mirror_ring_full;
                 }));
  out.push_back(family.take());
}

void collect_hep(const HepCounters& counters, MetricFamilies& out) {
  Family family("hep_messages_total");
  family.counter({{"outcome", "sent"}}, counters.sent.get());
  family.counter({{"outcome", "overwritten"}}, counters.overwritten.get());
  family.counter({{"outcome", "refused"}}, counters.refused.get());
  out.push_back(family.take());
}

}  // namespace

void collect_trace(const Labels&, const Sources& sources, MetricFamilies& out) {
  if (!sources.traces.empty()) collect_kept(sources, out);
  if (sources.dataplane != nullptr) collect_mirror(*sources.dataplane, out);
  const HepCounters* hep = sources.hep ? sources.hep() : nullptr;
  if (hep != nullptr) collect_hep(*hep, out);
}

}  // namespace sallyport::ops
