// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The running process: the dataplane, the shards on their threads, and ops beside them,
// brought up in that order and taken down in the reverse one. Threads are placed on purpose: EAL's affinity
// would be inherited, so every thread that is not a worker is set to its own cores.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <mutex>
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
#include "controlplane/ops/call_log.h"
#include "controlplane/ops/call_tally.h"
#include "controlplane/ops/cdr_writer.h"
#include "controlplane/ops/hep_exporter.h"
#include "controlplane/ops/metrics.h"
#include "controlplane/ops/status_page.h"
#include "controlplane/resolver/resolver.h"
#include "controlplane/shard/shard.h"
#include "controlplane/stats/shard_query.h"
#include "controlplane/stream/stream_transport.h"
#include "dataplane/dataplane.h"

namespace sallyport::cli {

[[nodiscard]] dp::Idle idle_of(config::Idle idle);
[[nodiscard]] dp::DataplaneOptions dataplane_options(const config::Config& config, const steer::NodeKey& key);

class Process final : private stats::ShardQuery {
 public:
  // The error is one sentence that says what to do.
  [[nodiscard]] static std::expected<std::unique_ptr<Process>, std::string> start(
      std::unique_ptr<Loaded> loaded);
  ~Process() override;

  void set_phase(shard::Phase phase);  // main thread
  [[nodiscard]] std::uint32_t calls() const;
  // Every worker has turned and every shard has taken a request since the last call but those that have not
  // had the time yet. Main thread.
  [[nodiscard]] bool alive();
  void reopen_files();
  // SIGHUP and `sallyport reload` (reload.cc): the file is read again, with all the files that it names, and
  // follows the running configuration. Any thread; returns when every shard has taken it. The error is why
  // nothing has changed, a fault a line; the log has it too.
  std::expected<ops::ReloadReport, std::string> reload();
  // What `sallyport drain` has asked for over the admin socket since the last call. `limit_ns`: none: as long
  // as calls last.
  struct DrainAsk {
    std::optional<Nanoseconds> limit_ns;
  };
  [[nodiscard]] std::optional<DrainAsk> take_drain_ask();
  // Ends the admin servers that reloads have replaced: one may have carried the command, so it cannot end there.
  // Main thread.
  void end_replaced();
  // controlplane.drain of the running configuration. Any thread.
  [[nodiscard]] Nanoseconds drain_ns() const;

 private:
  explicit Process(std::unique_ptr<Loaded> loaded);
  [[nodiscard]] std::expected<void, std::string> bring_up();
  [[nodiscard]] std::expected<void, std::string> start_stream();
  void start_shards();
  [[nodiscard]] std::expected<void, std::string> start_resolver();
  [[nodiscard]] std::expected<void, std::string> start_hep();
  // Null: no Homer server is configured.
  [[nodiscard]] std::expected<std::unique_ptr<ops::HepExporter>, std::string> connect_hep(
      const std::optional<config::Hep>& hep);
  [[nodiscard]] std::expected<void, std::string> start_ops();
  [[nodiscard]] ops::ProcessState state() const;
  [[nodiscard]] std::shared_ptr<const config::Config> running() const;

  // ---- reload.cc
  struct Prepared;
  [[nodiscard]] std::expected<Prepared, std::string> prepare_reload();
  [[nodiscard]] std::string carry_out_reload(Prepared prepared);
  [[nodiscard]] std::string hand_out(Prepared& prepared);
  [[nodiscard]] std::expected<void, std::string> prepare_servers(Prepared& prepared);
  void succeed_hep(std::unique_ptr<ops::HepExporter> next);
  void succeed_servers(Prepared& prepared);
  void place_thread(const std::string& name, const std::vector<unsigned>& cores) const;
  [[nodiscard]] ops::Sources metric_sources();
  // Null: the configuration has none.
  [[nodiscard]] std::expected<std::unique_ptr<ops::MetricsServer>, std::string> start_metrics(
      const std::optional<Endpoint>& listen);
  [[nodiscard]] std::expected<std::unique_ptr<ops::StatusServer>, std::string> start_status(
      const std::optional<Endpoint>& listen);
  [[nodiscard]] std::expected<std::unique_ptr<ops::AdminServer>, std::string> open_admin(
      const std::string& socket);

  // ---- stats::ShardQuery
  [[nodiscard]] unsigned shards() const override { return static_cast<unsigned>(shards_.size()); }
  [[nodiscard]] bool post(unsigned index, stats::ShardRequest request) override;

  std::unique_ptr<Loaded> loaded_;
  Placement placement_;
  steer::NodeKey key_;
  ops::CallTally tally_;
  ops::CallLog call_log_;
  std::unique_ptr<ops::CdrWriter> records_;
  std::unique_ptr<dp::Dataplane> dataplane_;
  std::unique_ptr<media::OpenPorts> open_ports_;
  std::unique_ptr<stream::StreamTransport> stream_;  // null: no realm speaks TCP or TLS
  std::thread stream_thread_;
  std::unique_ptr<shard::Exchange> exchange_;
  std::vector<std::unique_ptr<shard::Shard>> shards_;
  std::vector<std::thread> threads_;
  NameNews name_news_;
  std::unique_ptr<resolver::Resolver> resolver_;
  ops::HepCounters hep_counters_;          // of all exporters, one after the other
  std::unique_ptr<ops::HepExporter> hep_;  // null: no Homer server is configured
  std::atomic<bool> exports_{false};       // one is or was
  std::unique_ptr<ops::AdminCommands> commands_;
  std::unique_ptr<ops::AdminServer> admin_;
  std::shared_ptr<ops::Metrics> metric_data_;
  std::unique_ptr<ops::MetricsServer> metrics_;  // null: metrics.listen is off
  std::unique_ptr<ops::StatusServer> status_;    // null: status.listen is off
  std::atomic<shard::Phase> phase_{shard::Phase::running};
  std::mutex reload_mutex_;   // one reload after the other; of `ends_`
  bool ends_ = false;
  mutable std::mutex mutex_;  // of what stands below up to the blank line
  std::shared_ptr<const config::Config> running_;
  ops::ReloadCounts reloads_;
  std::vector<std::string> waiting_;
  std::optional<DrainAsk> drain_ask_;
  std::vector<std::unique_ptr<ops::AdminServer>> replaced_;

  std::vector<std::uint64_t> turned_;  // cycles of each worker at the last alive()
  std::shared_ptr<std::atomic<unsigned>> heard_ = std::make_shared<std::atomic<unsigned>>(0);
  unsigned asked_ = 0;
};

}  // namespace sallyport::cli
