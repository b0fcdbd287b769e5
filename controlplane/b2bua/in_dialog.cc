// SPDX-License-Identifier: Apache-2.0
// Requests inside a call's dialogs: BYE ends it, OPTIONS is answered, re-INVITE, UPDATE and INFO go to the
// other leg.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/sip/nat.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

sip::Path CallManager::dialog_path(const Leg& leg) const {
  sip::Path path = leg.path;
  // A next hop that is a name stays with the address that the dialog began with.
  if (leg.dialog) {
    if (const auto hop = leg.dialog->next_hop();
        hop && hop->address.family() == path.local.address.family()) {
      path.remote = *hop;
    }
  }
  return path;
}

Relay* CallManager::find_relay(Call& call, sip::ClientId id) {
  const auto it = std::ranges::find_if(call.relays, [&](const Relay& relay) { return relay.client == id; });
  return it == call.relays.end() ? nullptr : &*it;
}

void CallManager::drop_relay(Call& call, sip::ClientId id) {
  std::erase_if(call.relays, [&](const Relay& relay) { return relay.client == id; });
}

// RFC 3261 15.1.2: what still waits for an answer gets 487 when the dialog ends.
void CallManager::end_relays(Call& call) {
  for (const Relay& relay : call.relays) {
    if (!relay.answered) respond(relay.server, 487);
    if (relay.method == Method::invite) transactions_->cancel(relay.client);
    // A 2xx that waits for the ACK from the other side gets one now: none will come.
    Leg* asker = find_leg(relay.from.slot, relay.from.generation);
    Leg* answerer = asker != nullptr ? call.other(*asker) : nullptr;
    if (relay.ack_waits && answerer != nullptr && !answerer->is_over()) {
      send_ack(*answerer, relay.client, relay.client_cseq, relay.to_tag, {});
    }
  }
  call.relays.clear();
}

// RFC 3261 14.2: no ACK to the 2xx of a re-INVITE ends the session as for the first INVITE. (A failure's ACK
// is the transaction's business: its relay is gone already.)
void CallManager::on_missing_ack(Leg& leg, sip::ServerId invite) {
  const auto waits = [&](const Relay& relay) { return relay.server == invite && relay.answered; };
  if (std::ranges::any_of(leg.call->relays, waits)) {
    hang_up(*leg.call, stats::EndedBy::sallyport, LocalError::ack_timeout);
  }
}

void CallManager::on_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request) {
  if (leg.is_over() || leg.state == LegState::ending || leg.state == LegState::closing) {
    const bool crossing = request.method() == Method::bye && !leg.is_over();
    respond(id, crossing ? 200 : 481);
    if (!crossing) return;
    // BYEs that cross are both answered; one that comes while ours waits for the ACK takes its place.
    (void)step(leg, LegEvent::bye);
    return;
  }
  if (const auto accepted = leg.dialog->accept_request(request); !accepted) {
    return respond(id, sip::status_of(accepted.error()));
  }
  std::string lines;
  sip::HeaderWriter out(lines);
  switch (request.method()) {
    case Method::bye:
      return on_bye(id, leg, request);
    case Method::options:
      write_capabilities(out);
      return respond(id, 200, lines);
    case Method::invite:
    case Method::update:
    case Method::info:
      return relay_request(id, leg, request);
    case Method::other:
      write_capabilities(out);
      return respond(id, 501, lines);
    default:
      write_capabilities(out);
      return (void)refuse(id, leg.peer, LocalError::method_not_allowed, lines);
  }
}

