// SPDX-License-Identifier: Apache-2.0
// Everything a worker is given at its start. The ports side fills it in; all of it outlives the worker.
// Nothing here changes while workers run, except what says that it does.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/api/ring.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"
#include "dataplane/dataplane.h"
#include "dataplane/steer/identifier.h"

struct rte_mempool;
struct rte_ring;

namespace sallyport::dp {

class FlowTable;
class KernelGate;
class NextHopTable;
class ReceiveInterrupts;

// One queue of one port, as this worker sees it. The index in WorkerContext::ports is the configuration's
// port index, the same in PortCounters, RealmOptions::port and PacketMeta.
struct WorkerPort {
  std::uint16_t dpdk_port = 0;
  std::uint16_t queue = 0;  // rx and tx
  std::array<std::uint8_t, 6> mac{};
  std::uint16_t mtu = 1500;      // of IP, without the Ethernet header
  rte_mempool* pool = nullptr;   // for what we send by this port
  bool sends_checksums = false;  // the device computes UDP's of what it sends
};

struct WorkerContext {
  unsigned id = 0;
  unsigned workers = 1;
  unsigned shards = 1;
  unsigned core = 0;
  int socket = -1;  // NUMA, -1: any
  Idle idle = Idle::adaptive;  // at first: Worker::set_idle
  // How long an adaptive worker sleeps at once. perf/idle draws what other times would cost and delay.
  Nanoseconds sleep_with_flows_ns = 40 * kMicrosecond;  // and some for the kernel to wake us: 50 at most
  Nanoseconds sleep_without_ns = 800 * kMicrosecond;    // so that the first packet waits 1 ms at most

  std::vector<WorkerPort> ports;
  std::vector<RealmOptions> realms;  // sip_police_pps and sip_dscp: the worker changes them, by command
  std::vector<MediaRange> media;     // the same for all workers

  FlowTable* flows = nullptr;               // one for all workers; a slot is touched by its owner only
  std::vector<RecordRing*> commands;        // by shard: we consume
  std::vector<RecordRing*> events;          // by shard: we produce
  std::vector<ShardDoorbell*> doorbells;    // by shard
  ShardDoorbell* own_bell = nullptr;        // Dataplane::kick wakes it; null: the idle sleep is a plain one
  ReceiveInterrupts* interrupts = nullptr;  // of this worker's queues; null: a device has none

  // Packets whose owner is another worker. Multi-producer, single-consumer rings of mbufs.
  rte_ring* handoff_in = nullptr;
  std::vector<rte_ring*> handoff_to;  // by worker; own entry unused

  NextHopTable* next_hops = nullptr;
  KernelGate* gate = nullptr;  // this worker's own, for all ports; null: all of the allow-list passes
  RecordRing* to_kernel =
      nullptr;  // ExceptionPath::to_kernel(id); null: no kernel, its frames drop as kernel_full
  RecordRing* from_kernel = nullptr;   // ExceptionPath::from_kernel(), only given to worker 0
  RecordRing* mirror = nullptr;        // media packets that ops looks at: we produce; null: none are copied
  WorkerCounters* counters = nullptr;  // this worker's: we write
  steer::NodeKey key;
  const std::atomic<bool>* stop = nullptr;
};

}  // namespace sallyport::dp
