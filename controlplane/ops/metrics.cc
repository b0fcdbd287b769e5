// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/metrics.h"

#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>

#include <exception>
#include <utility>

#include "controlplane/ops/collectors.h"

namespace sallyport::ops {

Labels labels_of(const config::Config& config) {
  Labels labels;
  for (const config::Port& port : config.dataplane.ports) labels.ports.push_back(port.name);
  for (const config::Realm& realm : config.realms) labels.realms.push_back(realm.name);
  for (const config::Peer& peer : config.peers)
    labels.peers.push_back({peer.name, config.realms[peer.realm].name});
  return labels;
}

Metrics::Metrics(Labels labels, Sources sources) : labels_(std::move(labels)), sources_(std::move(sources)) {}

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  MetricFamilies out;
  collect_calls(labels_, sources_, out);
  collect_sip(labels_, sources_, out);
  collect_ports(labels_, sources_, out);
  collect_media(labels_, sources_, out);
  collect_shards(labels_, sources_, out);
  collect_stream(labels_, sources_, out);
  collect_names(labels_, sources_, out);
  collect_trace(labels_, sources_, out);
  collect_process(labels_, sources_, out);
  std::erase_if(out, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  return out;
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(Collect());
}

// ---- server
// --------------------------------------------------------------------------------------------------------

MetricsServer::MetricsServer() = default;
MetricsServer::~MetricsServer() = default;

std::expected<std::unique_ptr<MetricsServer>, std::string> MetricsServer::start(
    const Endpoint& listen, std::shared_ptr<Metrics> metrics) {
  std::unique_ptr<MetricsServer> server(new MetricsServer);
  server->metrics_ = std::move(metrics);
  try {
    // Two threads: a scraper that hangs does not shut the next one out.
    server->exposer_ = std::make_unique<prometheus::Exposer>(listen.to_text(), 2);
  } catch (const std::exception& error) {
    return std::unexpected("metrics cannot listen on " + listen.to_text() + " (" + error.what() +
                           "): is the address this machine's and the port free?");
  }
  server->exposer_->RegisterCollectable(server->metrics_);
  return server;
}

}  // namespace sallyport::ops
