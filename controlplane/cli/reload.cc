// SPDX-License-Identifier: Apache-2.0
// A reload: all that could go wrong is tried first (prepare), then everyone is handed what is his (carry
// out). The stream transport comes before the shards, which may name peers to it that it has to know.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <future>
#include <sstream>
#include <utility>

#include "controlplane/cli/process.h"
#include "controlplane/cli/service_manager.h"
#include "controlplane/config/succession.h"
#include "controlplane/ops/log.h"

namespace sallyport::cli {

struct Process::Prepared {
  config::Succession next;
  std::shared_ptr<stream::Rules> stream;  // null: no realm speaks TCP or TLS
  std::vector<std::shared_ptr<shard::Rules>> shards;
  std::unique_ptr<resolver::Resolver::Next> names;
  std::optional<std::unique_ptr<ops::HepExporter>>
      hep;  // nullopt: it stays as it is; null: there is none now
  std::optional<std::unique_ptr<ops::MetricsServer>> metrics;  // as hep
  std::optional<std::unique_ptr<ops::StatusServer>> status;    // as hep
  std::unique_ptr<ops::AdminServer> admin;                     // open, nobody served yet; null: it stays
};

namespace {

// For all of them together; a thread that the kernel has stopped takes it when it goes on.
constexpr std::chrono::seconds kTaking{5};

void log_lines(const std::string& lines) {
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);)
    ops::log_error("the configuration was not reloaded", {{"fault", line}});
}

}  // namespace

std::expected<Process::Prepared, std::string> Process::prepare_reload() {
  const std::string& file = loaded_->file;
  std::ostringstream faults;
  const auto loaded = load(file, faults);
  if (!loaded) return std::unexpected(faults.str());
  auto next = config::succeed(*running(), std::move(loaded->config));
  if (!next) return std::unexpected(config::format_faults(file, next.error()));
  Prepared prepared;
  prepared.next = std::move(*next);
  const config::Config& config = prepared.next.config;
  if (stream_) {
    auto contexts = stream::TlsContexts::load(config);
    if (!contexts) return std::unexpected(config::format_faults(file, contexts.error()));
    prepared.stream = std::make_shared<stream::Rules>(config, std::move(*contexts));
  }
  for (unsigned shard = 0; shard < shards(); ++shard) {
    auto maps = response_map::Maps::compile(config.response_maps);
    if (!maps) return std::unexpected(config::format_faults(file, maps.error()));
    prepared.shards.push_back(std::make_shared<shard::Rules>(config, std::move(*maps)));
  }
  auto names = resolver::Resolver::prepare(config);
  if (!names) return std::unexpected(names.error());
  prepared.names = std::move(*names);
  if (config.trace.hep != running()->trace.hep) {
    auto exporter = connect_hep(config.trace.hep);
    if (!exporter) return std::unexpected(exporter.error());
    prepared.hep = std::move(*exporter);
  }
  if (const auto records = ops::CdrWriter::check(config.cdr.file); !records)
    return std::unexpected(records.error());
  if (const auto servers = prepare_servers(prepared); !servers) return std::unexpected(servers.error());
  // Last, for nothing after it can fail: the kernel has the routes, and says no before they are changed.
  std::vector<std::vector<IpAddress>> gateways;
  for (const config::Realm& realm : config.realms) gateways.push_back(realm.gateways);
  if (const auto routes = dataplane_->set_gateways(gateways); !routes) return std::unexpected(routes.error());
  return prepared;
}

// The next ones listen before those that run go.
std::expected<void, std::string> Process::prepare_servers(Prepared& prepared) {
  const config::Config& next = prepared.next.config;
  const auto before = running();
  if (next.metrics != before->metrics) {
    auto metrics = start_metrics(next.metrics.listen);
    if (!metrics) return std::unexpected(metrics.error());
    prepared.metrics = std::move(*metrics);
  }
  if (next.status != before->status) {
    auto status = start_status(next.status.listen);
    if (!status) return std::unexpected(status.error());
    prepared.status = std::move(*status);
  }
  if (next.admin != before->admin) {
    auto admin = open_admin(next.admin.socket);
    if (!admin) return std::unexpected(admin.error());
    prepared.admin = std::move(*admin);
  }
  return {};
}

