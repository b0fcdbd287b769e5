// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace sallyport::sip {

namespace {

std::uint64_t tick_at(Nanoseconds now_ns) {
  return static_cast<std::uint64_t>(std::max<Nanoseconds>(now_ns, 0) / TimerWheel::kTick);
}

// The first tick that is not before the deadline: a timer is never early.
std::uint64_t due_tick(Nanoseconds deadline_ns) {
  return tick_at(deadline_ns) + (deadline_ns % TimerWheel::kTick > 0 ? 1 : 0);
}

}  // namespace

void Timer::bind(TimerTarget& target, std::uint8_t name, std::uint64_t cookie) {
  assert(!running());
  target_ = &target;
  name_ = name;
  cookie_ = cookie;
}

void Timer::stop() {
  if (wheel_ != nullptr) wheel_->unlink(*this);
}

TimerWheel::TimerWheel(Nanoseconds now_ns) : now_ns_(now_ns), tick_(tick_at(now_ns)) {}

TimerWheel::~TimerWheel() {
  for (auto& level : slots_) {
    for (auto& slot : level) {
      while (slot.next != &slot) unlink(static_cast<Timer&>(*slot.next));
    }
  }
}

void TimerWheel::start(Timer& timer, Nanoseconds delay_ns) {
  timer.stop();
  timer.deadline_ns_ = now_ns_ + std::max<Nanoseconds>(delay_ns, 0);
  timer.wheel_ = this;
  ++running_;
  insert(timer);
}

void TimerWheel::insert(Timer& timer) {
  constexpr std::uint64_t kEnd = (std::uint64_t{1} << (kSlotBits * kLevels)) - 1;
  // Not this tick, which may be firing just now.
  const std::uint64_t due = std::min(std::max(due_tick(timer.deadline_ns_), tick_ + 1), kEnd);
  const std::uint64_t differs = due ^ tick_;
  const unsigned level = static_cast<unsigned>(std::bit_width(differs | 1) - 1) / kSlotBits;
  const unsigned slot = static_cast<unsigned>(due >> (level * kSlotBits)) % kSlots;
  timer.level_ = static_cast<std::uint8_t>(level);
  timer.slot_ = static_cast<std::uint8_t>(slot);
  detail::TimerLink& head = slots_[level][slot];
  timer.previous = head.previous;
  timer.next = &head;
  head.previous->next = &timer;
  head.previous = &timer;
  occupied_[level] |= std::uint64_t{1} << slot;
}

void TimerWheel::unlink(Timer& timer) {
  timer.previous->next = timer.next;
  timer.next->previous = timer.previous;
  timer.previous = timer.next = &timer;
  timer.wheel_ = nullptr;
  --running_;
  const detail::TimerLink& head = slots_[timer.level_][timer.slot_];
  if (head.next == &head) occupied_[timer.level_] &= ~(std::uint64_t{1} << timer.slot_);
}

// All timers of a level share the wheel's higher bits, so every occupied slot lies ahead, and all of a lower
// level come before those of a higher one.
bool TimerWheel::next_place(Place& place) const {
  for (unsigned level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const unsigned shift = level * kSlotBits;
    place.level = level;
    place.slot = static_cast<unsigned>(std::countr_zero(occupied_[level]));
    place.tick = (tick_ >> (shift + kSlotBits) << (shift + kSlotBits)) | (std::uint64_t{place.slot} << shift);
    return true;
  }
  return false;
}

// Fires the slot's timers, or moves them to lower levels. Those that a target starts meanwhile come due later
// than this tick, so they cannot join the list that is being emptied.
void TimerWheel::run_slot(const Place& place) {
  detail::TimerLink& head = slots_[place.level][place.slot];
  while (head.next != &head) {
    Timer& timer = static_cast<Timer&>(*head.next);
    unlink(timer);
    if (due_tick(timer.deadline_ns_) > tick_) {
      timer.wheel_ = this;
      ++running_;
      insert(timer);
    } else {
      timer.target_->on_timer(timer);
    }
  }
}

void TimerWheel::advance(Nanoseconds now_ns) {
  now_ns_ = std::max(now_ns_, now_ns);
  const std::uint64_t end = tick_at(now_ns_);
  Place place{};
  while (next_place(place) && place.tick <= end) {
    tick_ = place.tick;
    run_slot(place);
  }
  tick_ = std::max(tick_, end);
}

Nanoseconds TimerWheel::next_deadline_ns() const {
  Place place{};
  if (!next_place(place)) return kNever;
  return static_cast<Nanoseconds>(place.tick) * kTick;
}

}  // namespace sallyport::sip
