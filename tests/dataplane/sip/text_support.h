// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dataplane/sip/fault.h"

#include <expected>
#include <string>
#include <string_view>

namespace sallyport::sip {

// Tests write lines with "\n"; on the wire they end with CR LF.
[[nodiscard]] inline std::string crlf(std::string_view text) {
  std::string wire;
  for (const char c : text) {
    if (c == '\n') wire.push_back('\r');
    wire.push_back(c);
  }
  return wire;
}

template <typename T>
[[nodiscard]] Fault fault_of(const std::expected<T, Fault>& result) {
  return result ? Fault::none : result.error();
}

}  // namespace sallyport::sip
