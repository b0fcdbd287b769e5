// SPDX-License-Identifier: Apache-2.0
// Theory of operation. An INVITE with Replaces, or a REFER that we follow, names a dialog that we have begun
// and that still rings (RFC 3891 3): whoever it is about takes the call that rings there. Its caller's INVITE
// is open, and only who has a dialog that is up can be re-invited; so he is answered first:
//
//     caller           first call          who rings             second call        newcomer
//        │ ── INVITE ─────▶ │ ── INVITE ────▶ │                      │ ◀── INVITE ────── │  Replaces
//        │                  │ ◀── 180 ─────── │                      │                   │
//        │                  │ ◀──────── borrow: this dialog ──────── │                   │
//        │ ◀── 200 ──────── │ ── CANCEL ────▶ │                      │                   │
//        │ ── ACK ────────▶ │                                        │                   │
//        │                  │ ───────── lent: the caller ──────────▶ │                   │
//        │ ◀────────────────────────────────── re-INVITE, 200 ────── │ ── 200 ─────────▶ │
//
// His 200 repeats the answer of a 18x, where he has heard one, else all its streams are inactive. Of an
// INVITE without SDP it makes the offer, of no stream (RFC 3264 5, RFC 3725 4.4): the re-INVITE brings the
// media. From then on the first call has nobody else: if the newcomer fails, it ends.
#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;

bool CallManager::may_be_picked_up(const Leg& ringing) const {
  const Call& call = *ringing.call;
  const Leg& a = *call.a;
  const bool asks = a.state == LegState::inviting || a.state == LegState::early;
  const bool rests = !call.over && !call.transfer && !call.taker && call.relays.empty() && !ringing.held &&
                     !holds_success(a, a.invite_server);
  // An offer of whoever rings is open until the caller's PRACK has answered it.
  const media::OfferAnswer& engine = *call.offer_answer;
  const bool may_settle = call.late_offer ? engine.state() != media::OfferAnswer::State::offered
                                          : engine.offered_by(media::Leg::a) || is_answered_reliably(a);
  return &ringing == call.b && !ringing.lender && asks && rests && may_settle;
}

void CallManager::pick_up(Leg& ringing, const LegAddress& taker) {
  Call& call = *ringing.call;
  Leg& a = *call.a;
  const auto refuse = [&] { post(taker.shard, Refused{taker.handle, 491}); };
  if (!may_be_picked_up(ringing)) return refuse();
  media::OfferAnswer& engine = *call.offer_answer;
  std::string sdp;
  if (engine.state() == media::OfferAnswer::State::idle) {
    sdp = engine.offer_nothing(media::Leg::a);
  } else if (engine.offered_by(media::Leg::a)) {
    auto text = engine.answer_for_nobody();
    if (!text) return refuse();
    sdp = std::move(*text);
  } else {
    engine.end_forks();  // he has acknowledged his answer, or has given it
  }
  call.taker = taker;
  call.picked_up = true;
  call.record.attempts.back().local_error = response_map::local_error_name(LocalError::cancelled);
  count_failed(call, 487);
  for (Leg* leg : call.legs) {
    if (leg != &a) hang_up_leg(*leg);
  }
  accept_picked_up(a, sdp);
}

void CallManager::accept_picked_up(Leg& a, const std::string& sdp) {
  Call& call = *a.call;
  a.dialog->confirm();
  std::string headers;
  sip::HeaderWriter out(headers);
  write_contact(a, out);
  write_capabilities(out, a.peer);
  out.line(HeaderId::supported, kSupported);
  out.line(HeaderId::server, kProduct);
  if (!sdp.empty()) out.line(HeaderId::content_type, "application/sdp");
  agree_session(a, call.invite.view(), out);
  reliable_final(a, a.invite_server);
  (void)step(a, LegEvent::success);
  (void)transactions_->respond(a.invite_server,
                               {.status = 200, .to_tag = a.tag, .headers = headers, .body = sdp});
  a.unacknowledged.push_back({a.invite_cseq, a.invite_server});
  mark_answered(call);
  call.record.sent = 200;
  write_interim(call);
  pair(call).active.add(1);
}

void CallManager::lend_caller(Call& call) {
  const LegAddress taker = *std::exchange(call.taker, std::nullopt);
  on_borrow({taker, call.a->handle, std::nullopt});
  if (!call.a->away) hang_up(call, stats::EndedBy::sallyport, LocalError::none);
}

}  // namespace sallyport::b2bua
