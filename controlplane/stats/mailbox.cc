// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stats/mailbox.h"

#include <tbb/concurrent_queue.h>

#include <utility>

namespace sallyport::stats {

struct Mailbox::Queue {
  tbb::concurrent_queue<ShardRequest> requests;
};

Mailbox::Mailbox(std::size_t capacity) : queue_(std::make_unique<Queue>()), capacity_(capacity) {}
Mailbox::~Mailbox() = default;

bool Mailbox::post(ShardRequest request) {
  // The place is taken before the request stands in the queue: run() may find less than it was promised,
  // never more.
  if (waiting_.fetch_add(1, std::memory_order_relaxed) >= capacity_) {
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  queue_->requests.push(std::move(request));
  return true;
}

void Mailbox::run(ShardView& view, std::size_t most) {
  ShardRequest request;
  for (std::size_t n = 0; n < most && !empty() && queue_->requests.try_pop(request); ++n) {
    waiting_.fetch_sub(1, std::memory_order_release);
    request(view);
    request = nullptr;  // what it captured goes now, not with the next one
  }
}

}  // namespace sallyport::stats
