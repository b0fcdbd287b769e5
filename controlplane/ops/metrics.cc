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

Metrics::Metrics(Labels labels, Sources sources) : sources_(std::move(sources)) {
  set_labels(std::move(labels));
}

void Metrics::set_labels(Labels labels) {
  auto fresh = std::make_shared<const Labels>(std::move(labels));
  const std::lock_guard lock(mutex_);
  labels_ = std::move(fresh);
}

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  std::unique_lock lock(mutex_);
  const std::shared_ptr<const Labels> labels = labels_;
  lock.unlock();
  MetricFamilies out;
  collect_calls(*labels, sources_, out);
  collect_sip(*labels, sources_, out);
  collect_ports(*labels, sources_, out);
  collect_media(*labels, sources_, out);
  collect_shards(*labels, sources_, out);
  collect_stream(*labels, sources_, out);
  collect_names(*labels, sources_, out);
  collect_trace(*labels, sources_, out);
  collect_process(*labels, sources_, out);
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
