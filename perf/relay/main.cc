// SPDX-License-Identifier: Apache-2.0
// relay_bench write FILE FLOWS ordered|shuffled
// relay_bench run FILE FLOWS SECONDS CORE
// The second relays the frames of FILE, over and over from a pcap vdev, through the shipped worker loop on
// CORE, and prints packets a second and busy cycles a packet. It fails when a packet was not relayed.
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include "dataplane/flow_table.h"
#include "dataplane/next_hop.h"
#include "dataplane/worker.h"
#include "perf/common/eal.h"
#include "perf/common/series.h"
#include "perf/relay/layout.h"

namespace sallyport::perf {
namespace {

constexpr std::uint16_t kPort = 0;

void must(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}

rte_mempool* open_port(const std::string& file, unsigned frames) {
  must(rte_eal_hotplug_add("vdev", "net_pcap0", ("rx_pcap=" + file + ",infinite_rx=1").c_str()) == 0,
       "no pcap device of " + file);
  rte_mempool* pool = rte_pktmbuf_pool_create("relay", frames * 5 / 4 + 16'383, 256, 0,
                                              RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  must(pool != nullptr, "no memory for packets");
  const rte_eth_conf conf{};
  must(rte_eth_dev_configure(kPort, 1, 1, &conf) == 0, "the port cannot be configured");
  must(rte_eth_rx_queue_setup(kPort, 0, 512, 0, nullptr, pool) == 0, "no receive queue");
  must(rte_eth_tx_queue_setup(kPort, 0, 512, 0, nullptr) == 0, "no send queue");
  must(rte_eth_dev_start(kPort) == 0, "the port does not start");
  return pool;
}

// One worker with everything that it needs and nobody else.
struct Bench {
  Bench(const Layout& calls, rte_mempool* packets)
      : layout(calls), flows(dp::slots_of(layout.media())), next_hops({0, 0}, 1) {
    next_hops.set_fixed(0, {2, 0, 0, 0, 0, 9});
    dp::WorkerContext context;
    context.idle = dp::Idle::busy;
    context.ports.push_back(
        {.dpdk_port = kPort, .queue = 0, .mac = {2, 0x70, 0x63, 0x61, 0x70, 0}, .pool = packets});
    context.realms = layout.realms();
    context.media = layout.media();
    context.flows = &flows;
    context.commands = {&commands};
    context.events = {&events};
    context.doorbells = {nullptr};
    context.next_hops = &next_hops;
    context.counters = &counters;
    context.key = steer::random_node_key();
    context.stop = &stop;
    worker = std::make_unique<dp::Worker>(context);
  }

  // Through the ring, as a shard does it. Frames come already: those of ports not open yet are drops.
  void install() {
    for (std::uint32_t call = 0; call < layout.calls(); ++call) {
      for (std::uint16_t realm = 0; realm < 2; ++realm) {
        const dp::FlowInstall command{layout.flow(call, realm)};
        while (!commands.push(static_cast<std::uint16_t>(dp::Command::flow_install), command))
          worker->poll_once(monotonic_now_ns());
      }
    }
    while (!commands.empty()) worker->poll_once(monotonic_now_ns());
  }

  const Layout& layout;
  dp::FlowTable flows;
  dp::NextHopTable next_hops;
  dp::RecordRing commands{1 << 20}, events{1 << 20};
  dp::WorkerCounters counters;
  std::atomic<bool> stop{false};
  std::unique_ptr<dp::Worker> worker;
};

struct Reading {
  std::uint64_t received, relayed, cycles;
  std::chrono::steady_clock::time_point at;
};

Reading read(const dp::WorkerCounters& counters) {
  return {counters.ports[0].received_packets.get(), counters.ports[0].relayed.get(),
          counters.busy_cycles.get(), std::chrono::steady_clock::now()};
}

int run_worker(void* worker) {
  static_cast<dp::Worker*>(worker)->run();
  return 0;
}

void report(const Reading& before, const Reading& after) {
  const double packets = static_cast<double>(after.received - before.received);
  const std::chrono::duration<double> span = after.at - before.at;
  Results results;
  results.add("mpps", packets / span.count() / 1e6);
  results.add("cycles_per_packet", static_cast<double>(after.cycles - before.cycles) / packets);
  results.add("ghz", static_cast<double>(rte_get_tsc_hz()) / 1e9);
  results.print();
}

int run(const std::string& file, unsigned flows, double seconds, unsigned core) {
  start_eal({core}, flows / 400 + 128);
  const Layout layout(flows / 2);
  rte_mempool* pool = open_port(file, flows);
  Bench bench(layout, pool);
  bench.install();
  const Reading installed = read(bench.counters);
  must(rte_eal_remote_launch(run_worker, bench.worker.get(), 0) == 0, "the worker does not start");
  const auto sleep = [](double s) { std::this_thread::sleep_for(std::chrono::duration<double>(s)); };
  sleep(0.3 * seconds);  // caches, and the first packet of every flow
  const Reading before = read(bench.counters);
  sleep(seconds);
  const Reading after = read(bench.counters);
  bench.stop = true;
  rte_eal_wait_lcore(0);
  const Reading end = read(bench.counters);
  // 256 may be in the egress queue; what came before the flows were there is not of the measurement.
  if (end.received - installed.received > end.relayed - installed.relayed + 256) {
    for (std::size_t reason = 0; reason < dp::kDropReasons; ++reason) {
      const std::uint64_t drops = bench.counters.ports[0].drops[reason].get();
      if (drops != 0)
        std::cerr << dp::drop_reason_name(static_cast<dp::DropReason>(reason)) << ": " << drops << "\n";
    }
    std::cerr << "relay_bench: packets were not relayed\n";
    return 1;
  }
  report(before, after);
  bench.worker.reset();
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int argc, char** argv) {
  using namespace sallyport::perf;
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 4 && words[0] == "write") {
      write_frames(words[1], Layout(static_cast<std::uint32_t>(std::stoul(words[2])) / 2),
                   words[3] == "shuffled", 4);
      return 0;
    }
    if (words.size() == 5 && words[0] == "run") {
      return run(words[1], static_cast<unsigned>(std::stoul(words[2])), std::stod(words[3]),
                 static_cast<unsigned>(std::stoul(words[4])));
    }
  } catch (const std::exception& error) {
    std::cerr << "relay_bench: " << error.what() << "\n";
    return 1;
  }
  std::cerr << "usage: relay_bench write FILE FLOWS ordered|shuffled | run FILE FLOWS SECONDS CORE\n";
  return 2;
}
