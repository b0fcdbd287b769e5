// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/offer_answer.h"

#include "sdp_rewriter/fields.h"

#include <algorithm>

namespace sallyport::sdp {
namespace {

// The same number can stand for two codecs and one codec for two numbers (H.264 profiles): the number decides
// where it names the same codec, else the codec alone.
const Format* counterpart(const Format& answered, std::span<const Format> offered) {
  const auto same_number = std::ranges::find_if(
      offered, [&](const Format& f) { return f.text == answered.text && f.same_codec(answered); });
  if (same_number != offered.end()) return &*same_number;
  const auto same = std::ranges::find_if(offered, [&](const Format& f) { return f.same_codec(answered); });
  return same == offered.end() ? nullptr : &*same;
}

NegotiatedStream negotiate_stream(const Stream& offer, const Stream& answer) {
  NegotiatedStream result;
  result.refused = offer.disabled() || answer.disabled();
  if (result.refused) return result;
  for (const Format& format : answer.formats) {
    const Format* offered = counterpart(format, offer.formats);
    if (!offered) continue;
    result.formats.push_back(&format);
    add_payload_type(result.from_offerer, format);
    add_payload_type(result.from_answerer, *offered);
  }
  const Direction a = offer.effective_direction();
  const Direction b = answer.effective_direction();
  result.offerer = make_direction(sends(a) && receives(b), receives(a) && sends(b));
  result.answerer = make_direction(receives(result.offerer), sends(result.offerer));
  result.rtcp_mux = offer.rtcp_mux && answer.rtcp_mux;
  return result;
}

}  // namespace

std::string_view name(AnswerFault fault) {
  switch (fault) {
    case AnswerFault::stream_count:
      return "stream-count";
    case AnswerFault::media_type:
      return "media-type";
    case AnswerFault::refused_stream:
      return "refused-stream";
  }
  return "unknown";
}

std::expected<void, AnswerError> check_answer(const Description& offer, const Description& answer) {
  const auto offered = offer.streams();
  const auto answered = answer.streams();
  if (offered.size() != answered.size()) {
    return std::unexpected(AnswerError{AnswerFault::stream_count, std::min(offered.size(), answered.size())});
  }
  for (std::size_t i = 0; i < offered.size(); ++i) {
    const bool same_media = offered[i].kind == answered[i].kind &&
                            (offered[i].kind != MediaKind::other || offered[i].media == answered[i].media);
    if (!same_media) return std::unexpected(AnswerError{AnswerFault::media_type, i});
    const bool revived = offered[i].disabled() && !offered[i].bundle_only && !answered[i].disabled();
    if (revived) return std::unexpected(AnswerError{AnswerFault::refused_stream, i});
  }
  return {};
}

std::expected<std::vector<NegotiatedStream>, AnswerError> negotiate(const Description& offer,
                                                                    const Description& answer) {
  if (auto checked = check_answer(offer, answer); !checked) return std::unexpected(checked.error());
  std::vector<NegotiatedStream> streams;
  streams.reserve(offer.streams().size());
  for (std::size_t i = 0; i < offer.streams().size(); ++i) {
    streams.push_back(negotiate_stream(offer.streams()[i], answer.streams()[i]));
  }
  return streams;
}

}  // namespace sallyport::sdp
