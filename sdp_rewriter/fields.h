// SPDX-License-Identifier: Apache-2.0
// Readers of single fields, for the parser only.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "dataplane/base/address.h"
#include "dataplane/base/ascii.h"
#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Cuts the first word off `text`; words are separated by one or more spaces or tabs. Empty at the end.
inline std::string_view next_word(std::string_view& text) {
  std::size_t start = 0;
  while (start < text.size() && is_blank(text[start])) ++start;
  std::size_t end = start;
  while (end < text.size() && !is_blank(text[end])) ++end;
  const std::string_view word = text.substr(start, end - start);
  text = text.substr(end);
  return word;
}

// The last word, likewise.
inline std::string_view last_word(std::string_view& text) {
  std::size_t end = text.size();
  while (end > 0 && is_blank(text[end - 1])) --end;
  std::size_t start = end;
  while (start > 0 && !is_blank(text[start - 1])) --start;
  const std::string_view word = text.substr(start, end - start);
  text = text.substr(0, start);
  return word;
}

// Decimal digits and nothing else, within T.
template <std::unsigned_integral T>
std::optional<T> number(std::string_view text) {
  static_assert(sizeof(T) < sizeof(std::uint64_t));
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > std::numeric_limits<T>::max()) return std::nullopt;
  }
  return static_cast<T>(value);
}

inline bool equal_nocase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

inline bool starts_nocase(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && equal_nocase(text.substr(0, start.size()), start);
}

// The address that counts on the wire, or none for a name.
inline IpAddress literal(std::string_view host) {
  return IpAddress::parse(host).value_or(IpAddress{}).unmapped();
}

[[nodiscard]] MediaKind media_kind(std::string_view media);
[[nodiscard]] Transport transport_of(std::string_view proto);
class Words;
// "IN IP4 192.0.2.1", "IN IP4 233.252.0.1/127/3", "IN IP6 2001:db8::1". nullopt: not of this form.
[[nodiscard]] std::optional<Connection> read_connection(Words words);
[[nodiscard]] std::optional<RtcpAttribute> read_rtcp(Words words);
// Six fields, counted from the end: user names with spaces are seen in the field.
[[nodiscard]] std::optional<Origin> read_origin(Words words);
// The payload types with a fixed meaning (RFC 3551 6).
void apply_static_payload_type(Format& format);
// "PCMU/8000" or "opus/48000/2".
void apply_rtpmap(Format& format, std::string_view mapping);

inline void add_payload_type(PayloadTypes& bits, const Format& format) {
  if (format.payload_type < 0) return;
  const auto type = static_cast<unsigned>(format.payload_type);
  bits[type / 64] |= std::uint64_t{1} << (type % 64);
}

}  // namespace sallyport::sdp
