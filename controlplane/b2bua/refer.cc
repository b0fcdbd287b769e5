// SPDX-License-Identifier: Apache-2.0
// REFER inside a call (RFC 3515), as it goes on to the other leg: the place that it names becomes a number at
// our own host, so that whoever is referred calls us again, and the dialog that it is to replace (RFC 3891)
// is named in words of ours.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/sips.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;

bool CallManager::refused_refer(sip::ServerId id, const Leg& leg, const sip::MessageView& refer) {
  if (services_.config.peers[leg.peer].refer == config::ReferMode::refuse) {
    std::string lines;
    sip::HeaderWriter out(lines);
    write_capabilities(out, leg.peer);
    refuse(id, leg, LocalError::method_not_allowed, lines);
    return true;
  }
  unsigned count = 0;
  sip::for_each_value(refer, HeaderId::refer_to, [&](std::string_view) { ++count; });
  const auto to = sip::parse_name_addr(refer.header(HeaderId::refer_to));
  const auto uri = to ? sip::parse_uri(to->uri) : std::unexpected(sip::Fault::request_uri);
  if (count != 1 || !uri) {
    respond(id, 400, {}, "Missing or bad Refer-To header field");  // RFC 3515 2.4.2: exactly one
    return true;
  }
  const auto method = sip::find_param(uri->parameters, "method");
  const auto replaces = uri_header(uri->headers, "Replaces");
  if (uri->scheme == sip::Scheme::other) {
    refuse(id, leg, LocalError::unsupported_scheme);
  } else if (method && method->value != "INVITE") {
    respond(id, 403, {}, "Only Calls Are Referred");
  } else if (replaces && !parse_replaces(*replaces)) {
    respond(id, 400, {}, "Bad Replaces in Refer-To");
  } else if (uri->scheme == sip::Scheme::sips &&
             services_.config.peers[leg.peer].refer == config::ReferMode::pass &&
             services_.config.realms[leg.call->other(leg)->path.realm].sip_tls == 0) {
    refuse(id, leg, LocalError::sips_not_allowed);  // whoever is referred could not call us so
  } else {
    return false;
  }
  return true;
}

DialogId CallManager::hidden_dialog(const DialogId& id) const {
  if (id.to_tag.size() != steer::kTokenChars) return id;
  auto ours = services_.codec.open(id.to_tag, steer::TokenKind::tag);
  if (!ours) return id;
  // Both names are functions of the leg: whoever is shown them comes back with them, and we know the leg.
  ours->kind = steer::TokenKind::call_id;
  return {services_.codec.mint(*ours), id.to_tag, id.to_tag, id.early_only};
}

void CallManager::write_referral(const Leg& from, const Leg& to, const sip::MessageView& refer,
                                 sip::HeaderWriter& out) const {
  const std::string_view field = refer.header(HeaderId::refer_to);
  const std::string host = to.path.local.to_text();
  const routing::NumberPath path = numbers(from, to);
  const std::uint16_t tls_port = services_.config.realms[to.path.realm].sip_tls;
  std::string place =
      path.value(routing::Party::called, own_place(field, to.path, tls_port, is_sips_place(field)));
  const auto uri = sip::parse_uri(sip::parse_name_addr(field)->uri);
  if (uri->scheme == sip::Scheme::sip)
    place.insert(place.rfind('>'), sip::transport_param(to.path.transport));
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
