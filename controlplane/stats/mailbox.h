// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "controlplane/stats/shard_query.h"

namespace sallyport::stats {

// A shard's mailbox for ShardQuery: any thread posts, the shard empties it once a turn. Bounded.
class Mailbox {
 public:
  explicit Mailbox(std::size_t capacity = 64);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Any thread; false when full. The poster then wakes the shard (its doorbell).
  [[nodiscard]] bool post(ShardRequest request);
  // The shard: one load when there is nothing. Runs at most `most` requests.
  void run(ShardView& view, std::size_t most = 4);
  [[nodiscard]] bool empty() const { return waiting_.load(std::memory_order_acquire) == 0; }

 private:
  struct Queue;
  std::unique_ptr<Queue> queue_;
  std::size_t capacity_;
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace sallyport::stats
