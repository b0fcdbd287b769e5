// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A description goes from one leg to the other: every address in it becomes ours, what
// tells of the side it comes from goes, everything else stays byte for byte, and the m= lines keep order and
// count.
//   o=                 wholly ours            s=             "-" (kept on demand)
//   c=                 ours, where it stood; added below an m= whose address is not the session's
//   u= e= p=, session i=   removed            stream i=, t= r= z= k= b= and unknown lines   kept
//   m=                 our port; 0 for a refused stream; a port count (49170/2) goes, as one pair is relayed
//   a=rtcp             ours, or removed where it says nothing (port + 1) and at session level
//   ICE                removed (RFC 8839): we are the endpoint of the media path
//   a=source-filter, alt, altc, ccap, old*ip, tool   removed: addresses, product
//   any other line with an address that is private or that o= or c= name   removed
//   formats            kept; where the plan chooses some, the rest goes with its rtpmap, fmtp, rtcp-fb,
//   imageattr and
//                      framesize
//   a=sendrecv ...     kept; an RFC 2543 hold (c=0.0.0.0) becomes our address and sendonly (from sendrecv) or
//   inactive (from
//                      recvonly): RFC 3264 8.4 says the same with directions
// Line ends are those of the line; added lines take the first line's. A last line without an end gets one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/address.h"
#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

enum class RtcpLine : std::uint8_t {
  automatic,  // written when `rtcp` is given and is not (local address, local port + 1) nor `local` itself
  remove,
  write  // whenever `rtcp` is given
};

struct StreamPlan {
  bool refused = false;  // m= goes on with port 0
  Endpoint local;        // ours, towards whoever will read this; not set: refused
  Endpoint rtcp;         // ours; port 0: none
  RtcpLine rtcp_line = RtcpLine::automatic;
  std::optional<Direction> direction;  // written instead of the stream's own
  // Positions in the stream's formats, in the order to write (codec_policy.h); not set: as they stand.
  std::optional<std::vector<std::uint16_t>> formats;
};

struct Plan {
  std::string username = "-";
  std::uint64_t session_id = 0;
  std::uint64_t session_version = 0;
  IpAddress address;                // for o=; none: that of the first stream in use
  std::vector<StreamPlan> streams;  // one per m=; what is missing is refused
  bool keep_session_name = false;
  bool strip_ice = true;
  bool unbundle = false;  // remove a=group:BUNDLE and a=bundle-only
};

// Total: any parsed description and any plan give a description that parses. A stream with port 0 keeps it.
[[nodiscard]] std::string rewrite(const Description& description, const Plan& plan);

// The same description with another sess-version in its o= line (RFC 4566 5.2). `text`: one that rewrite()
// made.
[[nodiscard]] std::string with_version(std::string_view text, std::uint64_t version);

}  // namespace sallyport::sdp
