// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "controlplane/stats/shard_query.h"

namespace sallyport::ops {

// Asks every shard at once and waits for all of them within one limit; `take(shard, answer)` for those that
// answer. The numbers of those that do not.
template <typename F, typename Take>
[[nodiscard]] std::vector<unsigned> ask_shards(stats::ShardQuery& query, std::chrono::milliseconds timeout,
                                               F read, Take take) {
  std::vector<unsigned> silent;
  const auto limit = std::chrono::steady_clock::now() + timeout;
  using Answer = stats::Pending<decltype(read(std::declval<stats::ShardView&>()))>;
  std::vector<std::optional<Answer>> pending;
  for (unsigned i = 0; i < query.shards(); ++i) pending.push_back(stats::post_ask(query, i, read));
  for (unsigned i = 0; i < pending.size(); ++i) {
    auto answer = pending[i] ? pending[i]->wait_until(limit) : std::nullopt;
    if (answer) {
      take(i, std::move(*answer));
    } else {
      silent.push_back(i);
    }
  }
  return silent;
}

}  // namespace sallyport::ops
