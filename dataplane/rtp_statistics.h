// SPDX-License-Identifier: Apache-2.0
// Loss and jitter of one direction (RFC 3550 A.3, A.8), of what was received and accepted.
#pragma once

#include <cstdint>

#include "dataplane/base/clock.h"
#include "dataplane/rtp.h"

namespace sallyport::dp {

struct RtpStatistics {
  std::uint32_t ssrc = 0;
  std::uint32_t highest = 0;         // extended sequence number
  std::uint32_t base = 0;            // of the first packet
  std::uint32_t received = 0;        // since `base`; 0: nothing yet
  std::uint32_t lost_before = 0;     // of earlier sources and of sequences that were restarted
  std::uint32_t reported_lost = 0;   // of lost(), what the realm's counter has
  std::uint32_t transit = 0;         // of the last packet, in timestamp units
  std::uint32_t jitter_q4 = 0;       // in 1/16 timestamp units, as A.8's integer version
  std::uint32_t base_timestamp = 0;  // to learn the clock by; of the packet at base_ms
  std::uint16_t base_ms = 0;         // modulo 2^16
  std::uint16_t clock_hundred = 0;   // clock rate in 100 Hz; 0: not known yet

  void add(const RtpHeader& header, Nanoseconds now_ns);
  [[nodiscard]] std::uint32_t lost() const;
  [[nodiscard]] std::uint32_t jitter_us() const;

 private:
  void restart(const RtpHeader& header, Nanoseconds now_ns);
  void learn_clock(const RtpHeader& header, Nanoseconds now_ns);
};

}  // namespace sallyport::dp
