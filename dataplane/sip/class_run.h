// SPDX-License-Identifier: Apache-2.0
// Runs of one character class, 16 octets at a time. For this room only.
// Theory of operation. A class of ASCII characters is 16 octets, one for each low half of a character, with a
// bit for each of the eight high halves that it has. So two shuffles look 16 characters up: the octet of the
// low half, and the bit of the high half; a character is in the class when they meet. What is left of a text
// and shorter than 16 is the end of its last 16 octets, shifted down; of a text that is shorter itself it is
// put together from words that overlap. So no octet outside the text is read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#if defined(__SSSE3__)
#include <tmmintrin.h>

#include <bit>
#include <cstring>
#endif

namespace sallyport::sip::detail {

struct ClassSet {
  alignas(16) std::array<std::uint8_t, 16> low{};
  bool high = false;  // the octets from 0x80 on, all or none of them
};

#if defined(__SSSE3__)

template <typename Word>
[[nodiscard]] inline std::uint64_t word_at(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

// 1 to 15 octets; what is behind them is zero.
[[nodiscard]] inline __m128i load_part(const char* p, std::size_t n) {
  if (n >= 8) {
    const std::uint64_t last = word_at<std::uint64_t>(p + n - 8);
    return _mm_set_epi64x(static_cast<long long>(n == 8 ? 0 : last >> (128 - 8 * n)),
                          static_cast<long long>(word_at<std::uint64_t>(p)));
  }
  if (n >= 4) {
    const std::uint64_t last = word_at<std::uint32_t>(p + n - 4);
    return _mm_cvtsi64_si128(static_cast<long long>(word_at<std::uint32_t>(p) | last << (8 * (n - 4))));
  }
  const auto octet = [p](std::size_t i) {
    return std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  };
  return _mm_cvtsi64_si128(static_cast<long long>(octet(0) | octet(n / 2) | octet(n - 1)));
}

// What shuffles octets down, zeros behind them: read 16 from the n-th on to shift by n.
inline constexpr std::array<std::uint8_t, 32> kShiftDown = [] {
  std::array<std::uint8_t, 32> table{};
  for (std::uint8_t i = 0; i < table.size(); ++i) table[i] = i < 16 ? i : std::uint8_t{0x80};
  return table;
}();

[[nodiscard]] inline __m128i load16(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

// The last n octets, 1 to 15, of the text [begin, end).
[[nodiscard]] inline __m128i load_last(const char* begin, const char* end, std::size_t n) {
  if (end - begin < 16) return load_part(end - n, n);
  return _mm_shuffle_epi8(load16(end - 16), load16(kShiftDown.data() + 16 - n));
}

// A bit for each octet: set where it is not in the class.
[[nodiscard]] inline unsigned outside(__m128i text, __m128i low, bool high) {
  const __m128i half = _mm_set1_epi8(0x0f);
  const __m128i bits = _mm_set_epi64x(0, static_cast<long long>(0x8040201008040201u));
  // An octet from 0x80 on has no bit in `bits`, and shuffles with its own highest bit set give zero, too.
  const __m128i row = _mm_shuffle_epi8(low, text);
  const __m128i bit = _mm_shuffle_epi8(bits, _mm_and_si128(_mm_srli_epi16(text, 4), half));
  const auto misses =
      static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(row, bit), _mm_setzero_si128())));
  return high ? misses & ~static_cast<unsigned>(_mm_movemask_epi8(text)) : misses;
}

// The length of the run of characters of `set` from `at` on in the text [begin, end).
[[nodiscard]] inline std::size_t class_run(const char* begin, const char* at, const char* end,
                                           const ClassSet& set) {
  const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(set.low.data()));
  const char* p = at;
  for (; end - p >= 16; p += 16) {
    const unsigned misses = outside(load16(p), low, set.high);
    if (misses != 0)
      return static_cast<std::size_t>(p - at) + static_cast<std::size_t>(std::countr_zero(misses));
  }
  const auto left = static_cast<std::size_t>(end - p);
  if (left == 0) return static_cast<std::size_t>(p - at);
  const unsigned misses = outside(load_last(begin, end, left), low, set.high) | 1u << left;
  return static_cast<std::size_t>(p - at) + static_cast<std::size_t>(std::countr_zero(misses));
}

#endif

}  // namespace sallyport::sip::detail
