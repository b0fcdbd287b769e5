// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A worker is one lcore that polls one queue of every port. A turn carries out the
// shards' commands, takes a burst of at most 32 packets from each port and from the hand-off ring, classifies
// them, sends each to its end (relay, SIP, kernel, another worker, a named drop), and puts what is to be sent
// on the ports' queues. The clock is read once a turn. It allocates nothing after its construction, takes no
// lock and makes no system call but the device's own, the idle sleep and at most one wake-up of each sleeping
// shard a turn.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

// Before the first mempool is used: registers the mbuf fields that workers keep their notes in. After
// rte_eal_init, once a process; repeating it does no harm. False: no room in the mbuf.
[[nodiscard]] bool register_packet_fields();

class Worker {
 public:
  explicit Worker(WorkerContext context);  // throws std::runtime_error (no memory, fields not registered)
  // After every worker's run() has returned: what is still in hand (tx queues, fragments, packets held by
  // latches, the hand-off ring) is freed and counted as `shutdown`. Any thread.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Until *context.stop. On the worker's lcore.
  void run();
  // One turn; for tests and benchmarks. Number of packets, commands and events it dealt with: 0 when idle.
  unsigned poll_once(Nanoseconds now_ns);

  // Any thread: how it waits from its next empty turn on.
  void set_idle(Idle idle);

  // Ops, any thread: up to `limit` rows of this worker's flows, copied by the worker itself during its next
  // turns. Waits at most `timeout_ns`; what is there by then is returned.
  [[nodiscard]] std::vector<FlowRow> flows(std::size_t limit, Nanoseconds timeout_ns);
  // The same of those slots that are active here.
  [[nodiscard]] std::vector<FlowRow> flows_at(std::span<const std::uint32_t> slots, Nanoseconds timeout_ns);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::dp
