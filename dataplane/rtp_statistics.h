// SPDX-License-Identifier: Apache-2.0
// Loss and jitter of one direction (RFC 3550 A.3, A.8), of what was received and accepted.
#pragma once

#include <cstdint>

#include "dataplane/base/clock.h"
#include "dataplane/rtp.h"

namespace sallyport::dp {

// What a packet in sequence does not touch.
struct RtpHistory {
  std::uint32_t base = 0;            // extended sequence number of the first packet
  std::uint32_t lost_before = 0;     // of earlier sources and of sequences that were restarted
  std::uint32_t reported_lost = 0;   // of lost(), what the realm's counter has
  std::uint32_t base_timestamp = 0;  // to learn the clock by; of the packet at base_ms
  std::uint16_t base_ms = 0;         // modulo 2^16
};

struct RtpStatistics {
  std::uint32_t ssrc = 0;
  std::uint32_t highest = 0;        // extended sequence number
  std::uint32_t received = 0;       // since RtpHistory::base; 0: nothing yet
  std::uint32_t transit = 0;        // of the last packet, in timestamp units
  std::uint32_t jitter_q4 = 0;      // in 1/16 timestamp units, as A.8's integer version
  std::uint16_t clock_hundred = 0;  // clock rate in 100 Hz; 0: not known yet

  void add(const RtpHeader& header, RtpHistory& history, Nanoseconds now_ns) {
    const auto ahead = static_cast<std::uint16_t>(header.sequence - static_cast<std::uint16_t>(highest));
    if (received == 0 || header.ssrc != ssrc || ahead >= kMaxDropout || clock_hundred == 0) [[unlikely]]
      return add_other(header, history, now_ns);
    highest += ahead;
    ++received;
    add_transit(header.timestamp, now_ns);
  }
  [[nodiscard]] std::uint32_t lost(const RtpHistory& history) const;
  [[nodiscard]] std::uint32_t jitter_us() const;

 private:
  static constexpr std::uint16_t kMaxDropout = 3000;  // RFC 3550 A.1

  // Arrival in timestamp units; the clock's start does not matter, only differences are used.
  void add_transit(std::uint32_t timestamp, Nanoseconds now_ns) {
    const auto micro = static_cast<std::uint64_t>(now_ns) / kMicrosecond;
    const auto arrival = static_cast<std::uint32_t>(micro * clock_hundred / 10'000);
    const std::uint32_t now_transit = arrival - timestamp;
    if (transit != 0) {
      const std::uint32_t difference = now_transit - transit;
      const std::uint32_t magnitude = difference >> 31 != 0 ? 0u - difference : difference;
      jitter_q4 += magnitude - ((jitter_q4 + 8) >> 4);
    }
    transit = now_transit;
  }
  void add_other(const RtpHeader& header, RtpHistory& history, Nanoseconds now_ns);
  void restart(const RtpHeader& header, RtpHistory& history, Nanoseconds now_ns);
  void learn_clock(const RtpHeader& header, RtpHistory& history, Nanoseconds now_ns);
};

static_assert(sizeof(RtpStatistics) == 24 && sizeof(RtpHistory) == 20);

}  // namespace sallyport::dp
