// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtp.h"

namespace sallyport::dp {
bool is_rtp_sane(std::span<const std::uint8_t> payload, std::size_t total, Behind behind) {
  if (payload.size() < kRtpBytes || payload[0] >> 6 != 2) return false;
  std::size_t header_bytes = kRtpBytes + (payload[0] & 0x0fu) * 4u;
  if ((payload[0] & 0x10) != 0) {  // extension, 5.3.1
    if (payload.size() < header_bytes + 4) return false;
    header_bytes += 4 + std::size_t{read16(&payload[header_bytes + 2])} * 4;
  }
  if (total < header_bytes) return false;
  const bool padded = (payload[0] & 0x20) != 0 && behind == Behind::clear;
  if (padded && payload.size() == total) {  // 5.1
    const std::uint8_t padding = payload[total - 1];
    if (padding == 0 || header_bytes + padding > total) return false;
  }
  return true;
}

std::uint32_t rtcp_ssrc(std::span<const std::uint8_t> payload) {
  return read32(&payload[4]);
}

bool rtcp_sane(std::span<const std::uint8_t> payload, Behind behind) {
  if (payload.size() < 8) return false;
  if (behind == Behind::encrypted) {
    const std::size_t bytes = (std::size_t{read16(&payload[2])} + 1) * 4;
    return payload[0] >> 6 == 2 && payload[1] >= 192 && payload[1] <= 223 && bytes <= payload.size();
  }
  while (!payload.empty()) {
    if (payload.size() < 4 || payload[0] >> 6 != 2 || payload[1] < 192 || payload[1] > 223) return false;
    const std::size_t bytes = (std::size_t{read16(&payload[2])} + 1) * 4;
    if (bytes > payload.size()) return false;
    // A.2: only the last packet of a compound may be padded.
    if ((payload[0] & 0x20) != 0 && bytes != payload.size()) return false;
    payload = payload.subspan(bytes);
  }
  return true;
}

}  // namespace sallyport::dp
