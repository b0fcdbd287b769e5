// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/target_order.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

namespace sallyport::routing {
namespace {

using Order = std::vector<std::uint16_t>;

// How often each place comes first in so many draws.
std::map<std::uint16_t, unsigned> firsts(std::span<const Standing> places, unsigned draws = 20'000) {
  std::map<std::uint16_t, unsigned> count;
  for (unsigned i = 0; i < draws; ++i) {
    const Order order = target_order(places, i * 0x9e3779b97f4a7c15);
    EXPECT_EQ(order.size(), places.size());
    ++count[order.front()];
  }
  return count;
}

TEST(TargetOrder, Goes_by_configured_target_and_rank_whatever_the_weights) {
  const std::array<Standing, 4> places{{{0, 0, 0, 1}, {0, 1, 1, 65'535}, {1, 0, 0, 0}, {2, 0, 0, 500}}};
  for (const std::uint64_t random : {0ull, 1ull, ~0ull})
    EXPECT_EQ(target_order(places, random), (Order{0, 1, 2, 3}));
}

TEST(TargetOrder, Draws_by_weight_within_a_rank) {
  const std::array<Standing, 3> places{{{0, 0, 0, 60}, {0, 0, 1, 30}, {0, 0, 2, 10}}};
  auto count = firsts(places);
  EXPECT_NEAR(count[0], 12'000, 400);
  EXPECT_NEAR(count[1], 6'000, 400);
  EXPECT_NEAR(count[2], 2'000, 400);
}

TEST(TargetOrder, The_second_is_drawn_by_the_weights_that_are_left) {
  const std::array<Standing, 3> places{{{0, 0, 0, 60}, {0, 0, 1, 30}, {0, 0, 2, 10}}};
  unsigned first_heavy = 0, then_middle = 0;
  for (unsigned i = 0; i < 20'000; ++i) {
    const Order order = target_order(places, i * 0x9e3779b97f4a7c15);
    if (order[0] != 0) continue;
    ++first_heavy;
    then_middle += order[1] == 1;
  }
  EXPECT_NEAR(static_cast<double>(then_middle) / first_heavy, 0.75, 0.03);
}

TEST(TargetOrder, A_weight_of_0_has_a_small_chance_and_zeroes_alone_are_even) {
  const std::array<Standing, 2> mixed{{{0, 0, 0, 99}, {0, 0, 1, 0}}};
  EXPECT_NEAR(firsts(mixed)[1], 200, 100);
  const std::array<Standing, 4> zeroes{{{0, 0, 0, 0}, {0, 0, 1, 0}, {0, 0, 2, 0}, {0, 0, 3, 0}}};
  for (const auto& [place, count] : firsts(zeroes)) EXPECT_NEAR(count, 5'000, 400) << place;
}

TEST(TargetOrder, Addresses_of_one_entry_stay_together_in_their_order) {
  const std::array<Standing, 4> places{{{0, 0, 0, 50}, {0, 0, 0, 50}, {0, 0, 1, 50}, {0, 0, 1, 50}}};
  for (unsigned i = 0; i < 100; ++i) {
    const Order order = target_order(places, i);
    EXPECT_TRUE(order == (Order{0, 1, 2, 3}) || order == (Order{2, 3, 0, 1}));
  }
  EXPECT_EQ(target_order({}, 1), Order{});
}

}  // namespace
}  // namespace sallyport::routing
