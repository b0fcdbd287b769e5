// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A REFER that we follow (RFC 3515, 5589), so that neither side needs to know transfers.
// The target is called by a call of its own, as by the transferor; whoever is referred (the transferee) stays
// in the first call until the target has answered, and is then re-invited to the target's media:
//
//     transferor      first call     transferee          second call          target
//        │ REFER ─────────▶ │                               │                    │
//        │ ◀── 202, NOTIFY 100                              │ ── INVITE ───────▶ │   or a re-INVITE, where
//        │ ◀── NOTIFY 180                                   │ ◀── 180 ────────── │   Refer-To names a dialog
//        │                  │                               │ ◀── 200 ────────── │   of ours (replacing.cc)
//        │                  │     lends the transferee ───▶ │                    │
//        │                  │ ◀───────── re-INVITE, 200 ──▶ │                    │
//        │ ◀── NOTIFY 200, BYE                              │                    │
//
// Until the last step a failure leaves the first call as it was. The second call's leg A is the transferee's
// seat: empty, without a dialog, until he takes it.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/b2bua/session_text.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

namespace {

constexpr std::uint32_t kSubscriptionSeconds = 300;

std::string without_tag(std::string_view party) {
  return std::string(party.substr(0, std::min(party.find(";tag="), party.size())));
}

}  // namespace

Call* CallManager::first_call(const Call& transfer) {
  Leg* leg = find_leg(transfer.transfer->transferor.slot, transfer.transfer->transferor.generation);
  return leg != nullptr ? leg->call : nullptr;
}

// ---- the REFER

void CallManager::follow_refer(sip::ServerId id, Leg& leg, const sip::MessageView& refer) {
  Call& first = *leg.call;
  Leg* transferee = first.other(leg);
  const bool rests = first.carried_out_by == Handle{} && leg.state == LegState::confirmed &&
                     transferee->state == LegState::confirmed;
  if (!rests) return respond(id, 491);
  const policy::Admit admit = services_.admission.begin_call(leg.peer, now());
  if (!admit) return (void)refuse(id, leg.peer, admission_error(admit.refusal));
  Call* call = new_transfer(leg, *transferee, refer);
  if (call == nullptr) {
    services_.admission.end_call(leg.peer);
    return (void)refuse(id, leg.peer, LocalError::capacity);
  }
  first.carried_out_by = call->handle;
  std::string lines;
  sip::HeaderWriter out(lines);
  write_contact(leg, out);
  out.line(HeaderId::server, kProduct);
  if (call->transfer->silent) out.line(HeaderId::refer_sub, "false");
  respond(id, 202, lines);
  notify_transferor(*call, 100, "Trying");
  const auto uri = sip::parse_uri(sip::parse_name_addr(refer.header(HeaderId::refer_to))->uri);
  const auto replaces = uri_header(uri->headers, "Replaces");
  start_transfer(*call, replaces ? parse_replaces(*replaces) : std::nullopt);
}

Call* CallManager::new_transfer(Leg& transferor, Leg& transferee, const sip::MessageView& refer) {
  const auto to = sip::parse_name_addr(refer.header(HeaderId::refer_to));
  const auto uri = sip::parse_uri(to->uri);
  auto transfer = std::make_unique<Transfer>();
  transfer->transferor = transferor.handle;
  transfer->transferee = transferee.handle;
  transfer->refer_cseq = refer.cseq();
  transfer->numbered = transferor.call->referrals.size() > 0;
  transfer->silent = sip::iequals(sip::trim(refer.header(HeaderId::refer_sub)), "false");
  transfer->place = to->uri.substr(0, std::min(to->uri.find('?'), to->uri.size()));
  transfer->referred_by = refer.header(HeaderId::referred_by);
  const auto replaces = uri_header(uri->headers, "Replaces");
  if (replaces && !leg_named(*parse_replaces(*replaces))) transfer->other_dialog = *replaces;
  auto& referrals = transferor.call->referrals;
  if (referrals.size() >= kMostReferrals) referrals.erase(referrals.begin());
  referrals.push_back({transferor.handle, refer.cseq(), 0});

  sip::Path path = transferee.path;
  path.remote = dialog_path(transferee).remote;
  const int hops = refer.index->max_forwards < 0 ? 70 : std::min(refer.index->max_forwards, 255);
  const std::string text = transfer_invite(*transfer, transferor, transferee, static_cast<unsigned>(hops));
  const auto index = std::make_unique<sip::MessageIndex>();
  (void)sip::parse(text, sip::Framing::datagram, *index);
  const sip::MessageView invite{.octets = text, .index = index.get(), .path = path};
  Call* call = new_call(transferor.peer, {}, invite);
  if (call == nullptr) return nullptr;
  call->admitted = true;
  call->transfer = std::move(transfer);
  call->a->peer = transferee.peer;
  call->a->offer_pending = true;
  mark(*call);
  return call;
}

