// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"

namespace sallyport::config {

// What `sallyport check` says first of a configuration without a fault: one line, "FILE: no fault (2 realms,
// ...)\n".
[[nodiscard]] std::string summary(std::string_view file, const Config& config);

// Two lists of faults as one, sorted by place, each fault once.
[[nodiscard]] std::vector<Fault> merge_faults(std::vector<Fault> a, std::span<const Fault> b);

}  // namespace sallyport::config
