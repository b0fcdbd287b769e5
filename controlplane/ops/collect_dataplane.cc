// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include "controlplane/ops/call_tally.h"
#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"
#include "controlplane/ops/over_workers.h"

namespace sallyport::ops {
namespace {

void collect_load(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family busy("dataplane_busy_ratio");
  Family per_packet("dataplane_cycles_per_packet");
  Family cycles("dataplane_cycles_total");
  Family latches("media_latches_total");
  unsigned worker = 0;
  for (const dp::CoreLoad& load : dataplane.load()) {
    const std::string core = std::to_string(load.core);
    busy.gauge({{"core", core}}, load.busy_ratio);
    per_packet.gauge({{"core", core}}, load.cycles_per_packet);
    if (worker >= dataplane.workers()) continue;
    const dp::WorkerCounters& counters = dataplane.counters(worker++);
    // The total is read last, so that idle is never negative.
    const std::uint64_t in_work = counters.busy_cycles.get();
    cycles.counter({{"core", core}, {"state", "busy"}}, in_work);
    cycles.counter({{"core", core}, {"state", "idle"}},
                   std::max(counters.total_cycles.get(), in_work) - in_work);
    latches.counter({{"core", core}}, counters.latches.get());
  }
  for (Family* family : {&busy, &per_packet, &cycles, &latches}) out.push_back(family->take());
}

void collect_pools(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family packets("dataplane_pool_packets");
  for (const dp::PoolLevel& level : dataplane.pools()) {
    packets.gauge({{"port", level.port}, {"state", "used"}}, level.used);
    packets.gauge({{"port", level.port}, {"state", "free"}}, level.free);
  }
  out.push_back(packets.take());
}

void collect_nic(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family missed("dataplane_nic_missed_total");
  for (const dp::NicLoss& loss : dataplane.nic_losses()) {
    missed.counter({{"port", loss.port}, {"cause", loss.cause}}, loss.packets);
  }
  out.push_back(missed.take());
}

void collect_steering(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family steering("dataplane_steering");
  Family rules("dataplane_steering_rules");
  for (const dp::PortState& port : dataplane.ports()) {
    steering.gauge({{"port", port.port}, {"by", dp::steering_name(port.steering)}}, 1);
    rules.gauge({{"port", port.port}}, port.rules);
  }
  out.push_back(steering.take());
  out.push_back(rules.take());
}

void collect_kernel_way(const dp::Dataplane& dataplane, MetricFamilies& out) {
  const dp::KernelWayCounts counts = dataplane.kernel_way();
  Family frames("dataplane_kernel_frames_total");
  frames.counter({{"outcome", "to_kernel"}}, counts.to_kernel);
  frames.counter({{"outcome", "to_kernel_refused"}}, counts.to_kernel_refused);
  frames.counter({{"outcome", "no_tap"}}, counts.no_tap);
  frames.counter({{"outcome", "from_kernel"}}, counts.from_kernel);
  frames.counter({{"outcome", "from_kernel_full"}}, counts.from_kernel_full);
  Family neighbours("dataplane_neighbour_requests_total");
  neighbours.counter({{"kind", "resolve"}}, counts.resolutions);
  neighbours.counter({{"kind", "probe"}}, counts.probes);
  out.push_back(frames.take());
  out.push_back(neighbours.take());
}

struct PortFamilies {
  Family packets{"dataplane_packets_total"};
  Family bytes{"dataplane_bytes_total"};
  Family delivered{"dataplane_delivered_total"};
  Family drops{"dataplane_drops_total"};
  Family unsent{"dataplane_unsent_total"};
  Family handed_over{"dataplane_handed_over_total"};

