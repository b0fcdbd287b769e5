// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What a stream may carry at most in one direction, from the codecs that were agreed and
// from b= (RFC 8866 5.8, RFC 3890), for policing. The answer is generous: a codec's highest rate at 10 ms a
// packet, or what b= says where that is more, and all of it twice. It is there to stop a flood on one flow,
// not to hold endpoints to their word.
#pragma once

#include <cstdint>
#include <span>

#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

struct MediaRate {
  std::uint32_t packets_per_s = 0;  // 0: no limit
  std::uint32_t bytes_per_s = 0;    // of UDP payload; 0: no limit
  friend bool operator==(const MediaRate&, const MediaRate&) = default;
};

// The highest bit rate of a codec, without RTP's header; 0 for what helps a codec (DTMF, comfort noise). One
// that is not known has the rate of its kind.
[[nodiscard]] std::uint32_t highest_bps(const Format& format, MediaKind kind);

// `agreed`: the formats that are in use, of either description. What is neither RTP nor UDPTL has the limit
// of b=, or none.
[[nodiscard]] MediaRate media_rate(const Stream& offer, const Stream& answer,
                                   std::span<const Format* const> agreed);

}  // namespace sallyport::sdp
