// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/placement.h"

#include <gmock/gmock.h>

#include <thread>

namespace sallyport::cli {
namespace {

using testing::ElementsAre;

std::vector<unsigned> shards_of(const Placement& placement, unsigned count) {
  std::vector<unsigned> cores;
  for (unsigned shard = 0; shard < count; ++shard) cores.push_back(placement.core_of_shard(shard));
  return cores;
}

TEST(Placement, gives_each_shard_a_core_of_its_own_among_those_that_do_not_poll) {
  const Placement placement({1, 3}, {}, {0, 1, 2, 3, 4, 5});
  EXPECT_THAT(shards_of(placement, 4), ElementsAre(0, 2, 4, 5));
  EXPECT_THAT(placement.others(), ElementsAre(0, 2, 4, 5));
}

TEST(Placement, deals_cores_in_turn_where_shards_are_more) {
  EXPECT_THAT(shards_of(Placement({1}, {}, {0, 1, 2}), 5), ElementsAre(0, 2, 0, 2, 0));
}

TEST(Placement, does_as_the_configuration_says) {
  const Placement placement({1}, {5, 1}, {0, 1, 2, 5});
  EXPECT_THAT(shards_of(placement, 3), ElementsAre(5, 1, 5));
  EXPECT_THAT(placement.others(), ElementsAre(0, 2, 5));
}

TEST(Placement, stays_where_the_process_may_run_and_shares_where_all_cores_poll) {
  EXPECT_THAT(shards_of(Placement({1}, {}, {1, 7}), 2), ElementsAre(7, 7));
  const Placement full({0, 1}, {}, {0, 1});
  EXPECT_THAT(shards_of(full, 2), ElementsAre(0, 1));
  EXPECT_THAT(full.others(), ElementsAre(0, 1));
}

TEST(Placement, names_a_core_that_is_not_there) {
  EXPECT_EQ(missing_core({0, 999}, {0, 1, 2}), 999u);
  EXPECT_EQ(missing_core({2, 0}, {0, 1, 2}), std::nullopt);
  EXPECT_EQ(missing_core({}, {0}), std::nullopt);
  EXPECT_EQ(missing_core({3}, {}), std::nullopt) << "nobody can tell";
}

TEST(Placement, pins_the_thread_that_calls) {
  const std::vector<unsigned> before = allowed_cores();
  ASSERT_FALSE(before.empty());
  std::thread([&] {
    EXPECT_TRUE(run_on({before.back()}));
    EXPECT_THAT(allowed_cores(), ElementsAre(before.back()));
    EXPECT_FALSE(run_on({1023})) << "no such core";
  }).join();
  EXPECT_EQ(allowed_cores(), before);
}

}  // namespace
}  // namespace sallyport::cli
