// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtp_statistics.h"

#include <array>

namespace sallyport::dp {
namespace {

constexpr std::uint16_t kMaxDropout = 3000;  // RFC 3550 A.1
constexpr std::uint16_t kMaxMisorder = 100;

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

void RtpStatistics::restart(const RtpHeader& header, Nanoseconds now_ns) {
  lost_before = lost();
  ssrc = header.ssrc;
  base = highest = header.sequence;
  received = 1;
  transit = 0;
  base_timestamp = header.timestamp;
  base_ms = static_cast<std::uint16_t>(now_ns / kMillisecond);
  clock_hundred = static_clock_hundred(header.payload_type);
}

// A dynamic payload type's clock is in the SDP, not here: it is one of a few, and half a second tells which.
void RtpStatistics::learn_clock(const RtpHeader& header, Nanoseconds now_ns) {
  static constexpr std::array<std::uint16_t, 7> kClocks{80, 160, 240, 320, 441, 480, 900};
  const auto elapsed_ms = static_cast<std::uint16_t>(now_ns / kMillisecond - base_ms);
  if (elapsed_ms < 500) return;
  if (elapsed_ms > 2'000) {  // silence, or an unknown clock: try again from here
    base_timestamp = header.timestamp;
    base_ms = static_cast<std::uint16_t>(now_ns / kMillisecond);
    return;
  }
  const std::uint64_t hertz = std::uint64_t{header.timestamp - base_timestamp} * 1000 / elapsed_ms;
  for (const std::uint16_t clock : kClocks) {
    const std::uint64_t nominal = std::uint64_t{clock} * 100;
    if (hertz > nominal * 95 / 100 && hertz < nominal * 105 / 100) clock_hundred = clock;
  }
}

void RtpStatistics::add(const RtpHeader& header, Nanoseconds now_ns) {
  if (received == 0 || header.ssrc != ssrc) return restart(header, now_ns);
  const auto ahead = static_cast<std::uint16_t>(header.sequence - static_cast<std::uint16_t>(highest));
  if (ahead < kMaxDropout) {
    highest += ahead;
  } else if (ahead <= 0x10000 - kMaxMisorder) {
    return restart(header, now_ns);
  }
  ++received;
  if (clock_hundred == 0) return learn_clock(header, now_ns);
  // Arrival in timestamp units; the clock's start does not matter, only differences are used.
  const auto micro = static_cast<std::uint64_t>(now_ns / kMicrosecond);
  const auto arrival = static_cast<std::uint32_t>(micro * clock_hundred / 10'000);
  const std::uint32_t now_transit = arrival - header.timestamp;
  if (transit != 0) {
    const auto difference = static_cast<std::int32_t>(now_transit - transit);
    const auto magnitude =
        static_cast<std::uint32_t>(difference < 0 ? -std::int64_t{difference} : difference);
    jitter_q4 += magnitude - ((jitter_q4 + 8) >> 4);
  }
  transit = now_transit;
}

std::uint32_t RtpStatistics::lost() const {
  if (received == 0) return lost_before;
  const std::uint32_t expected = highest - base + 1;
  return lost_before + (expected > received ? expected - received : 0);  // duplicates make it negative
}

std::uint32_t RtpStatistics::jitter_us() const {
  if (clock_hundred == 0) return 0;
  return static_cast<std::uint32_t>(std::uint64_t{jitter_q4 >> 4} * 10'000 / clock_hundred);
}

}  // namespace sallyport::dp
