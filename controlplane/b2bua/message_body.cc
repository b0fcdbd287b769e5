// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/message_body.h"

#include <algorithm>
#include <cctype>

#include "controlplane/b2bua/header_policy.h"
#include "controlplane/sip/multipart.h"

namespace sallyport::b2bua {

using sip::HeaderId;

namespace {

std::optional<sip::BodyPart> find(const sip::MessageView& message) {
  return sip::find_session_description(message.header(HeaderId::content_type), message.body());
}

// What there is beside a session description: ISUP of an 18x whose answer has long been settled.
std::string write_others(const sip::MessageView& message, sip::HeaderWriter& out) {
  const std::string_view type = message.header(HeaderId::content_type);
  const bool is_multipart = sip::is_multipart(type);
  const auto part = find(message);
  if (!part && crosses_whole(message)) {
    if (is_multipart) out.line(HeaderId::mime_version, "1.0");  // RFC 3261 20.24
    pass_content_headers(message, out);
    return std::string(message.body());
  }
  if (!part || !is_multipart) return {};
  std::string rest = sip::without_part(type, message.body(), *part);
  if (!rest.empty()) write_body_type(message, out);
  return rest;
}

// `sdp` and the body of a message that brought none, as the parts of one.
std::string write_both(const sip::MessageView& message, std::string_view sdp, sip::HeaderWriter& out) {
  std::string boundary = "sallyport";
  while (message.body().find("--" + boundary) != std::string_view::npos) boundary += 'x';
  out.line(HeaderId::mime_version, "1.0");
  out.line(HeaderId::content_type, {"multipart/mixed;boundary=", boundary});
  std::string lines;
  sip::HeaderWriter part(lines);
  pass_content_headers(message, part);
  std::string body = "--" + boundary + "\r\nContent-Type: application/sdp\r\n\r\n";
  body.append(sdp).append("\r\n--").append(boundary).append("\r\n").append(lines).append("\r\n");
  return body.append(message.body()).append("\r\n--").append(boundary).append("--\r\n");
}

}  // namespace

Body body_kind(const sip::MessageView& message) {
  if (message.body().empty()) return Body::none;
  return find(message) ? Body::sdp : Body::other;
}

std::string_view session_description(const sip::MessageView& message) {
  const auto part = find(message);
  return part ? part->content : std::string_view{};
}

bool crosses_whole(const sip::MessageView& message) {
  if (body_kind(message) != Body::other) return false;
  if (!sip::is_multipart(message.header(HeaderId::content_type))) return true;
  constexpr std::string_view kType = "application/sdp";
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return std::ranges::search(message.body(), kType, same).empty();
}

std::string with_session_description(const sip::MessageView& message, std::string sdp) {
  if (!sip::is_multipart(message.header(HeaderId::content_type))) return sdp;
  const auto part = find(message);
  return part ? sip::replace_content(message.body(), *part, sdp) : sdp;
}

void write_body_type(const sip::MessageView& message, sip::HeaderWriter& out) {
  const std::string_view type = message.header(HeaderId::content_type);
  if (!sip::is_multipart(type)) {
    out.line(HeaderId::content_type, "application/sdp");
    return;
  }
  out.line(HeaderId::mime_version, "1.0");  // RFC 3261 20.24
  out.line(HeaderId::content_type, type);
}

std::string write_session(const sip::MessageView& message, std::string sdp, sip::HeaderWriter& out) {
  if (sdp.empty()) return write_others(message, out);
  if (crosses_whole(message)) return write_both(message, sdp, out);
  if (body_kind(message) == Body::sdp) {
    write_body_type(message, out);
    return with_session_description(message, std::move(sdp));
  }
  out.line(HeaderId::content_type, "application/sdp");
  return sdp;
}

std::string write_session(const sip::MessageView* brought, std::string_view sdp, sip::HeaderWriter& out) {
  if (brought != nullptr) return write_session(*brought, std::string(sdp), out);
  if (!sdp.empty()) out.line(HeaderId::content_type, "application/sdp");
  return std::string(sdp);
}

}  // namespace sallyport::b2bua