bool CallManager::refused_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request) {
  Call& call = *leg.call;
  const Leg* other = call.other(leg);
  const bool is_invite = request.method() == Method::invite;
  std::string lines;
  sip::HeaderWriter out(lines);
  if (request.index->max_forwards == 0) {
    refuse(id, leg.peer, LocalError::too_many_hops);
    return true;
  }
  if (const std::string tags = unsupported_tags(request); !tags.empty()) {
    out.line(HeaderId::unsupported, tags);
    refuse(id, leg.peer, LocalError::bad_extension, lines);
    return true;
  }
  const bool carries_sdp = body_kind(request) == Body::sdp && request.method() != Method::info;
  if ((is_invite || request.method() == Method::update) && body_kind(request) == Body::other) {
    out.line(HeaderId::accept, "application/sdp");
    refuse(id, leg.peer, LocalError::unsupported_media, lines);
    return true;
  }
  const auto busy = [&](const Relay& relay) {
    return relay.method == Method::invite ||
           (relay.method == Method::update && relay.has_offer && !relay.answered);
  };
  for (const Relay& relay : call.relays) {
    if (!(is_invite || carries_sdp) || !busy(relay)) continue;
    // RFC 3261 14.2, RFC 3311 5.2: his own is still open: 500 with Retry-After; ours is: 491.
    if (relay.from == leg.handle) {
      out.line(HeaderId::retry_after, std::uint64_t{random_() % 10});
      respond(id, 500, lines);
    } else {
      respond(id, 491);
    }
    return true;
  }
  const bool settled =
      leg.state == LegState::confirmed && other != nullptr && other->state == LegState::confirmed;
  if (!settled) {
    respond(id, 491);
    return true;
  }
  return false;
}

void CallManager::relay_request(sip::ServerId id, Leg& leg, const sip::MessageView& request) {
  if (refused_in_dialog(id, leg, request)) return;
  Call& call = *leg.call;
  Leg& other = *call.other(leg);
  const Method method = request.method();
  if (method != Method::info) {
    if (!leg.dialog->refresh_target(request)) return respond(id, 400, {}, "Bad Contact header field");
    const bool nat = leg.dialog->nat_source() || sip::nat_evident(request);
    if (request.has(HeaderId::contact) && nat) leg.dialog->set_nat_source(request.path.remote);
  }
  Relay relay{.server = id, .from = leg.handle, .method = method, .server_cseq = request.cseq()};
  std::string body(method == Method::info ? request.body() : std::string_view{});
  if (method != Method::info && body_kind(request) == Body::sdp) {
    auto text =
        call.offer_answer->offer(leg.side(), session_description(request), policy_for(leg, request), now());
    count_address_policy(leg.peer, call.offer_answer->last_actions());
    if (!text) {
      const LocalError error = media_error(text.error().fault);
      return (void)refuse(id, leg.peer, error, {}, error == LocalError::sdp_fault ? text.error().detail : "");
    }
    body = with_session_description(request, std::move(*text));
    relay.has_offer = true;
  }
  relay.max_forwards = static_cast<unsigned>(
      (request.index->max_forwards < 0 ? 70 : std::min(request.index->max_forwards, 255)) - 1);
  sip::HeaderWriter out(relay.lines);
  if (method != Method::info) write_contact(other, out);
  out.line(HeaderId::user_agent, kProduct);
  pass_to(leg, other, request, out);
  if (method == Method::info) pass_content_headers(request, out);
  if (relay.has_offer) write_body_type(request, out);
  relay.body = std::move(body);
  const auto client = send_relay(other, relay);
  if (!client) {
    if (relay.has_offer) call.offer_answer->withdraw();
    return (void)refuse(id, leg.peer, LocalError::capacity);
  }
  relay.client = *client;
  transactions_->set_token(id, token(Purpose::relay, leg.handle));
  call.relays.push_back(std::move(relay));
}

// The request inside the dialog, the first time or once more with credentials.
std::optional<sip::ClientId> CallManager::send_relay(Leg& to, Relay& relay) {
  relay.client_cseq = to.dialog->next_cseq();
  const std::string uri(to.dialog->request_uri());
  const std::string credentials = authorization(to, sip::method_name(relay.method), uri, relay.body);
  if (relay.method == Method::invite) to.authorization = credentials;
  std::string lines;
  sip::HeaderWriter out(lines);
  to.dialog->write_headers(out, relay.method, relay.client_cseq, relay.max_forwards);
  out.raw(credentials).raw(relay.lines);
  const sip::RequestDraft draft{
      .method = relay.method, .request_uri = uri, .headers = lines, .body = relay.body};
  const auto client = transactions_->start(draft, dialog_path(to), token(Purpose::relay, to.handle));
  if (!client) return std::nullopt;
  return *client;
}

