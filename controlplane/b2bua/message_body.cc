// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/message_body.h"

#include <algorithm>
#include <cctype>

#include "controlplane/sip/multipart.h"

namespace sallyport::b2bua {

using sip::HeaderId;

namespace {

std::optional<sip::BodyPart> find(const sip::MessageView& message) {
  return sip::find_session_description(message.header(HeaderId::content_type), message.body());
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
  if (sdp.empty()) return sdp;
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
