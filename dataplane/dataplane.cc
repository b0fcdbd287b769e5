// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dataplane.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <mutex>

#include "dataplane/dpdk_log.h"
#include "dataplane/eal.h"
#include "dataplane/exception.h"
#include "dataplane/flow_table.h"
#include "dataplane/kernel_gate.h"
#include "dataplane/layout.h"
#include "dataplane/media_steering.h"
#include "dataplane/port.h"
#include "dataplane/receive_interrupts.h"
#include "dataplane/worker.h"

namespace sallyport::dp {
namespace {

constexpr unsigned kHandoffPackets = 2048;
constexpr Nanoseconds kFlowsTimeout = 100 * kMillisecond;
constexpr Nanoseconds kLoadSpan = kSecond;

struct RingFree {
  void operator()(rte_ring* ring) const { rte_ring_free(ring); }
};
using PacketRing = std::unique_ptr<rte_ring, RingFree>;

std::unexpected<std::string> no_memory(const char* what) {
  return std::unexpected(std::string("no memory for ") + what +
                         ": free memory, or configure fewer cores or shards");
}

// What one worker is made of, beside the ports that all share.
struct WorkerSeat {
  unsigned core = 0;
  unsigned lcore = 0;
  WorkerCounters counters;
  ShardDoorbell bell;
  std::unique_ptr<KernelGate> gate;
  std::unique_ptr<ReceiveInterrupts> interrupts;
  PacketRing handoff;
  std::unique_ptr<Worker> worker;
  bool running = false;
};

int run_worker(void* argument) {
  auto* seat = static_cast<WorkerSeat*>(argument);
  run_on({seat->core});
  seat->worker->run();
  return 0;
}

}  // namespace

class RunningDataplane final : public Dataplane {
 public:
  explicit RunningDataplane(const DataplaneOptions& options)
      : options_(options), media_(media_layout(options.realms)), cores_at_start_(allowed_cores()) {}
  ~RunningDataplane() override;
  [[nodiscard]] std::expected<void, std::string> bring_up();

  [[nodiscard]] unsigned workers() const override { return static_cast<unsigned>(options_.cores.size()); }
  [[nodiscard]] RecordRing& commands(unsigned shard, unsigned worker) override {
    return *commands_[at(shard, worker)];
  }
  [[nodiscard]] RecordRing& events(unsigned worker, unsigned shard) override {
    return *events_[at(shard, worker)];
  }
  [[nodiscard]] ShardDoorbell& doorbell(unsigned shard) override { return *doorbells_[shard]; }
  [[nodiscard]] RecordRing* mirror(unsigned worker) override {
    return worker < mirrors_.size() ? mirrors_[worker].get() : nullptr;
  }
  void kick(unsigned worker) override { seats_[worker]->bell.wake(); }
  [[nodiscard]] const std::vector<MediaRange>& media() const override { return media_; }
  void set_idle(Idle idle) override {
    for (auto& seat : seats_) seat->worker->set_idle(idle);
  }
  [[nodiscard]] std::expected<void, std::string> set_gateways(
      const std::vector<std::vector<IpAddress>>& by_realm) override {
    return exception_->set_gateways(by_realm);
  }
  [[nodiscard]] const WorkerCounters& counters(unsigned worker) const override {
    return seats_[worker]->counters;
  }
  [[nodiscard]] std::vector<CoreLoad> load() const override;
  [[nodiscard]] std::vector<NicLoss> nic_losses() const override;
  [[nodiscard]] std::vector<PoolLevel> pools() const override;
  [[nodiscard]] std::vector<PortState> ports() const override;
  [[nodiscard]] KernelWayCounts kernel_way() const override;
  [[nodiscard]] std::vector<FlowRow> flows(std::size_t limit) const override;
  [[nodiscard]] std::vector<FlowRow> flows_at(std::span<const std::uint32_t> slots) const override;
  [[nodiscard]] std::string memory_in_use() const override { return hugepages_ ? "hugepages" : "ordinary"; }

