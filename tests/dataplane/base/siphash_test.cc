// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/siphash.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

// Key 00 01 ... 0f as little-endian words, input 00 01 ... (n-1): the paper's appendix A and the reference
// vectors.
constexpr SipHashKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::string counting(std::size_t n) {
  std::string text(n, '\0');
  for (std::size_t i = 0; i < n; ++i) text[i] = static_cast<char>(i);
  return text;
}

TEST(SipHash24, Agrees_with_the_published_vectors) {
  EXPECT_EQ(siphash(kKey, counting(0)), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(siphash(kKey, counting(1)), 0x74f839c593dc67fdu);
  EXPECT_EQ(siphash(kKey, counting(7)), 0xab0200f58b01d137u);
  EXPECT_EQ(siphash(kKey, counting(8)), 0x93f5f5799a932462u);
  EXPECT_EQ(siphash(kKey, counting(15)), 0xa129ca6149be45e5u);
}

TEST(SipHash24, In_pieces_is_the_same_as_in_one) {
  const std::string text = counting(40);
  for (std::size_t at = 0; at <= text.size(); ++at) {
    SipHash hash(kKey);
    hash.update(std::string_view(text).substr(0, at));
    hash.update(std::string_view(text).substr(at));
    EXPECT_EQ(hash.finish(), siphash(kKey, text)) << at;
  }
}

TEST(SipHash24, Depends_on_the_key_and_on_the_length) {
  EXPECT_NE(siphash({1, 2}, "x"), siphash({1, 3}, "x"));
  EXPECT_NE(siphash({1, 2}, "x"), siphash({2, 2}, "x"));
  EXPECT_NE(siphash(kKey, std::string(1, '\0')), siphash(kKey, std::string(2, '\0')));
}

}  // namespace
}  // namespace sallyport
