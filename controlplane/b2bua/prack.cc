// SPDX-License-Identifier: Apache-2.0
// PRACK (RFC 3262): one comes for a response of ours, one goes out for a response of theirs.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

sip::Dialog* CallManager::dialog_with(Leg& leg, std::string_view remote_tag) {
  if (leg.dialog && sip::iequals(leg.dialog->remote_tag(), remote_tag)) return &*leg.dialog;
  for (Fork& fork : leg.forks) {
    if (sip::iequals(fork.dialog.remote_tag(), remote_tag)) return &fork.dialog;
  }
  return nullptr;
}

InviteDialog* CallManager::invite_dialog(Leg& leg, std::string_view remote_tag) {
  if (leg.dialog && sip::iequals(leg.dialog->remote_tag(), remote_tag)) return &leg.dialog_invite;
  for (Fork& fork : leg.forks) {
    if (sip::iequals(fork.dialog.remote_tag(), remote_tag)) return &fork.invite;
  }
  return nullptr;
}

bool CallManager::send_prack(Leg& leg, const OwedPrack& owed, std::string_view sdp, Relay* relay,
                             const sip::MessageView* brought) {
  sip::Dialog* dialog = dialog_with(leg, owed.tag);
  if (dialog == nullptr) return false;
  std::string lines;
  sip::HeaderWriter out(lines);
  const std::uint32_t cseq = dialog->next_cseq();
  dialog->write_headers(out, Method::prack, cseq);
  out.line(HeaderId::rack, {std::to_string(owed.rseq), " ", std::to_string(owed.invite_cseq), " INVITE"});
  out.line(HeaderId::user_agent, kProduct);
  pass_or_set(leg, brought, out);
  std::string type;
  sip::HeaderWriter type_out(type);
  const std::string body = write_session(brought, sdp, type_out);
  out.raw(authorization(leg, "PRACK", dialog->request_uri(), body)).raw(type);
  const sip::RequestDraft prack{
      .method = Method::prack, .request_uri = dialog->request_uri(), .headers = lines, .body = body};
  const Purpose purpose = relay != nullptr ? Purpose::relay : Purpose::prack;
  const auto client =
      start_request(prack, leg.peer, path_within(*dialog, leg.path), token(purpose, leg.handle));
  if (!client) return false;
  if (relay != nullptr) {
    relay->client = *client;
    relay->client_method = Method::prack;
    relay->client_cseq = cseq;
    relay->to_tag = owed.tag;
  }
  return true;
}

// What the leg has to acknowledge there now that this leg has done so here.
void CallManager::on_prack(sip::ServerId id, Leg& leg, const sip::MessageView& prack) {
  if (refused_extension(id, leg, prack)) return;
  const auto rack = parse_rack(prack.header(HeaderId::rack));
  if (!rack) return respond(id, 400, {}, "Missing or bad RAck header field");
  const bool fits =
      leg.reliable && leg.reliable->rseq == rack->rseq && leg.reliable->invite_cseq == rack->cseq;
  // A number that is not out leaves the machine alone: the PRACK of another response.
  const ReliableAction action = fits ? reliable_event(leg, ReliableEvent::prack) : ReliableAction::refuse;
  Reliable* reliable = leg.reliable.get();
  if (action == ReliableAction::advance) {
    const ReliableResponse done = std::move(reliable->queue.front());
    reliable->queue.erase(reliable->queue.begin());
    reliable->resend.stop();
    reliable->expire.stop();
    if (done.described && !done.offers) leg.offer_pending = false;
    acknowledge_far_end(id, leg, done, prack);
    if (leg.is_over() || leg.call->over) return;
    if (!reliable->queue.empty() && reliable_event(leg, ReliableEvent::send) == ReliableAction::transmit) {
      transmit_reliably(leg);
    }
    return release_held(leg);
  }
  if (action == ReliableAction::accept && reliable->last) {
    const ReliableResponse done = std::move(*reliable->last);
    reliable->last.reset();
    return acknowledge_far_end(id, leg, done, prack);
  }
  respond(id, 481);
}