 private:
  struct LoadMark {
    std::uint64_t busy = 0;
    std::uint64_t total = 0;
    std::uint64_t packets = 0;
  };
  [[nodiscard]] std::size_t at(unsigned shard, unsigned worker) const {
    return std::size_t{shard} * options_.cores.size() + worker;
  }
  [[nodiscard]] std::expected<void, std::string> check_cores() const;
  [[nodiscard]] std::expected<void, std::string> start_memory();
  [[nodiscard]] std::expected<void, std::string> open_ports();
  [[nodiscard]] std::expected<std::unique_ptr<Port>, std::string> open_port(unsigned index);
  [[nodiscard]] std::expected<void, std::string> steer_ports();
  void steer_port(std::uint8_t index);
  [[nodiscard]] int node_of(unsigned worker) const;
  [[nodiscard]] std::unique_ptr<ReceiveInterrupts> interrupts_of(unsigned id) const;
  void tell_distant() const;
  [[nodiscard]] std::expected<void, std::string> start_exception();
  [[nodiscard]] std::expected<void, std::string> make_workers();
  [[nodiscard]] std::expected<void, std::string> launch();
  [[nodiscard]] WorkerContext context_of(unsigned id) const;

  // For the few things that are not faults but have to be known.
  void say(const std::string& notice) const;

  DataplaneOptions options_;
  DpdkLog dpdk_log_{options_.tell};
  std::vector<MediaRange> media_;
  std::vector<unsigned> cores_at_start_;
  bool hugepages_ = false;
  std::vector<Device> devices_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<MediaSteering> steering_;  // by port; media_ points into it
  std::unique_ptr<ExceptionPath> exception_;
  std::unique_ptr<FlowTable> flow_table_;
  std::vector<std::unique_ptr<RecordRing>> commands_;
  std::vector<std::unique_ptr<RecordRing>> events_;
  std::vector<std::unique_ptr<RecordRing>> mirrors_;  // by worker, or none
  std::vector<std::unique_ptr<ShardDoorbell>> doorbells_;
  std::vector<std::unique_ptr<WorkerSeat>> seats_;
  std::atomic<bool> stop_{false};

