// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/start_line.h"

#include "dataplane/base/ascii.h"
#include "dataplane/sip/chars.h"
#include "dataplane/sip/number.h"
#include "dataplane/sip/uri.h"

#include <algorithm>

namespace sallyport::sip {

namespace {

constexpr std::string_view kVersion = "SIP/2.0";
constexpr std::string_view kProtocol = "SIP/";

bool starts_with_protocol(std::string_view text) {
  return text.size() >= kProtocol.size() && is_word(text.substr(0, 3), "sip") && text[3] == '/';
}
bool is_version(std::string_view text) {
  return text == kVersion || iequals(text, kVersion);
}

// SIP-Version SP Status-Code SP Reason-Phrase. A missing SP before an empty phrase is met in the field. So
// are codes of 700 to 999: 3DIGIT is the grammar (RFC 3261 25.1), and whoever sends one has failed the
// request and waits for an ACK.
bool read_status_line(std::string_view message, std::string_view line, MessageIndex& out) {
  const std::size_t at = static_cast<std::size_t>(line.data() - message.data());
  out.kind = Kind::response;
  const std::size_t space = line.find(' ');
  const std::string_view version = line.substr(0, space);
  if (!is_version(version)) fail(out, Fault::version, at);
  if (space == std::string_view::npos) {
    fail(out, Fault::status_line, at + line.size());
    return true;
  }
  const std::string_view rest = line.substr(space + 1);
  const std::string_view code = rest.substr(0, rest.find(' '));
  const std::size_t code_at = static_cast<std::size_t>(code.data() - message.data());
  const auto number = parse_number(code);
  if (code.empty() || run_of(code, kDigit) != code.size()) {
    fail(out, Fault::status_line, code_at);
  } else if (code.size() != 3 || !number || *number < 100) {
    fail(out, Fault::bad_status_code, code_at);
  } else {
    out.status = static_cast<std::uint16_t>(*number);
  }
  out.reason_phrase = span_of(message, rest.substr(std::min(code.size() + 1, rest.size())));
  return true;
}

// No '<', no white space, no headers (RFC 3261 19.1.1: "?headers" is not allowed in a Request-URI), and what
// the scheme asks for. An unknown scheme is no fault of the grammar: it is answered with 416.
void check_request_uri(std::string_view uri, std::size_t at, MessageIndex& out) {
  const auto parsed = parse_uri(uri);
  if (!parsed || !parsed->headers.empty()) fail(out, Fault::request_uri, at);
}

// Method SP Request-URI SP SIP-Version: exactly one SP each (RFC 3261 7.1).
bool read_request_line(std::string_view message, std::string_view line, MessageIndex& out) {
  const std::size_t at = static_cast<std::size_t>(line.data() - message.data());
  std::string_view kept = line;
  while (!kept.empty() && kept.back() == ' ') kept.remove_suffix(1);
  const std::size_t first = kept.find(' ');
  const std::size_t last = kept.rfind(' ');
  if (first == std::string_view::npos || first == last || !starts_with_protocol(kept.substr(last + 1))) {
    fail(out, Fault::not_sip, at);
    return false;
  }
  out.kind = Kind::request;
  const std::string_view method = kept.substr(0, first);
  const std::string_view uri = kept.substr(first + 1, last - first - 1);
  out.method_text = span_of(message, method);
  out.request_uri = span_of(message, uri);
  out.method = method_from(method);
  if (!all_of(method, kToken)) fail(out, Fault::request_line, at);
  if (uri.empty() || uri.front() == ' ' || uri.back() == ' ') fail(out, Fault::request_line, at + first + 1);
  if (kept.size() != line.size()) fail(out, Fault::request_line, at + kept.size());
  if (!is_version(kept.substr(last + 1))) fail(out, Fault::version, at + last + 1);
  check_request_uri(uri, at + first + 1, out);
  return true;
}

}  // namespace

bool read_start_line(std::string_view message, std::size_t offset, std::size_t length, MessageIndex& out) {
  const std::string_view line = message.substr(offset, length);
  return starts_with_protocol(line) ? read_status_line(message, line, out)
                                    : read_request_line(message, line, out);
}

}  // namespace sallyport::sip
