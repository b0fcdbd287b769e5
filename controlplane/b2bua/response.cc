// SPDX-License-Identifier: Apache-2.0
// A target answers our INVITE; what the caller hears of it passes the response map.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/response_map/reason.h"
#include "controlplane/sip/nat.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

response_map::Input CallManager::heard(const Leg& leg, config::PeerIndex to,
                                       const sip::MessageView& response) const {
  response_map::Input input;
  input.receive = services_.config.peers[leg.peer].map_receive;
  input.send = services_.config.peers[to].map_send;
  input.code = response.status();
  input.phrase = response.reason_phrase();
  sip::for_each_value(response, HeaderId::reason, [&](std::string_view value) {
    if (input.q850 == 0) input.q850 = response_map::q850_of(value);
  });
  if (response.has(HeaderId::warning))
    input.warning = response_map::warning_code_of(response.header(HeaderId::warning));
  input.retry_after_s = retry_after_of(response);
  input.invite = response.method() == Method::invite;
  return input;
}

void CallManager::on_invite_response(Leg& leg, const sip::MessageView& response) {
  const std::uint16_t status = response.status();
  if (status == 100) return;
  leg.last_code = status;
  if (status < 200) {
    on_provisional(leg, response);
  } else if (status < 300) {
    on_success(leg, response);
  } else if (!invited_again(leg, response)) {
    on_rejected(leg, response);
  }
}

void CallManager::on_success(Leg& leg, const sip::MessageView& response) {
  Call& call = *leg.call;
  const bool another_fork = leg.dialog && leg.dialog->state() == sip::DialogState::confirmed &&
                            !sip::iequals(leg.dialog->remote_tag(), response.to_tag());
  if (another_fork) return end_fork(leg.invite_client, response);
  const LegAction action = step(leg, LegEvent::success);
  if (action == LegAction::ignore) return;
  if (action == LegAction::ack_and_bye && leg.is_borrowed()) {
    // The 2xx has crossed our CANCEL: the leg is not ours to end.
    send_ack(leg, leg.invite_client, leg.invite_cseq, response.to_tag(), {});
    leg.disturbed = true;
    return (void)step(leg, LegEvent::done);
  }
  const bool usable = confirm_dialog(leg, response);
  note_capabilities(leg, response);
  leg.wait.stop();
  services_.health.answered(leg.target);
  if (action == LegAction::ack_and_bye) return carry_out(leg, action);
  end_lost_offers(leg, response.to_tag());  // not of a target that was given up: the offers are another's
  if (!usable) {
    // No call can be led where the target is a guess; its ACK and BYE may still arrive (RFC 3261 13.2.2.4).
    hang_up_leg(leg);
    response_map::Input input;
    input.local = LocalError::answer_fault;
    return attempt_failed(leg, input);
  }
  if (call.over) return hang_up_leg(leg);
  if (holds_success(*call.a, call.a->invite_server) || waits_for_offer(leg)) {
    leg.held = sip::StoredMessage(services_.buffers, response);
    return;
  }
  finish_success(leg, response);
}

// An UPDATE or PRACK inside the early dialogs whose offer has no answer yet.
bool CallManager::has_open_offer(const Call& call) {
  return std::ranges::any_of(call.relays,
                             [](const Relay& relay) { return relay.has_offer && !relay.answered; });
}

// The 2xx has to do with the session still, while such an offer is in the way.
bool CallManager::waits_for_offer(const Leg& leg) {
  const InviteDialog& dialog = leg.dialog_invite;
  const bool agreed = dialog.settled && !dialog.inactive && !leg.changes_fork;
  return !agreed && has_open_offer(*leg.call);
}

// Another fork has won: what the caller has offered to one that is over is not waited for. He may offer it
// again (RFC 3311 5.1), and the winner hears of it.
void CallManager::end_lost_offers(const Leg& leg, std::string_view winner) {
  Call& call = *leg.call;
  std::erase_if(call.relays, [&](const Relay& relay) {
    const bool lost = relay.has_offer && !relay.answered && relay.from == call.a->handle &&
                      !sip::iequals(relay.to_tag, winner);
    if (!lost) return false;
    withdraw_offer(relay);
    respond(relay.server, relay.method == Method::prack ? 488 : 491);
    return true;
  });
}