// The INVITE as the transferee would have sent it to the place, if he had come by the transferor's peer.
std::string CallManager::transfer_invite(const Transfer& transfer, const Leg& transferor,
                                         const Leg& transferee, unsigned max_forwards) const {
  const media::OfferAnswer& engine = *transferee.call->offer_answer;
  std::string text = "INVITE " + sip::unfold(transfer.place) + " SIP/2.0\r\n";
  sip::HeaderWriter out(text);
  const std::string there = dialog_path(transferee).remote.to_text();
  out.line(HeaderId::via, {"SIP/2.0/UDP ", there, ";branch=z9hG4bKtransfer"});
  out.line(HeaderId::from, {without_tag(transferor.dialog->local_party()), ";tag=", transferee.tag});
  out.line(HeaderId::to, {"<", transfer.place, ">"});
  out.line(HeaderId::call_id, {"transfer-", transferee.tag});
  out.line(HeaderId::cseq, "1 INVITE");
  out.line(HeaderId::max_forwards, std::uint64_t{max_forwards});
  out.line(HeaderId::contact, {"<", transferee.dialog->remote_target(), ">"});
  if (!transfer.referred_by.empty()) out.line(HeaderId::referred_by, transfer.referred_by);
  if (!transfer.other_dialog.empty()) out.line(HeaderId::replaces, transfer.other_dialog);
  out.line(HeaderId::content_type, "application/sdp");
  return text + "\r\n" + without_hold(engine.said(transferee.side()));
}

void CallManager::keep_invite(Call& call, const std::string& text, const sip::Path& path) {
  const auto index = std::make_unique<sip::MessageIndex>();
  (void)sip::parse(text, sip::Framing::datagram, *index);
  call.invite = sip::StoredMessage(services_.buffers, {.octets = text, .index = index.get(), .path = path});
}

void CallManager::start_transfer(Call& call, const std::optional<DialogId>& replaces) {
  const sip::MessageView invite = call.invite.view();
  if (invite.index->fault != sip::Fault::none || invite.body().empty())
    return fail_call(call, LocalError::malformed);
  open_session(call);
  const auto replaced = replaces ? leg_named(*replaces) : std::nullopt;
  if (replaced) return borrow(call, *replaced, *replaces);
  if (const LocalError nowhere = find_route(call); nowhere != LocalError::none)
    return fail_call(call, nowhere);
  response_map::Input nobody;
  nobody.local = LocalError::peer_down;
  next_attempt(call, nobody);
}

// ---- what the transferor hears

