// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/replaces.h"

#include <algorithm>

#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {
namespace {

// RFC 3261 25.1: what an hvalue may hold as it is.
bool stands_for_itself(char c) {
  const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return alphanumeric || std::string_view("-_.!~*'()").find(c) != std::string_view::npos;
}

}  // namespace

std::optional<DialogId> parse_replaces(std::string_view value) {
  const std::size_t end = std::min(value.find(';'), value.size());
  DialogId id;
  id.call_id = sip::trim(value.substr(0, end));
  sip::ParamReader params(value.substr(end));
  while (const auto param = params.next()) {
    if (sip::iequals(param->name, "to-tag")) {
      id.to_tag = param->value;
    } else if (sip::iequals(param->name, "from-tag")) {
      id.from_tag = param->value;
    } else if (sip::iequals(param->name, "early-only")) {
      id.early_only = true;
    }
  }
  if (!params.well_formed() || id.call_id.empty() || id.to_tag.empty() || id.from_tag.empty())
    return std::nullopt;
  return id;
}

std::string replaces_value(const DialogId& id) {
  return id.call_id + ";to-tag=" + id.to_tag + ";from-tag=" + id.from_tag +
         (id.early_only ? ";early-only" : "");
}

std::optional<std::string> uri_header(std::string_view headers, std::string_view name) {
  while (!headers.empty()) {
    const std::size_t end = std::min(headers.find('&'), headers.size());
    const std::string_view header = headers.substr(0, end);
    headers.remove_prefix(std::min(end + 1, headers.size()));
    const std::size_t equals = std::min(header.find('='), header.size());
    if (!sip::iequals(sip::unescape(header.substr(0, equals)), name)) continue;
    return sip::unescape(header.substr(std::min(equals + 1, header.size())));
  }
  return std::nullopt;
}

std::string make_uri_header(std::string_view name, std::string_view value) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out(name);
  out += '=';
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    if (stands_for_itself(c)) {
      out += c;
    } else {
      out.append({'%', kDigits[octet >> 4], kDigits[octet & 15]});
    }
  }
  return out;
}

}  // namespace sallyport::b2bua
