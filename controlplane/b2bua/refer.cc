// SPDX-License-Identifier: Apache-2.0
// REFER (RFC 3515), as it goes on to the other leg, or outside of a call by the route (subscription.cc): the
// place that it names becomes a number at our own host, so that whoever is referred calls us again, and the
// dialog that it is to replace (RFC 3891) is named in words of ours.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/sips.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;

namespace {

// Why a REFER is carried out for nobody: by a local error, or by a code of ours.
struct ReferFault {
  LocalError local = LocalError::none;
  std::uint16_t code = 0;
  std::string_view phrase;
};

std::optional<ReferFault> refer_fault(const sip::MessageView& refer) {
  unsigned count = 0;
  sip::for_each_value(refer, HeaderId::refer_to, [&](std::string_view) { ++count; });
  const auto to = sip::parse_name_addr(refer.header(HeaderId::refer_to));
  const auto uri = to ? sip::parse_uri(to->uri) : std::unexpected(sip::Fault::request_uri);
  if (count != 1 || !uri)  // RFC 3515 2.4.2: exactly one
    return ReferFault{.code = 400, .phrase = "Missing or bad Refer-To header field"};
  const auto method = sip::find_param(uri->parameters, "method");
  const auto replaces = uri_header(uri->headers, "Replaces");
  if (uri->scheme == sip::Scheme::other)
    return ReferFault{.local = LocalError::unsupported_scheme, .phrase = {}};
  if (method && method->value != "INVITE")
    return ReferFault{.code = 403, .phrase = "Only Calls Are Referred"};
  if (replaces && !parse_replaces(*replaces))
    return ReferFault{.code = 400, .phrase = "Bad Replaces in Refer-To"};
  return std::nullopt;
}

}  // namespace

bool CallManager::refused_refer(sip::ServerId id, const Leg& leg, const sip::MessageView& refer) {
  const config::ReferMode mode = services_.config.peers[leg.peer].refer;
  if (mode == config::ReferMode::refuse) {
    std::string lines;
    sip::HeaderWriter out(lines);
    write_capabilities(out, leg.peer);
    refuse(id, leg, LocalError::method_not_allowed, lines);
    return true;
  }
  if (const auto fault = refer_fault(refer)) {
    fault->code != 0 ? respond(id, fault->code, {}, fault->phrase) : (void)refuse(id, leg, fault->local);
    return true;
  }
  const bool passes = mode == config::ReferMode::pass;
  if (!passes || may_be_referred(refer, leg.call->other(leg)->path)) return false;
  refuse(id, leg, LocalError::sips_not_allowed);
  return true;
}

// Outside of a dialog there is no call to follow it in: it goes on, or is not allowed.
bool CallManager::refused_refer(sip::ServerId id, config::PeerIndex from, const sip::MessageView& refer) {
  if (services_.config.peers[from].refer != config::ReferMode::pass) {
    std::string lines;
    sip::HeaderWriter out(lines);
    write_outside_allow(out).line(HeaderId::accept, "application/sdp");
    refuse(id, from, LocalError::method_not_allowed, lines);
    return true;
  }
  const auto fault = refer_fault(refer);
  if (!fault) return false;
  fault->code != 0 ? respond(id, fault->code, {}, fault->phrase) : (void)refuse(id, from, fault->local);
  return true;
}

bool CallManager::may_be_referred(const sip::MessageView& refer, const sip::Path& to) const {
  return services_.config.realms[to.realm].sip_tls != 0 || !is_sips_place(refer.header(HeaderId::refer_to));
}

DialogId CallManager::hidden_dialog(const DialogId& id) const {
  if (id.to_tag.size() != steer::kTokenChars) return id;
  auto ours = services_.codec.open(id.to_tag, steer::TokenKind::tag);
  if (!ours) return id;
  // Both names are functions of the leg: whoever is shown them comes back with them, and we know the leg.
  ours->kind = steer::TokenKind::call_id;
  return {services_.codec.mint(*ours), id.to_tag, id.to_tag, id.early_only};
}

void CallManager::write_referral(const sip::MessageView& refer, const routing::NumberPath& path,
                                 const sip::Path& to, sip::HeaderWriter& out) const {
  const std::string_view field = refer.header(HeaderId::refer_to);
  const std::string host = to.local.to_text();
  const std::uint16_t tls_port = services_.config.realms[to.realm].sip_tls;
  std::string place =
      path.value(routing::Party::called, own_place(field, to, tls_port, is_sips_place(field)));
  const auto uri = sip::parse_uri(sip::parse_name_addr(field)->uri);
  if (uri->scheme == sip::Scheme::sip) place.insert(place.rfind('>'), sip::transport_param(to.transport));
  if (const auto replaces = uri_header(uri->headers, "Replaces")) {
    const DialogId id = hidden_dialog(*parse_replaces(*replaces));
    place.insert(place.rfind('>'), "?" + make_uri_header("Replaces", replaces_value(id)));
  }
  out.line(HeaderId::refer_to, place);
  // RFC 3892: who refers, without the signature that may stand beside it.
  const std::string by = hide_host(refer.header(HeaderId::referred_by), host);
  if (!by.empty()) out.line(HeaderId::referred_by, path.value(routing::Party::calling, by));
}

}  // namespace sallyport::b2bua