void CallManager::notify_transferor(Call& call, std::uint16_t status, std::string_view phrase, bool is_last) {
  Transfer& transfer = *call.transfer;
  Leg* leg = find_leg(transfer.transferor.slot, transfer.transferor.generation);
  if (transfer.silent || transfer.ended || leg == nullptr || !leg->dialog) return;
  transfer.ended = status >= 200 || is_last;
  std::string lines;
  sip::HeaderWriter out(lines);
  leg->dialog->write_headers(out, Method::notify, leg->dialog->next_cseq());
  write_contact(*leg, out);
  const std::string number = ";id=" + std::to_string(transfer.refer_cseq);
  out.line(HeaderId::event, {"refer", transfer.numbered ? std::string_view(number) : ""});
  out.line(HeaderId::subscription_state, transfer.ended
                                             ? "terminated;reason=noresource"
                                             : "active;expires=" + std::to_string(kSubscriptionSeconds));
  out.line(HeaderId::user_agent, kProduct);
  const std::string body = "SIP/2.0 " + std::to_string(status) + " " + sip::unfold(phrase) + "\r\n";
  out.raw(authorization(*leg, "NOTIFY", leg->dialog->request_uri(), body));
  out.line(HeaderId::content_type, "message/sipfrag;version=2.0");
  const sip::RequestDraft draft{
      .method = Method::notify, .request_uri = leg->dialog->request_uri(), .headers = lines, .body = body};
  const auto id = start_request(draft, leg->peer, dialog_path(*leg), token(Purpose::notify, leg->handle));
  if (!id && transfer.ended) on_notified(*leg);
}

// RFC 6665 4.1.2.3: he asks for the end of it, or for more.
bool CallManager::own_subscription(sip::ServerId id, const Leg& leg, const sip::MessageView& subscribe) {
  Call* call = calls_.find(leg.call->carried_out_by.slot, leg.call->carried_out_by.generation);
  const std::string_view event = subscribe.header(HeaderId::event);
  const bool is_it = call != nullptr && call->transfer->transferor == leg.handle &&
                     sip::iequals(sip::trim(event.substr(0, event.find(';'))), "refer");
  if (!is_it) return false;
  const bool ends = sip::trim(subscribe.header(HeaderId::expires)) == "0";
  std::string lines;
  sip::HeaderWriter out(lines);
  write_contact(leg, out);
  out.line(HeaderId::expires, std::uint64_t{ends ? 0 : kSubscriptionSeconds});
  respond(id, 200, lines);
  notify_transferor(*call, 100, "Trying", ends);
  return true;
}

void CallManager::on_notified(Leg& transferor) {
  Call& first = *transferor.call;
  if (!first.hangs_up_when_told) return;
  hang_up(first, stats::EndedBy::sallyport, LocalError::none);
}

bool CallManager::awaits_transfer(const Leg& leg) {
  Call* call = calls_.find(leg.call->carried_out_by.slot, leg.call->carried_out_by.generation);
  return call != nullptr && !call->over && call->transfer->transferor == leg.handle;
}

// A transferor may go as soon as his REFER is accepted (RFC 5589 6.1): whoever he leaves behind waits.
bool CallManager::transferor_leaves(Leg& leg) {
  if (!awaits_transfer(leg)) return false;
  (void)step(leg, LegEvent::bye);
  return true;
}

// ---- the target answers

void CallManager::transfer_answered(Leg& target, const sip::MessageView& response) {
  Call& call = *target.call;
  call.record.received = response.status();
  post(services_.shard, Borrow{{services_.shard, call.a->handle}, call.transfer->transferee, std::nullopt});
}

// The transferee has come: he is told of the target's media.
void CallManager::invite_seat(Leg& seat) {
  Call& call = *seat.call;
  const std::string sdp = call.offer_answer->tell_again(media::Leg::a, seat.origin);
  if (!send_join_invite(seat, sdp, Purpose::seat)) return on_seat_failure(seat, LocalError::capacity);
  services_.wheel.start(seat.wait, services_.config.peers[seat.peer].limits.setup_ns);
}

