// SPDX-License-Identifier: Apache-2.0
#include "dataplane/api/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::dp {
namespace {

struct Head {
  std::uint64_t number = 0;
  std::uint32_t size = 0;
};

std::vector<std::byte> pattern(std::uint64_t number, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(number * 31 + i);
  return bytes;
}

bool push(RecordRing& ring, std::uint64_t number, std::size_t size) {
  const auto tail = pattern(number, size);
  return ring.push(static_cast<std::uint16_t>(number % 100 + 1),
                   Head{number, static_cast<std::uint32_t>(size)}, tail);
}

// True when the oldest record is that one, whole; takes it out.
bool pop(RecordRing& ring, std::uint64_t number) {
  const auto record = ring.front();
  if (record.kind != number % 100 + 1 || record.bytes.size() < sizeof(Head)) return false;
  Head head;
  std::memcpy(&head, record.bytes.data(), sizeof(head));
  const auto tail = record.bytes.subspan(sizeof(Head));
  const bool whole = head.number == number && tail.size() == head.size &&
                     std::ranges::equal(tail, pattern(number, head.size)) &&
                     reinterpret_cast<std::uintptr_t>(record.bytes.data()) % 16 == 0;
  ring.pop();
  return whole;
}

TEST(RecordRing, Gives_back_in_order_what_was_pushed_at_every_place_in_the_ring) {
  RecordRing ring(4096);
  std::uint64_t pushed = 0;
  std::uint64_t popped = 0;
  for (std::uint64_t round = 0; round < 5000; ++round) {
    for (std::uint64_t n = 0; n < round % 4 + 1; ++n)
      ASSERT_TRUE(push(ring, pushed++, (round * 37 + n * 11) % 300));
    while (popped < pushed) ASSERT_TRUE(pop(ring, popped++)) << popped;
    ASSERT_TRUE(ring.empty());
    ASSERT_EQ(ring.used_bytes(), 0u);
  }
}

TEST(RecordRing, Is_empty_at_first_and_its_size_a_power_of_two) {
  RecordRing ring(5000);
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.front().kind, 0);
  EXPECT_EQ(ring.capacity_bytes(), 8192u);
  EXPECT_EQ(RecordRing(1).capacity_bytes(), 4096u);
}

TEST(RecordRing, A_full_ring_refuses_and_takes_again_after_a_pop) {
  RecordRing ring(4096);
  std::uint64_t pushed = 0;
  while (push(ring, pushed, 100)) ++pushed;
  EXPECT_EQ(pushed, 4096u / (16 + 128));
  EXPECT_FALSE(push(ring, pushed, 100));
  ASSERT_TRUE(pop(ring, 0));
  EXPECT_TRUE(push(ring, pushed++, 100));
  for (std::uint64_t n = 1; n < pushed; ++n) EXPECT_TRUE(pop(ring, n)) << n;
  EXPECT_TRUE(ring.empty());
}

TEST(RecordRing, A_record_larger_than_half_the_ring_is_refused) {
  RecordRing ring(4096);
  EXPECT_EQ(ring.reserve(1, 2048 - 16 + 1), nullptr);
  EXPECT_NE(ring.reserve(1, 2048 - 16), nullptr);
}

TEST(RecordRing, A_record_is_seen_only_after_publish) {
  RecordRing ring(4096);
  std::byte* to = ring.reserve(7, 3);
  ASSERT_NE(to, nullptr);
  std::memcpy(to, "abc", 3);
  EXPECT_TRUE(ring.empty());
  ring.publish();
  const auto record = ring.front();
  EXPECT_EQ(record.kind, 7);
  EXPECT_EQ(std::memcmp(record.bytes.data(), "abc", 3), 0);
  EXPECT_EQ(record.bytes.size(), 3u);
}

TEST(RecordRing, The_front_record_stays_until_it_is_popped) {
  RecordRing ring(4096);
  ASSERT_TRUE(push(ring, 1, 10));
  ASSERT_TRUE(push(ring, 2, 10));
  EXPECT_EQ(ring.front().kind, 2);
  EXPECT_EQ(ring.front().kind, 2);
  ring.pop();
  EXPECT_EQ(ring.front().kind, 3);
}

// Run under TSan: one producer and one consumer, records of changing size, a ring that is mostly full.
TEST(RecordRing, Two_threads_pass_every_record_whole_and_in_order) {
  constexpr std::uint64_t kRecords = 100'000;
  RecordRing ring(8192);
  std::thread producer([&ring] {
    for (std::uint64_t n = 0; n < kRecords; ++n) {
      while (!push(ring, n, n * 7 % 200)) std::this_thread::yield();
    }
  });
  std::uint64_t broken = 0;
  for (std::uint64_t n = 0; n < kRecords; ++n) {
    while (ring.empty()) std::this_thread::yield();
    broken += pop(ring, n) ? 0 : 1;
  }
  producer.join();
  EXPECT_EQ(broken, 0u);
  EXPECT_TRUE(ring.empty());
}

// used_bytes() is read by a third thread, for metrics.
TEST(RecordRing, Its_level_may_be_read_by_any_thread) {
  RecordRing ring(4096);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> looks{0};
  std::thread watcher([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      static_cast<void>(ring.used_bytes());
      looks.fetch_add(1, std::memory_order_relaxed);
    }
  });
  for (std::uint64_t n = 0; n < 1000 || looks.load() == 0; ++n) {
    ASSERT_TRUE(push(ring, n, 20));
    ASSERT_TRUE(pop(ring, n));
  }
  stop.store(true);
  watcher.join();
}

}  // namespace
}  // namespace sallyport::dp