  void add(const dp::Dataplane& dataplane, std::size_t index, std::string_view port) {
    const auto sum = [&](dp::Counter dp::PortCounters::* member) {
      return over_workers(dataplane, [&](const dp::WorkerCounters& w) -> const dp::Counter& {
        return w.ports[index].*member;
      });
    };
    packets.counter({{"port", port}, {"direction", "rx"}}, sum(&dp::PortCounters::received_packets));
    packets.counter({{"port", port}, {"direction", "tx"}}, sum(&dp::PortCounters::sent_packets));
    bytes.counter({{"port", port}, {"direction", "rx"}}, sum(&dp::PortCounters::received_bytes));
    bytes.counter({{"port", port}, {"direction", "tx"}}, sum(&dp::PortCounters::sent_bytes));
    delivered.counter({{"port", port}, {"path", "relay"}}, sum(&dp::PortCounters::relayed));
    delivered.counter({{"port", port}, {"path", "sip"}}, sum(&dp::PortCounters::sip));
    delivered.counter({{"port", port}, {"path", "kernel"}}, sum(&dp::PortCounters::kernel));
    unsent.counter({{"port", port}}, sum(&dp::PortCounters::unsent));
    handed_over.counter({{"port", port}}, sum(&dp::PortCounters::handed_over));
    for (std::size_t r = 0; r < dp::kDropReasons; ++r) {
      const auto of_reason = [&](const dp::WorkerCounters& w) -> const dp::Counter& {
        return w.ports[index].drops[r];
      };
      drops.counter({{"port", port}, {"reason", dp::kDropReasonNames[r]}},
                    over_workers(dataplane, of_reason));
    }
  }
};

void collect_realm_media(const Labels& labels, const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family active("media_flows_active");
  Family packets("media_packets_total");
  Family lost("media_packets_lost_total");
  for (std::size_t i = 0; i < labels.realms.size(); ++i) {
    const std::string& realm = labels.realms[i];
    const auto sum = [&](dp::Counter dp::RealmCounters::* member) {
      return over_workers(
          dataplane, [&](const dp::WorkerCounters& w) -> const dp::Counter& { return w.realms[i].*member; });
    };
    active.gauge({{"realm", realm}}, static_cast<double>(sum(&dp::RealmCounters::flows_active)));
    packets.counter({{"realm", realm}, {"direction", "rx"}}, sum(&dp::RealmCounters::media_received_packets));
    packets.counter({{"realm", realm}, {"direction", "tx"}}, sum(&dp::RealmCounters::media_sent_packets));
    lost.counter({{"realm", realm}, {"direction", "rx"}}, sum(&dp::RealmCounters::media_lost_packets));
  }
  for (Family* family : {&active, &packets, &lost}) out.push_back(family->take());
}

void collect_media_ports(const Labels& labels, const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family family("media_ports");
  std::vector<std::uint64_t> ports(labels.realms.size());
  for (const dp::MediaRange& range : dataplane.media()) {
    if (range.realm < ports.size()) ports[range.realm] += range.last - range.first + 1u;
  }
  for (std::size_t i = 0; i < ports.size(); ++i)
    family.gauge({{"realm", labels.realms[i]}}, static_cast<double>(ports[i]));
  out.push_back(family.take());
}

// What shards note of a flow when it ends, by realm.
void collect_ended_flows(std::string_view name, stats::Histogram stats::RealmStatistics::* member,
                         const Labels& labels, const Sources& sources, MetricFamilies& out) {
  Family family(name);
  for (std::size_t i = 0; i < labels.realms.size(); ++i) {
    std::vector<const stats::Histogram*> parts;
    for (const stats::ShardStatistics* shard : sources.shards) {
      const auto* block = i < shard->realms() ? shard->find_realm(static_cast<std::uint16_t>(i)) : nullptr;
      if (block != nullptr) parts.push_back(&(block->*member));
    }
    family.histogram({{"realm", labels.realms[i]}}, parts);
  }
  out.push_back(family.take());
}

}  // namespace

void collect_ports(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  if (sources.dataplane == nullptr) return;
  PortFamilies families;
  for (std::size_t i = 0; i < labels.ports.size(); ++i) families.add(*sources.dataplane, i, labels.ports[i]);
  for (Family* family : {&families.packets, &families.bytes, &families.delivered, &families.drops,
                         &families.unsent, &families.handed_over}) {
    out.push_back(family->take());
  }
  collect_nic(*sources.dataplane, out);
  collect_steering(*sources.dataplane, out);
  collect_kernel_way(*sources.dataplane, out);
  collect_load(*sources.dataplane, out);
  collect_pools(*sources.dataplane, out);
}

void collect_media(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  if (sources.dataplane != nullptr) {
    collect_realm_media(labels, *sources.dataplane, out);
    collect_media_ports(labels, *sources.dataplane, out);
  }
  if (sources.tally != nullptr) sources.tally->collect(out);
  collect_ended_flows("media_jitter_seconds", &stats::RealmStatistics::jitter, labels, sources, out);
  collect_ended_flows("media_rtt_seconds", &stats::RealmStatistics::rtt, labels, sources, out);
}

}  // namespace sallyport::ops
