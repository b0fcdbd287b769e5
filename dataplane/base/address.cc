// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/address.h"

#include "dataplane/base/ascii.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sallyport {

namespace {

// Four decimal parts of 0 to 255 and nothing else; no leading zeros, which some read as octal.
bool read_v4(std::string_view text, std::uint8_t* out) {
  const char* p = text.data();
  const char* const end = p + text.size();
  for (int part = 0; part < 4; ++part) {
    if (part != 0 && (p == end || *p++ != '.')) return false;
    if (p == end || !is_digit(*p)) return false;
    const bool zero = *p == '0';
    unsigned value = static_cast<unsigned>(*p++ - '0');
    while (p != end && is_digit(*p)) {
      value = value * 10 + static_cast<unsigned>(*p++ - '0');
      if (zero || value > 255) return false;
    }
    out[part] = static_cast<std::uint8_t>(value);
  }
  return p == end;
}

// -1: no hexadecimal digit.
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The groups of one side of "::", or of an address without it: 16 bits in hexadecimal each, divided by ':',
// the last two of them perhaps as an IPv4 address (RFC 4291 2.2). The octets written to `out`, at most `room`;
// -1: it is something else.
int read_groups(std::string_view text, std::uint8_t* out, int room) {
  int used = 0;
  for (;;) {
    unsigned value = 0;
    std::size_t n = 0;
    for (int digit = 0; n < text.size() && n < 5 && (digit = hex_digit(text[n])) >= 0; ++n) {
      value = value << 4 | static_cast<unsigned>(digit);
    }
    if (n < text.size() && text[n] == '.') return used + 4 <= room && read_v4(text, out + used) ? used + 4 : -1;
    if (n == 0 || n > 4 || used + 2 > room) return -1;
    out[used++] = static_cast<std::uint8_t>(value >> 8);
    out[used++] = static_cast<std::uint8_t>(value);
    if (n == text.size()) return used;
    if (text[n] != ':') return -1;
    text.remove_prefix(n + 1);
  }
}

bool read_v6(std::string_view text, std::uint8_t* out) {
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return read_groups(text, out, 16) == 16;
  // "::" stands for at least one group (glibc's inet_pton reads it so, too).
  const std::string_view front = text.substr(0, gap);
  const std::string_view back = text.substr(gap + 2);
  const int front_octets = front.empty() ? 0 : read_groups(front, out, 14);
  if (front_octets < 0 || front.find('.') != std::string_view::npos) return false;
  std::uint8_t tail[14];
  const int back_octets = back.empty() ? 0 : read_groups(back, tail, 14 - front_octets);
  if (back_octets < 0) return false;
  std::fill(out + front_octets, out + 16 - back_octets, std::uint8_t{0});
  std::copy(tail, tail + back_octets, out + 16 - back_octets);
  return true;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::uint8_t bytes[16];
  if (read_v4(text, bytes)) return from_bytes(Family::v4, bytes);
  if (read_v6(text, bytes)) return from_bytes(Family::v6, bytes);
  return std::nullopt;
}

IpAddress IpAddress::unmapped() const {
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!is_v6() || !std::equal(kMapped.begin(), kMapped.end(), bytes_.begin())) return *this;
  return from_bytes(Family::v4, bytes_.data() + 12);
}

bool IpAddress::is_private() const {
  if (is_v4()) {
    const std::uint32_t a = v4_host_order();
    return (a >> 24) == 10 || (a >> 20) == 0xac1 || (a >> 16) == 0xc0a8 || (a >> 22) == (0x64400000u >> 22) ||
           is_link_local();
  }
  return is_v6() && ((bytes_[0] & 0xfe) == 0xfc || is_link_local());
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return (v4_host_order() >> 16) == 0xa9fe;
  return is_v6() && bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return is_v6() && bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.begin() + 15, [](auto b) { return b == 0; });
}

bool IpAddress::is_multicast() const {
  return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : is_v6() && bytes_[0] == 0xff;
}

bool IpAddress::is_unspecified() const {
  return family_ != Family::none && std::all_of(bytes_.begin(), bytes_.end(), [](auto b) { return b == 0; });
}

bool IpAddress::is_broadcast() const { return is_v4() && v4_host_order() == 0xffffffffu; }

std::string IpAddress::to_text() const {
  char buffer[INET6_ADDRSTRLEN];
  if (family_ == Family::none) return "none";
  if (is_v6()) return inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof(buffer));
  char* end = buffer;
  for (std::size_t part = 0; part < 4; ++part) {
    if (part != 0) *end++ = '.';
    end = std::to_chars(end, buffer + sizeof(buffer), bytes_[part]).ptr;
  }
  return {buffer, end};
}

std::string IpAddress::to_uri_text() const { return is_v6() ? "[" + to_text() + "]" : to_text(); }

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  if (!address || address->is_v6() != bracketed) return std::nullopt;
  Endpoint endpoint{*address, 0};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return endpoint;
}

std::string Endpoint::to_text() const { return address.to_uri_text() + ":" + std::to_string(port); }

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const std::uint8_t longest = address->is_v4() ? 32 : 128;
  Prefix prefix{*address, longest};
  if (slash == std::string_view::npos) return prefix;
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size() || length > longest) return std::nullopt;
  prefix.length = static_cast<std::uint8_t>(length);
  return prefix;
}

bool Prefix::contains(const IpAddress& other) const { return same_prefix(address, other, length); }

IpAddress Prefix::network() const {
  auto bytes = address.bytes();
  for (unsigned i = 0; i < bytes.size(); ++i) {
    const unsigned kept = length > i * 8 ? std::min(8u, length - i * 8) : 0;
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00u >> kept));
  }
  return IpAddress::from_bytes(address.family(), bytes.data());
}

Prefix Prefix::unmapped() const {
  const IpAddress inner = address.unmapped();
  if (!address.is_v6() || !inner.is_v4() || length < 96) return *this;
  return {inner, static_cast<std::uint8_t>(length - 96)};
}

std::string Prefix::to_text() const { return address.to_text() + "/" + std::to_string(length); }

bool same_prefix(const IpAddress& a, const IpAddress& b, unsigned bits) {
  if (a.family() != b.family() || a.family() == Family::none) return false;
  bits = std::min(bits, a.is_v4() ? 32u : 128u);
  const unsigned whole = bits / 8;
  if (!std::equal(a.bytes().begin(), a.bytes().begin() + whole, b.bytes().begin())) return false;
  if (bits % 8 == 0) return true;
  const unsigned mask = 0xff00u >> (bits % 8) & 0xffu;
  return ((a.bytes()[whole] ^ b.bytes()[whole]) & mask) == 0;
}

namespace {
std::size_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t h = a * 0x9e3779b97f4a7c15u ^ (b + 0x7f4a7c15u) * 0xbf58476d1ce4e5b9u;
  h ^= h >> 31;
  return h * 0x94d049bb133111ebu;
}
}  // namespace

std::size_t IpAddressHash::operator()(const IpAddress& address) const {
  std::uint64_t words[2];
  std::memcpy(words, address.bytes().data(), sizeof(words));
  return mix(words[0], words[1]);
}

std::size_t EndpointHash::operator()(const Endpoint& endpoint) const {
  return mix(IpAddressHash{}(endpoint.address), endpoint.port);
}

}  // namespace sallyport
