// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "dataplane/base/address.h"
#include "dataplane/sip/fault.h"

namespace sallyport::sip {

enum class Scheme : std::uint8_t { sip, sips, tel, other };

// A URI as views of its text (RFC 3261 19.1, RFC 3966). For tel, `user` is the number and `host` is empty.
struct Uri {
  Scheme scheme = Scheme::other;
  std::string_view text;         // the whole
  std::string_view scheme_text;
  std::string_view user;         // as escaped; the password is apart
  std::string_view password;
  std::string_view host;         // IPv6 with its brackets
  std::string_view parameters;   // without the leading ';'
  std::string_view headers;      // without the '?'
  std::uint16_t port = 0;        // 0: none
  bool has_user = false;
};

// sip and sips are parsed in full, tel as far as Uri goes; of others only the scheme is split off.
// Error: the fault to report, request_uri being the general one.
[[nodiscard]] std::expected<Uri, Fault> parse_uri(std::string_view text);

// True for a host name, an IPv4address or an IPv6reference (with its brackets, and an address inside).
[[nodiscard]] bool is_host(std::string_view host);
// The same for what Cursor::take_host has taken, whose characters have been looked at.
[[nodiscard]] bool is_taken_host(std::string_view host);

// The host as an address where it is one (brackets taken off), else an IpAddress of no family.
[[nodiscard]] IpAddress host_address(std::string_view host);

// "%40" to "@"; a '%' that starts no escape stays. Never used for comparing user parts with NULs cut.
[[nodiscard]] std::string unescape(std::string_view text);
// A user part of a SIP URI as we write it (RFC 3261 25.1): '#', which is met unescaped in the field, is
// escaped, and so are ':', '[' and ']', which parameters of a tel URI may hold (RFC 3966 3). Everything else
// stays as it is.
[[nodiscard]] std::string escape_user(std::string_view user);

}  // namespace sallyport::sip
