// SPDX-License-Identifier: Apache-2.0
// Theory of operation. An idle worker sleeps for a time; where every one of its queues has a receive
// interrupt, a packet ends the sleep at once. The time stays what it is without: other workers, the kernel's
// frames and what waits for time to pass are looked at by polling. Armed for each sleep, and not while any
// flow is active: then the sleep is too short to be worth it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/eth_device.h"

namespace sallyport::dp {

class ReceiveInterrupts {
 public:
  // Queue `queue` of each device. nullptr: one of them has no interrupt.
  [[nodiscard]] static std::unique_ptr<ReceiveInterrupts> of(std::vector<EthDevice*> devices,
                                                             std::uint16_t queue);
  ~ReceiveInterrupts();  // before the devices are closed
  ReceiveInterrupts(const ReceiveInterrupts&) = delete;
  ReceiveInterrupts& operator=(const ReceiveInterrupts&) = delete;

  // All or none. After it the queues have to be polled once more: what came before rings nobody.
  [[nodiscard]] bool arm();
  // Readable once a packet has come.
  [[nodiscard]] int descriptor() const { return epoll_; }
  void disarm();

 private:
  ReceiveInterrupts(int epoll, std::uint16_t queue) : epoll_(epoll), queue_(queue) {}
  void disarm_first(std::size_t devices);

  int epoll_;
  std::uint16_t queue_;
  std::vector<EthDevice*> devices_;
};

}  // namespace sallyport::dp
