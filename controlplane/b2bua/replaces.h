// SPDX-License-Identifier: Apache-2.0
// Which dialog a Replaces field names (RFC 3891), alone or escaped in the URI of a Refer-To (RFC 3515 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::b2bua {

// As the receiver of the INVITE knows it: `to_tag` is his, `from_tag` the other side's.
struct DialogId {
  std::string call_id;
  std::string to_tag;
  std::string from_tag;
  bool early_only = false;
  friend bool operator==(const DialogId&, const DialogId&) = default;
};

// The value of one Replaces field; nullopt: it lacks what it must have.
[[nodiscard]] std::optional<DialogId> parse_replaces(std::string_view value);
[[nodiscard]] std::string replaces_value(const DialogId& id);

// The value of that header among the headers of a URI ("a=b&c=d"), escapes undone; nullopt: there is none.
[[nodiscard]] std::optional<std::string> uri_header(std::string_view headers, std::string_view name);
// "name=value" for the headers of a URI, escaped.
[[nodiscard]] std::string make_uri_header(std::string_view name, std::string_view value);

}  // namespace sallyport::b2bua
