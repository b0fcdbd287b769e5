// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"
#include "dataplane/sip/fault.h"

namespace sallyport::ops {
namespace {

using prometheus::MetricType;

// The sum of one counter over the workers.
template <typename Read>
std::uint64_t over_workers(const dp::Dataplane& dataplane, Read read) {
  std::uint64_t sum = 0;
  for (unsigned w = 0; w < dataplane.workers(); ++w) sum += read(dataplane.counters(w)).get();
  return sum;
}

void collect_load(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family busy("dataplane_busy_ratio", "Share of a core's cycles that had work.", MetricType::Gauge);
  Family cycles("dataplane_cycles_per_packet", "Busy cycles by packets.", MetricType::Gauge);
  for (const dp::CoreLoad& load : dataplane.load()) {
    const std::string core = std::to_string(load.core);
    busy.gauge({{"core", core}}, load.busy_ratio);
    cycles.gauge({{"core", core}}, load.cycles_per_packet);
  }
  out.push_back(busy.take());
  out.push_back(cycles.take());
}

void collect_nic(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family missed("dataplane_nic_missed_total", "Packets that the NIC lost before us.", MetricType::Counter);
  for (const dp::NicLoss& loss : dataplane.nic_losses()) {
    missed.counter({{"port", loss.port}, {"cause", loss.cause}}, loss.packets);
  }
  out.push_back(missed.take());
}

struct PortFamilies {
  Family packets{"dataplane_packets_total", "Packets at a port.", MetricType::Counter};
  Family bytes{"dataplane_bytes_total", "Octets of frames at a port, without FCS.", MetricType::Counter};
  Family delivered{"dataplane_delivered_total", "Received packets by where they went.", MetricType::Counter};
  Family drops{"dataplane_drops_total", "Received packets that ended here, by reason.", MetricType::Counter};

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
  Family active("media_flows_active", "Flows that are installed.", MetricType::Gauge);
  Family packets("media_packets_total", "Media packets relayed, by the realm's side.", MetricType::Counter);
  Family lost("media_packets_lost_total", "Gaps in the RTP sequence numbers received.", MetricType::Counter);
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
  out.push_back(active.take());
  out.push_back(packets.take());
  out.push_back(lost.take());
}

// Shard totals, summed.
template <typename Read>
double over_shards(const Sources& sources, Read read) {
  double sum = 0;
  for (const stats::ShardStatistics* shard : sources.shards)
    sum += static_cast<double>(read(shard->totals).get());
  return sum;
}

void collect_rings(const Sources& sources, MetricFamilies& out) {
  Family full("ring_full_total", "Records that a ring or queue had no room for.", MetricType::Counter);
  const auto commands = [](const stats::ShardTotals& t) -> const auto& { return t.commands_ring_full; };
  full.counter({{"ring", "commands"}}, static_cast<std::uint64_t>(over_shards(sources, commands)));
  std::uint64_t events = 0;
  if (sources.dataplane != nullptr) {
    for (std::size_t shard = 0; shard < dp::kMaxShards; ++shard) {
      const auto of_shard = [&](const dp::WorkerCounters& w) -> const dp::Counter& {
        return w.event_ring_full[shard];
      };
      events += over_workers(*sources.dataplane, of_shard);
    }
  }
  full.counter({{"ring", "events"}}, events);
  full.counter({{"ring", "records"}}, sources.records_dropped ? sources.records_dropped() : 0);
  out.push_back(full.take());
}

// Malformed messages by fault, as the workers name them.
void collect_faults(const dp::Dataplane& dataplane, MetricFamilies& out) {
  Family faults("sip_faults_total", "Malformed SIP messages, by fault.", MetricType::Counter);
  constexpr auto kFaults = static_cast<std::size_t>(sip::Fault::kCount);
  static_assert(kFaults <= 64);
  for (std::size_t i = 1; i < kFaults; ++i) {
    const auto of_fault = [&](const dp::WorkerCounters& w) -> const dp::Counter& { return w.sip_faults[i]; };
    const std::uint64_t count = over_workers(dataplane, of_fault);
    if (count != 0) faults.counter({{"fault", sip::fault_name(static_cast<sip::Fault>(i))}}, count);
  }
  out.push_back(faults.take());
}

}  // namespace

void collect_ports(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  if (sources.dataplane == nullptr) return;
  PortFamilies families;
  for (std::size_t i = 0; i < labels.ports.size(); ++i) families.add(*sources.dataplane, i, labels.ports[i]);
  for (Family* family : {&families.packets, &families.bytes, &families.delivered, &families.drops}) {
    out.push_back(family->take());
  }
  collect_nic(*sources.dataplane, out);
  collect_load(*sources.dataplane, out);
}

void collect_media(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  if (sources.dataplane != nullptr) collect_realm_media(labels, *sources.dataplane, out);
  Family jitter("media_jitter_seconds", "Jitter of a flow when it ends (RFC 3550 6.4.1).",
                MetricType::Histogram);
  for (std::size_t i = 0; i < labels.realms.size(); ++i) {
    std::vector<const stats::Histogram*> parts;
    for (const stats::ShardStatistics* shard : sources.shards) {
      const auto* block = i < shard->realms() ? shard->find_realm(static_cast<std::uint16_t>(i)) : nullptr;
      if (block != nullptr) parts.push_back(&block->jitter);
    }
    jitter.histogram({{"realm", labels.realms[i]}}, parts);
  }
  out.push_back(jitter.take());
}

void collect_process(const Labels&, const Sources& sources, MetricFamilies& out) {
  collect_rings(sources, out);
  if (sources.dataplane != nullptr) collect_faults(*sources.dataplane, out);
  Family retransmitted("sip_retransmissions_total", "SIP messages that were sent again.",
                       MetricType::Counter);
  using Totals = stats::ShardTotals;
  const auto requests = [](const Totals& t) -> const auto& { return t.retransmitted_requests; };
  const auto responses = [](const Totals& t) -> const auto& { return t.retransmitted_responses; };
  retransmitted.counter({{"kind", "request"}}, static_cast<std::uint64_t>(over_shards(sources, requests)));
  retransmitted.counter({{"kind", "response"}}, static_cast<std::uint64_t>(over_shards(sources, responses)));
  out.push_back(retransmitted.take());
  Family transactions("sip_transactions_active", "SIP transactions.", MetricType::Gauge);
  transactions.gauge({}, over_shards(sources, [](const Totals& t) -> const auto& { return t.transactions; }));
  out.push_back(transactions.take());
  Family build("build_info", "What runs here.", MetricType::Gauge);
  build.gauge({{"version", sources.version}, {"dpdk", sources.dpdk}}, 1);
  out.push_back(build.take());
}

}  // namespace sallyport::ops
