// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace sallyport {
namespace {

template <typename T>
std::array<std::uint8_t, sizeof(T)> octets_of(T value) {
  std::array<std::uint8_t, sizeof(T)> octets;
  std::memcpy(octets.data(), &value, sizeof(value));
  return octets;
}

TEST(BigEndian, Stands_in_memory_as_on_the_wire) {
  EXPECT_EQ(octets_of(be16(0x1234)), (std::array<std::uint8_t, 2>{0x12, 0x34}));
  EXPECT_EQ(octets_of(be32(0x12345678)), (std::array<std::uint8_t, 4>{0x12, 0x34, 0x56, 0x78}));
  EXPECT_EQ(octets_of(be64(0x0102030405060708)), (std::array<std::uint8_t, 8>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(BigEndian, Comes_back_to_host_order) {
  EXPECT_EQ(be16(0xfffe).host(), 0xfffe);
  EXPECT_EQ(be32(1).host(), 1u);
  EXPECT_EQ(be16().host(), 0);
  EXPECT_EQ(be32(7), be32(7));
  EXPECT_NE(be32(7), be32(8));
}

}  // namespace
}  // namespace sallyport
