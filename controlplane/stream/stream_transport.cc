// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/stream_transport.h"

#include "controlplane/stream/core.h"

namespace sallyport::stream {

StreamTransport::StreamTransport(std::unique_ptr<Core> core) : core_(std::move(core)) {}
StreamTransport::~StreamTransport() = default;

std::expected<std::unique_ptr<StreamTransport>, std::string> StreamTransport::start(
    const Options& options, const config::Config& config, WakeShard wake_shard) {
  auto core = std::make_unique<Core>(options, config, std::move(wake_shard));
  if (const auto opened = core->open(); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<StreamTransport>(new StreamTransport(std::move(core)));
}

dp::RecordRing& StreamTransport::commands(unsigned shard) {
  return core_->commands(shard);
}
dp::RecordRing& StreamTransport::events(unsigned shard) {
  return core_->events(shard);
}
void StreamTransport::run() {
  core_->run();
}
void StreamTransport::turn(Nanoseconds now_ns, int timeout_ms) {
  core_->turn(now_ns, timeout_ms);
}
void StreamTransport::succeed(std::shared_ptr<Rules> rules) {
  core_->succeed(std::move(rules));
}
std::vector<CertificateExpiry> StreamTransport::expiries() const {
  const auto contexts = core_->contexts();
  return contexts ? contexts->expiries() : std::vector<CertificateExpiry>{};
}
void StreamTransport::wake() {
  core_->wake();
}
void StreamTransport::stop() {
  core_->stop();
}
void StreamTransport::learn(routing::SharedNames names) {
  core_->learn(std::move(names));
}
const StreamCounters& StreamTransport::counters() const {
  return core_->counters();
}
Endpoint StreamTransport::listening_at(std::size_t index) const {
  return core_->listening_at(index);
}

}  // namespace sallyport::stream
