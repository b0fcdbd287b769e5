// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/attributes.h"

#include "sdp_rewriter/fields.h"

#include <algorithm>
#include <array>

namespace sallyport::sdp {
namespace {

// The first two octets, the one in the middle and the last, letters in lower case: no two of the names below
// that are equally long share them, so a name is compared with one other at most. 0: shorter than any of
// them.
constexpr std::uint32_t signature(std::string_view name) {
  if (name.size() < 2) return 0;
  const auto folded = [name](std::size_t i) {
    return std::uint32_t{static_cast<unsigned char>(name[i])} | 0x20u;
  };
  return folded(0) | folded(1) << 8 | folded(name.size() / 2) << 16 | folded(name.size() - 1) << 24;
}

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

// kSignatures[i]: of the i-th name.
constexpr auto kSignatures = [] {
  std::array<std::uint32_t, kKnown.size()> signatures{};
  for (std::size_t i = 0; i < kKnown.size(); ++i) signatures[i] = signature(kKnown[i].name);
  return signatures;
}();

// kLettersOnly[i]: whether the i-th may be compared by is_word().
constexpr auto kLettersOnly = [] {
  std::array<bool, kKnown.size()> only{};
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    only[i] = kKnown[i].name.size() >= 2 && kKnown[i].name.find('-') == std::string_view::npos;
  }
  return only;
}();

}  // namespace

Attribute identify(std::string_view attribute_name) {
  const std::size_t length = attribute_name.size();
  if (length <= kLongest) {
    const std::uint32_t wanted = signature(attribute_name);
    for (std::size_t i = kStart[length]; i < kStart[length + 1]; ++i) {
      if (kSignatures[i] != wanted) continue;
      const std::string_view known = kKnown[i].name;
      if (kLettersOnly[i] ? is_word(attribute_name, known) : equal_nocase(attribute_name, known))
        return kKnown[i].attribute;
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
