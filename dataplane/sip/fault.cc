// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/fault.h"

#include <array>
#include <cstddef>

namespace sallyport::sip {

namespace {

struct FaultRow {
  Fault fault;
  std::string_view name;
  std::uint16_t status;
  std::string_view phrase;
};

// No Via, no way to answer (RFC 3261 18.2.2); what is not a request is not answered either (RFC 3261 8.2).
constexpr std::array kRows{
    FaultRow{Fault::none, "none", 0, ""},
    FaultRow{Fault::not_sip, "not_sip", 0, ""},
    FaultRow{Fault::keep_alive, "keep_alive", 0, ""},
    FaultRow{Fault::too_short, "too_short", 400, "Header section does not end"},
    FaultRow{Fault::request_line, "request_line", 400, "Malformed Request-Line"},
    FaultRow{Fault::request_uri, "request_uri", 400, "Malformed Request-URI"},
    FaultRow{Fault::status_line, "status_line", 0, ""},
    FaultRow{Fault::bad_status_code, "bad_status_code", 0, ""},
    FaultRow{Fault::version, "version", 505, "Version Not Supported"},
    FaultRow{Fault::bad_header, "bad_header", 400, "Malformed header field"},
    FaultRow{Fault::too_many_headers, "too_many_headers", 400, "Too many header fields"},
    FaultRow{Fault::message_too_large, "message_too_large", 513, "Message Too Large"},
    FaultRow{Fault::missing_via, "missing_via", 0, ""},
    FaultRow{Fault::missing_from, "missing_from", 400, "Missing From header field"},
    FaultRow{Fault::missing_to, "missing_to", 400, "Missing To header field"},
    FaultRow{Fault::missing_call_id, "missing_call_id", 400, "Missing Call-ID header field"},
    FaultRow{Fault::missing_cseq, "missing_cseq", 400, "Missing CSeq header field"},
    FaultRow{Fault::bad_via, "bad_via", 400, "Malformed Via header field"},
    FaultRow{Fault::bad_from, "bad_from", 400, "Malformed From header field"},
    FaultRow{Fault::bad_to, "bad_to", 400, "Malformed To header field"},
    FaultRow{Fault::bad_call_id, "bad_call_id", 400, "Malformed Call-ID header field"},
    FaultRow{Fault::bad_cseq, "bad_cseq", 400, "Malformed CSeq header field"},
    FaultRow{Fault::bad_contact, "bad_contact", 400, "Malformed Contact header field"},
    FaultRow{Fault::bad_max_forwards, "bad_max_forwards", 400, "Malformed Max-Forwards header field"},
    FaultRow{Fault::bad_content_length, "bad_content_length", 400, "Malformed Content-Length header field"},
    FaultRow{Fault::bad_record_route, "bad_record_route", 400, "Malformed Record-Route header field"},
    FaultRow{Fault::bad_route, "bad_route", 400, "Malformed Route header field"},
    FaultRow{Fault::bad_expires, "bad_expires", 400, "Malformed Expires header field"},
    FaultRow{Fault::duplicate_from, "duplicate_from", 400, "More than one From header field"},
    FaultRow{Fault::duplicate_to, "duplicate_to", 400, "More than one To header field"},
    FaultRow{Fault::duplicate_call_id, "duplicate_call_id", 400, "More than one Call-ID header field"},
    FaultRow{Fault::duplicate_cseq, "duplicate_cseq", 400, "More than one CSeq header field"},
    FaultRow{Fault::duplicate_max_forwards, "duplicate_max_forwards", 400,
             "More than one Max-Forwards header field"},
    FaultRow{Fault::duplicate_content_length, "duplicate_content_length", 400,
             "More than one Content-Length header field"},
    FaultRow{Fault::cseq_method, "cseq_method", 400, "CSeq method differs from the request's"},
    FaultRow{Fault::bad_branch, "bad_branch", 400, "Empty Via branch"},
    FaultRow{Fault::body_shorter, "body_shorter", 400, "Body shorter than Content-Length"},
};

constexpr bool fault_rows_stand_in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].fault != static_cast<Fault>(i)) return false;
  }
  return kRows.size() == static_cast<std::size_t>(Fault::kCount);
}
static_assert(fault_rows_stand_in_order());

const FaultRow& row(Fault fault) {
  const auto i = static_cast<std::size_t>(fault);
  return kRows[i < kRows.size() ? i : 0];
}

}  // namespace

std::string_view fault_name(Fault fault) {
  return row(fault).name;
}
std::uint16_t fault_status(Fault fault) {
  return row(fault).status;
}
std::string_view fault_phrase(Fault fault) {
  return row(fault).phrase;
}

}  // namespace sallyport::sip
