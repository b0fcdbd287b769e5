// SPDX-License-Identifier: Apache-2.0
#include "perf/relay/bench.h"

#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <iostream>

#include "perf/common/must.h"

namespace sallyport::perf {
namespace {

constexpr std::uint16_t kPort = 0;
constexpr unsigned kHandoffPackets = 2048;  // as the dataplane has it

int run_worker(void* worker) {
  static_cast<dp::Worker*>(worker)->run();
  return 0;
}

}  // namespace

RelayBench::RelayBench(const Layout& layout, const std::vector<std::string>& files)
    : layout_(layout),
      flows_(dp::slots_of(layout.media())),
      next_hops_({0, 0}, static_cast<unsigned>(files.size())) {
  open_port(files);
  next_hops_.set_fixed(0, {2, 0, 0, 0, 0, 9});
  for (unsigned id = 0; id < files.size(); ++id) {
    seats_.push_back(std::make_unique<Seat>());
    seats_[id]->handoff = rte_ring_create(("handoff" + std::to_string(id)).c_str(), kHandoffPackets,
                                          SOCKET_ID_ANY, RING_F_SC_DEQ);
    must(seats_[id]->handoff != nullptr, "no hand-off ring");
  }
  for (unsigned id = 0; id < seats_.size(); ++id)
    seats_[id]->worker = std::make_unique<dp::Worker>(context_of(id));
  install();
}

RelayBench::~RelayBench() = default;

void RelayBench::open_port(const std::vector<std::string>& files) {
  std::string device = "infinite_rx=1";
  for (const std::string& file : files) device += ",rx_pcap=" + file;
  must(rte_eal_hotplug_add("vdev", "net_pcap0", device.c_str()) == 0, "no pcap device of " + files[0]);
  const auto queues = static_cast<std::uint16_t>(files.size());
  pool_ = rte_pktmbuf_pool_create("relay", layout_.calls() * 2 * 5 / 4 + 16'383, 256, 0,
                                  RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  must(pool_ != nullptr, "no memory for packets");
  const rte_eth_conf conf{};
  must(rte_eth_dev_configure(kPort, queues, queues, &conf) == 0, "the port cannot be configured");
  for (std::uint16_t queue = 0; queue < queues; ++queue) {
    must(rte_eth_rx_queue_setup(kPort, queue, 512, 0, nullptr, pool_) == 0, "no receive queue");
    must(rte_eth_tx_queue_setup(kPort, queue, 512, 0, nullptr) == 0, "no send queue");
  }
  must(rte_eth_dev_start(kPort) == 0, "the port does not start");
}

dp::WorkerContext RelayBench::context_of(unsigned id) {
  dp::WorkerContext context;
  context.id = id;
  context.workers = static_cast<unsigned>(seats_.size());
  context.idle = dp::Idle::busy;
  context.ports.push_back({.dpdk_port = kPort,
                           .queue = static_cast<std::uint16_t>(id),
                           .mac = {2, 0x70, 0x63, 0x61, 0x70, 0},
                           .pool = pool_});
  context.realms = layout_.realms();
  context.media = layout_.media();
  context.flows = &flows_;
  context.commands = {&seats_[id]->commands};
  context.events = {&seats_[id]->events};
  context.doorbells = {nullptr};
  context.handoff_in = seats_[id]->handoff;
  for (const auto& seat : seats_) context.handoff_to.push_back(seat->handoff);
  context.next_hops = &next_hops_;
  context.counters = &seats_[id]->counters;
  context.key = steer::random_node_key();
  context.stop = &stop_;
  return context;
}

// Frames come already: those of ports not open yet are drops.
void RelayBench::install() {
  const auto workers = static_cast<unsigned>(seats_.size());
  for (std::uint32_t call = 0; call < layout_.calls(); ++call) {
    Seat& seat = *seats_[layout_.worker(call, workers)];
    for (std::uint16_t realm = 0; realm < 2; ++realm) {
      const dp::FlowInstall command{layout_.flow(call, realm)};
      while (!seat.commands.push(static_cast<std::uint16_t>(dp::Command::flow_install), command))
        seat.worker->poll_once(monotonic_now_ns());
    }
  }
  for (const auto& seat : seats_) {
    while (!seat->commands.empty()) seat->worker->poll_once(monotonic_now_ns());
  }
}

void RelayBench::start() {
  for (unsigned id = 0; id < seats_.size(); ++id)
    must(rte_eal_remote_launch(run_worker, seats_[id]->worker.get(), id) == 0, "a worker does not start");
}

void RelayBench::stop() {
  stop_ = true;
  for (unsigned id = 0; id < seats_.size(); ++id) rte_eal_wait_lcore(id);
}

Reading RelayBench::read() const {
  Reading sum;
  for (const auto& seat : seats_) {
    sum.received += seat->counters.ports[0].received_packets.get();
    sum.relayed += seat->counters.ports[0].relayed.get();
    sum.cycles += seat->counters.busy_cycles.get();
  }
  sum.at = std::chrono::steady_clock::now();
  return sum;
}

void RelayBench::print_drops() const {
  for (const auto& seat : seats_) {
    for (std::size_t reason = 0; reason < dp::kDropReasons; ++reason) {
      const std::uint64_t drops = seat->counters.ports[0].drops[reason].get();
      if (drops != 0)
        std::cerr << dp::drop_reason_name(static_cast<dp::DropReason>(reason)) << ": " << drops << "\n";
    }
  }
}

}  // namespace sallyport::perf
