// SPDX-License-Identifier: Apache-2.0
// Copies that can be compared for what they say: where it stands in the file is left out.
#pragma once

#include <vector>

#include "controlplane/config/config.h"

namespace sallyport::config {

[[nodiscard]] std::vector<Port> without_places(std::vector<Port> ports);
[[nodiscard]] Realm without_places(Realm realm);
[[nodiscard]] Peer without_places(Peer peer);
[[nodiscard]] Route without_places(Route route);
[[nodiscard]] MapConfig without_places(MapConfig map);

}  // namespace sallyport::config
