// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtcp_statistics.h"

#include <algorithm>

#include "dataplane/base/bytes.h"

namespace sallyport::dp {
namespace {

constexpr std::uint8_t kSenderReport = 200, kReceiverReport = 201;
constexpr std::size_t kHeaderBytes = 8;       // with the SSRC of its sender
constexpr std::size_t kSenderInfoBytes = 20;  // 6.4.1
constexpr std::size_t kBlockBytes = 24;
constexpr std::uint32_t kLongestRtt_us = 10'000'000;  // beyond, a clock or a report is wrong

[[nodiscard]] std::uint32_t word(std::span<const std::uint8_t> at, std::size_t offset) {
  return read32(at.data() + offset);
}

void read_block(std::span<const std::uint8_t> block, RtcpStatistics& from, const RtcpStatistics& to,
                Nanoseconds now_ns) {
  const std::uint32_t lost = word(block, 4) & 0xff'ffff;  // 24 bits with a sign: duplicates make it negative
  from.reported_lost = (lost & 0x80'0000) != 0 ? 0 : lost;
  const std::uint32_t last_report = word(block, 16);
  if (last_report == 0) return;
  for (const RtcpStatistics::SenderReport& report : to.sent) {
    if (report.middle != last_report) continue;
    const Nanoseconds held_ns = static_cast<Nanoseconds>((std::uint64_t{word(block, 20)} * kSecond) >> 16);
    const Nanoseconds rtt_us = (now_ns - report.seen_ns - held_ns) / kMicrosecond;
    // A clock that is a little slow makes a short way negative.
    if (rtt_us <= kLongestRtt_us) from.rtt_us = static_cast<std::uint32_t>(std::max<Nanoseconds>(rtt_us, 1));
  }
}

void note(std::uint32_t middle, RtcpStatistics& from, Nanoseconds now_ns) {
  if (middle == 0) return;
  from.newest ^= 1u;
  from.sent[from.newest] = {.middle = middle, .seen_ns = now_ns};
}

}  // namespace

void read_reports(std::span<const std::uint8_t> packet, RtcpStatistics& from, const RtcpStatistics& to,
                  Nanoseconds now_ns) {
  while (packet.size() >= kHeaderBytes) {
    const std::size_t bytes = std::min(packet.size(), ((word(packet, 0) & 0xffff) + std::size_t{1}) * 4);
    const std::span<const std::uint8_t> one = packet.first(bytes);
    packet = packet.subspan(bytes);
    if (one.size() < kHeaderBytes || (one[1] != kSenderReport && one[1] != kReceiverReport)) continue;
    std::size_t at = kHeaderBytes;
    if (one[1] == kSenderReport) {
      if (one.size() < kHeaderBytes + kSenderInfoBytes) continue;
      note(word(one, kHeaderBytes + 2), from, now_ns);
      at += kSenderInfoBytes;
    }
    for (unsigned blocks = one[0] & 0x1f; blocks > 0 && at + kBlockBytes <= one.size(); --blocks) {
      read_block(one.subspan(at, kBlockBytes), from, to, now_ns);
      at += kBlockBytes;
    }
  }
}

}  // namespace sallyport::dp