void CallManager::on_seat_response(Leg& seat, const sip::MessageView& response) {
  Call& call = *seat.call;
  const std::uint16_t status = response.status();
  if (status < 200) return;
  const bool success = status < 300;
  if (success) send_ack(seat, seat.invite_client, seat.invite_cseq, response.to_tag(), {});
  if (seat.state != LegState::inviting) return;  // a 2xx once more
  const bool again = (status == 422 && raise_session(seat, response)) || answers_challenge(seat, response);
  if (!call.over && !success && again &&
      send_join_invite(seat, call.offer_answer->told(media::Leg::a), Purpose::seat)) {
    return;
  }
  seat.wait.stop();
  if (success && !call.over) return take_seat(seat, response);
  seat.disturbed = success;
  seat.lost |= status == 481 || status == 408;
  (void)step(seat, LegEvent::failure);
  if (call.over) return;
  response_map::Input input = heard(seat, call.from, response);
  input.exhausted = true;
  end_transfer(call, services_.maps.map(input));
}

void CallManager::take_seat(Leg& seat, const sip::MessageView& response) {
  Call& call = *seat.call;
  note_capabilities(seat, response);
  (void)seat.dialog->refresh_target(response);
  if (!call.offer_answer->readdress(media::Leg::a, session_description(response),
                                    policy_for(seat, response))) {
    seat.disturbed = true;  // he has answered what our policy refuses
    (void)step(seat, LegEvent::failure);
    return fail_transfer(call, LocalError::answer_refused);
  }
  session_answered(seat, response);
  seat.offer_pending = false;
  seat.invite_cseq = 0;  // of an INVITE of his: there was none here
  (void)step(seat, LegEvent::success);
  (void)step(seat, LegEvent::ack);
  note_answered(*call.b, call.record.received, 200);
  Call* first = first_call(call);
  if (first == nullptr) return;
  const Leg* transferor = find_leg(call.transfer->transferor.slot, call.transfer->transferor.generation);
  first->carried_out_by = {};
  first->record.reason = "Transferred";
  first->hangs_up_when_told = !transferor->is_over() && !call.transfer->silent && !call.transfer->ended;
  notify_transferor(call, 200, "OK");
}

// ---- failure

void CallManager::on_seat_failure(Leg& seat, LocalError error) {
  Call& call = *seat.call;
  seat.wait.stop();
  seat.lost |= error == LocalError::transaction_timeout;
  (void)step(seat, LegEvent::failure);
  if (!call.over) fail_transfer(call, error);
}

void CallManager::fail_transfer(Call& call, LocalError error) {
  response_map::Input input;
  input.local = error;
  input.exhausted = true;
  input.send = services_.config.peers[call.from].map_send;
  end_transfer(call, services_.maps.map(input));
}

void CallManager::end_transfer(Call& call, const response_map::Verdict& verdict) {
  refuse_caller(call, verdict);
  for (Leg* leg : call.legs) {
    if (leg != call.a) hang_up_leg(*leg);
  }
}

// The seat is given up. Who is being asked to take it answers first.
void CallManager::leave_seat(Leg& seat) {
  if (seat.is_borrowed() && seat.state == LegState::inviting) {
    transactions_->cancel(seat.invite_client);
  } else {
    (void)step(seat, LegEvent::failure);
  }
}

void CallManager::transfer_failed(Call& call, const response_map::Verdict& verdict) {
  notify_transferor(call, verdict.code, verdict.phrase);
  Call* first = first_call(call);
  if (first == nullptr || first->carried_out_by != call.handle) return;
  first->carried_out_by = {};
  const Leg* transferor = find_leg(call.transfer->transferor.slot, call.transfer->transferor.generation);
  if (transferor->is_over()) hang_up(*first, stats::EndedBy::sallyport, LocalError::none);
}

// The first call ends: nobody is left to be transferred.
void CallManager::cancel_transfer(Call& first) {
  const Handle handle = std::exchange(first.carried_out_by, Handle{});
  Call* call = calls_.find(handle.slot, handle.generation);
  if (call == nullptr || call->over) return;
  fail_transfer(*call, LocalError::cancelled);
  call->record.ended_by = stats::EndedBy::caller;
}

}  // namespace sallyport::b2bua
