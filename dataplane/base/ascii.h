// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sallyport {

// Independent of any locale.
[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

namespace detail {

// A word of the text's octets with letters made lower-case, and other octets into some that are no letter.
template <typename Word>
[[nodiscard]] inline Word folded(const char* text) {
  Word word;
  std::memcpy(&word, text, sizeof(word));
  return static_cast<Word>(word | static_cast<Word>(0x2020202020202020u));
}

// Whole words, of which the last two may overlap.
template <typename Word>
[[nodiscard]] inline bool same_folded(const char* text, const char* known, std::size_t size) {
  const std::size_t last = size - sizeof(Word);
  Word differ = static_cast<Word>(folded<Word>(text + last) ^ folded<Word>(known + last));
  for (std::size_t i = 0; i < last; i += sizeof(Word)) {
    differ = static_cast<Word>(differ | (folded<Word>(text + i) ^ folded<Word>(known + i)));
  }
  return differ == 0;
}

}  // namespace detail

// True when `text` is `known` in any case. `known` has letters only, two or more: then folding makes no other
// octet equal.
[[nodiscard]] inline bool is_word(std::string_view text, std::string_view known) {
  const std::size_t size = known.size();
  if (text.size() != size) return false;
  if (size >= 8) return detail::same_folded<std::uint64_t>(text.data(), known.data(), size);
  if (size >= 4) return detail::same_folded<std::uint32_t>(text.data(), known.data(), size);
  return detail::same_folded<std::uint16_t>(text.data(), known.data(), size);
}

}  // namespace sallyport
