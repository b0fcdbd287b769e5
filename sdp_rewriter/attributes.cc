// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/attributes.h"

#include "sdp_rewriter/fields.h"

#include <algorithm>
#include <array>

namespace sallyport::sdp {
namespace {

struct Known {
  std::string_view name;
  Attribute attribute;
};

// By length, so that most names are told apart without being read. `reveals`: what tells an address or the
// product of the side it comes from and is not needed here (RFC 4570, RFC 6947, RFC 7006, RFC 8866 6.4), and
// what older proxies left.
constexpr std::array<Known, 28> kKnown{{
    {"mid", Attribute::mid},
    {"alt", Attribute::reveals},
    {"rtcp", Attribute::rtcp},
    {"fmtp", Attribute::fmtp},
    {"altc", Attribute::reveals},
    {"ccap", Attribute::reveals},
    {"tool", Attribute::reveals},
    {"ptime", Attribute::ptime},
    {"group", Attribute::group},
    {"rtpmap", Attribute::rtpmap},
    {"crypto", Attribute::crypto},
    {"oldcip", Attribute::reveals},
    {"oldoip", Attribute::reveals},
    {"sendrecv", Attribute::sendrecv},
    {"sendonly", Attribute::sendonly},
    {"recvonly", Attribute::recvonly},
    {"inactive", Attribute::inactive},
    {"rtcp-mux", Attribute::rtcp_mux},
    {"maxptime", Attribute::maxptime},
    {"candidate", Attribute::candidate},
    {"ice-ufrag", Attribute::ice_ufrag},
    {"oldmediaip", Attribute::reveals},
    {"bundle-only", Attribute::bundle_only},
    {"fingerprint", Attribute::fingerprint},
    {"source-filter", Attribute::reveals},
    {"remote-candidates", Attribute::ice},
    {"end-of-candidates", Attribute::ice},
    {"", Attribute::other},  // ends the longest
}};
constexpr std::size_t kLongest = 17;

// kStart[n]: where names of length n begin.
constexpr auto kStart = [] {
  std::array<std::uint8_t, kLongest + 2> start{};
  for (std::size_t length = 0; length < start.size(); ++length) {
    std::uint8_t i = 0;
    while (i + 1u < kKnown.size() && kKnown[i].name.size() < length) ++i;
    start[length] = i;
  }
  return start;
}();
static_assert(std::ranges::is_sorted(kKnown.begin(), kKnown.end() - 1, {},
                                     [](const Known& known) { return known.name.size(); }));

}  // namespace

Attribute identify(std::string_view attribute_name) {
  const std::size_t length = attribute_name.size();
  if (length <= kLongest) {
    for (std::size_t i = kStart[length]; i < kStart[length + 1]; ++i) {
      if (equal_nocase(attribute_name, kKnown[i].name)) return kKnown[i].attribute;
    }
  }
  return starts_nocase(attribute_name, "ice-") ? Attribute::ice : Attribute::other;
}

LineKind line_kind(Attribute attribute, std::string_view value) {
  switch (attribute) {
    case Attribute::sendrecv:
    case Attribute::sendonly:
    case Attribute::recvonly:
    case Attribute::inactive:
      return LineKind::direction;
    case Attribute::rtcp:
      return LineKind::rtcp;
    case Attribute::rtcp_mux:
      return LineKind::rtcp_mux;
    case Attribute::candidate:
    case Attribute::ice_ufrag:
    case Attribute::ice:
      return LineKind::ice;
    case Attribute::group:
      return starts_nocase(value, "BUNDLE") ? LineKind::bundle : LineKind::other;
    case Attribute::bundle_only:
      return LineKind::bundle;
    case Attribute::reveals:
      return LineKind::reveals;
    case Attribute::rtpmap:
    case Attribute::fmtp:
    case Attribute::ptime:
    case Attribute::maxptime:
    case Attribute::mid:
    case Attribute::crypto:
    case Attribute::fingerprint:
    case Attribute::other:
      break;
  }
  return LineKind::other;
}

std::optional<Direction> direction_of(Attribute attribute) {
  switch (attribute) {
    case Attribute::sendrecv:
      return Direction::sendrecv;
    case Attribute::sendonly:
      return Direction::sendonly;
    case Attribute::recvonly:
      return Direction::recvonly;
    case Attribute::inactive:
      return Direction::inactive;
    default:
      return std::nullopt;
  }
}

}  // namespace sallyport::sdp
