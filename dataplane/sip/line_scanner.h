// SPDX-License-Identifier: Apache-2.0
// Header field lines, folds joined, in one pass that also finds what may not stand in them. For this room
// only.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>

#include <bit>
#endif

namespace sallyport::sip {

// The first control character other than HTAB at or after `p`, or `end`. A line ends at such a one, and any
// other but CR LF is a fault, so the search for the end of a line and the check of its octets are one.
[[nodiscard]] inline const char* find_control(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i limit = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  for (; end - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, limit), v);
    const int hits = _mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low));
    if (hits != 0) return p + std::countr_zero(static_cast<unsigned>(hits));
  }
#endif
  while (p != end && (static_cast<unsigned char>(*p) >= 0x20 || *p == '\t')) ++p;
  return p;
}

// The first ':' in [p, end), or `end`: near the start of nearly every line, so a call would cost more than
// the search. Octets up to `readable` may be looked at too.
[[nodiscard]] inline const char* find_colon(const char* p, const char* end, const char* readable) {
#if defined(__SSE2__)
  const __m128i colon = _mm_set1_epi8(':');
  for (; p < end && readable - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(v, colon));
    if (hits != 0) return std::min(end, p + std::countr_zero(static_cast<unsigned>(hits)));
  }
  if (p >= end) return end;
#endif
  while (p != end && *p != ':') ++p;
  return p;
}

struct Line {
  const char* end = nullptr;   // of the text, CR LF not included
  const char* next = nullptr;  // the next line; nullptr when CR LF never came
  const char* bad = nullptr;   // the first octet that may not stand in a line
};

// A quoted-pair may hold any control character but CR and LF (RFC 3261 25.1): an odd run of '\' before it.
[[nodiscard]] inline bool is_escaped(const char* begin, const char* at) {
  if (*at == '\r' || *at == '\n') return false;
  const char* p = at;
  while (p != begin && p[-1] == '\\') --p;
  return (at - p) % 2 != 0;
}

// The line that starts at `begin`. With `folds`, lines that go on with SP or HTAB belong to it (RFC
// 3261 7.3.1). A bare CR or LF ends no line: two parsers that disagree on that are how messages get smuggled.
[[nodiscard]] inline Line read_line(const char* begin, const char* end, bool folds) {
  Line line;
  const char* p = begin;
  for (;;) {
    p = find_control(p, end);
    if (p == end || (*p == '\r' && end - p == 1)) {
      line.end = end;
      return line;
    }
    if (*p == '\r' && end - p >= 2 && p[1] == '\n') {
      const bool folded = folds && end - p >= 3 && (p[2] == ' ' || p[2] == '\t');
      if (!folded) {
        line.end = p;
        line.next = p + 2;
        return line;
      }
      p += 2;
      continue;
    }
    if (line.bad == nullptr && !is_escaped(begin, p)) line.bad = p;
    ++p;
  }
}

}  // namespace sallyport::sip
