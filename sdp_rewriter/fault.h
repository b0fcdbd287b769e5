// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace sallyport::sdp {

// Why a body is not a session description we can work with. Every one is answered as a bad body (400
// or 488, the caller's choice); what is merely not allowed to us is the address policy's to say.
enum class Fault : std::uint8_t {
  empty,
  too_long,            // above kMaxBytes
  too_many_lines,      // above kMaxLines
  too_many_streams,    // above kMaxStreams
  too_many_formats,    // above kMaxFormats in one m=
  forbidden_octet,     // NUL or a bare CR: others would read a second line there
  not_a_line,          // no "x=" at the start
  version,             // v= is not first, or not 0
  missing_origin,      // no o= before the first m=
  duplicate_line,      // a second v=, o= or s=
  misplaced_line,      // v=, o= or s= below an m=
  origin,              // o= has fewer than six fields
  connection,          // c= has not the form "IN IP4 host"
  missing_connection,  // a stream in use has no c= of its own nor of the session
  media,               // m= has not the form "media port proto format..."
  port,                // a port that is no number from 0 to 65535, or a count of 0
  rtcp,                // a=rtcp (RFC 3605) is malformed
};

[[nodiscard]] std::string_view name(Fault fault);

// `line` counts from 1; `offset` is the octet in the body where that line starts.
struct ParseFault {
  Fault fault = Fault::empty;
  std::uint32_t line = 1;
  std::uint32_t offset = 0;
  friend bool operator==(const ParseFault&, const ParseFault&) = default;
};

}  // namespace sallyport::sdp