// The 2xx picks one of the early dialogs (RFC 3261 13.2.2.4); the others are over. False: it has no usable
// Contact or Record-Route, and the dialog is good for ACK and BYE only.
bool CallManager::confirm_dialog(Leg& leg, const sip::MessageView& response) {
  if (leg.lender) {
    (void)leg.dialog->refresh_target(response);  // to a re-INVITE: the dialog has stood for long
    return true;
  }
  const bool current = leg.dialog && sip::iequals(leg.dialog->remote_tag(), response.to_tag());
  const bool known = dialog_with(leg, response.to_tag()) != nullptr;
  bool usable = true;
  if (known) {
    choose_fork(leg, response.to_tag());
    usable = leg.dialog->confirm(response).has_value();
    if (!usable) leg.dialog->confirm_to_source(response);
  } else {
    auto dialog = sip::Dialog::uac(leg.from, leg.call_id, response);
    usable = dialog.has_value();
    leg.dialog = usable ? std::move(*dialog) : sip::Dialog::uac_to_source(leg.from, leg.call_id, response);
    leg.dialog_invite = {};
  }
  leg.changes_fork = usable && !current && known;
  leg.forks.clear();
  if (sip::nat_evident(response)) leg.dialog->set_nat_source(response.path.remote);
  return usable;
}

void CallManager::finish_success(Leg& leg, const sip::MessageView& response) {
  Call& call = *leg.call;
  media::OfferAnswer& engine = *call.offer_answer;
  if (std::exchange(leg.changes_fork, false)) (void)apply_fork_sdp(leg);
  std::optional<std::string> body(std::in_place);
  std::string answer;  // for an offer that the caller does not hear of
  if (is_other_offer(leg, response)) {
    answer = answer_other_offer(leg, response);
  } else {
    body = cross_body(leg, response);
  }
  if (!body) return;
  const bool settled = leg.dialog_invite.settled;
  if (body->empty() && !settled) {
    // RFC 3261 13.2.1: a 2xx brings the answer, or to an INVITE without SDP the offer; it may be missing only
    // where a 18x has brought it (RFC 6337 2.2).
    if (!leg.dialog_invite.sdp) return refuse_answer(leg, LocalError::answer_fault);
    engine.settle();
  }
  engine.end_forks();
  call.ack_waits = call.late_offer && !settled;
  // He who heard the answer in an unreliable 18x hears it again; he who acknowledged it does not.
  if (!call.late_offer) *body = call.a->offer_pending ? engine.told(media::Leg::a) : std::string{};
  const InviteDialog done = std::exchange(leg.dialog_invite, {});
  session_answered(leg, response);
  answer_caller(leg, response, *body);
  if (call.ack_waits) return;
  if (step(leg, LegEvent::ack) == LegAction::send_ack)
    send_ack(leg, leg.invite_client, leg.invite_cseq, leg.dialog->remote_tag(), answer);
  if (done.inactive) activate(leg, session_description(done.sdp.view()));
}

// The SDP of a 2xx on leg B, for the caller; nullopt: it was refused, and the call is being ended.
std::optional<std::string> CallManager::cross_body(Leg& leg, const sip::MessageView& response) {
  Call& call = *leg.call;
  if (body_kind(response) != Body::sdp || leg.dialog_invite.settled) return std::string{};
  media::OfferAnswer& engine = *call.offer_answer;
  std::expected<std::string, media::MediaError> text;
  if (engine.offered_by(media::Leg::a)) {
    text = engine.answer(media::Leg::b, session_description(response), policy_for(leg, response), false);
  } else if (call.late_offer && engine.state() == media::OfferAnswer::State::idle) {
    text = engine.offer(media::Leg::b, session_description(response), policy_for(leg, response), now());
  } else if (!call.late_offer) {
    text = engine.fork_answer(media::Leg::b, session_description(response), policy_for(leg, response));
  } else {
    return std::string{};
  }
  count_address_policy(leg.peer, engine.last_actions());
  if (text) return *text;
  const LocalError error = media_error(text.error().fault);
  const bool refused = error == LocalError::private_media || error == LocalError::refused_address;
  refuse_answer(leg, refused ? LocalError::answer_refused : error);
  return std::nullopt;
}

// In a 18x: the leg is cancelled. In a 2xx: acknowledged and ended with BYE.
void CallManager::refuse_answer(Leg& leg, LocalError error) {
  hang_up_leg(leg);
  fail_call(*leg.call, error);
}

std::string CallManager::response_headers(const Leg& to, const sip::MessageView& response, std::string& sdp) {
  std::string lines;
  sip::HeaderWriter out(lines);
  write_contact(to, out);
  write_capabilities(out, to.peer);
  out.line(HeaderId::supported, kSupported);
  out.line(HeaderId::server, kProduct);
  if (const Leg* from = to.call->other(to)) pass_to(*from, to, response, out);
  sdp = write_session(response, std::move(sdp), out);
  return lines;
}