void CallManager::on_relay_response(Leg& leg, sip::ClientId id, const sip::MessageView& response) {
  Call& call = *leg.call;
  Relay* relay = find_relay(call, id);
  const std::uint16_t status = response.status();
  if (relay == nullptr) {
    // The call has ended meanwhile; RFC 3261 13.2.2.4 wants the ACK all the same.
    if (status >= 200 && status < 300 && response.method() == Method::invite && leg.dialog) {
      send_ack(leg, id, response.cseq(), response.to_tag(), {});
    }
    return;
  }
  if (status <= 100) return;
  leg.last_code = status;
  if (status < 200) {
    const auto verdict = services_.maps.map(heard(leg, call.other(leg)->peer, response));
    if (relay->method == Method::invite && verdict.forward) respond(relay->server, verdict.code, {}, verdict.phrase);
    return;
  }
  if (status < 300) return relay_succeeded(leg, *relay, response);
  if (relayed_again(leg, *relay, response)) return;
  response_map::Input input = heard(leg, call.other(leg)->peer, response);
  input.in_dialog = true;
  input.exhausted = true;
  const Relay copy = *relay;
  drop_relay(call, id);
  relay_refused(leg, copy, services_.maps.map(input));
}

void CallManager::relay_succeeded(Leg& leg, Relay& relay, const sip::MessageView& response) {
  Call& call = *leg.call;
  if (relay.answered) return;  // the transaction layer repeats the ACK by itself
  Leg& back = *call.other(leg);
  media::OfferAnswer& engine = *call.offer_answer;
  if (relay.method != Method::info) (void)leg.dialog->refresh_target(response);
  std::string body;
  std::expected<std::string, media::MediaError> text;
  const bool carries_sdp = relay.method != Method::info && body_kind(response) == Body::sdp;
  if (carries_sdp && relay.has_offer) {
    text = engine.answer(leg.side(), session_description(response), policy_for(leg, response), false);
  } else if (carries_sdp && relay.method == Method::invite) {
    text = engine.offer(leg.side(), session_description(response), policy_for(leg, response), now());
    relay.ack_waits = text.has_value();
  }
  if (carries_sdp) count_address_policy(leg.peer, engine.last_actions());
  if (relay.has_offer && !carries_sdp)
    text = std::unexpected(media::MediaError{media::MediaFault::answer, {}});
  const bool refused = !text && (carries_sdp || relay.has_offer);
  if (relay.method == Method::invite && (refused || !relay.ack_waits)) {
    send_ack(leg, relay.client, relay.client_cseq, response.to_tag(), {});
  }
  if (refused) {
    // The far end has changed its session, and we cannot follow: no state is left that both sides share.
    engine.withdraw();
    return hang_up(call, stats::EndedBy::sallyport, LocalError::answer_refused);
  }
  if (text) body = with_session_description(response, std::move(*text));
  std::string lines = response_headers(back, response, carries_sdp);
  const auto verdict = services_.maps.map(heard(leg, back.peer, response));
  (void)transactions_->respond(
      relay.server, {.status = verdict.code, .phrase = verdict.phrase, .headers = lines, .body = body});
  if (relay.method == Method::invite) back.unacknowledged.push_back({relay.server_cseq, relay.server});
  relay.to_tag = response.to_tag();
  relay.answered = true;
  if (relay.method != Method::invite) drop_relay(call, relay.client);
}

void CallManager::relay_refused(Leg& leg, Relay relay, const response_map::Verdict& verdict) {
  Call& call = *leg.call;
  const LocalError why = verdict.local != LocalError::none ? verdict.local : LocalError::not_in_dialog;
  if (relay.has_offer) call.offer_answer->withdraw();
  // RFC 4320 4.1 forbids 408 to a non-INVITE; the transaction still needs its end.
  const bool sendable = relay.method == Method::invite || verdict.code != 408;
  respond(relay.server, sendable ? verdict.code : 504, verdict_headers(verdict, call.other(leg)->path),
          sendable ? verdict.phrase : "");
  count_mapped(call, verdict);
  if (verdict.ends == response_map::Ends::dialog || verdict.ends == response_map::Ends::usage) {
    hang_up(call, stats::EndedBy::sallyport, why);
  }
}