// The threads that have not taken theirs in time, as text; empty: all have.
std::string Process::hand_out(Prepared& prepared) {
  const auto limit = std::chrono::steady_clock::now() + kTaking;
  std::vector<std::string> late;
  if (stream_) {
    auto taken = prepared.stream->taken.get_future();
    stream_->succeed(prepared.stream);
    if (taken.wait_until(limit) != std::future_status::ready) late.emplace_back("the stream transport");
  }
  std::vector<std::future<void>> taken;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    taken.push_back(prepared.shards[i]->taken.get_future());
    shards_[i]->succeed(prepared.shards[i]);
  }
  for (std::size_t i = 0; i < taken.size(); ++i) {
    if (taken[i].wait_until(limit) != std::future_status::ready) late.push_back("shard " + std::to_string(i));
  }
  return fmt::format("{}", fmt::join(late, ", "));
}

// The server before gets what came until now, the next one what comes.
void Process::succeed_hep(std::unique_ptr<ops::HepExporter> next) {
  std::vector<std::uint64_t> behind;
  if (hep_) {
    behind = hep_->end();
  } else {
    for (const auto& shard : shards_) behind.push_back(shard->traced().kept.get());
  }
  hep_ = std::move(next);
  if (!hep_) return;
  exports_.store(true, std::memory_order_release);
  hep_->begin(*this, std::move(behind));
}

void Process::succeed_servers(Prepared& prepared) {
  if (prepared.metrics) metrics_ = std::move(*prepared.metrics);
  if (prepared.status) status_ = std::move(*prepared.status);
  if (!prepared.admin) return;
  prepared.admin->begin();
  const std::lock_guard lock(mutex_);
  replaced_.push_back(std::exchange(admin_, std::move(prepared.admin)));
}

std::string Process::carry_out_reload(Prepared prepared) {
  const config::Config& config = prepared.next.config;
  const auto running = std::make_shared<const config::Config>(config);
  name_news_.succeed(running);
  const std::string late = hand_out(prepared);
  resolver_->succeed(std::move(prepared.names));
  if (config.cdr != this->running()->cdr)
    records_->set_file({config.cdr.file, config.cdr.rotate_bytes, config.cdr.keep});
  if (prepared.hep) succeed_hep(std::move(*prepared.hep));
  tally_.know_phrases(config.response_maps);
  metric_data_->set_labels(ops::labels_of(config));
  if (config.dataplane.idle != this->running()->dataplane.idle)
    dataplane_->set_idle(idle_of(config.dataplane.idle));
  succeed_servers(prepared);
  ops::set_up_log(config.log);
  const std::lock_guard lock(mutex_);
  running_ = running;
  waiting_ = prepared.next.waiting;
  ++reloads_.done;
  reloads_.last_done_s = wall_now_ns() / kSecond;
  reloads_.waiting_keys = waiting_.size();
  return late;
}

std::expected<ops::ReloadReport, std::string> Process::reload() {
  const std::lock_guard one(reload_mutex_);
  if (ends_) return std::unexpected("the process ends: nothing has changed");
  ServiceManager::reloading();
  auto prepared = prepare_reload();
  if (!prepared) {
    log_lines(prepared.error());
    {
      const std::lock_guard lock(mutex_);
      ++reloads_.refused;
    }
    ServiceManager::ready();
    const bool ends = prepared.error().ends_with('\n');
    return std::unexpected(prepared.error() + (ends ? "" : "\n") + "nothing has changed");
  }
  ops::ReloadReport report{{}, prepared->next.changed, prepared->next.waiting};
  const std::string late = carry_out_reload(std::move(*prepared));
  report.text = report.changed.empty() ? "reloaded: the file says nothing new" : "reloaded:";
  for (const std::string& change : report.changed) report.text += "\n  " + change;
  if (stream_ && !stream_->expiries().empty())
    report.text += "\ncertificates are read again, for the connections that begin from now on";
  if (!report.waiting.empty())
    report.text += fmt::format("\nwaits for a restart: {}", fmt::join(report.waiting, ", "));
  if (!late.empty()) report.text += "\nnot taken yet, and taken when it goes on: " + late;
  ops::log(late.empty() ? config::LogLevel::info : config::LogLevel::warning,
           "the configuration was reloaded",
           {{"changed", fmt::format("{}", fmt::join(report.changed, "; "))},
            {"waiting", fmt::format("{}", fmt::join(report.waiting, ", "))},
            {"late", late}});
  ServiceManager::ready();
  return report;
}

}  // namespace sallyport::cli
