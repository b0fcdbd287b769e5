// SPDX-License-Identifier: Apache-2.0
// An answer that the other leg cannot be given: who asked hears a failure, who answered is put back.
#include "controlplane/b2bua/restore.h"

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/message_body.h"
#include "sdp_rewriter/description.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::Method;

namespace {

constexpr unsigned kMostTries = 5;

std::size_t streams_in(std::string_view session) {
  sdp::Description description;
  return description.assign(session) ? description.streams().size() : 0;
}

}  // namespace

Restore& CallManager::restoring(Leg& leg) {
  if (!leg.restore) {
    leg.restore.make().due.bind(*this, static_cast<std::uint8_t>(CallTimer::restore),
                                token(Purpose::invite, leg.handle));
  }
  return leg.restore.make();
}

// The one place where the state of a restoration changes.
void CallManager::restore_event(Leg& leg, RestoreEvent event) {
  const RestoreStep next = restore_step(leg.restore->state, event);
  if (next.action == RestoreAction::none && next.next == leg.restore->state) return;
  Restore& restore = restoring(leg);
  restore.state = next.next;
  restore.due.stop();
  switch (next.action) {
    case RestoreAction::none:
      return;
    case RestoreAction::ask:
      return ask_restored(leg);
    case RestoreAction::wait:
      return services_.wheel.start(restore.due, glare_pause(leg));
    case RestoreAction::end:
      return hang_up(*leg.call, stats::EndedBy::sallyport, LocalError::answer_refused);
    case RestoreAction::give_up:
      transactions_->cancel(restore.pending);
      return hang_up(*leg.call, stats::EndedBy::sallyport, LocalError::transaction_timeout);
    case RestoreAction::stop:
      if (restore.is_invite) transactions_->cancel(restore.pending);
      return;
  }
}

// He has accepted what the other side is not told of. `sdp`: what he has said.
void CallManager::put_back(Leg& leg, std::string_view sdp) {
  const auto text = leg.call->offer_answer->restate(leg.side(), streams_in(sdp));
  if (!text) return hang_up(*leg.call, stats::EndedBy::sallyport, LocalError::answer_refused);
  restoring(leg).sdp = *text;
  restoring(leg).tries = 0;
  restore_event(leg, RestoreEvent::diverged);
}

void CallManager::ask_restored(Leg& leg) {
  Restore& restore = restoring(leg);
  restore.is_invite = !leg.allows_update;
  // A re-INVITE waits for the ACK of the INVITE before it; in an early dialog there is none.
  const bool never = !leg.dialog || (!leg.is_up() && (leg.state != LegState::early || restore.is_invite));
  if (never || restore.tries++ >= kMostTries) return restore_event(leg, RestoreEvent::refused);
  if (restore.is_invite && leg.state != LegState::confirmed) return restore_event(leg, RestoreEvent::busy);
  const Method method = restore.is_invite ? Method::invite : Method::update;
  const auto client = send_session(leg, method, restore.sdp, Purpose::restore);
  if (!client) return restore_event(leg, RestoreEvent::refused);
  restore.pending = *client;
}

// A 1xx has stopped timer B (RFC 3261 17.1.1.2), and what we tell him needs nobody's word: he has as long
// again.
void CallManager::bound_restoring(Leg& leg, sip::ClientId id) {
  Restore& restore = restoring(leg);
  if (restore.state != RestoreState::asking || id != restore.pending || !restore.is_invite) return;
  if (!restore.due.running())
    services_.wheel.start(restore.due, 64 * services_.config.controlplane.sip.t1_ns);
}

void CallManager::on_restore_response(Leg& leg, sip::ClientId id, const sip::MessageView& response) {
  const std::uint16_t status = response.status();
  const bool is_invite = response.method() == Method::invite;
  if (status < 200) return bound_restoring(leg, id);
  if (status < 300 && is_invite) send_ack(leg, id, response.cseq(), response.to_tag(), {});
  if (leg.restore->state != RestoreState::asking || id != leg.restore->pending) return;
  note_capabilities(leg, response);
  if (status < 300) {
    (void)leg.dialog->refresh_target(response);
    const bool agreed = body_kind(response) == Body::sdp &&
                        leg.call->offer_answer->readdress(leg.side(), session_description(response),
                                                          policy_for(leg, response));
    if (agreed) session_answered(leg, response);
    return restore_event(leg, agreed ? RestoreEvent::settled : RestoreEvent::refused);
  }
  const bool other_method = !is_invite && (status == 405 || status == 501);
  if (other_method) leg.allows_update = false;
  if (other_method || answers_challenge(leg, response) || (status == 422 && raise_session(leg, response))) {
    return ask_restored(leg);
  }
  restore_event(leg, status == 491 || status == 500 ? RestoreEvent::busy : RestoreEvent::refused);
}

void CallManager::on_restore_failure(Leg& leg, sip::ClientId id) {
  if (id == leg.restore->pending) restore_event(leg, RestoreEvent::refused);
}

// The request of `relay` has its 2xx from `leg`, and what that says cannot go back to who asked.
void CallManager::undo_relay(Leg& leg, const Relay& relay, const sip::MessageView& response,
                             const media::MediaError& fault) {
  Call& call = *leg.call;
  const std::string said(session_description(response));
  if (relay.client_method == Method::invite) {
    // His offer needs an answer in the ACK (RFC 3261 13.2.1): it takes nothing.
    const std::string body =
        relay.has_offer || said.empty() ? std::string{} : call.offer_answer->rejection(leg.side(), said);
    send_ack(leg, relay.client, relay.client_cseq, response.to_tag(), body);
  }
  refuse_relay(leg, relay, fault);
  if (!call.over) put_back(leg, said);
  release_held(*call.other(leg));
}

// Who asked hears why the far end's answer cannot be had; his session is as it was.
void CallManager::refuse_relay(Leg& leg, const Relay& relay, const media::MediaError& fault) {
  const Leg& back = *leg.call->other(leg);
  const LocalError error = media_error(fault.fault);
  // Of an answer that does not fit he hears 488 too: a 502 would end his dialog (RFC 5057 5.1).
  const bool refused = error == LocalError::private_media || error == LocalError::refused_address ||
                       error == LocalError::answer_fault;
  response_map::Input input;
  input.local = refused ? LocalError::answer_refused : error;
  input.exhausted = true;
  input.send = services_.config.peers[back.peer].map_send;
  relay_refused(leg, relay, services_.maps.map(input));
}

}  // namespace sallyport::b2bua
