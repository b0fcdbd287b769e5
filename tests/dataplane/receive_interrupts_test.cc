// SPDX-License-Identifier: Apache-2.0
#include "dataplane/receive_interrupts.h"

#include <gtest/gtest.h>

#include "dataplane/dataplane.h"
#include "tests/dataplane/fake_device_support.h"

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

}  // namespace
}  // namespace sallyport::dp::test
