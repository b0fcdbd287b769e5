// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

// The attributes that somebody here looks at.
enum class Attribute : std::uint8_t {
  other,
  sendrecv,
  sendonly,
  recvonly,
  inactive,
  rtcp,
  rtcp_mux,
  candidate,
  ice_ufrag,
  ice,  // any other of RFC 8839
  group,
  bundle_only,
  reveals,
  rtpmap,
  fmtp,
  ptime,
  maxptime,
  mid,
  crypto,
  fingerprint
};

// "NAME" or "NAME:VALUE" behind "a=".
struct AttributeText {
  std::string_view name;
  std::string_view value;
};
[[nodiscard]] inline AttributeText split_attribute(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

// Attribute names have a case (RFC 8866 9), but a reader that does not care must not find what we did not
// see: any case is recognised.
[[nodiscard]] Attribute identify(std::string_view attribute_name);
[[nodiscard]] LineKind line_kind(Attribute attribute, std::string_view value);
[[nodiscard]] std::optional<Direction> direction_of(Attribute attribute);

}  // namespace sallyport::sdp
