// SPDX-License-Identifier: Apache-2.0
// Readers of single fields, for the parser only.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

#include "dataplane/base/address.h"
#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

// Cuts the first word off `text`; words are separated by one or more spaces or tabs. Empty at the end.
inline std::string_view next_word(std::string_view& text) {
  constexpr std::string_view kBlank = " \t";
  const std::size_t start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) return text = {};
  const std::size_t end = text.find_first_of(kBlank, start);
  const std::string_view word = text.substr(start, end == std::string_view::npos ? end : end - start);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  return word;
}

// The last word, likewise.
inline std::string_view last_word(std::string_view& text) {
  constexpr std::string_view kBlank = " \t";
  const std::size_t end = text.find_last_not_of(kBlank);
  if (end == std::string_view::npos) return text = {};
  const std::size_t before = text.find_last_of(kBlank, end);
  const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
  const std::string_view word = text.substr(start, end + 1 - start);
  text = text.substr(0, start);
  return word;
}

// Decimal digits and nothing else, within T.
template <std::unsigned_integral T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

inline bool equal_nocase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// The address that counts on the wire, or none for a name.
inline IpAddress literal(std::string_view host) {
  return IpAddress::parse(host).value_or(IpAddress{}).unmapped();
}

// "NAME" or "NAME:VALUE" behind "a=".
struct AttributeText {
  std::string_view name;
  std::string_view value;
};
inline AttributeText split_attribute(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

[[nodiscard]] LineKind attribute_kind(const AttributeText& attribute);
[[nodiscard]] std::optional<Direction> direction_of(std::string_view attribute_name);
[[nodiscard]] MediaKind media_kind(std::string_view media);
[[nodiscard]] Transport transport_of(std::string_view proto);
// "IN IP4 192.0.2.1", "IN IP4 233.252.0.1/127/3", "IN IP6 2001:db8::1". nullopt: not of this form.
[[nodiscard]] std::optional<Connection> read_connection(std::string_view value);
[[nodiscard]] std::optional<RtcpAttribute> read_rtcp(std::string_view value);
// Six fields, counted from the end: user names with spaces are seen in the field.
[[nodiscard]] std::optional<Origin> read_origin(std::string_view value);
// The payload types with a fixed meaning (RFC 3551 6).
void apply_static_payload_type(Format& format);
void apply_rtpmap(Format& format, std::string_view mapping);

inline void add_payload_type(PayloadTypes& bits, const Format& format) {
  if (format.payload_type < 0) return;
  const auto type = static_cast<unsigned>(format.payload_type);
  bits[type / 64] |= std::uint64_t{1} << (type % 64);
}

}  // namespace sallyport::sdp
