// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace sallyport::sip {

// What can be wrong with a message, one name each: they are counted by name, and a 400's reason phrase tells it.
enum class Fault : std::uint8_t {
  none,
  not_sip,               // neither a request line nor a status line: silence
  keep_alive,            // CRLF, CRLFCRLF or NULs only (RFC 5626 4.4.1, 6263): not a message
  too_short,             // no end of the header section
  request_line,          // RFC 3261 7.1
  request_uri,           // <> or white space in it, bad escapes
  status_line,           // RFC 3261 7.2; a code outside 100 to 999 is bad_status_code
  bad_status_code,
  version,               // not SIP/2.0: 505
  bad_header,            // no colon, control characters, empty name
  too_many_headers,      // more than kMaxFields
  message_too_large,     // over 65,535 octets
  missing_via, missing_from, missing_to, missing_call_id, missing_cseq,
  bad_via, bad_from, bad_to, bad_call_id, bad_cseq, bad_contact, bad_max_forwards, bad_content_length,
  bad_record_route, bad_route, bad_expires,
  duplicate_from, duplicate_to, duplicate_call_id, duplicate_cseq, duplicate_max_forwards, duplicate_content_length,
  cseq_method,           // differs from the request line's
  bad_branch,            // empty after the magic cookie
  body_shorter,          // Content-Length larger than the datagram
  kCount
};

// A snake_case name, stable, for metrics ("missing_via").
[[nodiscard]] std::string_view fault_name(Fault fault);
// The status that answers a request with this fault: 400, 505, 416...; 0: no answer.
[[nodiscard]] std::uint16_t fault_status(Fault fault);
// The reason phrase for that answer, "Missing Call-ID header field".
[[nodiscard]] std::string_view fault_phrase(Fault fault);

}  // namespace sallyport::sip
