// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "controlplane/config/read.h"
#include "controlplane/config/text.h"
#include "dataplane/sip/names.h"

namespace sallyport::config {
namespace {

using sip::HeaderId;

// What the two user agents of a B2BUA say of themselves, of their dialogs and of their hop: it would be a lie
// on the other leg, so no rule may touch it.
constexpr std::array kOurs{HeaderId::accept,
                           HeaderId::allow,
                           HeaderId::allow_events,
                           HeaderId::authentication_info,
                           HeaderId::authorization,
                           HeaderId::call_id,
                           HeaderId::contact,
                           HeaderId::content_disposition,
                           HeaderId::content_encoding,
                           HeaderId::content_length,
                           HeaderId::content_type,
                           HeaderId::cseq,
                           HeaderId::event,
                           HeaderId::expires,
                           HeaderId::from,
                           HeaderId::info_package,
                           HeaderId::join,
                           HeaderId::max_breadth,
                           HeaderId::max_forwards,
                           HeaderId::mime_version,
                           HeaderId::min_expires,
                           HeaderId::min_se,
                           HeaderId::path,
                           HeaderId::proxy_authenticate,
                           HeaderId::proxy_authorization,
                           HeaderId::proxy_require,
                           HeaderId::rack,
                           HeaderId::record_route,
                           HeaderId::recv_info,
                           HeaderId::refer_to,
                           HeaderId::replaces,
                           HeaderId::require,
                           HeaderId::route,
                           HeaderId::rseq,
                           HeaderId::security_client,
                           HeaderId::security_server,
                           HeaderId::security_verify,
                           HeaderId::server,
                           HeaderId::service_route,
                           HeaderId::session_expires,
                           HeaderId::sip_etag,
                           HeaderId::sip_if_match,
                           HeaderId::subscription_state,
                           HeaderId::supported,
                           HeaderId::suppress_if_match,
                           HeaderId::target_dialog,
                           HeaderId::timestamp,
                           HeaderId::to,
                           HeaderId::unsupported,
                           HeaderId::user_agent,
                           HeaderId::via,
                           HeaderId::www_authenticate};
constexpr std::array kTrust{HeaderId::diversion,
                            HeaderId::history_info,
                            HeaderId::p_asserted_identity,
                            HeaderId::p_preferred_identity,
                            HeaderId::privacy,
                            HeaderId::remote_party_id};
constexpr std::array kMap{HeaderId::reason, HeaderId::retry_after, HeaderId::warning};

// RFC 3261 25.1: header-name = token.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "-.!%*_+`'~";
  return std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// Why a rule may not name that field; empty: it may.
std::string_view objection(std::string_view name) {
  const HeaderId id = sip::header_from(name);
  if (std::ranges::find(kOurs, id) != kOurs.end()) return "is Sallyport's own on each leg";
  if (std::ranges::find(kTrust, id) != kTrust.end()) return "is governed by 'trusted'";
  if (std::ranges::find(kMap, id) != kMap.end()) return "is governed by the response map";
  return {};
}

std::optional<std::string> header_name(const Value& value) {
  auto name = value.text(64);
  if (!name) return std::nullopt;
  if (!is_token(*name)) {
    value.fault("{} is not the name of a header field", in_quotes(*name));
    return std::nullopt;
  }
  if (const std::string_view why = objection(*name); !why.empty()) {
    value.fault("{} {}", in_quotes(*name), why);
    return std::nullopt;
  }
  return name;
}

void read_names(MapReader& reader, std::string_view key, std::vector<std::string>& out) {
  const auto value = reader.get(key);
  if (!value) return;
  const auto items = value->list_or_one();
  if (items.size() > 64) return value->fault("has more than 64 names");
  for (const Value& item : items) {
    if (auto name = header_name(item)) out.push_back(std::move(*name));
  }
}

void read_set(const Value::Named& named, Headers& headers) {
  if (const std::string_view why = objection(named.name); !why.empty()) return named.value.fault("{}", why);
  HeaderSet set;
  set.name = named.name;
  if (named.value.is_map()) {
    MapReader reader(named.value);
    if (const auto from = reader.need("from")) set.from = header_name(*from).value_or("");
    reader.finish();
  } else {
    set.value = named.value.text(512).value_or("");
  }
  headers.set.push_back(std::move(set));
}

}  // namespace

void read_header_policy(MapReader& peer_reader, Headers& headers) {
  const auto value = peer_reader.get("headers");
  if (!value) return;
  MapReader reader(*value);
  read_names(reader, "pass", headers.pass);
  read_names(reader, "remove", headers.remove);
  if (const auto set = reader.get("set")) {
    for (const Value::Named& named : set->named()) read_set(named, headers);
  }
  reader.finish();
}

}  // namespace sallyport::config
