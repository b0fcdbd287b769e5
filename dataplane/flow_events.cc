// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_events.h"

#include "dataplane/flow_link.h"

namespace sallyport::dp {

FlowEvents::FlowEvents(const WorkerContext& context, FlowTable& flows) : context_(context), flows_(flows) {}

void FlowEvents::tell(std::uint32_t slot, std::uint8_t what) {
  Flow& flow = flows_[slot];
  const bool listed = flow.pending != 0;
  flow.pending |= what;
  if (listed) return;
  FlowMore& more = flows_.more(flow);
  List& list = waiting_[more.spec.owner.shard];
  more.next_pending = kNoSlot;
  if (list.last == kNoSlot) {
    list.first = slot;
  } else {
    flows_.more(flows_[list.last]).next_pending = slot;
  }
  list.last = slot;
}

bool FlowEvents::deliver() {
  bool told = false;
  for (unsigned shard = 0; shard < context_.shards; ++shard) {
    List& list = waiting_[shard];
    while (list.first != kNoSlot) {
      const std::uint32_t slot = list.first;
      Flow& flow = flows_[slot];
      const std::uint32_t next = flows_.more(flow).next_pending;
      if (!tell_now(slot, flow)) break;
      told = true;
      list.first = next;
      if (next == kNoSlot) list.last = kNoSlot;
    }
  }
  return told;
}

// False when the ring is full; what was told is no longer pending. The slot is free, and may be installed
// again, once its flow_removed is in the ring.
bool FlowEvents::tell_now(std::uint32_t slot, Flow& flow) {
  const FlowMore& more = flows_.more(flow);
  const FlowOwner& owner = more.spec.owner;
  const unsigned shard = owner.shard;
  const FlowRef self{slot, more.generation()};
  if ((flow.pending & kTellLatched) != 0) {
    if (!push(shard, Event::flow_latched, FlowLatched{self, owner, source_of(flow, more)})) return false;
    flow.pending &= static_cast<std::uint8_t>(~kTellLatched);
  }
  if ((flow.pending & kTellIdle) != 0) {
    if (!push(shard, Event::flow_idle, FlowIdle{self, owner, flow.last_ns})) return false;
    flow.pending &= static_cast<std::uint8_t>(~kTellIdle);
  }
  if ((flow.pending & kTellActive) != 0) {
    if (!push(shard, Event::flow_active, FlowActive{self, owner})) return false;
    flow.pending &= static_cast<std::uint8_t>(~kTellActive);
  }
  if ((flow.pending & kTellCounters) != 0) {
    if (!push(shard, Event::flow_reported, FlowReported{self, owner, counters_of(flows_, slot)}))
      return false;
    flow.pending &= static_cast<std::uint8_t>(~kTellCounters);
  }
  if ((flow.pending & kTellRemoved) != 0) {
    if (!push(shard, Event::flow_removed, FlowRemoved{self, owner, counters_of(flows_, slot)})) return false;
    flow.pending = 0;
    flow.state = FlowState::free;
  }
  return true;
}

std::byte* FlowEvents::reserve(unsigned shard, Event event, std::size_t bytes) {
  std::byte* to = context_.events[shard]->reserve(static_cast<std::uint16_t>(event), bytes);
  if (to == nullptr) {
    context_.counters->event_ring_full[shard].add();
    bells_ |= std::uint64_t{1} << shard;
  }
  return to;
}

void FlowEvents::publish(unsigned shard) {
  context_.events[shard]->publish();
  bells_ |= std::uint64_t{1} << shard;
}

void FlowEvents::ring_bells() {
  for (std::uint64_t bells = bells_; bells != 0; bells &= bells - 1) {
    const auto shard = static_cast<std::size_t>(__builtin_ctzll(bells));
    if (shard < context_.doorbells.size() && context_.doorbells[shard] != nullptr)
      context_.doorbells[shard]->wake();
  }
  bells_ = 0;
}

}  // namespace sallyport::dp
