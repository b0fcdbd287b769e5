// SPDX-License-Identifier: Apache-2.0
// One or more workers with everything that they need and nobody else: a pcap vdev with a queue for each, the
// flow table filled through the rings as a shard does it, hand-off rings between them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/flow_table.h"
#include "dataplane/next_hop.h"
#include "dataplane/worker.h"
#include "perf/relay/layout.h"

namespace sallyport::perf {

// Sums over the workers.
struct Reading {
  std::uint64_t received = 0, relayed = 0, cycles = 0;
  std::chrono::steady_clock::time_point at;
};

class RelayBench {
 public:
  // A file of frames for each worker's queue; EAL is up. Throws std::runtime_error.
  RelayBench(const Layout& layout, const std::vector<std::string>& files);
  ~RelayBench();
  RelayBench(const RelayBench&) = delete;
  RelayBench& operator=(const RelayBench&) = delete;

  void start();  // worker n on lcore n
  void stop();
  [[nodiscard]] Reading read() const;
  void print_drops() const;

 private:
  struct Seat {
    dp::RecordRing commands{1 << 20}, events{1 << 20};
    dp::WorkerCounters counters;
    rte_ring* handoff = nullptr;
    std::unique_ptr<dp::Worker> worker;
  };
  void open_port(const std::vector<std::string>& files);
  [[nodiscard]] dp::WorkerContext context_of(unsigned id);
  void install();

  const Layout& layout_;
  rte_mempool* pool_ = nullptr;
  dp::FlowTable flows_;
  dp::NextHopTable next_hops_;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<Seat>> seats_;
};

}  // namespace sallyport::perf
