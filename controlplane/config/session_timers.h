// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dataplane/base/clock.h"

namespace sallyport::config {

// Who sends the refreshes of a leg where the peer leaves it to us (RFC 4028).
enum class RefreshBy : std::uint8_t { automatic, us, them };

// `session_timer` of a peer. What a peer asks for is agreed to even where `expires` is off.
struct SessionTimers {
  Nanoseconds expires_ns = 0;            // the interval that we ask for; 0: we ask for none
  Nanoseconds min_se_ns = 90 * kSecond;  // the shortest that we agree to (RFC 4028 4: at least 90 s)
  RefreshBy refresher = RefreshBy::automatic;
  friend bool operator==(const SessionTimers&, const SessionTimers&) = default;
};

}  // namespace sallyport::config
