// SPDX-License-Identifier: Apache-2.0
// A leg leaves its call and joins another one: both sides of what join_message.h draws.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

// ---- the way between calls

void CallManager::post(std::uint8_t shard, JoinMessage message) {
  if (shard == services_.shard) {
    messages_.push_back(std::move(message));
  } else if (services_.others != nullptr) {
    services_.others->send(shard, std::make_unique<JoinMessage>(std::move(message)));
  }
}

// At the end of each entry from outside, as sweep() itself: no act has to fear for the leg that it works on.
void CallManager::deliver_messages() {
  while (!messages_.empty()) {
    JoinMessage message = std::move(messages_.front());
    messages_.pop_front();
    on_message(message);
  }
}

void CallManager::on_message(JoinMessage& message) {
  std::visit(
      [this](auto& one) {
        using Kind = std::remove_cvref_t<decltype(one)>;
        if constexpr (std::is_same_v<Kind, Borrow>) on_borrow(one);
        if constexpr (std::is_same_v<Kind, Lent>) on_lent(one);
        if constexpr (std::is_same_v<Kind, Refused>) on_refused(one);
        if constexpr (std::is_same_v<Kind, Keep>) on_keep(one);
        if constexpr (std::is_same_v<Kind, GiveBack>) on_give_back(one);
        if constexpr (std::is_same_v<Kind, Release>) on_release(one);
        if constexpr (std::is_same_v<Kind, Forwarded>) on_forwarded(one);
        if constexpr (std::is_same_v<Kind, routing::TargetNews>) services_.health.hear(one);
      },
      message);
  sweep();
}

bool CallManager::forwarded(sip::Arrival& arrival) {
  if (arrival.verdict != dp::SteerVerdict::by_tag) return false;
  // A leg that has moved several times left a stub each time.
  for (int hops = 0; hops < 16; ++hops) {
    const Handle handle{arrival.slot, arrival.generation};
    const Leg* leg = find_leg(handle.slot, handle.generation);
    const auto stub = stubs_.find(key(handle));  // it may be there before its leg is gone
    const LegAddress* to = leg != nullptr && leg->away ? &*leg->away
                           : stub != stubs_.end()      ? &stub->second->to
                                                       : nullptr;
    if (to == nullptr) return false;
    if (to->shard != services_.shard) {
      post(to->shard, Forwarded{to->handle, arrival.message.path, std::string(arrival.message.octets)});
      return true;
    }
    arrival.slot = to->handle.slot;
    arrival.generation = to->handle.generation;
  }
  return false;
}

void CallManager::on_forwarded(const Forwarded& message) {
  const auto index = std::make_unique<sip::MessageIndex>();
  (void)sip::parse(message.octets, sip::Framing::datagram, *index);
  sip::Arrival arrival{.message = {.octets = message.octets, .index = index.get(), .path = message.path},
                       .verdict = dp::SteerVerdict::by_tag,
                       .slot = message.leg.slot,
                       .generation = message.leg.generation};
  if (!forwarded(arrival) && admit_source(arrival)) transactions_->receive(arrival);
}

// ---- the lender

// RFC 3891 3, for the leg that is to be replaced. An early dialog is replaced only where we have begun it.
std::uint16_t CallManager::why_not_replaced(const Leg& leg, const DialogId& id) const {
  const auto names = [&](const sip::Dialog& dialog) {
    return dialog.call_id() == id.call_id && sip::iequals(dialog.remote_tag(), id.from_tag);
  };
  const bool by_name =
      leg.dialog && (names(*leg.dialog) || std::ranges::any_of(leg.forks, names, &Fork::dialog));
  const bool hidden = hidden_dialog(id) == id;
  if (!leg.dialog || !sip::iequals(leg.tag, id.to_tag) || !(by_name || hidden)) return 481;
  switch (leg.state) {
    case LegState::early:
      return leg.role == LegRole::uac ? 0 : 481;
    case LegState::inviting:
    case LegState::cancelling:
      return 481;
    case LegState::answered:
    case LegState::confirmed:
      return id.early_only ? 486 : 0;
    default:
      return 603;
  }
}

// What is in the middle of something is not lent.
bool CallManager::may_be_lent(const Leg& leg) {
  const Call& call = *leg.call;
  const Leg* other = call.other(leg);
  const bool other_rests = other == nullptr || other->is_over() || call.picked_up ||
                           (other->state == LegState::confirmed && !other->away);
  return call.answered && !call.over && leg.state == LegState::confirmed && call.relays.empty() &&
         leg.unacknowledged.empty() && !leg.away && !leg.is_borrowed() &&
         leg.session.state != SessionState::refreshing && leg.restore->state == RestoreState::off &&
         other_rests;
}

