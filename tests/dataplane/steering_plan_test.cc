// SPDX-License-Identifier: Apache-2.0
#include "dataplane/steering_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sallyport::dp {
namespace {

MediaRange range(const char* address, std::uint16_t first, std::uint16_t last) {
  return {.address = *IpAddress::parse(address), .first = first, .last = last};
}

std::vector<std::size_t> shares(const PairWorkers& pairs, unsigned workers) {
  std::vector<std::size_t> of_worker(workers);
  for (const std::uint8_t worker : pairs) ++of_worker.at(worker);
  return of_worker;
}

TEST(PortBlocks, cover_their_ports_once_and_no_others) {
  const std::pair<std::uint16_t, std::uint16_t> cases[] = {{20000, 59999}, {20000, 20001}, {0, 65535},
                                                           {1, 1},         {40000, 40062}, {65534, 65535}};
  for (const auto& [first, last] : cases) {
    std::vector<int> met(65536);
    for (const PortBlock& block : blocks_of(first, last)) {
      for (unsigned port = 0; port < 65536; ++port) met[port] += (port & block.mask) == block.port ? 1 : 0;
    }
    for (unsigned port = 0; port < 65536; ++port)
      ASSERT_EQ(met[port], port >= first && port <= last ? 1 : 0) << first << "-" << last << ": " << port;
  }
}

TEST(PortBlocks, are_few) {
  EXPECT_EQ(blocks_of(0, 65535), (std::vector<PortBlock>{{0, 0}}));
  EXPECT_EQ(blocks_of(20000, 20001), (std::vector<PortBlock>{{20000, 0xfffe}}));
  EXPECT_LE(blocks_of(20000, 59999).size(), 12u);
}

TEST(Slices, are_nearly_equal_whole_pairs_in_few_blocks) {
  const MediaRange ports = range("192.0.2.1", 20000, 59999);
  for (unsigned workers = 1; workers <= kMaxWorkers; ++workers) {
    std::size_t blocks = 0;
    unsigned next = ports.first;
    for (unsigned worker = 0; worker < workers; ++worker) {
      const PortSlice slice = slice_of(ports, worker, workers);
      EXPECT_EQ(slice.first, next) << worker << " of " << workers;
      EXPECT_EQ(slice.first % 2, 0);
      EXPECT_EQ(slice.last % 2, 1);
      next = slice.last + 1u;
      blocks += blocks_of(slice.first, slice.last).size();
    }
    EXPECT_EQ(next, 60000u);
    EXPECT_LE(blocks, 12 + workers * 10);
    for (const std::size_t share : shares(sliced(ports, workers), workers)) {
      EXPECT_GE(share, 20000 / workers * 8 / 10) << workers;
      EXPECT_LE(share, 20000 / workers * 12 / 10 + 1) << workers;
    }
  }
}

TEST(Slices, of_fewer_pairs_than_workers_leave_some_without) {
  const PairWorkers pairs = sliced(range("192.0.2.1", 20000, 20003), 4);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_FALSE(is_fair(pairs, 4, 1));
}

// Tables as devices have them: as our own pieces, or one queue after the other.
TEST(DestinationHash, keeps_pairs_together_and_shares_them_out_evenly) {
  for (const unsigned entries : {64u, 512u, 2048u}) {
    const auto key = pair_hash_key(52, entries);
    for (const unsigned workers : {2u, 3u, 16u}) {
      std::vector<std::uint16_t> table(entries);
      for (unsigned i = 0; i < entries; ++i) table[i] = static_cast<std::uint16_t>(i * workers / entries);
      for (const MediaRange& ports : {range("192.0.2.1", 20000, 59999), range("2001:db8:2::1", 20000, 59999),
                                      range("198.51.100.77", 30000, 30499)}) {
        for (unsigned port = ports.first; port < ports.last; port += 2) {
          const auto even = static_cast<std::uint16_t>(port);
          const auto odd = static_cast<std::uint16_t>(port + 1);
          ASSERT_EQ(destination_hash(key, ports.address, even) % entries,
                    destination_hash(key, ports.address, odd) % entries);
        }
        const PairWorkers pairs = hashed(ports, key, table);
        EXPECT_TRUE(is_fair(pairs, workers, 4)) << entries << " entries, " << workers << " workers";
        const auto each = shares(pairs, workers);
        EXPECT_LE(*std::ranges::max_element(each), pairs.size() * 13 / 10 / workers + 2);
      }
    }
  }
}

// What the hash of a device would be whether it leaves source fields out of its input or sets them to 0.
TEST(DestinationHash, is_the_same_wherever_the_device_puts_the_fields) {
  const auto key = pair_hash_key(40, 512);
  const auto toeplitz = [&](const std::vector<std::uint8_t>& input) {
    std::uint32_t hash = 0;
    for (std::size_t bit = 0; bit < input.size() * 8; ++bit) {
      if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
      std::uint32_t window = 0;
      for (std::size_t i = bit; i < bit + 32; ++i) window = window << 1 | (key[i / 8] >> (7 - i % 8) & 1u);
      hash ^= window;
    }
    return hash;
  };
  const auto expected = destination_hash(key, *IpAddress::parse("192.0.2.1"), 0x4e22);
  EXPECT_EQ(toeplitz({192, 0, 2, 1, 0x4e, 0x22}), expected);
  EXPECT_EQ(toeplitz({0, 0, 0, 0, 192, 0, 2, 1, 0, 0, 0x4e, 0x22}), expected);
  EXPECT_EQ(toeplitz({192, 0, 2, 1, 0, 0, 0x4e, 0x22}), expected);
  EXPECT_NE(expected, 0u);
}

TEST(Shares, are_fair_from_half_of_an_equal_one_and_a_pair_for_each_shard) {
  EXPECT_TRUE(is_fair({0, 0, 0, 1, 1, 1}, 2, 3));
  EXPECT_TRUE(is_fair({0, 0, 0, 0, 0, 0, 1, 1}, 2, 2));
  EXPECT_FALSE(is_fair({0, 0, 0, 0, 0, 0, 0, 1}, 2, 1)) << "less than half";
  EXPECT_FALSE(is_fair({0, 0, 1, 1}, 2, 3)) << "a shard goes without";
  EXPECT_FALSE(is_fair({0, 1, 2}, 2, 1)) << "a queue that nobody polls";
}

TEST(Shares, of_a_worker_are_dealt_to_all_shards) {
  const auto owners = dealt({0, 1, 0, 1, 1, 0}, 2);
  EXPECT_THAT(owners, ::testing::ElementsAre(PairOwner{0, 0}, PairOwner{0, 1}, PairOwner{1, 0},
                                             PairOwner{1, 1}, PairOwner{0, 1}, PairOwner{0, 0}));
}

}  // namespace
}  // namespace sallyport::dp
