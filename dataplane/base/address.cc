// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sallyport {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof(buffer) || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  std::uint8_t bytes[16];
  if (inet_pton(AF_INET, buffer, bytes) == 1) return from_bytes(Family::v4, bytes);
  if (inet_pton(AF_INET6, buffer, bytes) == 1) return from_bytes(Family::v6, bytes);
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
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof(buffer));
  return buffer;
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
