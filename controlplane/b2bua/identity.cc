// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/identity.h"

#include <algorithm>
#include <array>
#include <span>

#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {
namespace {

using routing::Party;
using sip::HeaderId;

// RFC 3323 4.1.1.3.
constexpr std::string_view kAnonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

// RFC 5806 3 and RFC 7044 5: what tells of the diversion and not of a host.
constexpr std::array<std::string_view, 5> kDiversionParams{"reason", "counter", "limit", "privacy", "screen"};
constexpr std::array<std::string_view, 4> kHistoryParams{"index", "rc", "mp", "np"};

void append_params(std::string& out, std::string_view list, std::span<const std::string_view> names) {
  sip::ParamReader params(list);
  while (const auto param = params.next()) {
    const auto is_it = [&](std::string_view name) { return sip::iequals(name, param->name); };
    if (std::ranges::none_of(names, is_it)) continue;
    out.append(";").append(param->name);
    if (param->has_value) out.append("=").append(param->value);
  }
}

// The headers of an entry's URI: "Reason=SIP%3Bcause%3D302&Privacy=history"; others may name hosts.
std::string kept_uri_headers(std::string_view headers) {
  std::string out;
  while (!headers.empty()) {
    const std::size_t end = std::min(headers.find('&'), headers.size());
    const std::string_view one = headers.substr(0, end);
    headers.remove_prefix(std::min(end + 1, headers.size()));
    const std::string_view name = one.substr(0, one.find('='));
    if (!sip::iequals(name, "Reason") && !sip::iequals(name, "Privacy")) continue;
    out.append(out.empty() ? "?" : "&").append(one);
  }
  return out;
}

std::string hide_diversion(std::string_view value, std::string_view host) {
  std::string out = hide_host(value, host);
  if (const auto parsed = sip::parse_name_addr(value); parsed && !out.empty()) {
    append_params(out, parsed->params, kDiversionParams);
  }
  return out;
}

// hide_host(), and of the URI the cause of RFC 4458 and what Reason and Privacy say of the entry.
std::string hide_history(std::string_view value, std::string_view host) {
  std::string out = hide_host(value, host);
  const auto parsed = sip::parse_name_addr(value);
  if (out.empty() || !parsed) return {};
  const auto uri = sip::parse_uri(parsed->uri);
  if (uri && uri->scheme != sip::Scheme::tel) {
    out.pop_back();
    constexpr std::array<std::string_view, 1> kUriParams{"cause"};
    append_params(out, uri->parameters, kUriParams);
    out.append(kept_uri_headers(uri->headers)).append(">");
  }
  append_params(out, parsed->params, kHistoryParams);
  return out;
}

using Hide = std::string (*)(std::string_view, std::string_view);

void pass_hidden(const sip::MessageView& message, HeaderId id, Hide hide, const Crossing& crossing,
                 sip::HeaderWriter& out) {
  sip::for_each_value(message, id, [&](std::string_view value) {
    const std::string hidden = hide(value, crossing.host);
    if (!hidden.empty()) out.line(id, crossing.numbers.value(Party::calling, hidden));
  });
}

// What is still to do for whoever reads this.
std::string remaining(const Privacy& privacy, bool to_trusted) {
  std::string out;
  const auto add = [&](bool there, std::string_view word) {
    if (there) out.append(out.empty() ? "" : ";").append(word);
  };
  add(privacy.none, "none");
  add(privacy.user && to_trusted, "user");
  add(privacy.id, "id");
  add(privacy.history && to_trusted, "history");
  add(!privacy.others.empty(), privacy.others);
  // Without anything that we do not know, nothing is left that could fail.
  add(privacy.critical && (!out.empty() && !privacy.none), "critical");
  return out;
}

}  // namespace

Privacy Privacy::of(const sip::MessageView& message) {
  Privacy privacy;
  sip::for_each_value(message, HeaderId::privacy, [&](std::string_view list) {
    while (!list.empty()) {
      const std::size_t end = std::min(list.find(';'), list.size());
      const std::string_view word = sip::trim(list.substr(0, end));
      list.remove_prefix(std::min(end + 1, list.size()));
      if (sip::iequals(word, "none")) {
        privacy.none = true;
      } else if (sip::iequals(word, "id")) {
        privacy.id = true;
      } else if (sip::iequals(word, "user")) {
        privacy.user = true;
      } else if (sip::iequals(word, "history")) {
        privacy.history = true;
      } else if (sip::iequals(word, "critical")) {
        privacy.critical = true;
      } else if (!word.empty() && !sip::iequals(word, "header") && !sip::iequals(word, "session")) {
        privacy.others.append(privacy.others.empty() ? "" : ";").append(word);
      }
    }
  });
  // RFC 3323 4.2: none stands alone; beside a wish to hide, the wish is believed.
  if (privacy.hides_caller() || privacy.history) privacy.none = false;
  return privacy;
}

std::string crossing_from(const sip::MessageView& request, const Crossing& crossing) {
  if (!crossing.to.trusted() && Privacy::of(request).hides_caller()) return std::string(kAnonymous);
  const std::string hidden = hide_host(request.header(HeaderId::from), crossing.host);
  if (hidden.empty()) return "<sip:" + std::string(crossing.host) + ">";
  return crossing.numbers.value(Party::calling, hidden);
}

void pass_identities(const sip::MessageView& message, const Crossing& crossing, sip::HeaderWriter& out) {
  const Privacy privacy = Privacy::of(message);
  const bool to_trusted = crossing.to.trusted();
  if (const std::string left = remaining(privacy, to_trusted); !left.empty()) {
    out.line(HeaderId::privacy, left);
  }
  if (!crossing.from.trusted()) return;
  if (to_trusted || privacy.none)
    pass_hidden(message, HeaderId::p_asserted_identity, hide_host, crossing, out);
  if (!to_trusted) return;
  pass_hidden(message, HeaderId::diversion, hide_diversion, crossing, out);
  pass_hidden(message, HeaderId::history_info, hide_history, crossing, out);
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
    if (uri->has_user) out.append(sip::escape_user(uri->user)).append("@");
    const bool anonymous = sip::iequals(uri->host, "anonymous.invalid");
    out += anonymous ? uri->host : host;
    const auto user = sip::find_param(uri->parameters, "user");
    if (user && sip::iequals(user->value, "phone")) out += ";user=phone";
  }
  return out += '>';
}

}  // namespace sallyport::b2bua
