// SPDX-License-Identifier: Apache-2.0
// Workers over ring vdevs: two ports, access and core, one queue of each a worker. Tests put frames on the
// wire, turn the workers by hand on a clock of their own, and read what came out. At its end the rig checks
// the conservation law on both ports and that every mbuf is back in its pool.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/flow.h"
#include "dataplane/flow_table.h"
#include "dataplane/next_hop.h"
#include "dataplane/worker.h"
#include "tests/dataplane/frame_support.h"

namespace sallyport::dp::test {

inline constexpr std::uint8_t kAccess = 0, kCore = 1;

struct RigOptions {
  unsigned workers = 1;
  unsigned shards = 1;
  std::size_t ring_bytes = 1 << 20;
  std::uint16_t mtu = 1500;
  std::uint16_t core_vlan = 0;
  unsigned tx_ring = 1024;
  bool neighbours = true;  // every destination has the MAC kPeerMac
  std::uint32_t sip_police_pps = 0;
  bool device_checksums = false;  // the devices compute UDP's of what is sent
  // For a test that lets worker 0 run by itself.
  ShardDoorbell* bell = nullptr;
  ReceiveInterrupts* interrupts = nullptr;
  const std::atomic<bool>* stop = nullptr;
};

// Addresses: access 198.51.100.1 and 2001:db8:1::1, core 192.0.2.1 and 2001:db8:2::1; SIP 5060, media 20000
// to 20099.
class Rig {
 public:
  static constexpr MacAddress kPeerMac{2, 0, 0, 0, 0, 9};
  static constexpr std::uint16_t kFirst = 20000, kLast = 20099;

  explicit Rig(const RigOptions& options = {});
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // `flags`: what the device says of it, RTE_MBUF_F_RX_...
  void put(std::uint8_t port, const Bytes& frame, unsigned queue = 0, std::uint64_t flags = 0);
  // In a chain of mbufs of `piece` octets each.
  void put_in_pieces(std::uint8_t port, const Bytes& frame, std::size_t piece, unsigned queue = 0);
  unsigned turn();                             // every worker once
  unsigned turn_for(Nanoseconds time);         // in steps of 10 ms
  std::vector<Bytes> sent(std::uint8_t port);  // since the last call, all queues

  // A shard's commands.
  void install(const FlowSpec& spec);
  void update(const FlowSpec& spec, bool reopen = false);
  void remove(const FlowRef& flow, unsigned shard = 0);
  void mirror(const FlowRef& flow, bool on);
  void report(const FlowRef& flow, unsigned shard = 0);
  void sip_send(std::uint16_t realm, std::string_view local, std::string_view remote,
                std::string_view message);
  // Its events, oldest first; others than T are skipped.
  template <typename T>
  std::vector<T> events(Event kind, unsigned shard = 0) {
    std::vector<T> out;
    for (unsigned worker = 0; worker < options.workers; ++worker) {
      RecordRing& ring = *event_rings[worker * options.shards + shard];
      for (auto record = ring.front(); record.kind != 0; record = ring.front()) {
        if (record.kind == static_cast<std::uint16_t>(kind)) {
          T one;
          std::memcpy(static_cast<void*>(&one), record.bytes.data(), sizeof(T));
          out.push_back(one);
          if (kind == Event::sip_received) octets.emplace_back(octets_of(record));
        }
        ring.pop();
      }
    }
    return out;
  }
  struct Asked {  // of the device, with a frame that was sent
    std::uint64_t flags = 0;
    unsigned l2_bytes = 0, l3_bytes = 0;
  };
  std::vector<Asked> asked;         // with each frame that sent() returned last
  std::vector<std::string> octets;  // of the SIP messages that events() returned

  // A flow of access (or core) at `local`, paired with `pair`.
  [[nodiscard]] FlowSpec flow(std::uint16_t realm, std::string_view local, std::string_view pair,
                              std::string_view remote) const;
  [[nodiscard]] std::uint32_t slot(std::string_view local) const;

  [[nodiscard]] std::uint64_t drops(std::uint8_t port, DropReason reason) const;
  [[nodiscard]] std::uint64_t sum(std::uint8_t port, Counter PortCounters::* counter) const;
  void check_law() const;
  [[nodiscard]] unsigned in_use() const;  // mbufs out of their pool

  RigOptions options;
  Nanoseconds now = 1000 * kSecond;
  std::vector<MediaRange> media;
  std::vector<RealmOptions> realms;
  std::unique_ptr<FlowTable> flows;
  std::unique_ptr<NextHopTable> next_hops;
  std::vector<std::unique_ptr<WorkerCounters>> counters;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::unique_ptr<RecordRing>> command_rings, event_rings;  // worker * shards + shard
  std::unique_ptr<RecordRing> from_kernel;
  std::vector<std::unique_ptr<RecordRing>> to_kernel;
  std::vector<std::unique_ptr<RecordRing>> mirrors;  // by worker
  steer::NodeKey key = steer::random_node_key();

 private:
  static std::string octets_of(const RecordRing::Record& record);
  void make_ports();
  void make_workers();

  struct Wire;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<rte_ring*> handoffs_;
  rte_mempool* pool_ = nullptr;
};

// A test that needs EAL.
class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest();
  void SetUp() override;
};

}  // namespace sallyport::dp::test
