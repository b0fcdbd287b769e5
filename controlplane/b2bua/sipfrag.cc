// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/sipfrag.h"

#include <algorithm>
#include <charconv>

#include "controlplane/b2bua/identity.h"
#include "controlplane/response_map/reason.h"
#include "controlplane/response_map/response_map.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"

namespace sallyport::b2bua {
namespace {

using sip::HeaderId;

constexpr std::string_view kVersion = "SIP/2.0";

// The next line with its folded ones (RFC 3261 7.3.1), without the end of the last.
std::string_view next_line(std::string_view& rest) {
  const auto end_from = [&](std::size_t at) { return std::min(rest.find('\n', at), rest.size()); };
  std::size_t end = end_from(0);
  while (end != 0 && end + 1 < rest.size() && (rest[end + 1] == ' ' || rest[end + 1] == '\t'))
    end = end_from(end + 1);
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string status_line_across(std::string_view line) {
  line.remove_prefix(std::min(kVersion.size() + 1, line.size()));
  const std::string_view digits = line.substr(0, line.find(' '));
  unsigned code = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code);
  if (read.ptr != digits.data() + digits.size() || code < 100 || code > 699) return {};
  const std::string_view phrase =
      response_map::phrase_across(code, sip::trim(line.substr(std::min(digits.size(), line.size()))));
  return std::string(kVersion).append(" ").append(digits).append(" ").append(phrase);
}

std::string request_line_across(std::string_view line, std::string_view host) {
  const std::size_t method = line.find(' ');
  const std::size_t version = line.rfind(' ');
  if (version == method || line.substr(version + 1) != kVersion) return {};
  const std::string uri(line.substr(method + 1, version - method - 1));
  const std::string hidden = hide_host("<" + uri + ">", host);
  if (hidden.empty()) return {};
  return std::string(line.substr(0, method + 1))
      .append(hidden, 1, hidden.size() - 2)
      .append(" ")
      .append(kVersion);
}

bool is_start_line(std::string_view line) {
  return line.starts_with("SIP/2.0 ") || line.ends_with(" SIP/2.0");
}

std::string start_line_across(std::string_view line, std::string_view host) {
  return line.starts_with(kVersion) ? status_line_across(line) : request_line_across(line, host);
}

void write_fragment_field(std::string_view line, const HeaderPolicy& from, const HeaderPolicy& to,
                          std::string_view host, sip::HeaderWriter& out) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = sip::trim(line.substr(0, colon));
  const std::string_view value = sip::trim(line.substr(colon + 1));
  const HeaderId id = sip::header_from(name);
  if (from.removes(id, name) || to.removes(id, name)) return;
  if (to.passes(id, name)) return (void)out.line(name, value);
  if (id == HeaderId::reason) {
    if (const std::string kept = reason_across(value); !kept.empty()) out.line(id, kept);
  } else if (id == HeaderId::warning) {
    if (const std::uint16_t code = response_map::warning_code_of(value); code != 0)
      out.line(id, response_map::warning_value(code, host));
  } else if (id == HeaderId::retry_after) {
    std::uint32_t seconds = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (read.ec == std::errc{}) out.line(id, std::uint64_t{seconds});
  }
}

bool is_fragment(std::string_view content_type) {
  return sip::iequals(sip::trim(content_type.substr(0, content_type.find(';'))), "message/sipfrag");
}

}  // namespace

std::string fragment_across(std::string_view fragment, const HeaderPolicy& from, const HeaderPolicy& to,
                            std::string_view host) {
  std::string text;
  std::string_view rest = fragment;
  std::string_view line = next_line(rest);
  if (is_start_line(line)) {
    text = start_line_across(line, host);
    const bool whole = line.size() < fragment.size();  // some end a lone line without CRLF
    if (!text.empty() && whole) text += "\r\n";
    line = next_line(rest);
  }
  std::string fields;
  sip::HeaderWriter out(fields);
  // Behind an empty line stands the body of the piece.
  for (; !line.empty(); line = next_line(rest)) write_fragment_field(line, from, to, host, out);
  return text + fields;
}

std::string pass_content(const sip::MessageView& message, const HeaderPolicy& from, const HeaderPolicy& to,
                         std::string_view host, sip::HeaderWriter& out) {
  std::string body(message.body());
  if (is_fragment(message.header(HeaderId::content_type)) && !body.empty()) {
    const bool encoded = message.has(HeaderId::content_encoding);
    body = encoded ? std::string{} : fragment_across(body, from, to, host);
    if (body.empty()) return body;
  }
  pass_content_headers(message, out);
  return body;
}

}  // namespace sallyport::b2bua
