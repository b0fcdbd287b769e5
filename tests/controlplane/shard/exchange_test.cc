// SPDX-License-Identifier: Apache-2.0
// The rings between shards: nothing is lost, everything in order, whatever the other side does.
#include <gtest/gtest.h>

#include "controlplane/shard/exchange.h"

namespace sallyport::shard {
namespace {

std::unique_ptr<b2bua::JoinMessage> release(std::uint32_t slot) {
  return std::make_unique<b2bua::JoinMessage>(b2bua::Release{{slot, 1}});
}
std::uint32_t slot_of(const b2bua::JoinMessage& message) {
  return std::get<b2bua::Release>(message).lender.slot;
}

TEST(Exchange, Delivers_in_order_to_whom_it_is_for) {
  Exchange exchange(3);
  ExchangeLink a(&exchange, 0), b(&exchange, 1), c(&exchange, 2);
  a.send(1, release(1));
  a.send(1, release(2));
  c.send(1, release(3));
  EXPECT_FALSE(c.has_arrived());
  EXPECT_TRUE(b.has_arrived());
  EXPECT_EQ(slot_of(*b.take()), 1u);
  EXPECT_EQ(slot_of(*b.take()), 2u);
  EXPECT_EQ(slot_of(*b.take()), 3u);
  EXPECT_EQ(b.take(), nullptr);
}

TEST(Exchange, What_a_full_ring_does_not_take_waits_in_order) {
  Exchange exchange(2);
  ExchangeLink a(&exchange, 0), b(&exchange, 1);
  constexpr std::uint32_t kMany = 1000;
  for (std::uint32_t n = 0; n < kMany; ++n) a.send(1, release(n));
  EXPECT_TRUE(a.has_backlog());
  std::uint32_t next = 0;
  while (next < kMany) {
    const auto message = b.take();
    if (!message) {
      ASSERT_TRUE(a.has_backlog());
      a.flush();
      continue;
    }
    EXPECT_EQ(slot_of(*message), next++);
  }
  EXPECT_FALSE(a.has_backlog());
}

TEST(Exchange, What_nobody_took_is_freed) {
  Exchange exchange(2);
  ExchangeLink a(&exchange, 0);
  for (std::uint32_t n = 0; n < 1000; ++n) a.send(1, release(n));
  EXPECT_TRUE(a.has_backlog());
}

TEST(Exchange, A_shard_alone_has_nobody_to_speak_to) {
  ExchangeLink alone(nullptr, 0);
  alone.send(1, release(1));
  EXPECT_EQ(alone.take(), nullptr);
  EXPECT_FALSE(alone.has_arrived() || alone.has_backlog());
}

}  // namespace
}  // namespace sallyport::shard