void CallManager::answer_caller(Leg& leg, const sip::MessageView& response, std::string body) {
  Call& call = *leg.call;
  if (call.transfer) return transfer_answered(leg, response);
  Leg& a = *call.a;
  a.dialog->confirm();
  const response_map::Verdict verdict = services_.maps.map(heard(leg, call.from, response));
  std::string headers = response_headers(a, response, body);
  sip::HeaderWriter out(headers);
  agree_session(a, call.invite.view(), out);
  reliable_final(a, a.invite_server);
  (void)step(a, LegEvent::success);
  (void)transactions_->respond(
      a.invite_server,
      {.status = verdict.code, .phrase = verdict.phrase, .to_tag = a.tag, .headers = headers, .body = body});
  a.unacknowledged.push_back({a.invite_cseq, a.invite_server});
  note_answered(leg, response.status(), verdict.code);
}

// The call is up.
void CallManager::note_answered(Leg& leg, std::uint16_t received, std::uint16_t sent) {
  Call& call = *leg.call;
  Leg& a = *call.a;
  mark_answered(call);
  // No other target is tried any more, and this one is not asked again.
  call.invite.reset();
  call.candidates = std::vector<Candidate>();
  call.next_candidate = 0;
  call.trail = {};
  watch_media(call);
  call.record.received = received;
  call.record.sent = sent;
  call.record.attempts.back().received = received;
  leg.attempt_open = false;
  stats::PairStatistics& counters = pair(call);
  counters.answered.add();
  counters.active.add(1);
  stats::PeerStatistics& peer = services_.statistics.peer(leg.peer);
  peer.call_setup.observe(now() - call.started_ns);
  if (call.ringing_ns == 0) peer.post_dial_delay.observe(now() - call.started_ns);
  const Nanoseconds longest = std::min(services_.config.peers[call.from].limits.duration_ns,
                                       services_.config.peers[leg.peer].limits.duration_ns);
  services_.wheel.start(call.duration, longest);
  write_interim(call);
  start_keepalive(a);
  start_keepalive(leg);
  joined(call);
}

void CallManager::on_rejected(Leg& leg, const sip::MessageView& response) {
  const bool asking = leg.state == LegState::inviting || leg.state == LegState::early;
  const bool again =
      asking && !leg.call->over &&
      (response.status() == 422 ? raise_session(leg, response) : changes_extensions(leg, response));
  if (again && invite_once_more(leg)) return;
  const std::uint32_t retry_after_s = retry_after_of(response);
  if (response.status() == 503 && retry_after_s != 0) {
    services_.health.retry_after(leg.target, retry_after_s * kSecond, now());
  } else {
    services_.health.answered(leg.target);
  }
  // RFC 3261 12.2.1.2: nobody is there who knows the dialog.
  if (leg.is_borrowed()) leg.lost |= response.status() == 481 || response.status() == 408;
  const bool borrowed = leg.is_borrowed();
  if (step(leg, LegEvent::failure) != LegAction::report) return;
  if (&leg == leg.call->b) {
    leg.call->refused_with.make() = failure_fields(response, headers_[leg.peer], headers_[leg.call->from]);
    leg.call->record.attempts.back().reason_received = reasons_of(response);
  }
  if (!borrowed && redirected(leg, response)) return;
  attempt_failed(leg, heard(leg, leg.call->from, response));
}

void CallManager::attempt_failed(Leg& leg, response_map::Input failure) {
  Call& call = *leg.call;
  if (call.over || &leg != call.b) return;
  end_relays(call);  // an UPDATE or PRACK on its way to the target, or from it
  failure.send = services_.config.peers[call.from].map_send;
  // An answer that the caller has acknowledged binds him to our ports: no other target can take its place.
  const bool bound = call.late_offer ? call.offer_answer->state() != media::OfferAnswer::State::idle
                                     : is_answered_reliably(*call.a);
  failure.exhausted = bound || call.next_candidate >= call.candidates.size();
  const response_map::Verdict verdict = services_.maps.map(failure);
  stats::AttemptRecord& attempt = call.record.attempts.back();
  attempt.received = verdict.received;
  attempt.received_phrase = failure.phrase;
  attempt.local_error = response_map::local_error_name(verdict.local);
  attempt.rule = verdict.rule_text();
  if (verdict.failover) {
    count_failed(call, verdict.code);
    return next_attempt(call, failure);
  }
  refuse_caller(call, verdict);
}

void CallManager::refuse_caller(Call& call, const response_map::Verdict& verdict) {
  if (call.over) return;
  end_relays(call);
  call.over = true;
  Leg& a = *call.a;
  std::string headers = failure_headers(verdict, a.path, *call.refused_with, call.from, Asked::session);
  reliable_final(a, a.invite_server);
  if (verdict.code >= 300 && verdict.code < 400) headers += call.redirect_lines;
  if (call.transfer) {
    leave_seat(a);
  } else {
    (void)step(a, LegEvent::failure);
  }
  std::string body;
  if (call.refused_with->stand(verdict.received, verdict.code)) {
    headers += call.refused_with->content;
    body = call.refused_with->body;
  }
  (void)transactions_->respond(
      a.invite_server,
      {.status = verdict.code, .phrase = verdict.phrase, .to_tag = a.tag, .headers = headers, .body = body});
  a.last_code = verdict.code;
  stats::CallRecord& record = call.record;
  if (verdict.received != 0 && !record.attempts.empty()) {
    record.received_phrase = record.attempts.back().received_phrase;
    record.reason_received = record.attempts.back().reason_received;
  }
  note_verdict(record, verdict, call.transfer ? std::string{} : reasons_in(headers));
  count_mapped(pair(call), verdict);
  if (record.attempts.empty()) {
    count_refused(call.from, verdict.code);
  } else {
    count_failed(call, verdict.code);
  }
  close_media(call);
  mark(call);
  if (call.transfer) transfer_failed(call, verdict);
}

