// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace sallyport::sip {
namespace {

struct Recorder final : TimerTarget {
  void on_timer(Timer& timer) override {
    fired.push_back(timer.cookie());
    if (then) then(timer);
  }
  std::vector<std::uint64_t> fired;
  std::function<void(Timer&)> then;
};

using Fired = std::vector<std::uint64_t>;

TEST(TimerWheel, Fires_at_the_deadline_and_not_before_over_all_levels) {
  for (const Nanoseconds start :
       {Nanoseconds{0}, Nanoseconds{1}, 63 * kMillisecond, 4095 * kMillisecond, 987'654'321 * kSecond}) {
    for (const Nanoseconds delay : {Nanoseconds{1}, kMillisecond, 63 * kMillisecond, 64 * kMillisecond,
                                    65 * kMillisecond, 4096 * kMillisecond, Nanoseconds{500'000'001},
                                    32 * kSecond, 4 * 3600 * kSecond, 400 * 86'400 * kSecond}) {
      TimerWheel wheel(start);
      Recorder target;
      Timer timer(target, 1, 9);
      wheel.start(timer, delay);
      wheel.advance(start + delay - 1);
      EXPECT_EQ(target.fired, Fired{}) << start << " " << delay;
      wheel.advance(start + delay + 2 * TimerWheel::kTick - 1);
      EXPECT_EQ(target.fired, Fired{9}) << start << " " << delay;
      EXPECT_FALSE(timer.running());
      EXPECT_EQ(wheel.running(), 0u);
      EXPECT_EQ(wheel.next_deadline_ns(), TimerWheel::kNever);
    }
  }
}

TEST(TimerWheel, Next_deadline_leads_to_the_instant_itself_without_a_turn_that_is_late) {
  TimerWheel wheel(5 * kSecond);
  Recorder target;
  Timer timer(target, 0, 1);
  wheel.start(timer, 32 * kSecond);
  int turns = 0;
  while (target.fired.empty()) {
    const Nanoseconds next = wheel.next_deadline_ns();
    ASSERT_GT(next, wheel.now_ns());
    ASSERT_LE(next, 37 * kSecond);
    wheel.advance(next);
    ++turns;
  }
  EXPECT_EQ(wheel.now_ns(), 37 * kSecond);
  EXPECT_LE(turns, 7);
}

TEST(TimerWheel, Timers_of_one_tick_fire_in_the_order_of_their_start) {
  TimerWheel wheel(0);
  Recorder target;
  Timer a(target, 0, 1), b(target, 0, 2), c(target, 0, 3);
  wheel.start(a, 100 * kMillisecond);
  wheel.advance(50 * kMillisecond);
  wheel.start(b, 50 * kMillisecond);
  wheel.start(c, 50 * kMillisecond);
  wheel.advance(kSecond);
  EXPECT_EQ(target.fired, (Fired{1, 2, 3}));
}

TEST(TimerWheel, Stop_restart_and_destruction_take_the_timer_out) {
  TimerWheel wheel(0);
  Recorder target;
  Timer stopped(target, 0, 1), restarted(target, 0, 2);
  auto destroyed = std::make_unique<Timer>(target, 0, 3);
  for (Timer* timer : {&stopped, &restarted, destroyed.get()}) wheel.start(*timer, 10 * kMillisecond);
  stopped.stop();
  stopped.stop();
  wheel.start(restarted, 20 * kMillisecond);
  destroyed.reset();
  EXPECT_EQ(wheel.running(), 1u);
  wheel.advance(10 * kMillisecond);
  EXPECT_EQ(target.fired, Fired{});
  wheel.advance(20 * kMillisecond);
  EXPECT_EQ(target.fired, Fired{2});
}

TEST(TimerWheel, Target_may_restart_this_timer_and_stop_another_of_the_same_tick) {
  TimerWheel wheel(0);
  Recorder target;
  Timer a(target, 0, 1), b(target, 0, 2);
  wheel.start(a, kMillisecond);
  wheel.start(b, kMillisecond);
  target.then = [&](Timer& timer) {
    b.stop();
    wheel.start(timer, 0);
  };
  wheel.advance(kMillisecond);
  EXPECT_EQ(target.fired, Fired{1});
  wheel.advance(2 * kMillisecond);
  EXPECT_EQ(target.fired, (Fired{1, 1}));
  target.then = nullptr;
  wheel.advance(3 * kMillisecond);
}

TEST(TimerWheel, Clock_never_goes_back) {
  TimerWheel wheel(kSecond);
  wheel.advance(0);
  EXPECT_EQ(wheel.now_ns(), kSecond);
}

// Against a list that is searched: thousands of timers, started, stopped and fired at random.
TEST(TimerWheel, Agrees_with_a_plain_list_of_deadlines_over_random_work) {
  std::mt19937_64 random(4711);
  TimerWheel wheel(kSecond);
  Recorder target;
  std::vector<std::unique_ptr<Timer>> timers;
  std::vector<Nanoseconds> due(500, -1);
  for (std::uint64_t i = 0; i < due.size(); ++i) timers.push_back(std::make_unique<Timer>(target, 0, i));
  for (int turn = 0; turn < 4000; ++turn) {
    for (int n = 0; n < 5; ++n) {
      const std::size_t i = random() % due.size();
      if (random() % 4 == 0) {
        timers[i]->stop();
        due[i] = -1;
      } else {
        const auto delay = static_cast<Nanoseconds>((random() % (1u << (random() % 20))) * 100'000);
        wheel.start(*timers[i], delay);
        due[i] = wheel.now_ns() + delay;
      }
    }
    wheel.advance(wheel.now_ns() + static_cast<Nanoseconds>(random() % 200'000'000));
    const Nanoseconds now = wheel.now_ns();
    for (const std::uint64_t i : target.fired) {
      ASSERT_NE(due[i], -1);
      ASSERT_LE(due[i], now);
      due[i] = -1;
    }
    target.fired.clear();
    std::size_t running = 0;
    for (const Nanoseconds deadline : due) {
      running += deadline != -1;
      ASSERT_TRUE(deadline == -1 || deadline > now - 2 * TimerWheel::kTick);
    }
    ASSERT_EQ(wheel.running(), running);
  }
}

}  // namespace
}  // namespace sallyport::sip
