// SPDX-License-Identifier: Apache-2.0
// Requests inside a call's dialogs: BYE ends it, OPTIONS is answered, re-INVITE and UPDATE go to the other
// leg (what has nothing to do with the session: other_in_dialog.cc).
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/sip/nat.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

void CallManager::on_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request) {
  sip::Dialog* dialog = dialog_with(leg, request.from_tag());
  if (dialog == nullptr || !dialog->matches(request)) return respond(id, 481);
  if (leg.is_over() || leg.state == LegState::ending || leg.state == LegState::closing) {
    const bool crossing = request.method() == Method::bye && !leg.is_over();
    respond(id, crossing ? 200 : 481);
    if (!crossing) return;
    // BYEs that cross are both answered; one that comes while ours waits for the ACK takes its place.
    (void)step(leg, LegEvent::bye);
    return;
  }
  if (const auto accepted = dialog->accept_request(request); !accepted) {
    return respond(id, sip::status_of(accepted.error()));
  }
  note_capabilities(leg, request);
  std::string lines;
  sip::HeaderWriter out(lines);
  const bool current = leg.dialog && dialog == &*leg.dialog;
  switch (request.method()) {
    case Method::bye:
      return current ? on_bye(id, leg, request) : respond(id, 481);
    case Method::options:
      if (refused_extension(id, leg, request)) return;
      write_capabilities(out, leg.peer);
      out.line(HeaderId::supported, kSupported);
      return respond(id, 200, lines);
    case Method::prack:
      return on_prack(id, leg, request);
    case Method::invite:
    case Method::update:
      // Of the forks, the one that the caller hears is the one that may change something.
      return current ? relay_request(id, leg, request) : respond(id, 491);
    case Method::info:
    case Method::message:
    case Method::notify:
    case Method::refer:
    case Method::subscribe:
    case Method::other:
      return current ? on_other_in_dialog(id, leg, request) : respond(id, 491);
    default:
      write_capabilities(out, leg.peer);
      return (void)refuse(id, leg, LocalError::method_not_allowed, lines);
  }
}

// The dialog stands on that leg, so far that a request may be sent inside it.
bool CallManager::is_reachable(const Leg* leg) {
  if (leg == nullptr || !leg->dialog || leg->dialog->remote_target().empty() || leg->away) return false;
  return leg->state == LegState::early || leg->state == LegState::answered ||
         leg->state == LegState::confirmed;
}

bool CallManager::refused_extension(sip::ServerId id, const Leg& leg, const sip::MessageView& request) {
  const std::string tags = unsupported_tags(request);
  if (tags.empty()) return false;
  std::string lines;
  sip::HeaderWriter(lines).line(HeaderId::unsupported, tags);
  refuse(id, leg, LocalError::bad_extension, lines);
  return true;
}

bool CallManager::refused_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request) {
  const Leg* other = leg.call->other(leg);
  const bool is_invite = request.method() == Method::invite;
  const bool has_sdp = body_kind(request) == Body::sdp;
  std::string lines;
  sip::HeaderWriter out(lines);
  if (request.index->max_forwards == 0) {
    refuse(id, leg, LocalError::too_many_hops);
  } else if (refused_extension(id, leg, request)) {
    return true;
  } else if (body_kind(request) == Body::other) {
    out.line(HeaderId::accept, "application/sdp");
    refuse(id, leg, LocalError::unsupported_media, lines);
  } else if (refused_session(id, leg, request)) {
    return true;
  } else if (is_invite && (leg.state == LegState::inviting || leg.state == LegState::early)) {
    refuse_glare(id, 500);  // RFC 3261 14.2: the first INVITE has no final response yet
  } else if (is_invite && (leg.state != LegState::confirmed || !is_reachable(other) ||
                           other->state != LegState::confirmed)) {
    respond(id, 491);
  } else if (has_sdp && !is_reachable(other)) {
    respond(id, 491);
  } else {
    return false;
  }
  return true;
}