// The PRACK goes from end to end, with its answer, or its offer. Without a reliable response there, an offer
// goes as an UPDATE. What carries no offer is answered at once.
void CallManager::acknowledge_far_end(sip::ServerId id, Leg& leg, const ReliableResponse& done,
                                      const sip::MessageView& prack) {
  Call& call = *leg.call;
  Leg* other = call.other(leg);
  const bool has_sdp = body_kind(prack) == Body::sdp;
  if (done.offers) return take_prack_answer(id, leg, done, prack);
  if (!has_sdp || other == nullptr) {
    respond(id, 200);
    if (done.owed && other != nullptr) (void)send_prack(*other, *done.owed, {}, nullptr, &prack);
    return;
  }
  const bool may_offer = glare(leg, *other, Method::prack, true) == 0;
  std::expected<std::string, media::MediaError> text{
      std::unexpected(media::MediaError{media::MediaFault::answer, {}})};
  if (may_offer) {
    text = call.offer_answer->offer(leg.side(), session_description(prack), policy_for(leg, prack), now());
    count_address_policy(leg.peer, call.offer_answer->last_actions());
  }
  if (!text) {
    if (may_offer) {
      (void)refuse(id, leg, media_error(text.error().fault));
    } else {
      respond(id, 488);
    }
    // The response is acknowledged all the same.
    if (done.owed) (void)send_prack(*other, *done.owed, {}, nullptr, &prack);
    return;
  }
  Relay relay{.server = id, .from = leg.handle, .method = Method::prack, .server_cseq = prack.cseq()};
  relay.has_offer = true;
  relay.sdp = *text;
  relay.client_method = Method::update;
  const bool sent = done.owed ? send_prack(*other, *done.owed, *text, &relay, &prack)
                              : other->allows_update && start_relay(*other, relay, prack);
  if (!sent) {
    call.offer_answer->withdraw();
    return respond(id, 488);
  }
  transactions_->set_token(id, token(Purpose::relay, leg.handle));
  call.relays.push_back(std::move(relay));
}

// The far end's 18x brought an offer, so this PRACK has to bring the answer (RFC 3262 5).
void CallManager::take_prack_answer(sip::ServerId id, Leg& leg, const ReliableResponse& done,
                                    const sip::MessageView& prack) {
  Call& call = *leg.call;
  std::expected<std::string, media::MediaError> text{
      std::unexpected(media::MediaError{media::MediaFault::answer, {}})};
  if (body_kind(prack) == Body::sdp) {
    text = call.offer_answer->answer(leg.side(), session_description(prack), policy_for(leg, prack), false);
    count_address_policy(leg.peer, call.offer_answer->last_actions());
  }
  if (!text) {
    respond(id, 488);
    call.offer_answer->withdraw();
    return fail_offer_of_18x(leg, text.error());
  }
  respond(id, 200);
  if (done.owed && call.other(leg) != nullptr)
    (void)send_prack(*call.other(leg), *done.owed, *text, nullptr, &prack);
}

// The INVITE of that leg, whose far end has made the offer, cannot come to an end: the first one ends the
// call, a later one alone.
void CallManager::fail_offer_of_18x(Leg& leg, const media::MediaError& fault) {
  Call& call = *leg.call;
  const auto relay = std::ranges::find(call.relays, leg.reliable->invite, &Relay::server);
  if (relay == call.relays.end()) {
    return hang_up(call, stats::EndedBy::sallyport, LocalError::answer_fault);
  }
  Leg& answerer = *call.other(leg);
  cancel_relay(answerer, relay->client);
  refuse_relay(answerer, take_relay(call, relay->client), fault);
}

// A 2xx that waited for the acknowledgement of the SDP before it (RFC 3262 3), or for the answer to an early
// offer.
void CallManager::release_held(Leg& leg) {
  Call& call = *leg.call;
  if (call.b != nullptr && call.b->held && !call.over && !holds_success(*call.a, call.a->invite_server) &&
      !waits_for_offer(*call.b)) {
    const sip::StoredMessage held = std::move(call.b->held);
    call.b->held = {};
    return finish_success(*call.b, held.view());
  }
  for (Relay& relay : call.relays) {
    if (!relay.held || relay.from != leg.handle || holds_success(leg, relay.server)) continue;
    const sip::StoredMessage held = std::move(relay.held);
    relay.held = {};
    return relay_succeeded(*call.other(leg), relay, held.view());
  }
}

}  // namespace sallyport::b2bua
