// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/session_timer.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "dataplane/sip/params.h"

namespace sallyport::b2bua {

using sip::HeaderId;

namespace {

// Delta-seconds and what stands behind them; 0: none, or not a number.
std::uint32_t seconds_of(std::string_view value) {
  std::uint32_t seconds = 0;
  const std::string_view digits = sip::trim(value.substr(0, value.find(';')));
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  return read.ec == std::errc{} && read.ptr == digits.data() + digits.size() ? seconds : 0;
}

std::uint32_t seconds(Nanoseconds span) {
  return static_cast<std::uint32_t>(span / kSecond);
}

}  // namespace

SessionFields session_fields(const sip::MessageView& message) {
  SessionFields fields;
  const std::string_view value = message.header(HeaderId::session_expires);
  fields.expires_s = seconds_of(value);
  fields.min_se_s = seconds_of(message.header(HeaderId::min_se));
  const auto semicolon = value.find(';');
  if (semicolon != std::string_view::npos) {
    const auto refresher = sip::find_param(value.substr(semicolon), "refresher");
    if (refresher && sip::iequals(refresher->value, "uac")) fields.refresher = Refresher::uac;
    if (refresher && sip::iequals(refresher->value, "uas")) fields.refresher = Refresher::uas;
  }
  fields.supported = message.lists(HeaderId::supported, "timer") || message.lists(HeaderId::require, "timer");
  return fields;
}

SessionAnswer answer_session(const SessionFields& asked, const config::SessionTimers& policy) {
  SessionAnswer answer;
  answer.min_se_s = seconds(policy.min_se_ns);
  const std::uint32_t ours = seconds(policy.expires_ns);
  if (asked.expires_s != 0 && asked.expires_s < answer.min_se_s) {
    // Who does not know 422 is given what we can bear; the proxy that asked on his behalf may not raise it.
    answer.too_small = asked.supported;
    answer.expires_s = answer.min_se_s;
  } else if (asked.expires_s != 0) {
    // RFC 4028 9: it may be lowered, to the Min-SE at least, and never raised.
    answer.expires_s =
        ours == 0 ? asked.expires_s : std::min(asked.expires_s, std::max(ours, asked.min_se_s));
  } else if (ours != 0) {
    answer.expires_s = std::max(ours, asked.min_se_s);
  }
  if (answer.expires_s == 0) return answer;
  if (!asked.supported) {
    answer.refresher = Refresher::uas;
  } else if (asked.refresher != Refresher::none) {
    answer.refresher = asked.refresher;
  } else {
    answer.refresher = policy.refresher == config::RefreshBy::us ? Refresher::uas : Refresher::uac;
  }
  return answer;
}

void write_session(sip::HeaderWriter& out, const SessionAnswer& answer, bool uac_supports) {
  if (answer.expires_s == 0) return;
  const bool uac = answer.refresher == Refresher::uac;
  out.line(HeaderId::session_expires, {std::to_string(answer.expires_s), ";refresher=", uac ? "uac" : "uas"});
  if (uac && uac_supports) out.line(HeaderId::require, "timer");
}

}  // namespace sallyport::b2bua