void CallManager::relay_request(sip::ServerId id, Leg& leg, const sip::MessageView& request) {
  if (refused_in_dialog(id, leg, request)) return;
  Call& call = *leg.call;
  const Method method = request.method();
  const bool has_offer = body_kind(request) == Body::sdp;
  const Leg* asked = call.other(leg);
  const std::uint16_t status = asked == nullptr ? 0 : glare(leg, *asked, method, has_offer);
  if (status != 0) return refuse_glare(id, status);
  if (!sip::Dialog::may_refresh_target(request)) return respond(id, 400, {}, "Bad Contact header field");
  // What refreshes this dialog alone is this dialog's business (RFC 3311 5, RFC 4028).
  if (method == Method::update && !has_offer) return answer_refresh(id, leg, request);
  Leg& other = *call.other(leg);
  Relay relay{.server = id, .from = leg.handle, .method = method, .client_method = method};
  relay.server_cseq = request.cseq();
  relay.has_offer = has_offer;
  if (method == Method::update && !other.allows_update) {
    // That side does not know UPDATE: a re-INVITE says the same, once its dialog is up.
    if (leg.state != LegState::confirmed || other.state != LegState::confirmed) return respond(id, 488);
    if (glare(leg, other, Method::invite, true) != 0) return respond(id, 491);
    relay.client_method = Method::invite;
  }
  if (has_offer) {
    auto text =
        call.offer_answer->offer(leg.side(), session_description(request), policy_for(leg, request), now());
    count_address_policy(leg.peer, call.offer_answer->last_actions());
    if (!text) {
      const LocalError error = media_error(text.error().fault);
      return (void)refuse(id, leg, error, {}, error == LocalError::sdp_fault ? text.error().detail : "");
    }
    relay.sdp = std::move(*text);
  }
  if (method == Method::invite) {
    note_100rel(leg, request);
    leg.offer_pending = has_offer;
  }
  if (relay.client_method == Method::invite) other.dialog_invite = {};
  if (!start_relay(other, relay, request)) {
    withdraw_offer(relay);
    leg.offer_pending = false;
    return (void)refuse(id, leg, LocalError::capacity);
  }
  transactions_->set_token(id, token(Purpose::relay, leg.handle));
  call.relays.push_back(std::move(relay));
}

// RFC 6141 4.10: with a 2xx or a reliable provisional response to it, so not where it is refused.
void CallManager::take_target(Leg& leg, const sip::MessageView& request) {
  sip::Dialog* dialog = dialog_with(leg, request.from_tag());
  if (dialog == nullptr || !dialog->refresh_target(request)) return;
  const bool nat = dialog->nat_source() || sip::nat_evident(request);
  if (request.has(HeaderId::contact) && nat) dialog->set_nat_source(request.path.remote);
}

void CallManager::take_target(Leg& leg, Relay& relay) {
  const sip::StoredMessage* request = transactions_->request_of(relay.server);
  if (request == nullptr || std::exchange(relay.took_target, true)) return;
  take_target(leg, request->view());
}

// UPDATE without SDP.
void CallManager::answer_refresh(sip::ServerId id, Leg& leg, const sip::MessageView& update) {
  take_target(leg, update);
  std::string lines;
  sip::HeaderWriter out(lines);
  write_contact(leg, out);
  write_capabilities(out, leg.peer);
  out.line(HeaderId::supported, kSupported);
  agree_session(leg, update, out);
  respond(id, 200, lines);
}

// A request inside the dialog makes the endpoint answer, and its answer keeps the NAT's binding open in both
// directions (RFC 4787 4.3 lets a NAT count outgoing packets only).
void CallManager::start_keepalive(Leg& leg) {
  const Nanoseconds every = services_.config.peers[leg.peer].media.nat_keepalive_ns;
  if (every > 0 && leg.dialog && leg.dialog->nat_source()) services_.wheel.start(leg.keepalive, every);
}

void CallManager::send_keepalive(Leg& leg) {
  // While it rings, the caller waits for our answer behind his NAT: 100 says nothing new and keeps its
  // binding. (A callee opens his own with the answer.)
  if (leg.role == LegRole::uas && (leg.state == LegState::inviting || leg.state == LegState::early)) {
    respond(leg.invite_server, 100);
    return start_keepalive(leg);
  }
  if (!leg.dialog || (leg.state != LegState::confirmed && leg.state != LegState::answered)) return;
  std::string lines;
  sip::HeaderWriter out(lines);
  leg.dialog->write_headers(out, Method::options, leg.dialog->next_cseq());
  write_contact(leg, out);
  out.raw(authorization(leg, "OPTIONS", leg.dialog->request_uri(), {}));
  const sip::RequestDraft draft{
      .method = Method::options, .request_uri = leg.dialog->request_uri(), .headers = lines};
  (void)start_request(draft, leg.peer, dialog_path(leg), token(Purpose::keepalive, leg.handle));
  start_keepalive(leg);
}

}  // namespace sallyport::b2bua
