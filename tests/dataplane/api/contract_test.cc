// SPDX-License-Identifier: Apache-2.0
#include "dataplane/api/contract.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

namespace sallyport::dp {
namespace {

TEST(DropReasons, Each_has_a_name_of_its_own_in_snake_case) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    const std::string_view name = drop_reason_name(static_cast<DropReason>(i));
    EXPECT_FALSE(name.empty()) << i;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"), std::string_view::npos)
        << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(DropReasons, Names_stand_at_their_reasons) {
  EXPECT_EQ(drop_reason_name(DropReason::truncated), "truncated");
  EXPECT_EQ(drop_reason_name(DropReason::port_closed), "port_closed");
  EXPECT_EQ(drop_reason_name(DropReason::flow_latching), "flow_latching");
  EXPECT_EQ(drop_reason_name(DropReason::sip_foreign_response), "sip_foreign_response");
  EXPECT_EQ(drop_reason_name(DropReason::fragment_overlap), "fragment_overlap");
  EXPECT_EQ(drop_reason_name(DropReason::shutdown), "shutdown");
}

TEST(MediaRanges, Slot_and_port_are_each_other_s_inverse) {
  const MediaRange range{
      .realm = 1, .address = IpAddress::v4(0xc0000201), .first = 20000, .last = 59999, .slot_base = 1000};
  for (unsigned port = range.first; port <= range.last; ++port) {
    const auto p = static_cast<std::uint16_t>(port);
    ASSERT_TRUE(range.holds(p));
    ASSERT_EQ(range.port_of(range.slot_of(p)), p);
    ASSERT_EQ(range.pair_of(p), (port - 20000) / 2);
  }
  EXPECT_EQ(range.slot_of(20000), 1000u);
  EXPECT_FALSE(range.holds(19999));
  EXPECT_FALSE(range.holds(60000));
}

TEST(MediaRanges, Pairs_are_dealt_evenly_and_each_shard_has_ports_of_every_worker) {
  constexpr std::uint32_t kShards = 3;
  constexpr std::uint32_t kWorkers = 2;
  unsigned pairs[kShards][kWorkers] = {};
  for (std::uint32_t pair = 0; pair < 6000; ++pair) {
    const PairOwner owner = MediaRange{}.owner(pair, kShards, kWorkers);
    ++pairs[owner.shard][owner.worker];
  }
  for (const auto& of_shard : pairs) {
    for (const unsigned n : of_shard) EXPECT_EQ(n, 1000u);
  }
}

TEST(MediaRanges, Pairs_belong_to_whom_the_device_steers_them_where_it_does) {
  const PairOwner owners[] = {{1, 0}, {0, 2}};
  const MediaRange range{.first = 20000, .last = 20003, .owners = owners};
  EXPECT_EQ(range.owner(0, 3, 3), (PairOwner{1, 0}));
  EXPECT_EQ(range.owner(1, 3, 3), (PairOwner{0, 2}));
}

TEST(Counters, Add_and_set) {
  Counter counter;
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.get(), 42u);
  counter.set(7);
  EXPECT_EQ(counter.get(), 7u);
}

}  // namespace
}  // namespace sallyport::dp
