// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include "dataplane/base/address.h"

namespace sallyport {

// Whether `text` has an address literal (IPv4, or IPv6 with or without brackets) that `is_wanted` says yes
// to. Text that happens to read as an address counts as one; a full stop or colon behind it is not of it.
[[nodiscard]] bool has_address(std::string_view text, const std::function<bool(const IpAddress&)>& is_wanted);
// Any address at all.
[[nodiscard]] bool has_address(std::string_view text);

}  // namespace sallyport
