// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/header_policy.h"

#include <algorithm>
#include <array>

#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {
namespace {

using sip::HeaderId;

constexpr std::array kPassed{HeaderId::accept_language, HeaderId::content_language, HeaderId::p_early_media,
                             HeaderId::priority,        HeaderId::privacy,          HeaderId::subject,
                             HeaderId::user_to_user};

// "type/subtype" without parameters.
std::string_view media_type(std::string_view value) {
  return sip::trim(value.substr(0, value.find(';')));
}

}  // namespace

void pass_headers(const sip::MessageView& message, std::string_view host, sip::HeaderWriter& out) {
  sip::for_each_field(message, [&](const sip::HeaderField& field, std::string_view, std::string_view value) {
    if (std::ranges::find(kPassed, field.id) != kPassed.end()) out.line(field.id, value);
  });
  sip::for_each_value(message, HeaderId::p_asserted_identity, [&](std::string_view value) {
    if (const std::string hidden = hide_host(value, host); !hidden.empty()) {
      out.line(HeaderId::p_asserted_identity, hidden);
    }
  });
}

void pass_content_headers(const sip::MessageView& message, sip::HeaderWriter& out) {
  for (const HeaderId id :
       {HeaderId::content_type, HeaderId::content_disposition, HeaderId::content_encoding}) {
    if (const std::string_view value = message.header(id); !value.empty()) out.line(id, value);
  }
}

std::string hide_host(std::string_view name_addr, std::string_view host) {
  const auto parsed = sip::parse_name_addr(name_addr);
  if (!parsed) return {};
  const auto uri = sip::parse_uri(parsed->uri);
  if (!uri || uri->scheme == sip::Scheme::other) return {};
  std::string out;
  if (!parsed->display.empty()) out.append(parsed->display).append(" ");
  out += '<';
  if (uri->scheme == sip::Scheme::tel) {
    out += uri->text;
  } else {
    out += "sip:";
    if (uri->has_user) out.append(uri->user).append("@");
    const bool anonymous = sip::iequals(uri->host, "anonymous.invalid");
    out += anonymous ? uri->host : host;
    const auto user = sip::find_param(uri->parameters, "user");
    if (user && sip::iequals(user->value, "phone")) out += ";user=phone";
  }
  return out += '>';
}

std::string reason_line(const sip::MessageView& message) {
  std::string line;
  sip::HeaderWriter writer(line);
  sip::for_each_field(message, [&](const sip::HeaderField& field, std::string_view, std::string_view value) {
    if (field.id == HeaderId::reason) writer.line(HeaderId::reason, value);
  });
  return line;
}

Body body_kind(const sip::MessageView& message) {
  if (message.body().empty()) return Body::none;
  return sip::iequals(media_type(message.header(HeaderId::content_type)), "application/sdp") ? Body::sdp
                                                                                             : Body::other;
}

bool accepts_sdp(const sip::MessageView& request) {
  if (!request.has(HeaderId::accept)) return true;
  bool accepts = false;
  sip::for_each_value(request, HeaderId::accept, [&](std::string_view value) {
    const std::string_view type = media_type(value);
    accepts |= sip::iequals(type, "application/sdp") || type == "*/*" || sip::iequals(type, "application/*");
  });
  return accepts;
}

std::string unsupported_tags(const sip::MessageView& request) {
  std::string tags;
  for (const HeaderId id : {HeaderId::require, HeaderId::proxy_require}) {
    sip::for_each_value(request, id, [&](std::string_view tag) {
      if (tag.empty()) return;
      if (!tags.empty()) tags += ", ";
      tags += tag;
    });
  }
  return tags;
}

}  // namespace sallyport::b2bua
