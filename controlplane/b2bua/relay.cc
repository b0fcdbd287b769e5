// SPDX-License-Identifier: Apache-2.0
// A request inside the dialogs on its way from one leg to the other, and its answer on the way back.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

Relay* CallManager::find_relay(Call& call, sip::ClientId id) {
  const auto it = std::ranges::find_if(call.relays, [&](const Relay& relay) { return relay.client == id; });
  return it == call.relays.end() ? nullptr : &*it;
}

Relay CallManager::take_relay(Call& call, sip::ClientId id) {
  const auto it = std::ranges::find_if(call.relays, [&](const Relay& relay) { return relay.client == id; });
  Relay relay = std::move(*it);
  call.relays.erase(it);
  return relay;
}

// The open offer is this request's, or the answer of its far end to it.
void CallManager::withdraw_offer(const Relay& relay) {
  const Leg* from = find_leg(relay.from.slot, relay.from.generation);
  if (from == nullptr) return;
  media::OfferAnswer& engine = *from->call->offer_answer;
  const Leg* other = from->call->other(*from);
  const bool is_invite = relay.method == Method::invite;
  const bool settled = is_invite && other != nullptr && other->dialog_invite.settled;
  const bool his = relay.has_offer && !settled && engine.offered_by(from->side());
  const bool theirs = is_invite && !relay.has_offer && other != nullptr && engine.offered_by(other->side());
  if (his || theirs) engine.withdraw();
}

