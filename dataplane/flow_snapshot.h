// SPDX-License-Identifier: Apache-2.0
// How ops sees flows without touching them: it asks, and the worker copies some rows each turn. No lock is
// between them: the worker looks at one flag a turn.
#pragma once

#include <atomic>
#include <mutex>
#include <span>
#include <vector>

#include "dataplane/flow_keeper.h"

namespace sallyport::dp {

class FlowSnapshot {
 public:
  // Any thread but the worker; waits.
  [[nodiscard]] std::vector<FlowRow> ask(std::size_t limit, Nanoseconds timeout_ns);
  // Of those slots the active ones, wherever they stand among the others.
  [[nodiscard]] std::vector<FlowRow> ask_at(std::span<const std::uint32_t> slots, Nanoseconds timeout_ns);
  // The worker, each turn.
  void serve(const FlowKeeper& keeper, FlowTable& flows) {
    if (state_.load(std::memory_order_relaxed) == State::asked) fill(keeper, flows);
  }

 private:
  enum class State : int { none, asked, filling, done };
  void fill(const FlowKeeper& keeper, FlowTable& flows);
  // With limit_ and wanted_ set, askers_ held.
  [[nodiscard]] std::vector<FlowRow> wait_for_rows(Nanoseconds timeout_ns);

  std::mutex askers_;  // askers only
  std::atomic<State> state_{State::none};
  std::vector<FlowRow> rows_;  // filling: the worker's; else the asker's
  std::size_t limit_ = 0;
  std::vector<std::uint32_t> wanted_;  // slots; none: whatever is active
  std::size_t looked_at_ = 0;          // of the active slots, or of wanted_
};

}  // namespace sallyport::dp
