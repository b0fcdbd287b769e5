// SPDX-License-Identifier: Apache-2.0
// The worker's side of the exception path: frames that pass the gate are copied to the exception thread's
// ring, and the frames that the kernel sends are copied into mbufs of the egress (worker 0 alone).
#pragma once

#include "dataplane/accounts.h"
#include "dataplane/classify.h"
#include "dataplane/tx_queues.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

class KernelWay {
 public:
  KernelWay(const WorkerContext& context, TxQueues& tx, Accounts& accounts)
      : context_(context), tx_(tx), accounts_(accounts) {}

  // Takes the packet; `is` is one of the kernel classes.
  void give(rte_mbuf* packet, const PacketView& view, PacketClass is, Nanoseconds now_ns);
  // Frames of the kernel, at most a burst. How many.
  unsigned take();

 private:
  [[nodiscard]] DropReason push(rte_mbuf* packet, const PacketView& view, PacketClass is, Nanoseconds now_ns);

  const WorkerContext& context_;
  TxQueues& tx_;
  Accounts& accounts_;
};

}  // namespace sallyport::dp
