// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Nothing is counted here. When Prometheus asks, Metrics reads the workers' counters and
// the shards' statistics where they stand, adds them up over workers and shards, and gives them the names and
// labels of the interface. Label values come from the configuration and from fixed sets, so their number is
// bounded.
#pragma once

#include <prometheus/collectable.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/ops/hep_exporter.h"
#include "controlplane/resolver/counters.h"
#include "controlplane/sip/statistics.h"
#include "controlplane/stats/shard_query.h"
#include "controlplane/stats/shard_statistics.h"
#include "controlplane/stream/counters.h"
#include "controlplane/stream/tls_context.h"
#include "controlplane/trace/recorder.h"
#include "dataplane/base/address.h"
#include "dataplane/dataplane.h"

namespace prometheus {
class Exposer;
}

namespace sallyport::ops {

// Names by index, as the counters have it.
struct Labels {
  struct Peer {
    std::string name;
    std::string realm;
  };
  std::vector<std::string> ports;
  std::vector<std::string> realms;
  std::vector<Peer> peers;
};
[[nodiscard]] Labels labels_of(const config::Config& config);

class CallTally;

// Call records by what became of them.
struct RecordCounts {
  std::uint64_t written = 0;
  std::uint64_t dropped = 0;        // the queue was full
  std::uint64_t failed = 0;         // the file did not take them
  std::uint64_t file_failures = 0;  // times that the next file could not be opened
};

// What has become of the reloads.
struct ReloadCounts {
  std::uint64_t done = 0;
  std::uint64_t refused = 0;     // the file has faults, or asks for what only a restart can do
  std::int64_t last_done_s = 0;  // since 1970; at first the start
  std::size_t waiting_keys = 0;  // whose new values wait for a restart
};

// Where the numbers stand. What is null or empty has no families.
struct Sources {
  dp::Dataplane* dataplane = nullptr;
  std::vector<const stats::ShardStatistics*> shards;
  std::vector<const sip::TransactionCounters*> transactions;  // by shard
  std::vector<const trace::Counters*> traces;                 // by shard
  std::function<const HepCounters*()> hep;  // gives null as long as no Homer server has been configured
  const stream::StreamCounters* stream = nullptr;
  std::function<Nanoseconds(unsigned shard)> lag_ns;
  stats::ShardQuery* query = nullptr;  // asked for the peers' health at each scrape
  std::chrono::milliseconds query_timeout{300};
  std::function<RecordCounts()> records;
  const CallTally* tally = nullptr;
  const resolver::Counters* names = nullptr;  // null: no target is a name
  std::function<std::vector<stream::CertificateExpiry>()> certificates;
  std::function<ReloadCounts()> reloads;
  std::function<bool()> draining;
  std::uint32_t calls_limit = 0;
  std::string version = SALLYPORT_VERSION;
  std::string dpdk;
};

class Metrics final : public prometheus::Collectable {
 public:
  Metrics(Labels labels, Sources sources);
  // Any thread. After a reload.
  void set_labels(Labels labels);
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
  // The text that Prometheus reads.
  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;  // of labels_
  std::shared_ptr<const Labels> labels_;
  Sources sources_;
};

// Serves /metrics on its own threads until it goes.
class MetricsServer {
 public:
  // The error is one sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<MetricsServer>, std::string> start(
      const Endpoint& listen, std::shared_ptr<Metrics> metrics);
  ~MetricsServer();

 private:
  MetricsServer();
  std::shared_ptr<Metrics> metrics_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace sallyport::ops
