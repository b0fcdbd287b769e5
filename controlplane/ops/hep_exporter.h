// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A Homer server gets a copy of each SIP message that the shards keep. A thread of its
// own asks each shard again and again for what has come since, and sends it as HEPv3 over a UDP socket of the
// kernel's: this is telemetry, which no packet and no call waits for. The shard's ring is the queue, so it is
// bounded: what was overwritten before it was asked for is counted as lost, as is what the kernel does not
// take. UDP tells nobody what the server did not hear. A reload gives the server another exporter, which goes
// on where the one before has ended; they share their counters.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/stats/shard_query.h"
#include "dataplane/api/contract.h"
#include "dataplane/base/address.h"

namespace sallyport::ops {

struct HepOptions {
  Endpoint server;
  std::uint32_t id = 0;
  std::string password;
  std::chrono::milliseconds every{100};
  std::function<void()> place;  // what the thread calls first; may be empty
};

// exporter's thread: wo, everyone: ro
struct HepCounters {
  dp::Counter sent;
  dp::Counter overwritten;  // before they were asked for
  dp::Counter refused;      // by the kernel
};

class HepExporter {
 public:
  // A socket towards the server; nothing is sent yet. The error is one sentence. `counters` outlive it.
  [[nodiscard]] static std::expected<std::unique_ptr<HepExporter>, std::string> connect(
      HepOptions options, HepCounters& counters);
  ~HepExporter();  // as end()
  HepExporter(const HepExporter&) = delete;
  HepExporter& operator=(const HepExporter&) = delete;

  // Once. `behind`: sequence numbers by shard, up to which messages are not this server's; empty: all that
  // the rings hold is sent.
  void begin(stats::ShardQuery& shards, std::vector<std::uint64_t> behind = {});
  // What is left in the rings is sent, unless a shard no longer answers. Gives the last sequence number of
  // each shard.
  std::vector<std::uint64_t> end();

 private:
  HepExporter();
  struct Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace sallyport::ops
