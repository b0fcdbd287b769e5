// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sallyport::routing {

// How one place stands among the others of its peer.
struct Standing {
  std::uint16_t configured = 0;  // index of the target that it comes from: the failover order as written
  std::uint16_t rank = 0;        // see ResolvedPlace
  std::uint16_t entry = 0;
  std::uint16_t weight = 0;
};

// The order in which to try them, as positions: by target, then rank, and within a rank entries are drawn by
// weight without replacement (RFC 2782, "Weight"). `places` stands by configured, rank and entry. `random`:
// uniform; one number decides every draw.
[[nodiscard]] std::vector<std::uint16_t> target_order(std::span<const Standing> places, std::uint64_t random);

}  // namespace sallyport::routing
