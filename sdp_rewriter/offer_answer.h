// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

enum class AnswerFault : std::uint8_t {
  stream_count,    // RFC 3264 6: as many m= lines as the offer
  media_type,      // RFC 3264 6: in the same order
  refused_stream,  // a stream offered with port 0 must be answered with port 0
};
[[nodiscard]] std::string_view name(AnswerFault fault);

struct AnswerError {
  AnswerFault fault = AnswerFault::stream_count;
  std::size_t stream = 0;
};

// What an answer settles for one stream. Payload types belong to the receiver's description (RFC
// 3264 5.1, 6.1): the offerer sends those of the answer, the answerer those of the offer. All zero: not RTP,
// or refused.
struct NegotiatedStream {
  bool refused = false;
  std::vector<const Format*> formats;  // of the answer, those that the offer has too, in the answer's order
  PayloadTypes from_offerer{};
  PayloadTypes from_answerer{};
  Direction offerer = Direction::inactive;  // what each may do in the end: both sides agree, holds counted in
  Direction answerer = Direction::inactive;
  bool rtcp_mux = false;  // both have a=rtcp-mux (RFC 5761 5.1.1)
};

[[nodiscard]] std::expected<void, AnswerError> check_answer(const Description& offer,
                                                            const Description& answer);

// One entry per stream; the views live as long as `answer`.
[[nodiscard]] std::expected<std::vector<NegotiatedStream>, AnswerError> negotiate(const Description& offer,
                                                                                  const Description& answer);

// The nearest direction to `wanted` that may answer `offered` (RFC 3264 6.1).
[[nodiscard]] constexpr Direction answer_direction(Direction offered, Direction wanted) {
  return make_direction(sends(wanted) && receives(offered), receives(wanted) && sends(offered));
}

}  // namespace sallyport::sdp
