// SPDX-License-Identifier: Apache-2.0
// Packets that another worker has to see: media of its flows, fragments whose datagram meets there. Each
// worker has one ring that all others fill, some packets at once, since the ring's ends are what the workers
// share; a full ring is the packet's named drop, so nobody waits.
#pragma once

#include <rte_ring.h>

#include <array>
#include <cstdint>

#include "dataplane/accounts.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

class Handoff {
 public:
  static constexpr unsigned kBurst = 32;

  Handoff(const WorkerContext& context, Accounts& accounts) : context_(context), accounts_(accounts) {}

  // Takes the packet; it goes with the next flush. `slot`: the media slot it is for, kNoSlot: the worker
  // classifies it.
  void give(unsigned worker, rte_mbuf* packet, std::uint32_t slot) {
    if (worker >= context_.handoff_to.size() || context_.handoff_to[worker] == nullptr)
      return accounts_.drop(packet, DropReason::handoff_full);
    meta(packet).slot = slot;
    accounts_.handed_over(packet);
    Batch& batch = batches_[worker];
    batch.packets[batch.count++] = packet;
    waiting_ |= std::uint32_t{1} << worker;
    if (batch.count == kBurst) flush(worker);
  }
  // Once a burst, so that a packet waits for no other.
  void flush() {
    for (; waiting_ != 0; waiting_ &= waiting_ - 1) flush(static_cast<unsigned>(__builtin_ctz(waiting_)));
  }

 private:
  struct Batch {
    std::array<rte_mbuf*, kBurst> packets;
    unsigned count = 0;
  };
  static_assert(kMaxWorkers <= 32);

  void flush(unsigned worker) {
    Batch& batch = batches_[worker];
    void* const* packets = reinterpret_cast<void* const*>(batch.packets.data());
    const unsigned taken =
        rte_ring_mp_enqueue_burst(context_.handoff_to[worker], packets, batch.count, nullptr);
    for (unsigned i = taken; i < batch.count; ++i) accounts_.drop(batch.packets[i], DropReason::handoff_full);
    batch.count = 0;
  }

  const WorkerContext& context_;
  Accounts& accounts_;
  std::array<Batch, kMaxWorkers> batches_{};
  std::uint32_t waiting_ = 0;  // bit: worker
};

}  // namespace sallyport::dp
