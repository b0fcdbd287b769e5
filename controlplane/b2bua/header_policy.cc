// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/header_policy.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/stats/call_record.h"
#include "dataplane/base/address_scan.h"
#include "dataplane/sip/params.h"

namespace sallyport::b2bua {
namespace {

using sip::HeaderId;

constexpr std::array kPassed{HeaderId::accept_language, HeaderId::content_language, HeaderId::p_early_media,
                             HeaderId::priority,        HeaderId::recv_info,        HeaderId::subject,
                             HeaderId::user_to_user};

// RFC 3323 5.3: what a user who asked for user-level privacy would not have told.
constexpr std::array kOfTheUser{HeaderId::call_info, HeaderId::in_reply_to, HeaderId::organization,
                                HeaderId::reply_to, HeaderId::subject};

// What belongs to a method and its responses, and says the same on the other leg. (Event and Refer-To may
// name a dialog: whoever relays them writes them.)
struct OfMethod {
  sip::Method method;
  HeaderId id;
};
constexpr std::array kOfMethods{OfMethod{sip::Method::info, HeaderId::info_package},
                                OfMethod{sip::Method::message, HeaderId::expires},
                                OfMethod{sip::Method::message, HeaderId::date},
                                OfMethod{sip::Method::bye, HeaderId::reason},  // RFC 3326
                                OfMethod{sip::Method::cancel, HeaderId::reason},
                                OfMethod{sip::Method::notify, HeaderId::subscription_state},
                                OfMethod{sip::Method::refer, HeaderId::refer_sub},
                                OfMethod{sip::Method::refer, HeaderId::expires},
                                OfMethod{sip::Method::subscribe, HeaderId::accept},
                                OfMethod{sip::Method::subscribe, HeaderId::expires},
                                OfMethod{sip::Method::subscribe, HeaderId::suppress_if_match},
                                OfMethod{sip::Method::publish, HeaderId::event},
                                OfMethod{sip::Method::publish, HeaderId::expires},
                                OfMethod{sip::Method::publish, HeaderId::sip_etag},
                                OfMethod{sip::Method::publish, HeaderId::sip_if_match}};

// ACK and CANCEL belong to their INVITE, which has said it all.
bool belongs_to_invite(const sip::MessageView& message) {
  return message.is_request() &&
         (message.method() == sip::Method::ack || message.method() == sip::Method::cancel);
}

bool passes_always(const sip::MessageView& message, HeaderId id) {
  const sip::Method method = message.method();
  if (id == HeaderId::other) return false;
  if (!belongs_to_invite(message) && std::ranges::find(kPassed, id) != kPassed.end()) return true;
  return std::ranges::any_of(kOfMethods,
                             [&](const OfMethod& row) { return row.method == method && row.id == id; });
}

std::vector<FieldName> field_names(const std::vector<std::string>& names) {
  std::vector<FieldName> fields;
  for (const std::string& name : names) fields.emplace_back(name);
  return fields;
}

bool named_in(const std::vector<FieldName>& fields, HeaderId id, std::string_view name) {
  return std::ranges::any_of(fields, [&](const FieldName& field) { return field.is(id, name); });
}

// "type/subtype" without parameters.
std::string_view media_type(std::string_view value) {
  return sip::trim(value.substr(0, value.find(';')));
}

void write_set(const sip::MessageView& message, const HeaderPolicy& from, const HeaderPolicy::Set& set,
               sip::HeaderWriter& out) {
  if (!set.from) {
    out.line(set.name.name, set.value);
    return;
  }
  sip::for_each_field(message,
                      [&](const sip::HeaderField& field, std::string_view name, std::string_view value) {
                        const bool is_it = set.from->is(field.id, name) && !from.removes(field.id, name);
                        if (is_it) out.line(set.name.name, value);
                      });
}

void write_field(HeaderId id, std::string_view name, std::string_view value, sip::HeaderWriter& out) {
  if (id == HeaderId::other) {
    out.line(name, value);
  } else {
    out.line(id, value);
  }
}

}  // namespace

HeaderPolicy::HeaderPolicy(const config::Peer& peer)
    : trusted_(peer.trusted),
      has_credentials_(!peer.credentials.empty()),
      pass_(field_names(peer.headers.pass)),
      remove_(field_names(peer.headers.remove)) {
  for (const config::HeaderSet& set : peer.headers.set) {
    Set compiled{FieldName(set.name), set.value, std::nullopt};
    if (!set.from.empty()) compiled.from.emplace(set.from);
    set_.push_back(std::move(compiled));
  }
}

bool HeaderPolicy::passes(HeaderId id, std::string_view name) const {
  return named_in(pass_, id, name);
}

bool HeaderPolicy::removes(HeaderId id, std::string_view name) const {
  return named_in(remove_, id, name);
}

bool HeaderPolicy::sets(HeaderId id, std::string_view name) const {
  return std::ranges::any_of(set_, [&](const Set& set) { return set.name.is(id, name); });
}

void HeaderPolicy::write_values(sip::HeaderWriter& out) const {
  for (const Set& set : set_) {
    if (!set.from) out.line(set.name.name, set.value);
  }
}

std::string reason_across(std::string_view field) {
  if (!has_address(field)) return std::string(field);
  std::string kept;
  sip::ValueReader values(field);
  while (const auto value = values.next()) {
    const std::size_t end = std::min(value->find(';'), value->size());
    const std::string_view protocol = sip::trim(value->substr(0, end));
    if (has_address(protocol)) continue;
    kept.append(kept.empty() ? "" : ", ").append(protocol);
    sip::ParamReader params(value->substr(end));
    while (const auto param = params.next()) {
      if (has_address(param->name) || has_address(param->value)) continue;
      kept.append(";").append(param->name);
      if (param->has_value) kept.append("=").append(param->value);
    }
  }
  return kept;
}

void pass_headers(const sip::MessageView& message, const Crossing& crossing, sip::HeaderWriter& out) {
  const HeaderPolicy& to = crossing.to;
  const bool user_hides = !to.trusted() && Privacy::of(message).user;
  sip::for_each_field(message,
                      [&](const sip::HeaderField& field, std::string_view name, std::string_view value) {
                        const HeaderId id = field.id;
                        if (!passes_always(message, id) && !to.passes(id, name)) return;
                        if (to.removes(id, name) || crossing.from.removes(id, name) || to.sets(id, name))
                          return;
                        if (user_hides && std::ranges::find(kOfTheUser, id) != kOfTheUser.end()) return;
                        if (id != HeaderId::reason) return write_field(id, name, value, out);
                        if (const std::string kept = reason_across(value); !kept.empty()) out.line(id, kept);
                      });
  for (const HeaderPolicy::Set& set : to.set()) write_set(message, crossing.from, set, out);
  if (message.is_request() && !belongs_to_invite(message)) out.raw(passed_authorization(message, to));
  // RFC 3325 9.1: not in ACK, CANCEL and PRACK.
  const bool of_nobody = belongs_to_invite(message) || message.method() == sip::Method::prack;
  if (!of_nobody) pass_identities(message, crossing, out);
}

std::string passed_authorization(const sip::MessageView& request, const HeaderPolicy& to) {
  return to.has_credentials() ? std::string{} : authorization_of(request);
}

std::string authorization_of(const sip::MessageView& request) {
  std::string lines;
  sip::HeaderWriter out(lines);
  sip::for_each_field(request, [&](const sip::HeaderField& field, std::string_view, std::string_view value) {
    const bool is_it = field.id == HeaderId::authorization || field.id == HeaderId::proxy_authorization;
    if (is_it) out.line(field.id, value);
  });
  return lines;
}

void pass_content_headers(const sip::MessageView& message, sip::HeaderWriter& out) {
  for (const HeaderId id :
       {HeaderId::content_type, HeaderId::content_disposition, HeaderId::content_encoding}) {
    if (const std::string_view value = message.header(id); !value.empty()) out.line(id, value);
  }
}

std::uint32_t retry_after_of(const sip::MessageView& response) {
  const std::string_view text = response.header(HeaderId::retry_after);
  std::uint32_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

namespace {

// What each code has to carry, or is of no use without. Allow of a 405, and Accept of a 415 to a session, are
// ours: on each leg it is us who is asked.
struct OfFailure {
  std::uint16_t code;
  HeaderId id;
};
constexpr std::array kOfFailures{OfFailure{401, HeaderId::www_authenticate},  // RFC 3261 22.2, 22.3
                                 OfFailure{401, HeaderId::proxy_authenticate},
                                 OfFailure{407, HeaderId::proxy_authenticate},
                                 OfFailure{407, HeaderId::www_authenticate},
                                 OfFailure{415, HeaderId::accept},  // RFC 3261 21.4.13
                                 OfFailure{415, HeaderId::accept_encoding},
                                 OfFailure{415, HeaderId::accept_language},
                                 OfFailure{420, HeaderId::unsupported},   // RFC 3261 21.4.15
                                 OfFailure{421, HeaderId::require},       // RFC 3261 21.4.16
                                 OfFailure{422, HeaderId::min_se},        // RFC 4028 6
                                 OfFailure{423, HeaderId::min_expires},   // RFC 3261 21.4.17
                                 OfFailure{469, HeaderId::recv_info},     // RFC 6086 4.2.2
                                 OfFailure{489, HeaderId::allow_events},  // RFC 6665 8.3.2
                                 OfFailure{608, HeaderId::call_info}};    // RFC 8688 3.2

// 603+ (ATIS-1000099) and its kin say in Reason who blocked the call and how to object.
constexpr std::array<std::uint16_t, 3> kWithReason{603, 607, 608};

// Of all of it. What comes over TCP may be larger than a datagram to the one who asked can be, and he has to
// hear the code at least.
constexpr std::size_t kMostFailureBytes = 4096;

bool belongs_to_failure(const sip::MessageView& response, HeaderId id) {
  const bool session = response.method() == sip::Method::invite || response.method() == sip::Method::update;
  if (session && (id == HeaderId::accept || id == HeaderId::accept_encoding)) return false;
  return std::ranges::any_of(
      kOfFailures, [&](const OfFailure& row) { return row.code == response.status() && row.id == id; });
}

// "<https://block.example/card>;purpose=jwscard": the one Call-Info that is kept.
bool is_jwscard(std::string_view value) {
  const auto end = value.rfind('>');
  if (end == std::string_view::npos) return false;
  const auto purpose = sip::find_param(sip::trim(value.substr(end + 1)), "purpose");
  return purpose && sip::iequals(purpose->value, "jwscard");
}

void write_jwscards(std::string_view field, sip::HeaderWriter& out) {
  sip::ValueReader values(field);
  while (const auto value = values.next()) {
    if (is_jwscard(*value)) out.line(HeaderId::call_info, *value);
  }
}

}  // namespace

FailureFields failure_fields(const sip::MessageView& response, const HeaderPolicy& from,
                             const HeaderPolicy& to) {
  FailureFields fields{.code = response.status()};
  sip::HeaderWriter out(fields.lines);
  sip::HeaderWriter listed(fields.listed);
  const bool keeps_reason = std::ranges::find(kWithReason, fields.code) != kWithReason.end();
  sip::for_each_field(
      response, [&](const sip::HeaderField& field, std::string_view name, std::string_view value) {
        const HeaderId id = field.id;
        if (from.removes(id, name) || to.removes(id, name) || to.sets(id, name)) return;
        const std::size_t taken = fields.lines.size() + fields.reason.size() + fields.listed.size();
        if (taken + value.size() > kMostFailureBytes) return;
        if (to.passes(id, name)) {
          write_field(id, name, value, listed);
        } else if (id == HeaderId::reason && keeps_reason) {
          const std::string kept = reason_across(value);
          if (kept.empty()) return;
          fields.reason.append(fields.reason.empty() ? "" : ", ").append(kept);
        } else if (!belongs_to_failure(response, id)) {
          return;
        } else if (id == HeaderId::call_info) {
          write_jwscards(value, out);
        } else {
          out.line(id, value);
        }
      });
  for (const HeaderPolicy::Set& set : to.set()) write_set(response, from, set, listed);
  if (response.method() == sip::Method::invite && response.body().size() <= kMostFailureBytes) {
    sip::HeaderWriter content(fields.content);
    fields.body = write_session(response, {}, content);
  }
  return fields;
}

std::string reasons_of(const sip::MessageView& message) {
  std::string reasons;
  sip::for_each_field(message, [&](const sip::HeaderField& field, std::string_view, std::string_view value) {
    if (field.id == HeaderId::reason) reasons.append(reasons.empty() ? "" : ", ").append(sip::unfold(value));
  });
  return reasons.substr(0, stats::kMostReasonBytes);
}

std::string reasons_in(std::string_view lines) {
  constexpr std::string_view kName = "Reason: ";
  std::string reasons;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 2, lines.size()));
    if (line.starts_with(kName))
      reasons.append(reasons.empty() ? "" : ", ").append(line.substr(kName.size()));
  }
  return reasons.substr(0, stats::kMostReasonBytes);
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

namespace {
// Extensions that we serve on each leg by ourselves (RFC 3262, 3891, 4028, 6228). Proxy-Require asks more
// than that.
bool is_served(HeaderId field, std::string_view tag) {
  if (field != HeaderId::require) return false;
  return sip::iequals(tag, "replaces") || sip::iequals(tag, "100rel") || sip::iequals(tag, "timer") ||
         sip::iequals(tag, "199");
}
}  // namespace

std::string unsupported_tags(const sip::MessageView& request) {
  std::string tags;
  for (const HeaderId id : {HeaderId::require, HeaderId::proxy_require}) {
    sip::for_each_value(request, id, [&](std::string_view tag) {
      if (tag.empty() || is_served(id, tag)) return;
      if (!tags.empty()) tags += ", ";
      tags += tag;
    });
  }
  return tags;
}

}  // namespace sallyport::b2bua