  mutable std::mutex load_mutex_;  // of readers only; no worker takes it
  mutable std::vector<LoadMark> load_marks_;
  mutable std::vector<CoreLoad> load_;
  mutable Nanoseconds load_ns_ = 0;
};

// Also after a start that failed half-way. Workers end first; what they hold goes home before the pools go.
RunningDataplane::~RunningDataplane() {
  stop_.store(true);
  for (auto& seat : seats_) {
    seat->bell.wake();
    if (seat->running) rte_eal_wait_lcore(seat->lcore);
  }
  for (auto& seat : seats_) {
    seat->worker.reset();
    seat->interrupts.reset();
  }
  exception_.reset();
  for (std::size_t i = 0; i < steering_.size(); ++i) {
    for (rte_flow* rule : steering_[i].rules) ports_[i]->nic().remove_rule(rule);
  }
  for (auto& port : ports_) port->close();
  ports_.clear();
  if (!cores_at_start_.empty()) run_on(cores_at_start_);
}

std::expected<void, std::string> RunningDataplane::bring_up() {
  using Step = std::expected<void, std::string> (RunningDataplane::*)();
  constexpr std::array<Step, 6> steps{&RunningDataplane::start_memory, &RunningDataplane::open_ports,
                                      &RunningDataplane::steer_ports,  &RunningDataplane::start_exception,
                                      &RunningDataplane::make_workers, &RunningDataplane::launch};
  if (auto good = check_options(options_); !good) return good;
  if (auto good = check_cores(); !good) return good;
  for (const Step step : steps) {
    if (auto done = (this->*step)(); !done) return done;
  }
  return {};
}

void RunningDataplane::say(const std::string& notice) const {
  if (options_.tell) {
    options_.tell("dataplane", notice);
  } else {
    std::fprintf(stderr, "sallyport: dataplane: %s\n", notice.c_str());
  }
}

std::expected<void, std::string> RunningDataplane::check_cores() const {
  for (const unsigned core : options_.cores) {
    const bool present = run_on({core});
    run_on(cores_at_start_);
    if (!present) {
      return std::unexpected("dataplane.cores: core " + std::to_string(core) +
                             " is not present or not allowed here: 'nproc' and 'taskset -p $$' show what is");
    }
  }
  return {};
}

std::expected<void, std::string> RunningDataplane::start_memory() {
  for (unsigned i = 0; i < options_.ports.size(); ++i)
    devices_.push_back(parse_device(options_.ports[i].device, i));
  const auto is_xdp = [](const Device& device) { return device.kind == DeviceKind::af_xdp; };
  std::vector<std::uint16_t> mtus;
  for (const PortOptions& port : options_.ports) mtus.push_back(port.mtu);
  const auto need = memory_needed(mtus, workers());
  auto choice =
      choose_memory(options_.memory, std::ranges::any_of(devices_, is_xdp), need, free_hugepage_bytes());
  if (!choice) return std::unexpected(choice.error());
  if (!choice->notice.empty()) {
    say(choice->notice);
    for (unsigned i = 0; i < devices_.size(); ++i) {
      if (is_xdp(devices_[i])) devices_[i] = as_af_packet(devices_[i], i);
    }
  }
  EalOptions eal;
  eal.cores = options_.cores;
  eal.main_cores = cores_left(cores_at_start_, options_.cores);
  eal.hugepages = choice->hugepages;
  // Ordinary memory comes in pages of 4 KiB, and no mbuf may lie across two: one a page. It is taken from the
  // kernel page by page as it is used, so the rest costs nothing.
  eal.megabytes = static_cast<unsigned>((choice->hugepages ? need : 3 * need) >> 20);
  eal.extra = options_.eal_extra;
  for (const Device& device : devices_) {
    if (device.kind == DeviceKind::pci) eal.pci.push_back(device.name);
  }
  if (auto started = start_eal(eal); !started) return started;
  dpdk_log_.take_libraries();
  hugepages_ = rte_eal_has_hugepages() != 0;
  if (!register_packet_fields())
    return std::unexpected("DPDK has no room for our notes in its packets: end other users of mbuf fields");
  return {};
}

std::expected<std::unique_ptr<Port>, std::string> RunningDataplane::open_port(unsigned index) {
  const std::string& name = options_.ports[index].name;
  if (auto good = Port::check(name, devices_[index], workers()); !good) return std::unexpected(good.error());
  const PortWish wish{
      .queues = workers(), .mtu = options_.ports[index].mtu, .interrupts = options_.idle == Idle::adaptive};
  auto port = Port::open(name, devices_[index], wish);
  const bool may_fall_back =
      options_.memory == Memory::automatic && devices_[index].kind == DeviceKind::af_xdp;
  if (port || !may_fall_back || devices_[index].interface.empty()) return port;
  const Device instead = as_af_packet(devices_[index], index);
  auto second = Port::open(name, instead, wish);
  if (!second) return port;  // AF_XDP's own error says more
  say(port.error() + ": falling back from AF_XDP to AF_PACKET");
  devices_[index] = instead;
  return second;
}

std::expected<void, std::string> RunningDataplane::open_ports() {
  for (unsigned i = 0; i < devices_.size(); ++i) {
    auto port = open_port(i);
    if (!port) return std::unexpected(port.error());
    ports_.push_back(std::move(*port));
  }
  return {};
}

// Whose a media port is has to be known before the first call, and follows from what the devices do.
std::expected<void, std::string> RunningDataplane::steer_ports() {
  steering_.reserve(ports_.size());
  for (std::uint8_t i = 0; i < ports_.size(); ++i) steer_port(i);
  return {};
}

void RunningDataplane::steer_port(std::uint8_t index) {
  SteeredMedia media{.port = ports_[index]->name(), .workers = workers(), .shards = options_.shards};
  std::vector<MediaRange*> of_port;
  for (MediaRange& range : media_) {
    const RealmOptions& realm = options_.realms[range.realm];
    if (realm.port != index) continue;
    of_port.push_back(&range);
    media.ranges.push_back(range);
    media.vlans.push_back(realm.vlan);
  }
  const MediaSteering& steering = steering_.emplace_back(steer_media(ports_[index]->nic(), media));
  for (std::size_t i = 0; i < steering.owners.size(); ++i) of_port[i]->owners = steering.owners[i].data();
  for (const std::string& notice : steering.notices) say(notice);
}

std::expected<void, std::string> RunningDataplane::start_exception() {
  ExceptionOptions exception;
  exception.workers = workers();
  exception.key = options_.key.hash;
  for (const auto& port : ports_) {
    const DeviceKind kind = port->device().kind;
    ExceptionPort one;
    one.name = port->name();
    one.mac = port->mac();
    one.mtu = port->mtu();
    one.interface = port->device().interface;
    one.kernel_gets_copies = kind == DeviceKind::af_packet || kind == DeviceKind::pcap;
    one.has_kernel = kind != DeviceKind::software;
    exception.ports.push_back(one);
  }
  for (const RealmOptions& realm : options_.realms) {
    exception.realms.push_back({realm.port, realm.vlan, realm.addresses, realm.gateways});
  }
  auto path = ExceptionPath::start(exception);
  if (!path) return std::unexpected(path.error());
  exception_ = std::move(*path);
  return {};
}

int RunningDataplane::node_of(unsigned worker) const {
  return static_cast<int>(rte_lcore_to_socket_id(seats_[worker]->lcore));
}

// A port's buffers lie on its own NUMA node; a worker on another one pays for each packet.
void RunningDataplane::tell_distant() const {
  for (unsigned id = 0; id < workers(); ++id) {
    for (const auto& port : ports_) {
      if (!is_distant(node_of(id), port->socket())) continue;
      say("core " + std::to_string(seats_[id]->core) + " is on NUMA node " + std::to_string(node_of(id)) +
          ", port " + port->name() + " on node " + std::to_string(port->socket()) +
          ": choose cores of the port's node in dataplane.cores");
    }
  }
}

// nullptr where one port has no interrupts, or nobody wants them.
std::unique_ptr<ReceiveInterrupts> RunningDataplane::interrupts_of(unsigned id) const {
  std::vector<EthDevice*> devices;
  for (const auto& port : ports_) {
    if (!port->interrupts()) return nullptr;
    devices.push_back(&port->nic());
  }
  return ReceiveInterrupts::of(std::move(devices), static_cast<std::uint16_t>(id));
}

WorkerContext RunningDataplane::context_of(unsigned id) const {
  WorkerContext context;
  context.id = id;
  context.workers = workers();
  context.shards = options_.shards;
  context.core = options_.cores[id];
  context.socket = node_of(id);
  context.idle = options_.idle;
  for (const auto& port : ports_) {
    WorkerPort one;
    one.dpdk_port = port->dpdk_port();
    one.queue = static_cast<std::uint16_t>(id);
    one.mac = port->mac();
    one.mtu = port->mtu();
    one.pool = port->pool();
    one.sends_checksums = port->sends_checksums();
    context.ports.push_back(one);
  }
  context.realms = options_.realms;
  context.media = media_;
  context.flows = flow_table_.get();
  for (unsigned shard = 0; shard < options_.shards; ++shard) {
    context.commands.push_back(commands_[at(shard, id)].get());
    context.events.push_back(events_[at(shard, id)].get());
    context.doorbells.push_back(doorbells_[shard].get());
  }
  context.own_bell = &seats_[id]->bell;
  context.interrupts = seats_[id]->interrupts.get();
  context.handoff_in = seats_[id]->handoff.get();
  for (const auto& seat : seats_) context.handoff_to.push_back(seat->handoff.get());
  context.gate = seats_[id]->gate.get();
  context.next_hops = &exception_->next_hops();
  context.to_kernel = &exception_->to_kernel(id);
  context.from_kernel = id == 0 ? &exception_->from_kernel() : nullptr;
  context.mirror = id < mirrors_.size() ? mirrors_[id].get() : nullptr;
  context.counters = &seats_[id]->counters;
  context.key = options_.key;
  context.stop = &stop_;
  return context;
}

std::expected<void, std::string> RunningDataplane::make_workers() try {
  flow_table_ = std::make_unique<FlowTable>(slots_of(media_));
  for (std::size_t i = 0; i < options_.shards * options_.cores.size(); ++i) {
    commands_.push_back(std::make_unique<RecordRing>(options_.ring_bytes));
    events_.push_back(std::make_unique<RecordRing>(options_.ring_bytes));
  }
  for (unsigned i = 0; options_.mirror_bytes != 0 && i < workers(); ++i) {
    mirrors_.push_back(std::make_unique<RecordRing>(options_.mirror_bytes));
  }
  for (unsigned i = 0; i < options_.shards; ++i) doorbells_.push_back(std::make_unique<ShardDoorbell>());
  unsigned lcore = rte_get_next_lcore(-1, 1, 0);
  for (unsigned id = 0; id < workers(); ++id, lcore = rte_get_next_lcore(lcore, 1, 0)) {
    auto seat = std::make_unique<WorkerSeat>();
    seat->core = options_.cores[id];
    seat->lcore = lcore;
    seat->gate = std::make_unique<KernelGate>(exception_->connections(), tcp_listeners(options_.realms),
                                              KernelRates{}, workers());
    if (workers() > 1) {
      const std::string name = "sp_handoff_" + std::to_string(id);
      const int node = static_cast<int>(rte_lcore_to_socket_id(lcore));
      seat->handoff.reset(rte_ring_create(name.c_str(), kHandoffPackets, node, RING_F_SC_DEQ));
      if (!seat->handoff) return no_memory("the rings between workers");
    }
    seat->interrupts = interrupts_of(id);
    seats_.push_back(std::move(seat));
  }
  tell_distant();
  for (unsigned id = 0; id < workers(); ++id) seats_[id]->worker = std::make_unique<Worker>(context_of(id));
  load_marks_.resize(workers());
  return {};
} catch (const std::bad_alloc&) {
  return no_memory("rings and flow tables");
} catch (const std::exception& error) {
  return std::unexpected(std::string("a worker could not be made: ") + error.what());
}

std::expected<void, std::string> RunningDataplane::launch() {
  for (auto& seat : seats_) {
    if (rte_eal_remote_launch(run_worker, seat.get(), seat->lcore) != 0) {
      return std::unexpected("DPDK's thread for core " + std::to_string(seat->core) +
                             " is busy: end the dataplane that runs in this process first");
    }
    seat->running = true;
  }
  return {};
}

std::vector<CoreLoad> RunningDataplane::load() const {
  const std::lock_guard lock(load_mutex_);
  const Nanoseconds now = monotonic_now_ns();
  if (!load_.empty() && now - load_ns_ < kLoadSpan) return load_;
  load_ns_ = now;
  load_.clear();
  for (unsigned id = 0; id < workers(); ++id) {
    const WorkerCounters& counters = seats_[id]->counters;
    const LoadMark mark{counters.busy_cycles.get(), counters.total_cycles.get(), counters.packets.get()};
    LoadMark& last = load_marks_[id];
    const auto ratio = [](std::uint64_t part, std::uint64_t whole) {
      return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
    };
    load_.push_back({seats_[id]->core, ratio(mark.busy - last.busy, mark.total - last.total),
                     ratio(mark.busy - last.busy, mark.packets - last.packets), node_of(id)});
    last = mark;
  }
  return load_;
}

std::vector<NicLoss> RunningDataplane::nic_losses() const {
  std::vector<NicLoss> losses;
  for (const auto& port : ports_) port->add_losses(losses);
  return losses;
}

std::vector<PoolLevel> RunningDataplane::pools() const {
  std::vector<PoolLevel> levels;
  for (const auto& port : ports_) {
    const unsigned free = rte_mempool_avail_count(port->pool());
    levels.push_back({port->name(), port->pool()->size - free, free});
  }
  return levels;
}

std::vector<PortState> RunningDataplane::ports() const {
  std::vector<PortState> states;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const Port& port = *ports_[i];
    states.push_back({.port = port.name(),
                      .steering = steering_[i].by,
                      .rules = static_cast<unsigned>(steering_[i].rules.size()),
                      .mtu = port.mtu(),
                      .node = port.socket(),
                      .receives_checksums = port.receives_checksums(),
                      .sends_checksums = port.sends_checksums(),
                      .interrupts = seats_.front()->interrupts != nullptr});
  }
  return states;
}

