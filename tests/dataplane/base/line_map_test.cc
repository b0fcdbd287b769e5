// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/line_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace sallyport {
namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 && c != '\t';
}
bool is_colon(char c) {
  return c == ':';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

template <typename Is>
std::uint64_t expected_bits(std::string_view text, std::size_t block, Is is) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t at = block * 64 + i;
    if (at >= text.size() || is(text[at])) bits |= std::uint64_t{1} << i;
  }
  return bits;
}

void expect_right_bits(const detail::LineKernel& kernel, std::string_view text) {
  // In memory of exactly its size, so that a sanitizer sees a look beyond it.
  const auto own = std::make_unique<char[]>(text.size());
  text.copy(own.get(), text.size());
  const std::size_t blocks = text.size() / 64 + 1;
  std::vector<std::uint64_t> control(blocks), colon(blocks), blank(blocks);
  kernel.map(own.get(), text.size(), {control.data(), colon.data(), blank.data()});
  for (std::size_t block = 0; block < blocks; ++block) {
    ASSERT_EQ(control[block], expected_bits(text, block, is_control)) << kernel.name << ' ' << text.size();
    ASSERT_EQ(colon[block], expected_bits(text, block, is_colon)) << kernel.name << ' ' << text.size();
    ASSERT_EQ(blank[block], expected_bits(text, block, is_blank)) << kernel.name << ' ' << text.size();
  }
}

TEST(LineKernels, Each_knows_every_octet_at_every_place) {
  for (const detail::LineKernel& kernel : detail::line_kernels()) {
    if (!kernel.runs_here()) continue;
    for (int code = 0; code < 0x100; ++code) {
      for (std::size_t before = 0; before < 64; ++before) {
        expect_right_bits(kernel,
                          std::string(before, 'x') + static_cast<char>(code) + std::string(63 - before, 'x'));
      }
    }
  }
}

TEST(LineKernels, All_give_the_same_bits_for_random_text_of_every_length) {
  std::mt19937 random(5234);
  for (std::size_t size = 0; size < 400; ++size) {
    std::string text(size, '\0');
    for (char& c : text) c = random() % 3 == 0 ? static_cast<char>(random()) : "\r\n\t :x"[random() % 6];
    for (const detail::LineKernel& kernel : detail::line_kernels()) {
      if (kernel.runs_here()) expect_right_bits(kernel, text);
    }
  }
}

TEST(LineKernels, The_last_runs_anywhere) {
  EXPECT_TRUE(detail::line_kernels().back().runs_here());
  EXPECT_EQ(detail::line_kernels().back().name, "portable");
}

std::size_t first_of(std::string_view text, std::size_t from, bool (*is)(char)) {
  while (from < text.size() && !is(text[from])) ++from;
  return from;
}

TEST(LineMap, Finds_from_every_place_what_stands_first) {
  std::mt19937 random(8866);
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 255u, 256u, 257u, 1023u, 1024u, 1025u, 2500u}) {
    for (const unsigned rarely : {2u, 20u, 1500u}) {
      std::string text(size, 'x');
      for (char& c : text) {
        if (random() % rarely == 0) c = "\r:\t "[random() % 4];
      }
      LineMap map(text);
      for (std::size_t from = 0; from <= size; ++from) {
        ASSERT_EQ(map.control(from), first_of(text, from, is_control)) << size << ' ' << from;
        ASSERT_EQ(map.colon(from), first_of(text, from, is_colon)) << size << ' ' << from;
        ASSERT_EQ(map.blank(from), first_of(text, from, is_blank)) << size << ' ' << from;
      }
    }
  }
}

TEST(LineMap, Takes_a_text_of_the_greatest_size) {
  std::string text(LineMap::kMaxBytes, 'x');
  LineMap nothing(text);
  EXPECT_EQ(nothing.control(0), text.size());
  EXPECT_EQ(nothing.blank(text.size()), text.size());
  text.back() = ':';
  LineMap last(text);
  EXPECT_EQ(last.colon(0), text.size() - 1);
  EXPECT_EQ(last.colon(text.size()), text.size());
}

}  // namespace
}  // namespace sallyport
