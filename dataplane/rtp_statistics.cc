// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtp_statistics.h"

#include <array>

namespace sallyport::dp {
namespace {

constexpr std::uint16_t kMaxMisorder = 100;  // RFC 3550 A.1

// RFC 3551 table 4 and 5; 0: dynamic or unassigned.
std::uint16_t static_clock_hundred(std::uint8_t payload_type) {
  if (payload_type == 6) return 160;                         // DVI4 at 16 kHz
  if (payload_type == 10 || payload_type == 11) return 441;  // L16
  if (payload_type == 16) return 110;                        // DVI4 at 11,025 Hz
  if (payload_type == 17) return 220;
  if (payload_type == 14 || (payload_type >= 25 && payload_type <= 34)) return 900;
  return payload_type <= 18 ? 80 : 0;
}

}  // namespace

void RtpStatistics::restart(const RtpHeader& header, RtpHistory& history, Nanoseconds now_ns) {
  history.lost_before = lost(history);
  ssrc = header.ssrc;
  history.base = highest = header.sequence;
  received = 1;
  transit = 0;
  history.base_timestamp = header.timestamp;
  history.base_ms = static_cast<std::uint16_t>(now_ns / kMillisecond);
  clock_hundred = static_clock_hundred(header.payload_type);
}

// A dynamic payload type's clock is in the SDP, not here: it is one of a few, and half a second tells which.
void RtpStatistics::learn_clock(const RtpHeader& header, RtpHistory& history, Nanoseconds now_ns) {
  static constexpr std::array<std::uint16_t, 7> kClocks{80, 160, 240, 320, 441, 480, 900};
  const auto elapsed_ms = static_cast<std::uint16_t>(now_ns / kMillisecond - history.base_ms);
  if (elapsed_ms < 500) return;
  if (elapsed_ms > 2'000) {  // silence, or an unknown clock: try again from here
    history.base_timestamp = header.timestamp;
    history.base_ms = static_cast<std::uint16_t>(now_ns / kMillisecond);
    return;
  }
  const std::uint64_t hertz = std::uint64_t{header.timestamp - history.base_timestamp} * 1000 / elapsed_ms;
  for (const std::uint16_t clock : kClocks) {
    const std::uint64_t nominal = std::uint64_t{clock} * 100;
    if (hertz > nominal * 95 / 100 && hertz < nominal * 105 / 100) clock_hundred = clock;
  }
}

// Of a new source, out of order, or before the clock is known.
void RtpStatistics::add_other(const RtpHeader& header, RtpHistory& history, Nanoseconds now_ns) {
  if (received == 0 || header.ssrc != ssrc) return restart(header, history, now_ns);
  const auto ahead = static_cast<std::uint16_t>(header.sequence - static_cast<std::uint16_t>(highest));
  if (ahead < kMaxDropout) {
    highest += ahead;
  } else if (ahead <= 0x10000 - kMaxMisorder) {
    return restart(header, history, now_ns);
  }
  ++received;
  if (clock_hundred == 0) return learn_clock(header, history, now_ns);
  add_transit(header.timestamp, now_ns);
}

std::uint32_t RtpStatistics::lost(const RtpHistory& history) const {
  if (received == 0) return history.lost_before;
  const std::uint32_t expected = highest - history.base + 1;
  return history.lost_before +
         (expected > received ? expected - received : 0);  // duplicates make it negative
}

std::uint32_t RtpStatistics::jitter_us() const {
  if (clock_hundred == 0) return 0;
  return static_cast<std::uint32_t>(std::uint64_t{jitter_q4 >> 4} * 10'000 / clock_hundred);
}

}  // namespace sallyport::dp
