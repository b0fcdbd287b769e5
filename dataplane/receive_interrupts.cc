// SPDX-License-Identifier: Apache-2.0
#include "dataplane/receive_interrupts.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <utility>

namespace sallyport::dp {

std::unique_ptr<ReceiveInterrupts> ReceiveInterrupts::of(std::vector<EthDevice*> devices,
                                                         std::uint16_t queue) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return nullptr;
  std::unique_ptr<ReceiveInterrupts> all(new ReceiveInterrupts(epoll, queue));
  for (EthDevice* device : devices) {
    if (device->watch(queue, epoll) != 0) return nullptr;
    all->devices_.push_back(device);
  }
  // Some drivers give a descriptor and refuse to arm it.
  if (!all->arm()) return nullptr;
  all->disarm();
  return all;
}

ReceiveInterrupts::~ReceiveInterrupts() {
  for (EthDevice* device : devices_) device->unwatch(queue_, epoll_);
  ::close(epoll_);
}

bool ReceiveInterrupts::arm() {
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i]->arm(queue_) == 0) continue;
    disarm_first(i);
    return false;
  }
  return true;
}

void ReceiveInterrupts::disarm() {
  disarm_first(devices_.size());
  if (!devices_.empty()) devices_.front()->drain(epoll_);
}

void ReceiveInterrupts::disarm_first(std::size_t devices) {
  for (std::size_t i = 0; i < devices; ++i) devices_[i]->disarm(queue_);
}

}  // namespace sallyport::dp
