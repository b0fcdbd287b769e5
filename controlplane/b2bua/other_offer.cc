// SPDX-License-Identifier: Apache-2.0
// An INVITE without SDP that forks: each dialog brings an offer of its own (RFC 3262 5, RFC 3261 13.2.1), and
// the caller, who has one dialog with us, gets the first one's. The others' we answer ourselves, at once:
// with what the caller has said where that fits, else with inactive streams. Of an answer that was inactive
// the dialog is told by UPDATE or re-INVITE once it has won (RFC 3264 8).
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/b2bua/session_text.h"

namespace sallyport::b2bua {

using response_map::LocalError;

bool CallManager::is_other_offer(Leg& leg, const sip::MessageView& response) {
  const Call& call = *leg.call;
  const InviteDialog* dialog = invite_dialog(leg, response.to_tag());
  return call.late_offer && !leg.lender && dialog != nullptr && !dialog->settled &&
         body_kind(response) == Body::sdp && call.offer_answer->state() != media::OfferAnswer::State::idle;
}

std::string CallManager::answer_other_offer(Leg& leg, const sip::MessageView& response) {
  media::OfferAnswer& engine = *leg.call->offer_answer;
  const std::string_view offer = session_description(response);
  auto answer = engine.fork_offer(leg.side(), offer, policy_for(leg, response));
  count_address_policy(leg.peer, engine.last_actions());
  InviteDialog& dialog = *invite_dialog(leg, response.to_tag());
  dialog.settled = true;
  dialog.inactive = !answer || !answer->active;
  dialog.sdp = sip::StoredMessage(services_.buffers, response);
  if (!dialog.inactive) choose_fork(leg, response.to_tag());
  // What our policy refuses is answered too: none of its streams is taken.
  return answer ? std::move(answer->text) : engine.rejection(leg.side(), offer);
}

void CallManager::activate(Leg& leg, std::string_view said) {
  const auto text = leg.call->offer_answer->restate(leg.side(), 0);
  if (!text) return hang_up(*leg.call, stats::EndedBy::sallyport, LocalError::answer_refused);
  restoring(leg).sdp = with_streams_of(*text, said);
  restoring(leg).tries = 0;
  restore_event(leg, RestoreEvent::diverged);
}

}  // namespace sallyport::b2bua
