// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A hierarchical timer wheel: six levels of 64 slots over ticks of 1 ms, about two
// years. A timer stands on the level of the highest bits in which its tick differs from the wheel's, and
// moves down as time goes on; so starting and stopping are O(1), and a bit map per level finds the next slot
// without a walk. Timers are members of what they time: nothing is allocated, and a timer leaves the wheel
// when it is destroyed. The wheel is also the shard's clock: the loop calls advance() once a turn, and
// now_ns() stays what it was told until the next turn. A timer never fires early and at most one tick late;
// those of one tick fire in starting order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/base/clock.h"

namespace sallyport::sip {

class Timer;
class TimerWheel;

// RFC 3261 17 and RFC 6026, and ours: trying (100 after 200 ms), cancel_guard (64*T1 after a CANCEL, 9.1),
// resend_2xx (13.3.1.4).
enum class TimerName : std::uint8_t {
  timer_a,
  timer_b,
  timer_c,
  timer_d,
  timer_e,
  timer_f,
  timer_g,
  timer_h,
  timer_i,
  timer_j,
  timer_k,
  timer_l,
  timer_m,
  trying,
  cancel_guard,
  resend_2xx
};

class TimerTarget {
 public:
  // The timer has left the wheel; it may be started again, and its owner may be destroyed.
  virtual void on_timer(Timer& timer) = 0;

 protected:
  ~TimerTarget() = default;
};

namespace detail {
struct TimerLink {
  TimerLink* previous = this;
  TimerLink* next = this;
};
}  // namespace detail

class Timer : private detail::TimerLink {
 public:
  // `name` and `cookie` are the target's business: which timer of which thing.
  Timer() = default;
  Timer(TimerTarget& target, std::uint8_t name, std::uint64_t cookie)
      : target_(&target), cookie_(cookie), name_(name) {}
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // For a timer that is not running.
  void bind(TimerTarget& target, std::uint8_t name, std::uint64_t cookie);
  void stop();
  [[nodiscard]] bool running() const { return wheel_ != nullptr; }
  [[nodiscard]] std::uint8_t name() const { return name_; }
  [[nodiscard]] std::uint64_t cookie() const { return cookie_; }
  [[nodiscard]] Nanoseconds deadline_ns() const { return deadline_ns_; }

 private:
  friend class TimerWheel;
  TimerWheel* wheel_ = nullptr;
  TimerTarget* target_ = nullptr;
  std::uint64_t cookie_ = 0;
  Nanoseconds deadline_ns_ = 0;
  std::uint8_t name_ = 0;
  std::uint8_t level_ = 0;
  std::uint8_t slot_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(Nanoseconds now_ns);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  [[nodiscard]] Nanoseconds now_ns() const { return now_ns_; }
  // Fires `delay_ns` after now_ns(), in a later advance() even when that is 0. Restarts a running timer.
  void start(Timer& timer, Nanoseconds delay_ns);
  // Sets the clock (never back) and fires what is due. Not from within on_timer.
  void advance(Nanoseconds now_ns);
  // No timer fires before this instant: how long the loop may sleep. kNever: no timer runs.
  [[nodiscard]] Nanoseconds next_deadline_ns() const;
  [[nodiscard]] std::size_t running() const { return running_; }

  static constexpr Nanoseconds kNever = INT64_MAX;
  static constexpr Nanoseconds kTick = kMillisecond;

 private:
  friend class Timer;
  static constexpr unsigned kSlotBits = 6;
  static constexpr unsigned kSlots = 1u << kSlotBits;
  static constexpr unsigned kLevels = 7;
  struct Place {
    unsigned level;
    unsigned slot;
    std::uint64_t tick;  // at which it comes due
  };
  void insert(Timer& timer);
  void unlink(Timer& timer);
  [[nodiscard]] bool next_place(Place& place) const;
  void run_slot(const Place& place);

  Nanoseconds now_ns_;
  std::uint64_t tick_;
  std::size_t running_ = 0;
  std::array<std::uint64_t, kLevels> occupied_{};
  std::array<std::array<detail::TimerLink, kSlots>, kLevels> slots_;
};

}  // namespace sallyport::sip
