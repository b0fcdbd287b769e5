// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string_view>

#include "dataplane/sip/uri.h"

namespace sallyport::sip {

// ( name-addr / addr-spec ) *( SEMI param ) of From, To, Contact, Route, P-Asserted-Identity... (RFC 3261 20.10).
struct NameAddr {
  std::string_view display;  // as it stands, quotes included
  std::string_view uri;      // between <>, or the bare addr-spec; "*" for Contact: *
  std::string_view params;   // header parameters, without the leading ';'
  bool bracketed = false;
};

// One value, not a list (split with ValueReader first).
[[nodiscard]] std::expected<NameAddr, Fault> parse_name_addr(std::string_view value);

// The tag parameter of a From or To value, or empty.
[[nodiscard]] std::string_view tag_of(std::string_view value);

}  // namespace sallyport::sip
