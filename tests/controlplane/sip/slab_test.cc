// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/slab.h"

#include <gtest/gtest.h>

#include <cstring>

#include "controlplane/sip/buffer_pool.h"

namespace sallyport::sip {
namespace {

struct Counted {
  explicit Counted(int& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  int& count_;
};

TEST(Slab, Old_handles_find_nothing_and_the_limit_holds) {
  int alive = 0;
  Slab<Counted> slab(100);
  std::vector<Slab<Counted>::Handle> handles(100);
  for (auto& handle : handles) {
    ASSERT_NE(slab.make(handle, alive), nullptr);
    EXPECT_NE(handle.generation, 0u);
  }
  Slab<Counted>::Handle more;
  EXPECT_EQ(slab.make(more, alive), nullptr);
  EXPECT_EQ(slab.size(), 100u);
  slab.free(handles[42].slot);
  EXPECT_EQ(slab.find(handles[42].slot, handles[42].generation), nullptr);
  ASSERT_NE(slab.make(more, alive), nullptr);
  EXPECT_EQ(more.slot, handles[42].slot);
  EXPECT_NE(more.generation, handles[42].generation);
  EXPECT_EQ(slab.find(handles[42].slot, handles[42].generation), nullptr);
  EXPECT_EQ(slab.find(0, 0), nullptr);
  EXPECT_EQ(slab.find(5000, 1), nullptr);
  EXPECT_EQ(alive, 100);
}

TEST(Slab, What_it_holds_is_destroyed_with_it) {
  int alive = 0;
  {
    Slab<Counted> slab(10);
    Slab<Counted>::Handle a, b;
    ASSERT_NE(slab.make(a, alive), nullptr);
    ASSERT_NE(slab.make(b, alive), nullptr);
    slab.free(a.slot);
  }
  EXPECT_EQ(alive, 0);
}

TEST(BufferPool, Buffers_come_back_and_are_used_again) {
  BufferPool pool;
  const std::byte* first = nullptr;
  {
    Buffer a = pool.copy("hello");
    first = a.data();
    EXPECT_EQ(a.text(), "hello");
    Buffer b = std::move(a);
    EXPECT_EQ(b.text(), "hello");
    EXPECT_EQ(pool.on_loan(), 1u);
  }
  EXPECT_EQ(pool.on_loan(), 0u);
  Buffer c = pool.take(128);
  EXPECT_EQ(c.data(), first);
  Buffer d = pool.take(129);
  EXPECT_NE(d.data(), nullptr);
  Buffer e = pool.take(70'000);
  EXPECT_EQ(e.size(), 70'000u);
  e = pool.copy("x");
  EXPECT_EQ(e.text(), "x");
}

TEST(BufferPool, A_buffer_serves_the_sizes_of_its_class_only) {
  BufferPool pool;
  // Just what two neighbouring classes end with: 2^n and 3*2^n octets.
  std::size_t below = 0;
  for (const std::size_t bytes : {128u, 192u, 256u, 384u, 512u, 768u, 1024u, 1536u, 2048u, 3072u}) {
    const std::byte* whole = nullptr;
    {
      Buffer largest = pool.take(bytes);
      std::memset(largest.data(), 0xff, bytes);
      whole = largest.data();
    }
    EXPECT_EQ(pool.take(below + 1).data(), whole) << bytes;
    EXPECT_NE(pool.take(bytes + 1).data(), whole) << bytes;
    below = bytes;
  }
}

}  // namespace
}  // namespace sallyport::sip