LentLeg CallManager::travelling(const Leg& leg) const {
  const media::OfferAnswer& engine = *leg.call->offer_answer;
  media::OfferAnswer::Origin origin = engine.origin(leg.side());
  // One that has not been told anything in this call is where it was.
  if (leg.lender && origin.session_id != leg.origin.session_id) origin = leg.origin;
  return {.dialog = *leg.dialog,
          .peer = leg.peer,
          .path = leg.path,
          .tag = leg.tag,
          .call_id = leg.call_id,
          .from = leg.from,
          .recv_info = leg.recv_info,
          .allows_update = leg.allows_update,
          .authenticator = leg.authenticator,
          .said = engine.said(leg.side()),
          .told = engine.agreed(leg.side()),
          .origin = origin};
}

void CallManager::on_borrow(const Borrow& borrow) {
  const auto refuse = [&](std::uint16_t status) {
    post(borrow.asker.shard, Refused{borrow.asker.handle, status});
  };
  if (const auto stub = stubs_.find(key(borrow.named)); stub != stubs_.end()) {
    Borrow onward = borrow;
    onward.named = stub->second->to.handle;
    return post(stub->second->to.shard, onward);
  }
  Leg* leg = find_leg(borrow.named.slot, borrow.named.generation);
  if (leg == nullptr) return refuse(481);
  if (borrow.id) {
    if (const std::uint16_t status = why_not_replaced(*leg, *borrow.id); status != 0) return refuse(status);
    if (leg->state == LegState::early) return pick_up(*leg, borrow.asker);
    leg = leg->call->other(*leg);
  }
  // Who waits for a transfer of his own is notified inside his dialog, whose numbers cannot grow in two
  // places.
  if (leg == nullptr || !may_be_lent(*leg) || awaits_transfer(*leg)) return refuse(491);
  leg->keepalive.stop();
  leg->session_before = leg->session.state;
  stop_session(*leg);
  post(borrow.asker.shard, Lent{borrow.asker.handle, {services_.shard, leg->handle}, travelling(*leg)});
  leg->away = borrow.asker;
}

void CallManager::on_keep(const Keep& keep) {
  Leg* leg = find_leg(keep.lender.slot, keep.lender.generation);
  if (leg == nullptr || !leg->away) return;
  Call& call = *leg->call;
  auto stub = std::make_unique<Stub>();
  stub->to = *leg->away;
  stub->before = std::exchange(leg->lender, std::nullopt);
  stub->timer.bind(*this, static_cast<std::uint8_t>(CallTimer::stub), key(leg->handle));
  stubs_[key(leg->handle)] = std::move(stub);
  leg->away.reset();
  (void)step(*leg, LegEvent::bye);  // of this call; its dialog goes on
  mark(call);
  if (call.hangs_up_when_told) return;  // transfer.cc
  if (call.record.reason.empty()) call.record.reason = "Replaced";
  hang_up(call, stats::EndedBy::sallyport, LocalError::none);
}

void CallManager::on_give_back(GiveBack& back) {
  Leg* leg = find_leg(back.lender.slot, back.lender.generation);
  if (leg == nullptr || !leg->away) return;
  Call& call = *leg->call;
  leg->away.reset();
  leg->dialog = std::move(back.leg.dialog);
  leg->authenticator = std::move(back.leg.authenticator);
  leg->allows_update = back.leg.allows_update;
  mark(call);
  if (back.lost) {
    (void)step(*leg, LegEvent::bye);
    return hang_up(call, leg->role == LegRole::uas ? stats::EndedBy::caller : stats::EndedBy::callee,
                   LocalError::none);
  }
  if (call.over) return hang_up_leg(*leg);
  if (call.picked_up)
    return hang_up(call, stats::EndedBy::sallyport, LocalError::none);  // he has nobody else
  start_keepalive(*leg);
  if (leg->session_before == SessionState::waiting) session_event(*leg, SessionEvent::they_refresh);
  if (leg->session_before == SessionState::refresher) session_event(*leg, SessionEvent::we_refresh);
  const std::string sdp = call.offer_answer->tell_again(leg->side(), back.leg.origin);
  if (!back.disturbed) return;
  // The far end plays into ports of the other call, which are gone: it is told of this session again.
  restoring(*leg).sdp = sdp;
  restoring(*leg).tries = 0;
  restore_event(*leg, RestoreEvent::diverged);
}

