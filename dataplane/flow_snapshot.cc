// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_snapshot.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "dataplane/flow_link.h"

namespace sallyport::dp {

std::vector<FlowRow> FlowSnapshot::ask(std::size_t limit, Nanoseconds timeout_ns) {
  const std::lock_guard lock(askers_);
  wanted_.clear();
  limit_ = limit;
  return wait_for_rows(timeout_ns);
}

std::vector<FlowRow> FlowSnapshot::ask_at(std::span<const std::uint32_t> slots, Nanoseconds timeout_ns) {
  if (slots.empty()) return {};
  const std::lock_guard lock(askers_);
  wanted_.assign(slots.begin(), slots.end());
  limit_ = slots.size();
  return wait_for_rows(timeout_ns);
}

std::vector<FlowRow> FlowSnapshot::wait_for_rows(Nanoseconds timeout_ns) {
  rows_.clear();
  rows_.reserve(limit_);  // the worker allocates nothing
  looked_at_ = 0;
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
  constexpr std::size_t kSlotsATurn = 64;
  State asked = State::asked;
  if (!state_.compare_exchange_strong(asked, State::filling, std::memory_order_acquire)) return;
  const std::vector<std::uint32_t>& slots = wanted_.empty() ? keeper.active_slots() : wanted_;
  const std::size_t last = std::min(slots.size(), limit_);
  for (const std::size_t end = std::min(looked_at_ + kSlotsATurn, last); looked_at_ < end; ++looked_at_) {
    const std::uint32_t slot = slots[looked_at_];
    if (!keeper.owns(slot) || flows[slot].state != FlowState::active) continue;  // another's are not read
    rows_.push_back({flows.more(flows[slot]).spec, counters_of(flows, slot)});
  }
  state_.store(looked_at_ >= last ? State::done : State::asked, std::memory_order_release);
}

}  // namespace sallyport::dp
