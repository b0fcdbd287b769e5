// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Which RTP formats of a description go on, and in which order. A description crosses
// under two policies, of the side that wrote it and of the side that will read it: both must let a codec
// pass, and the reader's order (or else the writer's) holds. Only offers are put in order: an answer's order
// is what was agreed.
//
// telephone-event, CN, red, rtx and the FECs are helpers of codecs. They need not stand in `allow` (`remove`
// takes them), and go with what they help: one whose clock rate only removed codecs had (RFC 4733 2.1), a red
// that names a removed payload type (RFC 2198 5), an rtx of one (RFC 4588 8.6). A stream that has only
// helpers left has nothing left: it is refused with port 0. A format that nobody can name (no rtpmap) passes
// unless something is in `allow`. Streams that are not RTP are not judged.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sdp_rewriter/description.h"
#include "sdp_rewriter/rewrite.h"

namespace sallyport::sdp {

struct CodecName {
  std::string encoding;          // compared without case
  std::uint32_t clock_rate = 0;  // 0: any

  // From "PCMU" or "opus/48000".
  [[nodiscard]] static CodecName parse(std::string_view text);
  [[nodiscard]] bool names(const Format& format) const;
};

struct CodecPolicy {
  std::vector<CodecName> allow;  // empty: all
  std::vector<CodecName> remove;
  std::vector<CodecName> order;

  [[nodiscard]] static CodecPolicy parse(std::span<const std::string> allow,
                                         std::span<const std::string> remove,
                                         std::span<const std::string> order);
  [[nodiscard]] bool empty() const { return allow.empty() && remove.empty() && order.empty(); }
};

// nullptr: none.
struct CodecRules {
  const CodecPolicy* writer = nullptr;
  const CodecPolicy* reader = nullptr;
  bool is_offer = true;
};

struct CodecChoice {
  std::vector<std::uint16_t> formats;  // positions in stream.formats, in their new order
  bool changed = false;                // otherwise all, as they stand
};

// Of a stream in use. No formats: nothing is left.
[[nodiscard]] CodecChoice choose_codecs(const Stream& stream, const CodecRules& rules);

// Puts the choices into the plan of that description, refusing streams that lose all. False: every stream
// that was in use is refused now (local error no-common-codec).
[[nodiscard]] bool apply_codecs(const Description& description, const CodecRules& rules, Plan& plan);

// The same question without a plan.
[[nodiscard]] bool codecs_left(const Description& description, const CodecRules& rules);

}  // namespace sallyport::sdp
