// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

enum class Family : std::uint8_t { none, v4, v6 };

// An IPv4 or IPv6 address in network byte order; IPv4 uses the first four bytes, the rest is zero.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  [[nodiscard]] static constexpr IpAddress v4(std::uint32_t host_order) {
    IpAddress a;
    a.family_ = Family::v4;
    for (int i = 0; i < 4; ++i) a.bytes_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    return a;
  }
  // `bytes`: 4 octets (v4) or 16 octets (v6) in network order.
  [[nodiscard]] static constexpr IpAddress from_bytes(Family family, const std::uint8_t* bytes) {
    IpAddress a;
    a.family_ = family;
    const int n = family == Family::v4 ? 4 : family == Family::v6 ? 16 : 0;
    for (int i = 0; i < n; ++i) a.bytes_[i] = bytes[i];
    return a;
  }
  // Dotted quad (four decimal parts, no leading zeros beyond "0") or RFC 4291 text, without brackets
  // and without a zone. Anything else: nullopt.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] constexpr Family family() const { return family_; }
  [[nodiscard]] constexpr bool is_v4() const { return family_ == Family::v4; }
  [[nodiscard]] constexpr bool is_v6() const { return family_ == Family::v6; }
  [[nodiscard]] constexpr explicit operator bool() const { return family_ != Family::none; }
  [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] constexpr std::uint32_t v4_host_order() const {
    return (std::uint32_t{bytes_[0]} << 24) | (std::uint32_t{bytes_[1]} << 16) | (std::uint32_t{bytes_[2]} << 8) |
           bytes_[3];
  }
  // An IPv4-mapped IPv6 address (::ffff:a.b.c.d) as IPv4; any other as it is.
  [[nodiscard]] IpAddress unmapped() const;

  // RFC 1918, RFC 6598 (100.64/10), RFC 3927 and RFC 4291 link-local, RFC 4193 unique local.
  [[nodiscard]] bool is_private() const;
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_multicast() const;
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_broadcast() const;  // 255.255.255.255
  [[nodiscard]] bool is_link_local() const;

  // RFC 5952 text for IPv6. `to_uri_text` puts brackets round IPv6 (RFC 3261 25.1, IPv6reference).
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] std::string to_uri_text() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  Family family_ = Family::none;
};

// An address and a port in host order. Port 0: none.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "192.0.2.1:5060" or "[2001:db8::1]:5060".
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] constexpr explicit operator bool() const { return static_cast<bool>(address) && port != 0; }
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// A network: address and prefix length (0 to 32 or 128).
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;

  // "192.0.2.0/24"; a bare address is a host prefix. Host bits may be set (an interface address).
  [[nodiscard]] static std::optional<Prefix> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& other) const;
  [[nodiscard]] IpAddress network() const;
  // Of IPv4-mapped IPv6 addresses (::ffff:0:0/96 or longer) the IPv4 network; any other as it is.
  [[nodiscard]] Prefix unmapped() const;
  [[nodiscard]] std::string to_text() const;
  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
};

// True when the first `bits` bits are equal and the families are. bits above the family's: all bits.
[[nodiscard]] bool same_prefix(const IpAddress& a, const IpAddress& b, unsigned bits);

struct EndpointHash {
  [[nodiscard]] std::size_t operator()(const Endpoint& endpoint) const;
};
struct IpAddressHash {
  [[nodiscard]] std::size_t operator()(const IpAddress& address) const;
};

static_assert(sizeof(IpAddress) == 17 && sizeof(Endpoint) == 20);

}  // namespace sallyport