void CallManager::on_relay_failure(Leg& leg, sip::ClientId id, sip::ClientFailure failure) {
  Call& call = *leg.call;
  const Relay* found = find_relay(call, id);
  if (found == nullptr) return;
  const Relay relay = *found;
  drop_relay(call, id);
  response_map::Input input;
  input.local = failure == sip::ClientFailure::transport   ? LocalError::transport_failure
                : failure == sip::ClientFailure::cancelled ? LocalError::cancelled
                                                           : LocalError::transaction_timeout;
  input.invite = relay.method == Method::invite;
  input.in_dialog = true;
  input.exhausted = true;
  input.send = services_.config.peers[call.other(leg)->peer].map_send;
  relay_refused(leg, relay, services_.maps.map(input));
  // RFC 3261 12.2.1.2: no answer at all ends the dialog.
  if (failure == sip::ClientFailure::timeout)
    hang_up(call, stats::EndedBy::sallyport, LocalError::transaction_timeout);
}

void CallManager::on_ack(const sip::Arrival& arrival) {
  const sip::MessageView& ack = arrival.message;
  Leg* leg =
      arrival.verdict == dp::SteerVerdict::by_tag ? find_leg(arrival.slot, arrival.generation) : nullptr;
  if (leg == nullptr || peer_of(ack.path) != leg->peer) return;
  if (!leg->dialog || !leg->dialog->matches(ack)) return;
  Call& call = *leg->call;
  std::erase_if(leg->unacknowledged, [&](const Unacknowledged& open) {
    if (open.cseq != ack.cseq()) return false;
    transactions_->acknowledged(open.invite);
    return true;
  });
  mark(call);
  if (leg->role == LegRole::uas && ack.cseq() == leg->invite_cseq) {
    const LegAction action = step(*leg, LegEvent::ack);
    carry_out(*leg, action, {});
    if (action == LegAction::report && call.late_offer && call.b != nullptr) {
      Relay initial{.client = call.b->invite_client, .client_cseq = call.b->invite_cseq};
      initial.to_tag = call.b->dialog->remote_tag();
      if (step(*call.b, LegEvent::ack) == LegAction::send_ack) relay_ack(*leg, initial, ack);
    }
  } else {
    for (Relay& relay : call.relays) {
      if (relay.from != leg->handle || relay.server_cseq != ack.cseq() || !relay.answered) continue;
      const Relay copy = relay;
      drop_relay(call, copy.client);
      Relay done = copy;
      if (done.ack_waits) relay_ack(*leg, done, ack);
      break;
    }
  }
  sweep();
}

// The answer to an offer of a 2xx comes in the ACK (RFC 3261 13.2.1).
void CallManager::relay_ack(Leg& from, Relay& relay, const sip::MessageView& ack) {
  Call& call = *from.call;
  Leg& to = *call.other(from);
  std::expected<std::string, media::MediaError> text{
      std::unexpected(media::MediaError{media::MediaFault::answer, {}})};
  if (body_kind(ack) == Body::sdp) {
    text = call.offer_answer->answer(from.side(), session_description(ack), policy_for(from, ack), false);
    count_address_policy(from.peer, call.offer_answer->last_actions());
  }
  send_ack(to, relay.client, relay.client_cseq, relay.to_tag, text ? *text : std::string{});
  if (!text) {
    call.offer_answer->withdraw();
    hang_up(call, stats::EndedBy::sallyport, LocalError::answer_fault);
  }
}

// A request inside the dialog makes the endpoint answer, and its answer keeps the NAT's binding open in both
// directions (RFC 4787 4.3 lets a NAT count outgoing packets only).
void CallManager::start_keepalive(Leg& leg) {
  const Nanoseconds every = services_.config.peers[leg.peer].media.nat_keepalive_ns;
  if (every > 0 && leg.dialog && leg.dialog->nat_source()) services_.wheel.start(leg.keepalive, every);
}

void CallManager::send_keepalive(Leg& leg) {
  if (!leg.dialog || (leg.state != LegState::confirmed && leg.state != LegState::answered)) return;
  std::string lines;
  sip::HeaderWriter out(lines);
  leg.dialog->write_headers(out, Method::options, leg.dialog->next_cseq());
  write_contact(leg, out);
  const sip::RequestDraft draft{
      .method = Method::options, .request_uri = leg.dialog->request_uri(), .headers = lines};
  (void)transactions_->start(draft, dialog_path(leg), token(Purpose::keepalive, leg.handle));
  start_keepalive(leg);
}

}  // namespace sallyport::b2bua
