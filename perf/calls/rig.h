// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The shipped worker and the shipped shard in one thread, with two ring vdevs as wires
// and a clock of the bench's own. A turn gives the worker what lies on the wires, then the shard what the
// worker made of it, then the worker again what the shard wants sent. Cycles are counted round these calls
// and nothing else: what the endpoints of the bench do costs nobody. Endpoints and Sallyport share the core's
// caches, which is not to Sallyport's advantage.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/shard/shard.h"
#include "dataplane/flow_table.h"
#include "dataplane/next_hop.h"
#include "dataplane/worker.h"

namespace sallyport::perf {

struct Cycles {
  std::uint64_t worker = 0;
  std::uint64_t shard = 0;
};

// Counts the records of calls that ended; writing them is another thread's work in the product too.
class CountingRecords final : public stats::RecordSink {
 public:
  bool write(stats::CallRecord&& record) noexcept override {
    if (record.kind == stats::RecordKind::end) ++count;
    return true;
  }
  std::uint64_t count = 0;
};

class Rig {
 public:
  explicit Rig(const std::string& yaml);  // throws std::runtime_error
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // A SIP datagram on the wire of that port. False: the wire is full.
  bool put(std::uint8_t port, const Endpoint& from, const Endpoint& to, std::string_view text);
  void turn(Nanoseconds now_ns);
  // `take(port, source, destination, text)` for all that was sent since.
  using Take = std::function<void(std::uint8_t, const Endpoint&, const Endpoint&, std::string_view)>;
  void sent(const Take& take);

  [[nodiscard]] const Cycles& cycles() const { return cycles_; }
  [[nodiscard]] std::uint64_t drops() const;
  [[nodiscard]] shard::Shard& shard() { return *shard_; }
  [[nodiscard]] const CountingRecords& records() const { return records_; }
  [[nodiscard]] std::uint64_t flows() const;

 private:
  struct Wire;
  void make_wires();
  void make_worker();
  void make_shard();

  config::Config config_;
  std::unique_ptr<media::OpenPorts> open_ports_;
  steer::NodeKey key_ = steer::random_node_key();
  std::vector<dp::RealmOptions> realms_;
  std::vector<dp::MediaRange> media_;
  dp::RecordRing commands_{4 << 20}, events_{4 << 20};
  std::unique_ptr<dp::FlowTable> flows_;
  std::unique_ptr<dp::NextHopTable> next_hops_;
  dp::WorkerCounters counters_;
  CountingRecords records_;
  rte_mempool* pool_ = nullptr;
  std::array<std::unique_ptr<Wire>, 2> wires_;
  std::unique_ptr<dp::Worker> worker_;
  std::unique_ptr<shard::Shard> shard_;
  Cycles cycles_;
};

}  // namespace sallyport::perf
