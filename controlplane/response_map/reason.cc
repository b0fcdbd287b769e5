// SPDX-License-Identifier: Apache-2.0
#include "controlplane/response_map/reason.h"

#include <algorithm>

#include "controlplane/response_map/tables.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"

namespace sallyport::response_map {
namespace {

// Digits only, at most `limit`; 0 otherwise.
std::uint16_t to_number(std::string_view text, unsigned limit) {
  unsigned value = 0;
  if (text.empty() || text.size() > 5) return 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= limit ? static_cast<std::uint16_t>(value) : std::uint16_t{0};
}

std::string_view unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return text.substr(1, text.size() - 2);
}

// RFC 3261 25.1 quoted-string; control characters become spaces.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out += '"';
}

std::string reason_value(std::string_view protocol, unsigned cause, std::string_view text) {
  std::string out(protocol);
  out += ";cause=" + std::to_string(cause);
  if (!text.empty()) out += ";text=" + quoted(text);
  return out;
}

}  // namespace

std::optional<Reason> find_reason(std::string_view field_value, std::string_view protocol) {
  sip::ValueReader values(field_value);
  while (const auto value = values.next()) {
    const std::size_t end = value->find(';');
    const std::string_view name = sip::trim(value->substr(0, end));
    if (end == std::string_view::npos || !sip::iequals(name, protocol)) continue;
    const std::string_view params = value->substr(end);
    const auto cause = sip::find_param(params, "cause");
    if (!cause) return std::nullopt;
    Reason reason{name, to_number(cause->value, 699), {}};
    if (reason.cause == 0) return std::nullopt;
    if (const auto text = sip::find_param(params, "text")) reason.text = unquoted(text->value);
    return reason;
  }
  return std::nullopt;
}

std::uint8_t q850_of(std::string_view field_value) {
  const auto reason = find_reason(field_value, "Q.850");
  return reason && reason->cause <= 127 ? static_cast<std::uint8_t>(reason->cause) : std::uint8_t{0};
}

std::string q850_reason(unsigned cause) {
  const CauseRow* row = find_cause(cause);
  return reason_value("Q.850", cause, row != nullptr ? row->name : std::string_view{});
}

std::string sip_reason(unsigned code, std::string_view phrase) {
  return reason_value("SIP", code, phrase);
}

std::uint16_t warning_code_of(std::string_view field_value) {
  const std::string_view value = sip::trim(field_value);
  const std::uint16_t code = value.size() > 3 && (value[3] == ' ' || value[3] == '\t')
                                 ? to_number(value.substr(0, 3), 999)
                                 : std::uint16_t{0};
  return code >= 100 ? code : std::uint16_t{0};
}

std::string warning_value(unsigned code, std::string_view agent, std::string_view text) {
  const WarningRow* row = find_warning(code);
  const std::string_view said = !text.empty()    ? text
                                : row != nullptr ? row->meaning
                                                 : find_warning(399)->meaning;
  return std::to_string(code) + " " + std::string(agent) + " " + quoted(said);
}

}  // namespace sallyport::response_map
