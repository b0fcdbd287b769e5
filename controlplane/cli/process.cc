// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/process.h"

#include <pthread.h>

#include <numeric>
#include <utility>

#include "controlplane/ops/log.h"

namespace sallyport::cli {
namespace {

constexpr std::chrono::seconds kFirstNames{3};

}  // namespace

dp::Idle idle_of(config::Idle idle) {
  return idle == config::Idle::busy ? dp::Idle::busy : dp::Idle::adaptive;
}

dp::DataplaneOptions dataplane_options(const config::Config& config, const steer::NodeKey& key) {
  dp::DataplaneOptions options;
  options.cores = config.dataplane.cores;
  options.idle = idle_of(config.dataplane.idle);
  options.memory = static_cast<dp::Memory>(config.dataplane.memory);
  for (const config::Port& port : config.dataplane.ports)
    options.ports.push_back({port.name, port.device, port.mtu});
  for (const config::Realm& realm : config.realms) {
    dp::RealmOptions& to = options.realms.emplace_back();
    to.name = realm.name;
    to.port = realm.port;
    to.vlan = realm.vlan;
    to.addresses = realm.addresses;
    to.gateways = realm.gateways;
    to.sip_udp = realm.sip_udp;
    to.sip_tcp = realm.sip_tcp;
    to.sip_tls = realm.sip_tls;
    to.sip_police_pps = realm.sip_police;
    to.sip_dscp = realm.sip_dscp;
    to.media_first = realm.media_first;
    to.media_last = realm.media_last;
  }
  options.shards = static_cast<std::uint8_t>(config.controlplane.shards);
  options.key = key;
  options.mirror_bytes = config.trace.media_bytes;
  options.eal_extra = config.dataplane.eal;
  options.tell = [](std::string_view from, std::string_view notice) {
    ops::log_warning(notice, {{"from", std::string(from)}});
  };
  return options;
}

static_assert(static_cast<int>(config::Memory::ordinary) == static_cast<int>(dp::Memory::ordinary));

Process::Process(std::unique_ptr<Loaded> loaded)
    : loaded_(std::move(loaded)),
      placement_(loaded_->config.dataplane.cores, loaded_->config.controlplane.cores, allowed_cores()),
      key_(steer::random_node_key()),
      running_(std::make_shared<const config::Config>(loaded_->config)) {
  name_news_.succeed(running_);
  reloads_.last_done_s = wall_now_ns() / kSecond;
}

std::expected<std::unique_ptr<Process>, std::string> Process::start(std::unique_ptr<Loaded> loaded) {
  std::unique_ptr<Process> process(new Process(std::move(loaded)));
  if (const auto up = process->bring_up(); !up) return std::unexpected(up.error());
  return process;
}

std::expected<void, std::string> Process::bring_up() {
  const config::Config& config = loaded_->config;
  if (const auto core = missing_core(config.controlplane.cores, allowed_cores())) {
    return std::unexpected("controlplane.cores: core " + std::to_string(*core) +
                           " is not present or not allowed here: 'nproc' and 'taskset -p $$' show what is");
  }
  tally_.know_phrases(config.response_maps);
  ops::CdrOptions options;
  options.file = config.cdr.file;
  options.rotate_bytes = config.cdr.rotate_bytes;
  options.keep = config.cdr.keep;
  options.observe = [this](const stats::CallRecord& record) {
    tally_.add(record);
    call_log_.tell(record, monotonic_now_ns());
  };
  auto records = ops::CdrWriter::start(std::move(options));
  if (!records) return std::unexpected(records.error());
  records_ = std::move(*records);
  auto dataplane = dp::Dataplane::start(dataplane_options(config, key_));
  if (!dataplane) return std::unexpected(dataplane.error());
  dataplane_ = std::move(*dataplane);
  ops::log_info("ports are up", {{"workers", std::to_string(dataplane_->workers())},
                                 {"memory", dataplane_->memory_in_use()}});
  for (const dp::PortState& port : dataplane_->ports()) {
    ops::log_info("port", {{"port", port.port},
                           {"steering", std::string(dp::steering_name(port.steering))},
                           {"rules", std::to_string(port.rules)},
                           {"mtu", std::to_string(port.mtu)},
                           {"node", std::to_string(port.node)},
                           {"checks_received", port.receives_checksums ? "device" : "software"},
                           {"checks_sent", port.sends_checksums ? "device" : "software"},
                           {"interrupts", port.interrupts ? "yes" : "no"}});
  }
  open_ports_ = std::make_unique<media::OpenPorts>(dataplane_->media());
  if (const auto stream = start_stream(); !stream) return stream;
  start_shards();
  if (const auto names = start_resolver(); !names) return names;
  if (const auto hep = start_hep(); !hep) return hep;
  return start_ops();
}

void Process::start_shards() {
  const config::Config& config = loaded_->config;
  const unsigned count = config.controlplane.shards;
  exchange_ = std::make_unique<shard::Exchange>(count);
  const shard::Common common{config, key_, *open_ports_, records_.get(), exchange_.get()};
  for (unsigned index = 0; index < count; ++index) {
    shard::Lines lines;
    for (unsigned worker = 0; worker < dataplane_->workers(); ++worker) {
      lines.commands.push_back(&dataplane_->commands(index, worker));
      lines.events.push_back(&dataplane_->events(worker, index));
    }
    lines.bell = &dataplane_->doorbell(index);
    exchange_->set_bell(index, lines.bell);
    lines.media = dataplane_->media();
    if (stream_) {
      lines.stream = {&stream_->commands(index), &stream_->events(index), [this] { stream_->wake(); }};
    }
    shards_.push_back(std::make_unique<shard::Shard>(common, lines, index, count, monotonic_now_ns()));
  }
  if (stream_) {
    stream_thread_ = std::thread([this] {
      place_thread("stream", placement_.others());
      stream_->run();
    });
  }
  for (unsigned index = 0; index < count; ++index) {
    threads_.emplace_back([this, index] {
      place_thread("shard-" + std::to_string(index), {placement_.core_of_shard(index)});
      shards_[index]->run([this](unsigned worker) { dataplane_->kick(worker); });
    });
  }
}

// The taps are up, so a name server may be reached through one.
std::expected<void, std::string> Process::start_resolver() {
  const config::Config& config = loaded_->config;
  const auto publish = [this](const routing::SharedNames& names) {
    for (const auto& shard : shards_) shard->learn(names);
    if (stream_) stream_->learn(names);
    name_news_.tell(names);
  };
  auto names =
      resolver::Resolver::start(config, publish, [this] { place_thread("names", placement_.others()); });
  if (!names) return std::unexpected(names.error());
  resolver_ = std::move(*names);
  // The first calls should find their peers; but servers that do not answer keep nothing else from working.
  if (!resolver_->wait_settled(kFirstNames)) {
    ops::log_warning("names are still being looked up; their peers are down until then");
  }
  return {};
}

std::expected<void, std::string> Process::start_hep() {
  auto exporter = connect_hep(loaded_->config.trace.hep);
  if (!exporter) return std::unexpected(exporter.error());
  hep_ = std::move(*exporter);
  if (!hep_) return {};
  exports_.store(true, std::memory_order_release);
  hep_->begin(*this);
  return {};
}

std::expected<std::unique_ptr<ops::HepExporter>, std::string> Process::connect_hep(
    const std::optional<config::Hep>& hep) {
  if (!hep) return nullptr;
  ops::HepOptions options{.server = hep->server, .id = hep->id, .password = hep->password};
  options.place = [this] { place_thread("hep", placement_.others()); };
  return ops::HepExporter::connect(std::move(options), hep_counters_);
}

// The thread that calls, by its name.
void Process::place_thread(const std::string& name, const std::vector<unsigned>& cores) const {
  pthread_setname_np(pthread_self(), name.c_str());
  if (!run_on(cores)) ops::log_warning("a thread could not be placed", {{"thread", name}});
}

// The taps are up by now, so the realms' addresses are there to listen on.
std::expected<void, std::string> Process::start_stream() {
  const stream::Options options = stream::options_of(loaded_->config, key_);
  if (options.listeners.empty()) return {};
  auto stream = stream::StreamTransport::start(
      options, loaded_->config, [this](unsigned shard) { dataplane_->doorbell(shard).wake(); });
  if (!stream) return std::unexpected(stream.error());
  stream_ = std::move(*stream);
  return {};
}

std::expected<void, std::string> Process::start_ops() {
  const config::Config& config = loaded_->config;
  ops::AdminSources admin;
  admin.shards = this;
  admin.dataplane = dataplane_.get();
  admin.tally = &tally_;
  admin.mirror = dataplane_.get();
  admin.labels = ops::labels_of(config);
  admin.drain = [this](std::optional<Nanoseconds> limit_ns) -> std::expected<std::string, std::string> {
    const std::lock_guard lock(mutex_);
    drain_ask_ = DrainAsk{limit_ns};
    const std::string until = limit_ns ? ", or when the limit has passed" : "";
    return "draining: new calls are refused, the process ends with its last call" + until;
  };
  admin.reload = [this] { return reload(); };
  admin.process = [this] { return state(); };
  commands_ = std::make_unique<ops::AdminCommands>(std::move(admin));
  metric_data_ = std::make_shared<ops::Metrics>(ops::labels_of(config), metric_sources());
  auto server = open_admin(config.admin.socket);
  if (!server) return std::unexpected(server.error());
  auto metrics = start_metrics(config.metrics.listen);
  if (!metrics) return std::unexpected(metrics.error());
  auto status = start_status(config.status.listen);
  if (!status) return std::unexpected(status.error());
  metrics_ = std::move(*metrics);
  status_ = std::move(*status);
  admin_ = std::move(*server);
  admin_->begin();  // last: a reload that it hears finds all in place
  return {};
}

std::expected<std::unique_ptr<ops::AdminServer>, std::string> Process::open_admin(const std::string& socket) {
  return ops::AdminServer::open(socket,
                                [this](std::string_view request) { return commands_->handle(request); });
}

std::expected<std::unique_ptr<ops::MetricsServer>, std::string> Process::start_metrics(
    const std::optional<Endpoint>& listen) {
  if (!listen) return nullptr;
  return ops::MetricsServer::start(*listen, metric_data_);
}

std::expected<std::unique_ptr<ops::StatusServer>, std::string> Process::start_status(
    const std::optional<Endpoint>& listen) {
  if (!listen) return nullptr;
  ops::StatusSources sources;
  sources.commands = commands_.get();
  sources.shards = this;
  for (const auto& shard : shards_) sources.statistics.push_back(&shard->statistics());
  sources.tally = &tally_;
  return ops::StatusServer::start(*listen, std::move(sources));
}

ops::Sources Process::metric_sources() {
  ops::Sources sources;
  sources.dataplane = dataplane_.get();
  for (const auto& shard : shards_) {
    sources.shards.push_back(&shard->statistics());
    sources.transactions.push_back(&shard->transactions());
    sources.traces.push_back(&shard->traced());
  }
  if (stream_) sources.stream = &stream_->counters();
  sources.hep = [this] { return exports_.load(std::memory_order_acquire) ? &hep_counters_ : nullptr; };
  sources.lag_ns = [this](unsigned shard) { return shards_[shard]->lag_ns(); };
  sources.query = this;
  sources.records = [this] {
    return ops::RecordCounts{records_->written(), records_->dropped(), records_->failed(),
                             records_->file_failures()};
  };
  sources.tally = &tally_;
  sources.names = &resolver_->counters();
  sources.reloads = [this] {
    const std::lock_guard lock(mutex_);
    return reloads_;
  };
  sources.draining = [this] { return phase_.load(std::memory_order_acquire) != shard::Phase::running; };
  if (stream_) sources.certificates = [this] { return stream_->expiries(); };
  sources.calls_limit = loaded_->config.controlplane.max_calls;
  sources.dpdk = dp::dpdk_version();
  return sources;
}

Process::~Process() {
  {
    // A reload that an admin server carries would replace what goes here.
    const std::lock_guard lock(reload_mutex_);
    ends_ = true;
  }
  status_.reset();
  metrics_.reset();
  admin_.reset();
  replaced_.clear();
  hep_.reset();
  resolver_.reset();
  for (const auto& shard : shards_) shard->stop();
  for (std::thread& thread : threads_) thread.join();
  if (stream_) stream_->stop();
  if (stream_thread_.joinable()) stream_thread_.join();
  shards_.clear();
  stream_.reset();
  dataplane_.reset();
}

void Process::set_phase(shard::Phase phase) {
  phase_.store(phase, std::memory_order_release);
  for (const auto& shard : shards_) shard->set_phase(phase);
}

std::uint32_t Process::calls() const {
  return std::accumulate(shards_.begin(), shards_.end(), 0u,
                         [](std::uint32_t sum, const auto& shard) { return sum + shard->calls(); });
}

bool Process::alive() {
  bool all = true;
  turned_.resize(dataplane_->workers());
  for (unsigned worker = 0; worker < dataplane_->workers(); ++worker) {
    const std::uint64_t cycles = dataplane_->counters(worker).total_cycles.get();
    all &= cycles != turned_[worker];
    turned_[worker] = cycles;
  }
  if (heard_->load(std::memory_order_acquire) != asked_) return false;
  heard_->store(0, std::memory_order_release);
  asked_ = 0;
  for (unsigned shard = 0; shard < shards(); ++shard) {
    // A full mailbox is a shard that does not answer.
    all &=
        post(shard, [heard = heard_](stats::ShardView&) { heard->fetch_add(1, std::memory_order_release); });
    ++asked_;
  }
  return all;
}

std::shared_ptr<const config::Config> Process::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

Nanoseconds Process::drain_ns() const {
  return running()->controlplane.drain_ns;
}

std::optional<Process::DrainAsk> Process::take_drain_ask() {
  const std::lock_guard lock(mutex_);
  return std::exchange(drain_ask_, std::nullopt);
}

void Process::end_replaced() {
  std::unique_lock lock(mutex_);
  const auto replaced = std::exchange(replaced_, {});
  lock.unlock();  // one of them may be answering with what stands under it
}

ops::ProcessState Process::state() const {
  const shard::Phase phase = phase_.load(std::memory_order_acquire);
  const std::lock_guard lock(mutex_);
  return {.phase = phase == shard::Phase::running    ? "running"
                   : phase == shard::Phase::draining ? "draining"
                                                     : "ending",
          .calls = calls(),
          .config_file = loaded_->file,
          .reloads = reloads_,
          .waiting = waiting_};
}

void Process::reopen_files() {
  if (records_) records_->reopen();
}

bool Process::post(unsigned index, stats::ShardRequest request) {
  return shards_[index]->post(std::move(request));
}

}  // namespace sallyport::cli
