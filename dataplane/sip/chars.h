// SPDX-License-Identifier: Apache-2.0
// Character classes of RFC 3261 25.1, one table look-up a character. For this room only.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "dataplane/sip/class_run.h"

namespace sallyport::sip {

enum CharClass : std::uint16_t {
  kLws = 1 << 0,  // SP, HTAB and the CR LF of a fold (the line scanner lets no other CR or LF through)
  kDigit = 1 << 1,
  kAlpha = 1 << 2,
  kHex = 1 << 3,
  kToken = 1 << 4,
  kWord = 1 << 5,         // of Call-ID, '@' included
  kHost = 1 << 6,         // of a host name or IPv4address; '_' is met in the field
  kUser = 1 << 7,         // user and password without '%'; '#' is met in the field
  kUriParam = 1 << 8,     // paramchar without '%'
  kUriHeader = 1 << 9,    // hname, hvalue, '=' and '&' without '%'
  kUric = 1 << 10,        // what may stand in a URI of any scheme
  kParamName = 1 << 11,   // of generic-param and of uri-parameter
  kParamValue = 1 << 12,  // gen-value without quoted-string, host and IPv6 included
  kDisplay = 1 << 13,     // unquoted display name: token, LWS, and UTF-8 which is met in the field
  kTelNumber = 1 << 14,   // RFC 3966: phonedigit-hex and '+'
  kListText = 1 << 15,    // of a comma-separated list: all but ',' and what may shield one
};

namespace detail {
[[nodiscard]] constexpr bool one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

[[nodiscard]] constexpr std::uint16_t classes_of(unsigned code) {
  const char c = static_cast<char>(code);
  const bool digit = c >= '0' && c <= '9';
  const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  const bool high = code >= 0x80;
  const bool printable = code > 0x20 && code < 0x7f;
  const bool lws = one_of(c, " \t\r\n");
  const bool unreserved = digit || alpha || one_of(c, "-_.!~*'()");
  const bool token = digit || alpha || one_of(c, "-.!%*_+`'~");
  const bool param = unreserved || one_of(c, "[]/:&+$");
  unsigned bits = 0;
  if (lws) bits |= kLws;
  if (digit) bits |= kDigit;
  if (alpha) bits |= kAlpha;
  if (hex) bits |= kHex;
  if (token) bits |= kToken;
  if (token || one_of(c, "()<>:\\\"/[]?{}@")) bits |= kWord;
  if (digit || alpha || one_of(c, "-._")) bits |= kHost;
  if (unreserved || one_of(c, "&=+$,;?/#")) bits |= kUser;
  if (param) bits |= kUriParam;
  if (unreserved || one_of(c, "[]/?:+$=&")) bits |= kUriHeader;
  if (printable && !one_of(c, "<>\"")) bits |= kUric;
  if (token || param) bits |= kParamName;
  if (high || (printable && !one_of(c, ";,\"<>"))) bits |= kParamValue;
  if (token || lws || high) bits |= kDisplay;
  if (hex || one_of(c, "+*#-.()")) bits |= kTelNumber;
  if (!one_of(c, ",\"<")) bits |= kListText;
  return static_cast<std::uint16_t>(bits);
}

[[nodiscard]] constexpr std::array<std::uint16_t, 256> make_classes() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned code = 0; code < table.size(); ++code) table[code] = classes_of(code);
  return table;
}
inline constexpr std::array<std::uint16_t, 256> kClasses = make_classes();

inline constexpr unsigned kClassCount = 16;

// The same, class by class, as class_run wants it.
[[nodiscard]] constexpr std::array<ClassSet, kClassCount> make_class_sets() {
  std::array<ClassSet, kClassCount> sets{};
  for (unsigned i = 0; i < kClassCount; ++i) {
    for (unsigned code = 0; code < 0x80; ++code) {
      if ((kClasses[code] >> i & 1) == 0) continue;
      std::uint8_t& row = sets[i].low[code & 0x0f];
      row = static_cast<std::uint8_t>(row | 1u << (code >> 4));
    }
    sets[i].high = (kClasses[0x80] >> i & 1) != 0;
  }
  return sets;
}
inline constexpr std::array<ClassSet, kClassCount> kClassSets = make_class_sets();
}  // namespace detail

[[nodiscard]] constexpr bool is(char c, unsigned classes) {
  return (detail::kClasses[static_cast<unsigned char>(c)] & classes) != 0;
}

namespace detail {
// White space and digits come in ones and twos: for them a look at each is the fastest.
[[nodiscard]] constexpr bool run_in_vectors(unsigned classes) {
#if defined(__SSSE3__)
  return std::has_single_bit(classes) && classes != kLws && classes != kDigit;
#else
  return false;
#endif
}

// The length of the run of such characters from `at` on in the text [begin, end).
[[nodiscard]] constexpr std::size_t run_within(const char* begin, const char* at, const char* end,
                                               unsigned classes) {
#if defined(__SSSE3__)
  if (!std::is_constant_evaluated() && run_in_vectors(classes))
    return class_run(begin, at, end, kClassSets[static_cast<std::size_t>(std::countr_zero(classes))]);
#endif
  const char* p = at;
  while (p != end && is(*p, classes)) ++p;
  return static_cast<std::size_t>(p - at);
}
}  // namespace detail

// The length of the run of such characters at the start of `text`.
[[nodiscard]] constexpr std::size_t run_of(std::string_view text, unsigned classes) {
  return detail::run_within(text.data(), text.data(), text.data() + text.size(), classes);
}

// True for text that is not empty and has only such characters.
[[nodiscard]] constexpr bool all_of(std::string_view text, unsigned classes) {
  return !text.empty() && run_of(text, classes) == text.size();
}

// True when `text` has only such characters and well-formed %HH escapes; empty text included.
[[nodiscard]] constexpr bool escaped_of(std::string_view text, unsigned classes) {
  for (;;) {
    const std::size_t n = run_of(text, classes);
    if (n == text.size()) return true;
    if (text[n] != '%' || text.size() - n < 3 || !is(text[n + 1], kHex) || !is(text[n + 2], kHex))
      return false;
    text.remove_prefix(n + 3);
  }
}

}  // namespace sallyport::sip