KernelWayCounts RunningDataplane::kernel_way() const {
  const ExceptionCounters& of = exception_->counters();
  return {.to_kernel = of.to_tap.get(),
          .to_kernel_refused = of.to_tap_failed.get(),
          .no_tap = of.no_tap.get(),
          .from_kernel = of.from_tap.get(),
          .from_kernel_full = of.from_tap_full.get(),
          .resolutions = of.resolutions.get(),
          .probes = of.probes.get()};
}

std::vector<FlowRow> RunningDataplane::flows(std::size_t limit) const {
  std::vector<FlowRow> rows;
  for (const auto& seat : seats_) {
    if (rows.size() >= limit) break;
    auto more = seat->worker->flows(limit - rows.size(), kFlowsTimeout);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

std::vector<FlowRow> RunningDataplane::flows_at(std::span<const std::uint32_t> slots) const {
  std::vector<FlowRow> rows;
  for (const auto& seat : seats_) {
    if (rows.size() == slots.size()) break;
    auto more = seat->worker->flows_at(slots, kFlowsTimeout);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

std::expected<std::unique_ptr<Dataplane>, std::string> Dataplane::start(const DataplaneOptions& options) {
  auto dataplane = std::make_unique<RunningDataplane>(options);
  if (auto up = dataplane->bring_up(); !up) return std::unexpected(up.error());
  return dataplane;
}

}  // namespace sallyport::dp
