// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace sallyport::sip {

// The methods that Sallyport knows by name; any other token is `other` and keeps its text.
enum class Method : std::uint8_t {
  none, other, ack, bye, cancel, info, invite, message, notify, options, prack, publish, refer, register_,
  subscribe, update, kCount
};
// Case-sensitive (RFC 3261 7.1). Never `none`.
[[nodiscard]] Method method_from(std::string_view token);
// "INVITE"...; "OTHER" for other, "" for none.
[[nodiscard]] std::string_view method_name(Method method);

// Header fields of RFC 3261 and the common extensions.
enum class HeaderId : std::uint8_t {
  other, accept, accept_contact, accept_encoding, accept_language, alert_info, allow, allow_events,
  authentication_info, authorization, call_id, call_info, contact, content_disposition, content_encoding,
  content_language, content_length, content_type, cseq, date, diversion, error_info, event, expires, feature_caps,
  from, geolocation, geolocation_error, geolocation_routing, history_info, identity, in_reply_to, info_package,
  join, max_breadth, max_forwards, mime_version, min_expires, min_se, organization, p_access_network_info,
  p_asserted_identity, p_called_party_id, p_charging_vector, p_early_media, p_preferred_identity,
  p_visited_network_id, path, privacy, priority, proxy_authenticate, proxy_authorization, proxy_require, rack,
  reason, record_route, recv_info, refer_sub, refer_to, referred_by, reject_contact, remote_party_id, replaces,
  reply_to, request_disposition, require, resource_priority, retry_after, route, rseq, security_client,
  security_server, security_verify, server, service_route, session_expires, session_id, sip_etag, sip_if_match,
  subject, subscription_state, supported, suppress_if_match, target_dialog, timestamp, to, unsupported, user_agent,
  user_to_user, via, warning, www_authenticate, kCount
};
// Long or compact form, any case (RFC 3261 7.3.3, 20; RFC 6665, 3515, 3892, 4028, 3841, 8224 compact forms).
[[nodiscard]] HeaderId header_from(std::string_view name);
// The canonical long name, "Call-ID"; "" for other.
[[nodiscard]] std::string_view header_name(HeaderId id);

// ASCII case-insensitive equality.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b);

}  // namespace sallyport::sip
