// SPDX-License-Identifier: Apache-2.0
// A call ends, by either side or by us.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/response_map/reason.h"
#include "controlplane/sip/multipart.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

LegAction CallManager::step(Leg& leg, LegEvent event) {
  const LegStep next = leg_step(leg.role, leg.state, event);
  const bool ends = next.next == LegState::ended && leg.state != LegState::ended;
  leg.state = next.next;
  if (ends) leg_ended(leg);
  return next.action;
}

void CallManager::carry_out(Leg& leg, LegAction action) {
  switch (action) {
    case LegAction::send_ack:
      send_ack(leg, leg.invite_client, leg.invite_cseq, leg.dialog->remote_tag(), {});
      break;
    case LegAction::send_cancel:
      transactions_->cancel(leg.invite_client, leg.parting->lines);
      break;
    case LegAction::send_bye:
      send_bye(leg);
      break;
    case LegAction::ack_and_bye:
      send_ack(leg, leg.invite_client, leg.invite_cseq, leg.dialog->remote_tag(), {});
      send_bye(leg);
      break;
    case LegAction::none:
    case LegAction::report:
    case LegAction::refuse:
    case LegAction::ignore:
      break;
  }
}

// What crosses of a BYE is what of other requests does, its body too (SIP-T, RFC 3372: the REL of ISUP).
Parting CallManager::parting_from(const Leg& leg, const Ending& ending) const {
  Parting parting;
  sip::HeaderWriter out(parting.lines);
  if (ending.message == nullptr) {
    out.raw(ending.reason);
    headers_[leg.peer].write_values(out);
    return parting;
  }
  pass_to(*ending.from, leg, *ending.message, out);
  if (!crosses_whole(*ending.message)) return parting;
  sip::HeaderWriter content(parting.content_lines);
  if (sip::is_multipart(ending.message->header(HeaderId::content_type)))
    content.line(HeaderId::mime_version, "1.0");  // RFC 3261 20.24
  pass_content_headers(*ending.message, content);
  parting.body = ending.message->body();
  return parting;
}

void CallManager::send_bye(Leg& leg) {
  leg.wait.stop();
  leg.keepalive.stop();
  stop_session(leg);
  restore_event(leg, RestoreEvent::stop);
  std::string lines;
  sip::HeaderWriter out(lines);
  leg.dialog->write_headers(out, Method::bye, leg.dialog->next_cseq());
  out.line(HeaderId::user_agent, kProduct);
  const Parting& parting = *leg.parting;
  out.raw(authorization(leg, "BYE", leg.dialog->request_uri(), parting.body));
  out.raw(parting.lines).raw(parting.content_lines);
  const sip::RequestDraft bye{.method = Method::bye,
                              .request_uri = leg.dialog->request_uri(),
                              .headers = lines,
                              .body = parting.body};
  if (!start_request(bye, leg.peer, dialog_path(leg), token(Purpose::bye, leg.handle))) {
    (void)step(leg, LegEvent::done);  // no transaction is left for it: the far end will find out by itself
  }
}

void CallManager::hang_up_leg(Leg& leg, const Ending& ending) {
  if (leg.away) return;  // when it comes back
  if (leg.parting->lines.empty() && ending.from != &leg) leg.parting.make() = parting_from(leg, ending);
  const bool is_seat = leg.call->transfer && &leg == leg.call->a && !leg.joined;
  if (is_seat) return leave_seat(leg);
  leg.wait.stop();
  leg.keepalive.stop();
  stop_session(leg);
  restore_event(leg, RestoreEvent::stop);
  if (leg.is_borrowed()) return return_leg(leg);
  carry_out(leg, step(leg, LegEvent::hang_up));
}

void CallManager::note_end(Call& call, stats::EndedBy by, LocalError error) {
  call.over = true;
  call.duration.stop();
  call.interim_record.stop();
  stats::CallRecord& record = call.record;
  record.ended_by = by;
  record.ended_ns = wall_now();
  if (call.answered) record.duration_ns = now() - call.answered_ns;
  if (error != LocalError::none) record.local_error = response_map::local_error_name(error);
  if (call.answered && !call.picked_up)
    services_.statistics.peer(call.b->peer).call_duration.observe(now() - call.answered_ns);
}

void CallManager::hang_up(Call& call, stats::EndedBy by, LocalError error, Ending ending) {
  if (call.over) return;
  cancel_transfer(call);
  if (call.taker) post(call.taker->shard, Refused{call.taker->handle, 481});
  call.taker.reset();
  std::string own;
  const bool unanswered = call.a->state == LegState::inviting || call.a->state == LegState::early;
  if (error != LocalError::none || unanswered) {
    response_map::Input input;
    // The callee hung up on an answer that the caller was still to hear of.
    input.local = error != LocalError::none ? error : LocalError::answer_fault;
    input.exhausted = true;
    input.send = services_.config.peers[call.from].map_send;
    const response_map::Verdict verdict = services_.maps.map(input);
    if (unanswered) refuse_caller(call, verdict);
    if (ending.message == nullptr && verdict.q850 != 0) {
      sip::HeaderWriter(own).line(HeaderId::reason, response_map::q850_reason(verdict.q850));
      ending.reason = own;
    }
  }
  end_relays(call);
  note_end(call, by, error);
  for (Leg* leg : call.legs) hang_up_leg(*leg, ending);
  close_media(call);
  mark(call);
}

void CallManager::on_cancel(sip::ServerId invite, std::uint64_t token, const sip::MessageView& cancel) {
  Leg* leg = leg_of(token);
  if (leg == nullptr) return respond(invite, 487);
  Call& call = *leg->call;
  if (purpose_of(token) == Purpose::relay) {
    // A re-INVITE is cancelled: so is ours on the other leg, and its final response goes back.
    for (const Relay& relay : call.relays) {
      if (relay.server == invite) transactions_->cancel(relay.client);
    }
    return;
  }
  if (leg->state == LegState::inviting || leg->state == LegState::early) caller_gave_up(call, cancel);
  sweep();
}

void CallManager::caller_gave_up(Call& call, const sip::MessageView& request) {
  call.record.reason = request.header(HeaderId::reason);
  call.record.ended_by = stats::EndedBy::caller;
  fail_call(call, LocalError::cancelled);
  for (Leg* leg : call.legs) hang_up_leg(*leg, {.from = call.a, .message = &request});
}

void CallManager::on_bye(sip::ServerId id, Leg& leg, const sip::MessageView& bye) {
  Call& call = *leg.call;
  const bool is_caller = leg.role == LegRole::uas;
  const bool early = is_caller && (leg.state == LegState::inviting || leg.state == LegState::early);
  if (!refused_extension(id, leg, bye)) {
    respond(id, 200);
  } else if (!early) {
    // However it is answered, whoever sends BYE is past his session (RFC 3261 15.1.1): it ends by a BYE of
    // ours.
    return hang_up(call, is_caller ? stats::EndedBy::caller : stats::EndedBy::callee,
                   LocalError::bad_extension);
  }
  if (leg.is_borrowed()) return borrowed_bye(leg);
  if (transferor_leaves(leg)) return;
  if (early) return caller_gave_up(call, bye);  // RFC 3261 15.1.2: the INVITE that waits gets 487
  if (step(leg, LegEvent::bye) != LegAction::report) return;
  call.record.reason = bye.header(HeaderId::reason);
  hang_up(call, is_caller ? stats::EndedBy::caller : stats::EndedBy::callee, LocalError::none,
          {.from = &leg, .message = &bye});
}

}  // namespace sallyport::b2bua
