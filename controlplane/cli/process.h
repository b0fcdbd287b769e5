// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The running process: the dataplane, the shards on their threads, and ops beside them,
// brought up in that order and taken down in the reverse one. Threads are placed on purpose: EAL's affinity
// would be inherited, so every thread that is not a worker is set to its own cores.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "controlplane/cli/loaded.h"
#include "controlplane/cli/name_news.h"
#include "controlplane/cli/placement.h"
#include "controlplane/media/port_allocator.h"
#include "controlplane/ops/admin_commands.h"
#include "controlplane/ops/admin_server.h"
#include "controlplane/ops/call_tally.h"
#include "controlplane/ops/cdr_writer.h"
#include "controlplane/ops/hep_exporter.h"
#include "controlplane/ops/metrics.h"
#include "controlplane/ops/status_page.h"
#include "controlplane/resolver/resolver.h"
#include "controlplane/routing/peer_table.h"
#include "controlplane/routing/router.h"
#include "controlplane/shard/shard.h"
#include "controlplane/stats/shard_query.h"
#include "controlplane/stream/stream_transport.h"
#include "dataplane/dataplane.h"

namespace sallyport::cli {

[[nodiscard]] dp::DataplaneOptions dataplane_options(const config::Config& config, const steer::NodeKey& key);

class Process final : private stats::ShardQuery {
 public:
  // The error is one sentence that says what to do.
  [[nodiscard]] static std::expected<std::unique_ptr<Process>, std::string> start(
      std::unique_ptr<Loaded> loaded);
  ~Process() override;

  void set_phase(shard::Phase phase);
  [[nodiscard]] std::uint32_t calls() const;
  // Every worker has turned and every shard has taken a request since the last call but those that have not
  // had the time yet. Main thread.
  [[nodiscard]] bool alive();
  void reopen_files();
  // SIGHUP and `sallyport reload`: certificates, keys and trust anchors are read again; the configuration is
  // not. Any thread. A sentence of what was done, or of what is wrong, which the log has too.
  std::expected<std::string, std::string> reload();
  // `sallyport drain` has been asked for over the admin socket.
  [[nodiscard]] bool drain_asked() const { return drain_asked_.load(std::memory_order_acquire); }
  [[nodiscard]] const config::Config& config() const { return loaded_->config; }

 private:
  explicit Process(std::unique_ptr<Loaded> loaded);
  [[nodiscard]] std::expected<void, std::string> bring_up();
  [[nodiscard]] std::expected<void, std::string> start_stream();
  void start_shards();
  [[nodiscard]] std::expected<void, std::string> start_resolver();
  [[nodiscard]] std::expected<void, std::string> start_hep();
  [[nodiscard]] std::expected<void, std::string> start_ops();
  void place_thread(const std::string& name, const std::vector<unsigned>& cores) const;
  [[nodiscard]] ops::Sources metric_sources();
  [[nodiscard]] std::expected<void, std::string> start_status(const Endpoint& listen);

  // ---- stats::ShardQuery
  [[nodiscard]] unsigned shards() const override { return static_cast<unsigned>(shards_.size()); }
  [[nodiscard]] bool post(unsigned index, stats::ShardRequest request) override;

  std::unique_ptr<Loaded> loaded_;
  Placement placement_;
  steer::NodeKey key_;
  routing::PeerTable peers_;
  routing::Router router_;
  ops::CallTally tally_;
  std::unique_ptr<ops::CdrWriter> records_;
  std::unique_ptr<dp::Dataplane> dataplane_;
  std::unique_ptr<media::OpenPorts> open_ports_;
  std::unique_ptr<stream::StreamTransport> stream_;  // null: no realm speaks TCP or TLS
  std::thread stream_thread_;
  std::unique_ptr<shard::Exchange> exchange_;
  std::vector<std::unique_ptr<shard::Shard>> shards_;
  std::vector<std::thread> threads_;
  NameNews name_news_;
  std::unique_ptr<resolver::Resolver> resolver_;  // null: no target is a name
  std::unique_ptr<ops::HepExporter> hep_;         // null: no Homer server is configured
  std::unique_ptr<ops::AdminCommands> commands_;
  std::unique_ptr<ops::AdminServer> admin_;
  std::unique_ptr<ops::MetricsServer> metrics_;
  std::unique_ptr<ops::StatusServer> status_;
  std::atomic<bool> drain_asked_{false};
  std::vector<std::uint64_t> turned_;  // cycles of each worker at the last alive()
  std::shared_ptr<std::atomic<unsigned>> heard_ = std::make_shared<std::atomic<unsigned>>(0);
  unsigned asked_ = 0;
};

}  // namespace sallyport::cli
