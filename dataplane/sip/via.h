// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "dataplane/sip/fault.h"

namespace sallyport::sip {

// One via-parm (RFC 3261 20.42, RFC 3581).
struct Via {
  std::string_view version;    // "2.0"
  std::string_view transport;  // "UDP"
  std::string_view host;       // sent-by; IPv6 with its brackets
  std::uint16_t port = 0;      // 0: none
  std::string_view params;     // without the leading ';'
  std::string_view branch;
  std::string_view received;
  std::string_view maddr;
  bool has_rport = false;
  std::uint16_t rport = 0;     // 0: asked for, not filled
};

// One value, not a list.
[[nodiscard]] std::expected<Via, Fault> parse_via(std::string_view value);

inline constexpr std::string_view kMagicCookie = "z9hG4bK";

}  // namespace sallyport::sip
