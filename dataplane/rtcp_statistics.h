// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What RTCP that passes us says of the way between us and an endpoint (RFC 3550 6.4).
// Nothing is asked of anybody: a sender report that we relay towards an endpoint is noted with its time, and
// the endpoint's next report names it (LSR) with how long it was held there (DLSR); what is left of the time
// is the round trip from here to there and back. What an endpoint says it has missed was lost between its
// peer and itself. Where RTCP is encrypted (SRTCP), no report names what we noted, and nothing is learned.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/base/clock.h"

namespace sallyport::dp {

// Of one flow, beside it in the table: touched by RTCP alone. Of another generation: nothing is known.
struct RtcpStatistics {
  struct SenderReport {
    std::uint32_t middle = 0;  // the middle 32 bits of its NTP timestamp; 0: none
    std::uint32_t spare = 0;
    Nanoseconds seen_ns = 0;
  };
  std::uint32_t generation = 0;
  std::uint32_t rtt_us = 0;          // 0: not known
  std::uint32_t reported_lost = 0;   // cumulative, of the last report block
  std::uint32_t newest = 0;          // of `sent`
  std::array<SenderReport, 2> sent;  // what came from the flow's endpoint, the last two
};

// A sane RTCP packet from the endpoint of `from`, on its way to the endpoint of `to`.
void read_reports(std::span<const std::uint8_t> packet, RtcpStatistics& from, const RtcpStatistics& to,
                  Nanoseconds now_ns);

}  // namespace sallyport::dp
