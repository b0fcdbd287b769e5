// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What a turn sends is gathered by port and given to the device in bursts. What the
// device does not take stays for the next turns, so a full ring for a moment loses nothing; when the queue
// here is full too, the packet is dropped as tx_full on the port that it came by.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/accounts.h"
#include "dataplane/flow_table.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

class TxQueues {
 public:
  static constexpr unsigned kQueue = 256;
  static constexpr unsigned kBurst = 32;

  TxQueues(const std::vector<WorkerPort>& ports, Accounts& accounts, FlowTable* flows);

  // Takes the packet in every case.
  void push(std::uint8_t port, rte_mbuf* packet) {
    Queue& queue = queues_[port];
    if (queue.count == kQueue) [[unlikely]] {
      flush(port);
      if (queue.count == kQueue) return refuse(port, packet, DropReason::tx_full);
    }
    queue.packets[queue.count++] = packet;
  }
  void flush();
  // Drops what is left, at the end.
  void abandon();
  [[nodiscard]] unsigned queued() const;

 private:
  struct Queue {
    std::array<rte_mbuf*, kQueue> packets;
    unsigned count = 0;
  };
  void flush(std::uint8_t port);
  unsigned send_burst(std::uint8_t port, rte_mbuf** packets, unsigned count);
  void refuse(std::uint8_t port, rte_mbuf* packet, DropReason reason);

  const std::vector<WorkerPort>& ports_;
  Accounts& accounts_;
  FlowTable* flows_;
  std::unique_ptr<Queue[]> queues_;
};

}  // namespace sallyport::dp
