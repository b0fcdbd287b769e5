// SPDX-License-Identifier: Apache-2.0
// What a media port received: demultiplexing by the first octets (RFC 7983, RFC 5761) and the sanity of RTP
// and RTCP headers (RFC 3550 5.1, A.1, A.2).
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/base/bytes.h"

namespace sallyport::dp {

enum class MediaKind : std::uint8_t {
  keep_alive,  // an empty datagram (RFC 6263 4.1)
  stun,        // first octet 0 to 3
  dtls,        // 20 to 63
  turn,        // 64 to 79
  rtp,         // 128 to 191, and not RTCP
  rtcp,        // 128 to 191, second octet 192 to 223 (RFC 5761 4)
  other
};

[[nodiscard]] inline MediaKind media_kind(std::span<const std::uint8_t> payload) {
  if (payload.empty()) return MediaKind::keep_alive;
  const std::uint8_t first = payload[0];
  if (first >= 128 && first <= 191) {
    const bool control = payload.size() > 1 && payload[1] >= 192 && payload[1] <= 223;
    return control ? MediaKind::rtcp : MediaKind::rtp;
  }
  if (first <= 3) return MediaKind::stun;
  if (first >= 20 && first <= 63) return MediaKind::dtls;
  if (first >= 64 && first <= 79) return MediaKind::turn;
  return MediaKind::other;
}

struct RtpHeader {
  std::uint8_t payload_type = 0;
  bool marker = false;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t ssrc = 0;
};

// Whether what is behind the header is in clear, or is SRTP or SRTCP: then padding and the further packets of
// a compound cannot be judged.
enum class Behind : std::uint8_t { clear, encrypted };

inline constexpr std::size_t kRtpBytes = 12;

// What read_rtp says, of any header.
[[nodiscard]] bool is_rtp_sane(std::span<const std::uint8_t> payload, std::size_t total, Behind behind);

// `payload` is of kind rtp; at least the RTP header, CSRCs and extension lie in it. `total`: octets of the
// datagram, for the padding, which is only judged when all of it lies in `payload`. False: malformed.
[[nodiscard]] inline bool read_rtp(std::span<const std::uint8_t> payload, std::size_t total, RtpHeader& out,
                                   Behind behind = Behind::clear) {
  const bool plain = payload.size() >= kRtpBytes && payload[0] == 0x80;  // nothing but the fixed header
  if (!plain && !is_rtp_sane(payload, total, behind)) return false;
  out.marker = (payload[1] & 0x80) != 0;
  out.payload_type = payload[1] & 0x7f;
  out.sequence = read16(&payload[2]);
  out.timestamp = read32(&payload[4]);
  out.ssrc = read32(&payload[8]);
  return true;
}

// A compound or reduced-size (RFC 5506) RTCP packet whose lengths add up to the datagram; of SRTCP (RFC
// 3711 3.4) the first packet's header, which is all that is in clear.
[[nodiscard]] bool rtcp_sane(std::span<const std::uint8_t> payload, Behind behind = Behind::clear);
// The SSRC of a sane RTCP packet's sender.
[[nodiscard]] std::uint32_t rtcp_ssrc(std::span<const std::uint8_t> payload);

}  // namespace sallyport::dp
