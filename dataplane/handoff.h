// SPDX-License-Identifier: Apache-2.0
// Packets that another worker has to see: media of its flows, fragments whose datagram meets there. Each
// worker has one ring that all others fill; a full ring is the packet's named drop, so nobody waits.
#pragma once

#include <rte_ring.h>

#include "dataplane/accounts.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

class Handoff {
 public:
  Handoff(const WorkerContext& context, Accounts& accounts) : context_(context), accounts_(accounts) {}

  // Takes the packet. `slot`: the media slot it is for, kNoSlot: the worker classifies it.
  void give(unsigned worker, rte_mbuf* packet, std::uint32_t slot) {
    meta(packet).slot = slot;
    rte_ring* to = worker < context_.handoff_to.size() ? context_.handoff_to[worker] : nullptr;
    if (to == nullptr || rte_ring_mp_enqueue(to, packet) != 0)
      accounts_.drop(packet, DropReason::handoff_full);
  }

 private:
  const WorkerContext& context_;
  Accounts& accounts_;
};

}  // namespace sallyport::dp
