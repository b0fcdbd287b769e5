// SPDX-License-Identifier: Apache-2.0
// idle_bench WITH_FLOWS_US WITHOUT_US flows|none PACKETS CORE
// The shipped worker loop, adaptive, on a ring vdev: what share of CORE it uses while it waits, as the kernel
// accounts it, and how long single packets at random distances wait until the worker has received them.
// `flows`: while one flow is active.
#include <pthread.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/dataplane.h"
#include "dataplane/flow_table.h"
#include "dataplane/layout.h"
#include "dataplane/next_hop.h"
#include "dataplane/worker.h"
#include "perf/common/eal.h"
#include "perf/common/must.h"
#include "perf/common/series.h"

namespace sallyport::perf {
namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned kPoolPackets = 1023;

class IdleBench {
 public:
  IdleBench(Nanoseconds with_flows_ns, Nanoseconds without_ns, bool flow) : next_hops_({0}, 1) {
    dp::RealmOptions realm{.name = "access", .port = 0};
    realm.addresses = {{IpAddress::v4(0xc6336401), 24}};
    realm.sip_udp = 5060;
    realm.media_first = 20'000;
    realm.media_last = 20'099;
    realms_ = {realm};
    media_ = dp::media_layout(realms_);
    flows_ = std::make_unique<dp::FlowTable>(dp::slots_of(media_));
    open_port();
    worker_ = std::make_unique<dp::Worker>(context(with_flows_ns, without_ns));
    if (flow) install();
  }
  ~IdleBench() {
    worker_.reset();
    rte_eth_dev_stop(port_);
    rte_eth_dev_close(port_);
  }
  IdleBench(const IdleBench&) = delete;
  IdleBench& operator=(const IdleBench&) = delete;

  void start() { must(rte_eal_remote_launch(run, this, 0) == 0, "the worker does not start"); }
  void stop() {
    stop_ = true;
    rte_eal_wait_lcore(0);
  }

  // One frame that the worker drops by name; until it has.
  double delay_us() {
    rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
    must(packet != nullptr && rte_pktmbuf_append(packet, 60) != nullptr, "no packet");
    const std::uint64_t before = counters_.ports[0].received_packets.get();
    const Clock::time_point start = Clock::now();
    must(rte_ring_enqueue(wire_, packet) == 0, "the wire is full");
    while (counters_.ports[0].received_packets.get() == before) rte_pause();
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }
  // Of the worker's thread.
  [[nodiscard]] double cpu_seconds() const {
    clockid_t clock{};
    timespec time{};
    must(pthread_getcpuclockid(thread_, &clock) == 0 && clock_gettime(clock, &time) == 0, "no CPU clock");
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
  void wait_started() const {
    while (!running_) std::this_thread::yield();
  }

 private:
  static int run(void* self) {
    auto& bench = *static_cast<IdleBench*>(self);
    bench.thread_ = pthread_self();
    bench.running_ = true;
    bench.worker_->run();
    return 0;
  }

  void open_port() {
    pool_ = rte_pktmbuf_pool_create("idle", kPoolPackets, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    wire_ = rte_ring_create("wire", 256, SOCKET_ID_ANY, 0);
    out_ = rte_ring_create("out", 256, SOCKET_ID_ANY, 0);
    must(pool_ != nullptr && wire_ != nullptr && out_ != nullptr, "no memory");
    const int port = rte_eth_from_rings("idle", &wire_, 1, &out_, 1, 0);
    must(port >= 0, "no ring device");
    port_ = static_cast<std::uint16_t>(port);
    const rte_eth_conf conf{};
    must(rte_eth_dev_configure(port_, 1, 1, &conf) == 0 &&
             rte_eth_rx_queue_setup(port_, 0, 256, 0, nullptr, pool_) == 0 &&
             rte_eth_tx_queue_setup(port_, 0, 256, 0, nullptr) == 0 && rte_eth_dev_start(port_) == 0,
         "the ring device does not start");
  }

  dp::WorkerContext context(Nanoseconds with_flows_ns, Nanoseconds without_ns) {
    dp::WorkerContext context;
    context.sleep_with_flows_ns = with_flows_ns;
    context.sleep_without_ns = without_ns;
    context.ports.push_back({.dpdk_port = port_, .mac = {2, 0, 0, 0, 0, 1}, .pool = pool_});
    context.realms = realms_;
    context.media = media_;
    context.flows = flows_.get();
    context.commands = {&commands_};
    context.events = {&events_};
    context.doorbells = {nullptr};
    context.own_bell = &bell_;
    context.next_hops = &next_hops_;
    context.counters = &counters_;
    context.key = steer::random_node_key();
    context.stop = &stop_;
    return context;
  }

  void install() {
    dp::FlowSpec spec;
    spec.self = {media_[0].slot_of(20'000), 1};
    spec.pair = {media_[0].slot_of(20'002), 1};
    spec.local = {realms_[0].addresses[0].address, 20'000};
    must(commands_.push(static_cast<std::uint16_t>(dp::Command::flow_install), dp::FlowInstall{spec}),
         "the ring is full");
    worker_->poll_once(monotonic_now_ns());
    must(counters_.realms[0].flows_active.get() == 1, "the flow was not taken");
  }

  dp::NextHopTable next_hops_;
  std::vector<dp::RealmOptions> realms_;
  std::vector<dp::MediaRange> media_;
  std::unique_ptr<dp::FlowTable> flows_;
  dp::RecordRing commands_{1 << 16}, events_{1 << 16};
  dp::WorkerCounters counters_;
  dp::ShardDoorbell bell_;
  rte_mempool* pool_ = nullptr;
  rte_ring* wire_ = nullptr;
  rte_ring* out_ = nullptr;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false}, running_{false};
  pthread_t thread_{};
  std::unique_ptr<dp::Worker> worker_;
};

int run(const std::vector<std::string>& words) {
  const auto us = [](const std::string& text) { return std::stoll(text) * kMicrosecond; };
  const std::uint64_t packets = std::stoull(words[3]);
  start_eal({static_cast<unsigned>(std::stoul(words[4]))}, 64);
  IdleBench bench(us(words[0]), us(words[1]), words[2] == "flows");
  bench.start();
  bench.wait_started();
  // Idle and nothing else, for the account of the core.
  const double cpu = bench.cpu_seconds();
  const Clock::time_point from = Clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const double idle_s = std::chrono::duration<double>(Clock::now() - from).count();
  Results results;
  results.add("core_percent", 100 * (bench.cpu_seconds() - cpu) / idle_s);
  std::mt19937_64 random(4);
  std::uniform_int_distribution<int> distance(700, 2900);
  for (std::uint64_t i = 0; i < packets; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(distance(random)));
    results.add("delay_us", bench.delay_us());
  }
  bench.stop();
  results.print();
  return 0;
}

}  // namespace
}  // namespace sallyport::perf

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 5) return sallyport::perf::run(words);
  } catch (const std::exception& error) {
    std::cerr << "idle_bench: " << error.what() << "\n";
    return 1;
  }
  std::cerr << "usage: idle_bench WITH_FLOWS_US WITHOUT_US flows|none PACKETS CORE\n";
  return 2;
}
