// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/chars.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

namespace sallyport::sip {
namespace {

std::size_t run_one_by_one(std::string_view text, unsigned char_class) {
  std::size_t n = 0;
  while (n < text.size() && is(text[n], char_class)) ++n;
  return n;
}

// In memory of exactly its size, so that a sanitizer sees a look beyond it.
std::size_t run_in_own_memory(std::string_view text, unsigned char_class) {
  const auto own = std::make_unique<char[]>(text.size());
  text.copy(own.get(), text.size());
  return run_of({own.get(), text.size()}, char_class);
}

char member_of(unsigned char_class) {
  char member = 1;
  while (!is(member, char_class)) ++member;
  return member;
}

TEST(Chars, run_of_every_class_ends_at_every_octet_that_is_not_of_it) {
  for (unsigned bit = 0; bit < detail::kClassCount; ++bit) {
    const char member = member_of(1u << bit);
    for (std::size_t before = 0; before < 36; ++before) {
      for (int code = 0; code < 0x100; ++code) {
        const std::string text = std::string(before, member) + static_cast<char>(code);
        for (const std::string& whole : {text, text + member, text + std::string(17, member)}) {
          ASSERT_EQ(run_in_own_memory(whole, 1u << bit), run_one_by_one(whole, 1u << bit))
              << "class " << bit << ", octet " << code << " behind " << before << ", of " << whole.size();
        }
      }
    }
  }
}

TEST(Chars, run_of_random_text_is_as_one_by_one) {
  std::mt19937 random(3261);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 70, '\0');
    for (char& c : text) c = static_cast<char>(random() % 8 == 0 ? random() : 'a' + random() % 26);
    const unsigned char_class = 1u << random() % detail::kClassCount;
    ASSERT_EQ(run_in_own_memory(text, char_class), run_one_by_one(text, char_class));
  }
}

TEST(Chars, run_from_within_a_text_is_as_one_by_one) {
  std::mt19937 random(3966);
  for (int round = 0; round < 3'000; ++round) {
    const std::size_t size = random() % 70;
    const auto own = std::make_unique<char[]>(size);
    for (std::size_t i = 0; i < size; ++i)
      own[i] = static_cast<char>(random() % 8 == 0 ? random() : 'a' + random() % 26);
    const char* end = own.get() + size;
    const unsigned char_class = 1u << random() % detail::kClassCount;
    for (const char* at = own.get(); at <= end; ++at) {
      ASSERT_EQ(detail::run_within(own.get(), at, end, char_class),
                run_one_by_one({at, static_cast<std::size_t>(end - at)}, char_class));
    }
  }
}

TEST(Chars, escapes_are_two_hexadecimal_digits) {
  for (const std::string_view good : {"", "abc", "%41", "a%2Fb%2f", "abcdefghijklmnop%20qrstuvwxyz"})
    EXPECT_TRUE(escaped_of(good, kUser)) << good;
  for (const std::string_view bad : {"%", "%4", "%4g", "a%2", "abcdefghijklmnop%2", "a b", "abcdefghij%%20"})
    EXPECT_FALSE(escaped_of(bad, kUser)) << bad;
}

}  // namespace
}  // namespace sallyport::sip