// RFC 3261 15.1.2: what still waits for an answer gets 487 when the dialog ends.
void CallManager::end_relays(Call& call) {
  for (const Relay& relay : call.relays) {
    if (!relay.answered) respond(relay.server, 487);
    if (relay.client_method == Method::invite) transactions_->cancel(relay.client);
    // A 2xx that waits for the ACK or PRACK from the other side gets its ACK now: none will come.
    Leg* asker = find_leg(relay.from.slot, relay.from.generation);
    if (asker != nullptr) reliable_final(*asker, relay.server);
    Leg* answerer = asker != nullptr ? call.other(*asker) : nullptr;
    if ((relay.ack_waits || relay.held) && answerer != nullptr && !answerer->is_over()) {
      send_ack(*answerer, relay.client, relay.client_cseq, answerer->dialog->remote_tag(), {});
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

bool CallManager::start_relay(Leg& to, Relay& relay, const sip::MessageView& request) {
  const Leg& from = *find_leg(relay.from.slot, relay.from.generation);
  relay.max_forwards = static_cast<unsigned>(
      (request.index->max_forwards < 0 ? 70 : std::min(request.index->max_forwards, 255)) - 1);
  relay.lines.clear();
  sip::HeaderWriter out(relay.lines);
  write_contact(to, out);
  write_capabilities(out, to.peer);
  // An offer in a reliable 18x can only be taken where the asking side can answer it in a PRACK.
  const bool reliable =
      relay.method == Method::invite && !relay.without_100rel && (relay.has_offer || from.supports_100rel);
  out.line(HeaderId::supported, reliable ? kSupported : "timer");
  // What `from` requires is ours to do (reliable.cc) where `to` does not know it.
  if (reliable && from.requires_100rel && to.knows_100rel) out.line(HeaderId::require, "100rel");
  ask_session(to, out);
  out.line(HeaderId::user_agent, kProduct);
  pass_to(from, to, request, out);
  relay.body = write_session(request, relay.sdp, out);
  if (!send_relay(to, relay)) return false;
  if (relay.client_method == Method::invite)
    to.authorization = std::string(to.authorization) + passed_authorization(request, headers_[to.peer]);
  return true;
}

bool CallManager::send_relay(Leg& to, Relay& relay) {
  const Method method = relay.client_method;
  if (!to.dialog) return false;  // a 199 has ended it
  relay.client_cseq = to.dialog->next_cseq();
  relay.to_tag = to.dialog->remote_tag();
  const std::string uri(to.dialog->request_uri());
  const std::string_view name =
      relay.method_text.empty() ? sip::method_name(method) : std::string_view(relay.method_text);
  const std::string credentials = authorization(to, name, uri, relay.body);
  if (method == Method::invite) to.authorization = credentials;
  std::string lines;
  sip::HeaderWriter out(lines);
  to.dialog->write_headers(out, name, relay.client_cseq, relay.max_forwards);
  out.raw(credentials).raw(relay.lines);
  const sip::RequestDraft draft{.method = method,
                                .method_text = relay.method_text,
                                .request_uri = uri,
                                .headers = lines,
                                .body = relay.body};
  const auto client = start_request(draft, to.peer, dialog_path(to), token(Purpose::relay, to.handle));
  if (client) relay.client = *client;
  return client.has_value();
}

void CallManager::on_relay_response(Leg& leg, sip::ClientId id, const sip::MessageView& response) {
  Call& call = *leg.call;
  Relay* relay = find_relay(call, id);
  const std::uint16_t status = response.status();
  if (relay == nullptr) {
    // The call has ended meanwhile, or the re-INVITE was cancelled: RFC 3261 13.2.2.4 wants the ACK all the
    // same.
    if (response.method() != Method::invite || status < 200) return;
    if (status < 300 && leg.dialog) accepted_for_nobody(leg, id, response);
    if (status >= 300 && id == leg.restore->pending) restore_event(leg, RestoreEvent::settled);
    return;
  }
  if (status <= 100) return;
  leg.last_code = status;
  note_capabilities(leg, response);
  Leg& back = *call.other(leg);
  if (status < 200) {
    if (relay->method == Method::invite) {
      cross_provisional({.asker = back,
                         .answerer = leg,
                         .server = relay->server,
                         .client = id,
                         .server_cseq = relay->server_cseq,
                         .is_first = false,
                         .has_offer = relay->has_offer},
                        response);
    }
    return;
  }
  if (relay->is_other) return on_other_response(leg, *relay, response);
  if (status < 300) return relay_succeeded(leg, *relay, response);
  if (status == 422 && relay->too_small++ < kMostTooSmall && raise_session(leg, response)) {
    const sip::StoredMessage* request = transactions_->request_of(relay->server);
    if (request != nullptr && start_relay(leg, *relay, request->view())) return;
  }
  if (refuses_100rel(leg, *relay, response)) {
    const sip::StoredMessage* request = transactions_->request_of(relay->server);
    if (request != nullptr && start_relay(leg, *relay, request->view())) return;
  }
  if (relayed_again(leg, *relay, response)) return;
  response_map::Input input = heard(leg, back.peer, response);
  input.in_dialog = true;
  input.exhausted = true;
  relay_refused(leg, take_relay(call, id), services_.maps.map(input),
                failure_fields(response, headers_[leg.peer], headers_[back.peer]));
  release_held(back);
}

// A 2xx to a re-INVITE of ours that is over for who asked. Its sender's session is another than ours now.
void CallManager::accepted_for_nobody(Leg& leg, sip::ClientId id, const sip::MessageView& response) {
  send_ack(leg, id, response.cseq(), response.to_tag(), {});
  if (!leg.call->over && leg.state == LegState::confirmed) put_back(leg, session_description(response));
}

// The SDP for the leg that asked, of a 2xx; an error when there is none that he can be given.
std::expected<std::string, media::MediaError> CallManager::cross_relay_sdp(Leg& leg, Relay& relay,
                                                                           const sip::MessageView& response) {
  media::OfferAnswer& engine = *leg.call->offer_answer;
  const bool is_invite = relay.client_method == Method::invite;
  const Leg& back = *leg.call->other(leg);
  if (is_invite && leg.dialog_invite.settled) {
    return relay.has_offer && back.offer_pending ? engine.told(back.side()) : std::string{};
  }
  std::expected<std::string, media::MediaError> text;
  if (body_kind(response) != Body::sdp) {
    if (!relay.has_offer) return text;
    return std::unexpected(media::MediaError{media::MediaFault::answer, {}});
  }
  if (relay.has_offer) {
    text = engine.answer(leg.side(), session_description(response), policy_for(leg, response), false);
  } else if (is_invite) {
    text = engine.offer(leg.side(), session_description(response), policy_for(leg, response), now());
    relay.ack_waits = text.has_value();
  } else {
    return text;
  }
  count_address_policy(leg.peer, engine.last_actions());
  return text;
}

void CallManager::relay_succeeded(Leg& leg, Relay& relay, const sip::MessageView& response) {
  Call& call = *leg.call;
  if (relay.answered || relay.held) return;  // the transaction layer repeats the ACK by itself
  Leg& back = *call.other(leg);
  if (relay.method == Method::invite && holds_success(back, relay.server)) {
    relay.held = sip::StoredMessage(services_.buffers, response);
    return;
  }
  // Of an early dialog that a 199 or another fork has replaced meanwhile there is none.
  if (sip::Dialog* dialog = dialog_with(leg, response.to_tag())) (void)dialog->refresh_target(response);
  auto text = cross_relay_sdp(leg, relay, response);
  if (!text) return undo_relay(leg, take_relay(call, relay.client), response, text.error());
  if (relay.client_method == Method::invite && !relay.ack_waits) {
    send_ack(leg, relay.client, relay.client_cseq, response.to_tag(), {});
  }
  session_answered(leg, response);
  if (relay.method != Method::prack) take_target(back, relay);
  std::string lines = response_headers(back, response, *text);
  if (relay.method == Method::invite || relay.method == Method::update) {
    sip::HeaderWriter out(lines);
    if (const auto* request = transactions_->request_of(relay.server))
      agree_session(back, request->view(), out);
  }
  if (relay.method == Method::invite) reliable_final(back, relay.server);
  const response_map::Verdict verdict = services_.maps.map(heard(leg, back.peer, response));
  (void)transactions_->respond(
      relay.server, {.status = verdict.code, .phrase = verdict.phrase, .headers = lines, .body = *text});
  if (relay.method == Method::invite) back.unacknowledged.push_back({relay.server_cseq, relay.server});
  relay.to_tag = response.to_tag();
  relay.answered = true;
  if (relay.method == Method::invite) return;
  (void)take_relay(call, relay.client);
  release_held(back);
}

void CallManager::cancel_relay(Leg& leg, sip::ClientId client) {
  transactions_->cancel(client);
  restoring(leg).pending = client;
  restoring(leg).is_invite = false;  // nothing more to cancel
  restore_event(leg, RestoreEvent::cancel);
}

void CallManager::relay_refused(Leg& leg, const Relay& relay, const response_map::Verdict& verdict,
                                const FailureFields& said) {
  Call& call = *leg.call;
  const LocalError why = verdict.local != LocalError::none ? verdict.local : LocalError::not_in_dialog;
  withdraw_offer(relay);
  if (relay.method == Method::invite) reliable_final(*call.other(leg), relay.server);
  // RFC 4320 4.1 forbids 408 to a non-INVITE; the transaction still needs its end.
  const bool sendable = relay.method == Method::invite || verdict.code != 408;
  const Leg& back = *call.other(leg);
  const bool whole = said.stand(verdict.received, verdict.code);
  const std::string lines = failure_headers(verdict, back.path, said, back.peer, Asked::session) +
                            (whole ? said.content : std::string{});
  (void)transactions_->respond(relay.server,
                               {.status = sendable ? verdict.code : std::uint16_t{504},
                                .phrase = sendable ? verdict.phrase : std::string_view{},
                                .headers = lines,
                                .body = whole ? std::string_view(said.body) : std::string_view{}});
  count_mapped(pair(call), verdict);
  if (verdict.ends == response_map::Ends::dialog || verdict.ends == response_map::Ends::usage) {
    hang_up(call, stats::EndedBy::sallyport, why);
  }
}

void CallManager::on_relay_failure(Leg& leg, sip::ClientId id, sip::ClientFailure failure) {
  Call& call = *leg.call;
  if (find_relay(call, id) == nullptr) {
    if (id == leg.restore->pending) restore_event(leg, RestoreEvent::settled);
    return;
  }
  const Relay relay = take_relay(call, id);
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
    return hang_up(call, stats::EndedBy::sallyport, LocalError::transaction_timeout);
  release_held(*call.other(leg));
}

void CallManager::on_ack(const sip::Arrival& arrival) {
  const sip::MessageView& ack = arrival.message;
  Leg* leg =
      arrival.verdict == dp::SteerVerdict::by_tag ? find_leg(arrival.slot, arrival.generation) : nullptr;
  if (leg == nullptr || !speaks_for(*leg, ack.path)) return;
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
    carry_out(*leg, action);
    if (action == LegAction::report && call.taker) {
      lend_caller(call);
    } else if (action == LegAction::report && call.ack_waits && call.b != nullptr) {
      Relay initial{.client = call.b->invite_client, .client_cseq = call.b->invite_cseq};
      initial.to_tag = call.b->dialog->remote_tag();
      if (step(*call.b, LegEvent::ack) == LegAction::send_ack) relay_ack(*leg, initial, ack);
    }
  } else {
    for (const Relay& relay : call.relays) {
      if (relay.from != leg->handle || relay.server_cseq != ack.cseq() || !relay.answered) continue;
      const Relay done = take_relay(call, relay.client);
      if (done.ack_waits) relay_ack(*leg, done, ack);
      break;
    }
  }
  sweep();
}

// The answer to an offer of a 2xx comes in the ACK (RFC 3261 13.2.1).
void CallManager::relay_ack(Leg& from, const Relay& relay, const sip::MessageView& ack) {
  Call& call = *from.call;
  Leg& to = *call.other(from);
  std::expected<std::string, media::MediaError> text{
      std::unexpected(media::MediaError{media::MediaFault::answer, {}})};
  if (body_kind(ack) == Body::sdp) {
    text = call.offer_answer->answer(from.side(), session_description(ack), policy_for(from, ack), false);
    count_address_policy(from.peer, call.offer_answer->last_actions());
  }
  send_ack(to, relay.client, relay.client_cseq, relay.to_tag, text ? *text : std::string{}, &ack);
  if (!text) {
    call.offer_answer->withdraw();
    hang_up(call, stats::EndedBy::sallyport, LocalError::answer_fault);
  }
}

}  // namespace sallyport::b2bua
