// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace sallyport::trace {

// By what a message is told to be of a dialog (RFC 3261 12). Empty: it has none.
struct Keys {
  std::string_view call_id;
  std::string_view from_tag;
  std::string_view to_tag;
};

// Reads the keys of a SIP message, whole or broken, and blanks in place what nobody may read afterwards: the
// values of Authorization and Proxy-Authorization (but for a known scheme's name), passwords in SIP URIs (RFC
// 3261 19.1.1), and the keys in SDP (a=crypto, a=key-mgmt, k=). Each octet becomes '*', so that lengths stay
// true. The views point into `message`.
[[nodiscard]] Keys read_and_blank(std::span<char> message);

}  // namespace sallyport::trace
