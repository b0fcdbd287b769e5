// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "controlplane/config/config.h"

namespace sallyport::routing {

// What `sallyport route --from PEER URI` prints: the route that decides, with its place in the file, and each
// target in order with a reason. All targets count as up. `random` decides between weights. Error: one
// sentence (no such peer, not a URI).
[[nodiscard]] std::expected<std::string, std::string> route_text(const config::Config& config,
                                                                 std::string_view from_peer,
                                                                 std::string_view uri, std::uint64_t random);

}  // namespace sallyport::routing
