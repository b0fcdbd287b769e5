// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/sip/names.h"

namespace sallyport::sip {

// What a transaction user wants said; the transaction layer adds what belongs to the transaction. Views,
// looked at only during the call that takes the draft. `headers` are whole lines, each with its CRLF
// (HeaderWriter makes them); Content-Type belongs there, Content-Length does not.

// The layer adds the Via on top. `headers` has From, To, Call-ID, CSeq, Max-Forwards and all else.
struct RequestDraft {
  Method method = Method::none;
  std::string_view method_text = {};  // for Method::other
  std::string_view request_uri = {};
  std::string_view headers = {};
  std::string_view body = {};
  bool opens = false;  // begins something (a call, a probe): the table's last share is not for it
};

// The layer copies Via, From, To, Call-ID, CSeq and, where they belong, Record-Route and Timestamp from the
// request (RFC 3261 8.2.6.2, 12.1.1, 8.2.6.1).
struct ResponseDraft {
  std::uint16_t status = 0;
  std::string_view phrase = {};  // empty: default_phrase(status)
  std::string_view to_tag =
      {};  // for a request without a To tag; empty: one that is a function of the request
  std::string_view headers = {};
  std::string_view body = {};
};

}  // namespace sallyport::sip
