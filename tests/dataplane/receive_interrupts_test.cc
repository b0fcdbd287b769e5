// SPDX-License-Identifier: Apache-2.0
#include "dataplane/receive_interrupts.h"

#include <gtest/gtest.h>

#include <thread>

#include "dataplane/dataplane.h"
#include "tests/dataplane/fake_device_support.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

TEST(ReceiveInterrupts, are_of_all_ports_or_of_none) {
  FakeDevice has, has_not;
  has_not.watch_error = -ENOTSUP;
  EXPECT_EQ(ReceiveInterrupts::of({&has, &has_not}, 0), nullptr);
  has_not.watch_error = 0;
  has_not.arm_error = -ENOTSUP;  // a descriptor, and no way to arm it
  EXPECT_EQ(ReceiveInterrupts::of({&has, &has_not}, 0), nullptr);
  EXPECT_EQ(has.armed, 0) << "nothing stays armed";
  has_not.arm_error = 0;
  EXPECT_NE(ReceiveInterrupts::of({&has, &has_not}, 0), nullptr);
}

TEST(ReceiveInterrupts, end_a_wait_that_has_no_end_of_its_own) {
  FakeDevice access, core;
  const auto interrupts = ReceiveInterrupts::of({&access, &core}, 1);
  ASSERT_NE(interrupts, nullptr);
  ShardDoorbell bell;
  for (FakeDevice* device : {&access, &core, &access}) {
    ASSERT_TRUE(interrupts->arm());
    EXPECT_EQ(access.armed + core.armed, 2);
    device->ring(1);
    bell.prepare_sleep();
    bell.wait(-1, interrupts->descriptor());  // for ever, but for the interrupt
    bell.cancel_sleep();
    interrupts->disarm();
    EXPECT_EQ(access.armed + core.armed, 0);
  }
}

TEST(ReceiveInterrupts, are_over_once_disarmed) {
  FakeDevice access;
  const auto interrupts = ReceiveInterrupts::of({&access}, 0);
  ASSERT_TRUE(interrupts->arm());
  access.ring(0);
  interrupts->disarm();
  ShardDoorbell bell;
  ASSERT_TRUE(interrupts->arm());
  const Nanoseconds start = monotonic_now_ns();
  bell.prepare_sleep();
  bell.wait(3 * kMillisecond, interrupts->descriptor());
  EXPECT_GE(monotonic_now_ns() - start, 2 * kMillisecond) << "an old packet's interrupt is not a new one";
  interrupts->disarm();
}

TEST(ReceiveInterrupts, that_fail_to_arm_leave_none_armed) {
  FakeDevice access, core;
  const auto interrupts = ReceiveInterrupts::of({&access, &core}, 0);
  core.arm_error = -EIO;
  EXPECT_FALSE(interrupts->arm());
  EXPECT_EQ(access.armed, 0);
}

class IdleWorker : public WorkerTest {
 protected:
  // Worker 0 runs by itself until `seen`, or for ten seconds at most.
  template <typename Seen>
  bool runs_until(Rig& rig, Seen seen) {
    std::thread worker([&] { rig.workers[0]->run(); });
    const Nanoseconds deadline = monotonic_now_ns() + 10 * kSecond;
    while (!seen() && monotonic_now_ns() < deadline)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    stop = true;
    bell.wake();
    worker.join();
    return seen();
  }

  FakeDevice access, core;
  std::unique_ptr<ReceiveInterrupts> interrupts = ReceiveInterrupts::of({&access, &core}, 0);
  ShardDoorbell bell;
  std::atomic<bool> stop{false};
};

TEST_F(IdleWorker, arms_its_interrupts_for_each_sleep) {
  Rig rig({.bell = &bell, .interrupts = interrupts.get(), .stop = &stop});
  EXPECT_TRUE(runs_until(rig, [&] { return core.arms > 5; }));
  EXPECT_EQ(access.armed + core.armed, 0);
}

TEST_F(IdleWorker, looks_once_more_after_it_has_armed) {
  Rig rig({.bell = &bell, .interrupts = interrupts.get(), .stop = &stop});
  core.when_armed = [&] {  // too late for the turn before, too early for the interrupt
    if (core.arms == 3)
      rig.put(kAccess, frame_of({.source = "198.51.100.20:9", .destination = "198.51.100.1:9"}));
  };
  EXPECT_TRUE(runs_until(rig, [&] { return rig.drops(kAccess, DropReason::no_port) == 1; }));
}

TEST_F(IdleWorker, sleeps_or_turns_on_as_it_was_told_last) {
  Rig rig({.bell = &bell, .interrupts = interrupts.get(), .stop = &stop});
  rig.workers[0]->set_idle(Idle::busy);
  const int before = core.arms;
  int while_busy = -1;
  EXPECT_TRUE(runs_until(rig, [&] {
    if (while_busy < 0 && rig.counters[0]->total_cycles.get() > 20'000'000) {
      while_busy = core.arms;
      rig.workers[0]->set_idle(Idle::adaptive);
    }
    return while_busy >= 0 && core.arms > while_busy + 5;
  }));
  EXPECT_EQ(while_busy, before);
}

TEST_F(IdleWorker, leaves_them_alone_while_a_flow_is_active) {
  Rig rig({.bell = &bell, .interrupts = interrupts.get(), .stop = &stop});
  rig.install(rig.flow(0, "198.51.100.1:20000", "192.0.2.1:20000", "198.51.100.20:4000"));
  rig.turn();
  const int before = core.arms;
  const auto slept_often = [&, begun = rig.counters[0]->total_cycles.get()] {
    return rig.counters[0]->total_cycles.get() > begun + 20'000'000;  // many sleeps of 40 us
  };
  EXPECT_TRUE(runs_until(rig, slept_often));
  EXPECT_EQ(core.arms, before);
}

}  // namespace
}  // namespace sallyport::dp::test