void CallManager::on_release(const Release& release) {
  const auto stub = stubs_.find(key(release.lender));
  if (stub == stubs_.end()) return;
  const auto before = stub->second->before;
  if (before) post(before->shard, Release{before->handle});
  // What the far end repeats still finds its transaction (RFC 3261 17.2).
  services_.wheel.start(stub->second->timer, 64 * services_.config.controlplane.sip.t1_ns);
}

// ---- the borrower

void CallManager::take_over(Leg& leg, LentLeg& lent) {
  leg.dialog = std::move(lent.dialog);
  leg.peer = lent.peer;
  leg.target = {lent.peer, routing::kNoTarget};
  leg.path = lent.path;
  leg.tag = std::move(lent.tag);
  leg.call_id = std::move(lent.call_id);
  leg.from = std::move(lent.from);
  leg.recv_info = std::move(lent.recv_info);
  leg.allows_update = lent.allows_update;
  leg.authenticator = std::move(lent.authenticator);
  leg.origin = lent.origin;
}

void CallManager::on_lent(Lent& lent) {
  Leg* leg = find_leg(lent.asker.slot, lent.asker.generation);
  if (leg == nullptr || leg->is_over()) {
    return post(lent.lender.shard, GiveBack{lent.lender.handle, std::move(lent.leg), false, false});
  }
  take_over(*leg, lent.leg);
  leg->lender = lent.lender;
  mark(*leg->call);
  if (leg->state != LegState::inviting || leg->call->over) {
    (void)step(*leg, LegEvent::failure);  // the call has ended meanwhile
  } else if (leg->role == LegRole::uas) {
    invite_seat(*leg);
  } else {
    invite_borrowed(*leg, lent.leg);
  }
}

void CallManager::on_refused(const Refused& refused) {
  Leg* leg = find_leg(refused.asker.slot, refused.asker.generation);
  if (leg == nullptr) return;
  Call& call = *leg->call;
  mark(call);
  (void)step(*leg, LegEvent::failure);
  if (call.over) return;
  refuse_with(call, refused.status);
  for (Leg* other : call.legs) hang_up_leg(*other);  // of a transfer: the target that has answered
}

bool CallManager::send_join_invite(Leg& leg, const std::string& sdp, Purpose purpose) {
  const std::uint32_t cseq = leg.dialog->next_cseq();
  std::string lines;
  sip::HeaderWriter out(lines);
  const std::string uri(leg.dialog->request_uri());
  leg.dialog->write_headers(out, Method::invite, cseq);
  write_contact(leg, out);
  write_capabilities(out, leg.peer);
  out.line(HeaderId::supported, "timer");
  ask_session(leg, out);
  out.line(HeaderId::user_agent, kProduct);
  leg.authorization = authorization(leg, "INVITE", uri, sdp);
  out.raw(leg.authorization);
  if (!sdp.empty()) out.line(HeaderId::content_type, "application/sdp");
  const sip::RequestDraft draft{.method = Method::invite, .request_uri = uri, .headers = lines, .body = sdp};
  const auto id = start_request(draft, leg.peer, dialog_path(leg), token(purpose, leg.handle));
  if (!id) return false;
  leg.invite_client = *id;
  leg.invite_cseq = cseq;
  return true;
}

void CallManager::joined(Call& call) {
  for (Leg* leg : call.legs) {
    if (!leg->is_borrowed() || leg->is_over()) continue;
    leg->joined = true;
    post(leg->lender->shard, Keep{leg->lender->handle});
  }
}

void CallManager::give_back(Leg& leg) {
  const LegAddress to = *leg.lender;
  if (leg.joined) {
    post(to.shard, Release{to.handle});
  } else {
    post(to.shard, GiveBack{to.handle, travelling(leg), leg.lost, leg.disturbed});
  }
  leg.lender.reset();
}

// The far end hangs up while it is asked to join: its lender's call ends, and this one has failed.
void CallManager::borrowed_bye(Leg& leg) {
  Call& call = *leg.call;
  leg.lost = true;
  if (leg.state == LegState::answered || leg.state == LegState::confirmed) {
    (void)step(leg, LegEvent::bye);
  }
  if (!call.over) hang_up(call, stats::EndedBy::callee, LocalError::not_in_dialog);
}

// Instead of a hang-up: the leg is its lender's.
void CallManager::return_leg(Leg& leg) {
  switch (leg.state) {
    case LegState::inviting:
    case LegState::early:
      return carry_out(leg, step(leg, LegEvent::hang_up));
    case LegState::answered:
      send_ack(leg, leg.invite_client, leg.invite_cseq, leg.dialog->remote_tag(), {});
      [[fallthrough]];
    case LegState::confirmed:
      leg.disturbed = true;
      return (void)step(leg, LegEvent::bye);
    default:
      return;
  }
}

}  // namespace sallyport::b2bua
