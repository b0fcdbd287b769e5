// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/port_allocator.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::media {
namespace {

dp::MediaRange range(std::uint16_t realm, const char* address, std::uint16_t first, std::uint16_t last,
                     std::uint32_t slot_base) {
  return {realm, *IpAddress::parse(address), first, last, slot_base};
}

TEST(PortAllocator, Gives_every_pair_of_its_share_once_and_then_none) {
  const std::vector layout{range(0, "192.0.2.1", 20000, 20019, 0)};
  std::set<std::uint16_t> seen;
  for (std::uint32_t shard = 0; shard < 2; ++shard) {
    PortAllocator ports(layout, {.shard = shard, .shards = 2, .workers = 1, .seed = 7});
    for (int i = 0; i < 5; ++i) {
      const auto pair = ports.allocate(0, Family::v4, 0, 0);
      ASSERT_TRUE(pair);
      EXPECT_EQ(pair->local.port % 2, 0);
      EXPECT_TRUE(seen.insert(pair->local.port).second) << "two shards share a port";
      EXPECT_EQ(pair->rtp.slot, static_cast<std::uint32_t>(pair->local.port - 20000));
      EXPECT_EQ(pair->rtcp.slot, pair->rtp.slot + 1);
    }
    EXPECT_FALSE(ports.allocate(0, Family::v4, 0, 0));
  }
  EXPECT_EQ(seen.size(), 10u);
}

TEST(PortAllocator, Keeps_workers_apart) {
  const std::vector layout{range(0, "192.0.2.1", 20000, 20039, 0)};
  PortAllocator ports(layout, {.shard = 0, .shards = 1, .workers = 2, .seed = 1});
  std::set<std::uint32_t> first, second;
  while (auto pair = ports.allocate(0, Family::v4, 0, 0)) first.insert(pair->pair);
  while (auto pair = ports.allocate(0, Family::v4, 1, 0)) second.insert(pair->pair);
  EXPECT_EQ(first.size() + second.size(), 20u);
  for (const auto pair : first) EXPECT_FALSE(second.contains(pair));
}

TEST(PortAllocator, Lets_a_released_pair_cool_down_and_gives_its_slot_a_new_generation) {
  const std::vector layout{range(0, "192.0.2.1", 20000, 20001, 100)};
  PortAllocator ports(layout, {.cool_down_ns = 5 * kSecond});
  const auto pair = ports.allocate(0, Family::v4, 0, 0);
  ASSERT_TRUE(pair);
  EXPECT_TRUE(ports.in_use(pair->local));
  ports.release(*pair, 10 * kSecond);
  EXPECT_FALSE(ports.in_use(pair->local));
  EXPECT_FALSE(ports.allocate(0, Family::v4, 0, 15 * kSecond - 1));
  EXPECT_EQ(ports.level(0).cooling, 1u);
  const auto again = ports.allocate(0, Family::v4, 0, 15 * kSecond);
  ASSERT_TRUE(again);
  EXPECT_NE(again->rtp.generation, pair->rtp.generation);
}

TEST(PortAllocator, Looks_only_at_the_realm_and_family_asked_for) {
  const std::vector layout{range(0, "192.0.2.1", 20000, 20009, 0), range(0, "2001:db8::1", 20000, 20009, 10),
                           range(1, "198.51.100.1", 30000, 30009, 20)};
  PortAllocator ports(layout, {});
  EXPECT_EQ(ports.allocate(0, Family::v6, 0, 0)->local.address, *IpAddress::parse("2001:db8::1"));
  EXPECT_EQ(ports.allocate(1, Family::v4, 0, 0)->local.address, *IpAddress::parse("198.51.100.1"));
  EXPECT_FALSE(ports.allocate(1, Family::v6, 0, 0));
  EXPECT_TRUE(ports.is_media_port({*IpAddress::parse("198.51.100.1"), 30009}));
  EXPECT_FALSE(ports.is_media_port({*IpAddress::parse("198.51.100.1"), 30010}));
}

TEST(PortAllocator, Spreads_a_realms_calls_over_its_addresses) {
  const std::vector layout{range(0, "192.0.2.1", 20000, 20999, 0), range(0, "192.0.2.2", 20000, 20999, 1000)};
  PortAllocator ports(layout, {.seed = 3});
  int first = 0;
  for (int i = 0; i < 100; ++i) first += ports.allocate(0, Family::v4, 0, 0)->range == 0;
  EXPECT_EQ(first, 50);
}

TEST(PortAllocator, A_realm_of_two_addresses_has_more_ports_than_one_can_have) {
  const std::vector layout{range(0, "192.0.2.1", 2000, 65535, 0), range(0, "192.0.2.2", 2000, 65535, 63536)};
  PortAllocator ports(layout, {});
  std::set<std::uint32_t> slots;
  while (const auto pair = ports.allocate(0, Family::v4, 0, 0)) {
    slots.insert(pair->rtp.slot);
    slots.insert(pair->rtcp.slot);
  }
  EXPECT_EQ(slots.size(), 2u * 63536);
  EXPECT_EQ(*slots.rbegin(), 2u * 63536 - 1);
}

TEST(PortAllocator, Where_the_device_steers_gives_each_worker_the_ports_that_reach_it) {
  std::vector<dp::PairOwner> owners;  // as a device has it: not in turn
  for (unsigned pair = 0; pair < 500; ++pair)
    owners.push_back({static_cast<std::uint8_t>(pair % 2), static_cast<std::uint8_t>(pair < 200 ? 1 : 0)});
  std::vector layout{range(0, "192.0.2.1", 20000, 20999, 0)};
  layout[0].owners = owners.data();
  for (std::uint32_t shard = 0; shard < 2; ++shard) {
    PortAllocator ports(layout, {.shard = shard, .shards = 2, .workers = 2});
    for (std::uint8_t worker = 0; worker < 2; ++worker) {
      unsigned count = 0;
      for (; const auto pair = ports.allocate(0, Family::v4, worker, 0); ++count) {
        const std::uint32_t index = (pair->local.port - 20000u) / 2;
        EXPECT_EQ(owners[index], (dp::PairOwner{static_cast<std::uint8_t>(shard), worker}));
      }
      EXPECT_EQ(count, worker == 1 ? 100u : 150u);
    }
  }
}

TEST(PortAllocator, Loses_no_port_over_a_million_calls) {
  const std::vector layout{range(0, "192.0.2.1", 20000, 20127, 0)};
  PortAllocator ports(layout, {.cool_down_ns = 0, .seed = 11});
  std::deque<PortPair> held;
  for (int i = 0; i < 1'000'000; ++i) {
    if (held.size() == 64) {
      ports.release(held.front(), i);
      held.pop_front();
    }
    const auto pair = ports.allocate(0, Family::v4, 0, i);
    ASSERT_TRUE(pair);
    held.push_back(*pair);
  }
  for (const auto& pair : held) ports.release(pair, 2'000'000);
  EXPECT_EQ(ports.level(0).used, 0u);
  EXPECT_EQ(ports.level(0).total, 64u);
}

TEST(PortAllocator, Draws_ports_in_an_order_that_is_not_their_own) {
  const std::vector layout{range(0, "192.0.2.1", 20000, 21999, 0)};
  PortAllocator ports(layout, {.seed = 5});
  int ascending = 0;
  std::uint16_t last = 0;
  for (int i = 0; i < 200; ++i) {
    const auto port = ports.allocate(0, Family::v4, 0, 0)->local.port;
    ascending += port > last;
    last = port;
  }
  EXPECT_GT(ascending, 60);
  EXPECT_LT(ascending, 140);
}

}  // namespace
}  // namespace sallyport::media
