// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Events go to the shards' rings. What a flow has to tell is never lost: it is noted in
// the flow itself, flows with something to tell form a list a shard, and each turn tells as much as the ring
// takes. A shard is woken at most once a turn, at its end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/flow_table.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

class FlowEvents {
 public:
  FlowEvents(const WorkerContext& context, FlowTable& flows);

  // Notes `what` (kTell...) for the flow's shard.
  void tell(std::uint32_t slot, std::uint8_t what);
  // Tells what rings take. True when something was told.
  bool deliver();

  // Room for an event of `bytes` octets for the shard; fill it and call publish. nullptr: full, counted.
  [[nodiscard]] std::byte* reserve(unsigned shard, Event event, std::size_t bytes);
  void publish(unsigned shard);
  template <typename T>
  bool push(unsigned shard, Event event, const T& what) {
    std::byte* to = reserve(shard, event, sizeof(T));
    if (to == nullptr) return false;
    std::memcpy(to, &what, sizeof(T));
    publish(shard);
    return true;
  }
  // Wakes the shards that got events this turn.
  void ring_bells();

 private:
  bool tell_now(std::uint32_t slot, Flow& flow);
  struct List {
    std::uint32_t first = kNoSlot;
    std::uint32_t last = kNoSlot;
  };

  const WorkerContext& context_;
  FlowTable& flows_;
  std::array<List, kMaxShards> waiting_{};
  std::uint64_t bells_ = 0;  // bit: shard
};

}  // namespace sallyport::dp
