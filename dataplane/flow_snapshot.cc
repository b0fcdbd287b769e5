// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_snapshot.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "dataplane/flow_link.h"

namespace sallyport::dp {

std::vector<FlowRow> FlowSnapshot::ask(std::size_t limit, Nanoseconds timeout_ns) {
  const std::lock_guard lock(askers_);
  rows_.clear();
  rows_.reserve(limit);  // the worker allocates nothing
  limit_ = limit;
  state_.store(State::asked, std::memory_order_release);
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout_ns);
  while (state_.load(std::memory_order_acquire) != State::done) {
    State asked = State::asked;
    if (std::chrono::steady_clock::now() >= until && state_.compare_exchange_strong(asked, State::none))
      break;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  state_.store(State::none, std::memory_order_relaxed);
  return std::move(rows_);
}

void FlowSnapshot::fill(const FlowKeeper& keeper, FlowTable& flows) {
  constexpr std::size_t kRowsATurn = 64;
  State asked = State::asked;
  if (!state_.compare_exchange_strong(asked, State::filling, std::memory_order_acquire)) return;
  const std::vector<std::uint32_t>& slots = keeper.active_slots();
  const std::size_t end = std::min({rows_.size() + kRowsATurn, slots.size(), limit_});
  for (std::size_t i = rows_.size(); i < end; ++i) {
    rows_.push_back({flows.more(flows[slots[i]]).spec, counters_of(flows, slots[i])});
  }
  const bool all = rows_.size() >= std::min(slots.size(), limit_);
  state_.store(all ? State::done : State::asked, std::memory_order_release);
}

}  // namespace sallyport::dp
