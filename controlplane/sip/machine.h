// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

namespace sallyport::sip {

// What a machine does with one event in one state: where it goes, and what the layer is to do.
template <typename State, typename Action>
struct Step {
  State next;
  Action action;
};

// A whole machine: a row for each state, an entry for each event, none left out (the array's size sees to
// it).
template <typename State, typename Event, typename Action>
using Machine = std::array<std::array<Step<State, Action>, static_cast<std::size_t>(Event::kCount)>,
                           static_cast<std::size_t>(State::kCount)>;

template <typename State, typename Event, typename Action>
[[nodiscard]] constexpr Step<State, Action> step_of(const Machine<State, Event, Action>& machine, State state,
                                                    Event event) {
  return machine[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

}  // namespace sallyport::sip