// Nothing of a leg is needed: the response holds both tags, the target and where it came from. So the 2xx of
// a fork is dealt with even when the call has long been freed.
std::optional<sip::Dialog> CallManager::acknowledge_stray(sip::ClientId id,
                                                          const sip::MessageView& response) {
  const std::string_view from = response.header(HeaderId::from);
  auto dialog = sip::Dialog::uac(from, response.call_id(), response);
  if (!dialog) dialog = sip::Dialog::uac_to_source(from, response.call_id(), response);
  std::string credentials;  // RFC 3261 22.1: those of the INVITE
  if (const sip::StoredMessage invite = transactions_->request_of(id)) {
    // Of a re-INVITE: its own route set, that of a dialog which may be gone.
    std::vector<std::string> routes;
    sip::for_each_value(invite.view(), HeaderId::route,
                        [&](std::string_view value) { routes.emplace_back(value); });
    if (!routes.empty()) dialog->keep_routes(std::move(routes));
    credentials = authorization_of(invite.view());
  }
  if (sip::nat_evident(response)) dialog->set_nat_source(response.path.remote);
  std::string lines;
  sip::HeaderWriter out(lines);
  dialog->write_headers(out, Method::ack, response.cseq());
  out.raw(credentials);
  const sip::RequestDraft ack{.method = Method::ack, .request_uri = dialog->request_uri(), .headers = lines};
  if (!transactions_->acknowledge(id, response.to_tag(), ack, path_within(*dialog, response.path)))
    return std::nullopt;
  return std::move(*dialog);
}

void CallManager::end_fork(sip::ClientId id, const sip::MessageView& response) {
  auto dialog = acknowledge_stray(id, response);
  if (!dialog) return;
  std::string lines;
  sip::HeaderWriter out(lines);
  dialog->write_headers(out, Method::bye, dialog->next_cseq());
  const sip::RequestDraft bye{.method = Method::bye, .request_uri = dialog->request_uri(), .headers = lines};
  const config::PeerIndex peer = peer_of(response.path).value_or(config::kNoIndex);
  (void)start_request(bye, peer, path_within(*dialog, response.path), token(Purpose::stray, {}));
}

// A target answers after we gave it up. The From tag is of the leg that asked; its session, if it has one, is
// another's.
void CallManager::on_stray_success(const sip::MessageView& response) {
  const auto asked = services_.codec.open(response.from_tag(), steer::TokenKind::tag);
  if (!asked || asked->shard != services_.shard || !peer_of(response.path)) return;
  Leg* leg = find_leg(asked->slot, asked->generation);
  const bool is_its_own = leg != nullptr && leg->dialog && !leg->is_over() &&
                          leg->dialog->state() == sip::DialogState::confirmed &&
                          sip::iequals(leg->dialog->remote_tag(), response.to_tag());
  if (!is_its_own) return end_fork({}, response);
  // Of a re-INVITE that was given up: unless something newer is going on, he is put back.
  const bool is_later = leg->role == LegRole::uas || response.cseq() != leg->invite_cseq;
  const Call& call = *leg->call;
  const bool idle = call.relays.empty() && call.offer_answer->state() == media::OfferAnswer::State::stable;
  if (is_later && idle) accepted_for_nobody(*leg, {}, response);
  sweep();
}

void CallManager::send_ack(Leg& leg, sip::ClientId invite, std::uint32_t cseq, std::string_view to_tag,
                           std::string_view sdp, const sip::MessageView* brought) {
  std::string lines;
  sip::HeaderWriter out(lines);
  leg.dialog->write_headers(out, Method::ack, cseq);
  out.raw(leg.authorization);
  pass_or_set(leg, brought, out);
  const std::string body = write_session(brought, sdp, out);
  const sip::RequestDraft ack{
      .method = Method::ack, .request_uri = leg.dialog->request_uri(), .headers = lines, .body = body};
  const sip::Path path = dialog_path(leg);
  const auto large = large_path(leg.peer, path);
  (void)transactions_->acknowledge(invite, to_tag, ack, path, large ? &*large : nullptr);
}

}  // namespace sallyport::b2bua
