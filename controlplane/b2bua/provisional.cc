// SPDX-License-Identifier: Apache-2.0
// A provisional response to an INVITE of ours, the first or a later one: early dialogs, early media, 100rel,
// 199.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/sip/nat.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

void CallManager::on_provisional(Leg& leg, const sip::MessageView& response) {
  Call& call = *leg.call;
  if (step(leg, LegEvent::provisional) != LegAction::report || call.over) return;
  if (!leg.heard) {
    leg.heard = true;
    services_.health.answered(leg.target);
    services_.wheel.start(leg.wait, services_.config.peers[leg.peer].limits.ring_ns);
  }
  note_capabilities(leg, response);
  open_early_dialog(leg, response);
  cross_provisional({.asker = *call.a,
                     .answerer = leg,
                     .server = call.a->invite_server,
                     .client = leg.invite_client,
                     .server_cseq = call.a->invite_cseq,
                     .is_first = true,
                     .has_offer = !call.late_offer},
                    response);
}

void CallManager::open_early_dialog(Leg& leg, const sip::MessageView& response) {
  if (response.to_tag().empty() || dialog_with(leg, response.to_tag()) != nullptr) return;
  if (leg.forks.size() >= kMostForks) return;  // what more there are is heard, but never spoken with
  auto dialog = sip::Dialog::uac(leg.from, leg.call_id, response);
  if (!dialog) return;
  if (sip::nat_evident(response)) dialog->set_nat_source(response.path.remote);
  if (!leg.dialog) {
    leg.dialog = std::move(*dialog);
    leg.dialog_invite = {};
  } else {
    leg.forks.push_back({std::move(*dialog), {}});
  }
}

// The leg speaks with that fork from now on.
void CallManager::choose_fork(Leg& leg, std::string_view remote_tag) {
  for (Fork& fork : leg.forks) {
    if (!sip::iequals(fork.dialog.remote_tag(), remote_tag)) continue;
    std::swap(fork.dialog, *leg.dialog);
    std::swap(fork.invite, leg.dialog_invite);
    return;
  }
}

void CallManager::note_100rel(Leg& leg, const sip::MessageView& invite) {
  leg.requires_100rel = invite.lists(HeaderId::require, "100rel");
  leg.supports_100rel = leg.requires_100rel || invite.lists(HeaderId::supported, "100rel");
  leg.supports_199 = invite.lists(HeaderId::supported, "199") || invite.lists(HeaderId::require, "199");
}

void CallManager::note_capabilities(Leg& leg, const sip::MessageView& message) {
  if (message.has(HeaderId::allow)) leg.allows_update = message.lists(HeaderId::allow, "UPDATE");
  leg.knows_100rel |=
      message.lists(HeaderId::supported, "100rel") || message.lists(HeaderId::require, "100rel");
  note_recv_info(leg, message);
}

// RFC 3262 4: in order, without gaps, and each once. The numbers of each dialog are its own.
bool CallManager::is_next_reliable(InviteDialog& dialog, std::uint32_t rseq) {
  if (dialog.rseq != 0 && rseq != dialog.rseq + 1) return false;
  dialog.rseq = rseq;
  return true;
}

void CallManager::cross_provisional(const InviteCrossing& crossing, const sip::MessageView& response) {
  Leg& answerer = crossing.answerer;
  std::optional<OwedPrack> owed;
  const std::uint32_t rseq = parse_rseq(response.header(HeaderId::rseq));
  InviteDialog* dialog = invite_dialog(answerer, response.to_tag());
  if (dialog != nullptr && rseq != 0 && response.lists(HeaderId::require, "100rel") &&
      !dialog_with(answerer, response.to_tag())->remote_target().empty()) {
    if (!is_next_reliable(*dialog, rseq)) return;
    owed = OwedPrack{rseq, response.cseq(), std::string(response.to_tag())};
    // RFC 6141 4.11, before our PRACK
    if (!crossing.is_first) (void)dialog_with(answerer, response.to_tag())->refresh_target(response);
  }
  if (response.status() == 199 && crossing.is_first)
    return on_early_dialog_terminated(crossing, response, owed);
  std::optional<EarlySdp> crossed;
  if (owed && crossing.is_first && is_other_offer(answerer, response)) {
    // The caller hears of the progress alone: he has an offer already.
    const std::string answer = answer_other_offer(answerer, response);
    (void)send_prack(answerer, *owed, answer, nullptr);
    owed.reset();
    crossed = EarlySdp{};
  } else {
    crossed = cross_early_sdp(crossing, response, owed.has_value());
  }
  if (!crossed) return;
  const response_map::Verdict verdict = services_.maps.map(heard(answerer, crossing.asker.peer, response));
  if (!verdict.forward) {
    if (owed) (void)send_prack(answerer, *owed, {}, nullptr);
    return;
  }
  if (crossing.is_first) note_ringing(answerer);
  count_mapped(pair(*answerer.call), verdict);
  forward_provisional(crossing, verdict, response, std::move(*crossed), std::move(owed));
}

void CallManager::note_ringing(Leg& leg) {
  Call& call = *leg.call;
  if (call.ringing_ns != 0) return;
  call.ringing_ns = now();
  call.record.ringing_ns = wall_now();
  services_.statistics.peer(leg.peer).post_dial_delay.observe(now() - call.started_ns);
}

void CallManager::forward_provisional(const InviteCrossing& crossing, const response_map::Verdict& verdict,
                                      const sip::MessageView& response, EarlySdp sdp,
                                      std::optional<OwedPrack> owed) {
  Leg& asker = crossing.asker;
  if (asker.call->transfer && crossing.is_first) {
    if (owed) (void)send_prack(crossing.answerer, *owed, {}, nullptr);
    return notify_transferor(*asker.call, verdict.code, verdict.phrase);
  }
  const bool reliable = asker.supports_100rel && (owed || asker.requires_100rel);
  const bool described = !sdp.body.empty();
  std::string headers = response_headers(asker, response, sdp.body);
  if (reliable) {
    if (Relay* relay = find_relay(*asker.call, crossing.client); relay != nullptr) take_target(asker, *relay);
    send_reliably(asker, crossing.server, crossing.server_cseq,
                  {.status = verdict.code,
                   .phrase = std::string(verdict.phrase),
                   .headers = std::move(headers),
                   .body = std::move(sdp.body),
                   .described = described,
                   .offers = sdp.offers,
                   .owed = std::move(owed)});
  } else {
    (void)transactions_->respond(crossing.server, {.status = verdict.code,
                                                   .phrase = verdict.phrase,
                                                   .to_tag = asker.tag,
                                                   .headers = headers,
                                                   .body = sdp.body});
    // This side does not know 100rel, that one does: ours to acknowledge.
    if (owed) (void)send_prack(crossing.answerer, *owed, {}, nullptr);
  }
  if (crossing.is_first) (void)step(asker, LegEvent::provisional);
}

// What the SDP of a 18x means for the leg that asked; nullopt: it was refused, and the call is being ended.
std::optional<CallManager::EarlySdp> CallManager::cross_early_sdp(const InviteCrossing& crossing,
                                                                  const sip::MessageView& response,
                                                                  bool reliable) {
  Leg& answerer = crossing.answerer;
  // Who is transferred hears nothing of the target before it answers: he is in another call.
  if (answerer.call->transfer && crossing.is_first) return EarlySdp{};
  InviteDialog* dialog = invite_dialog(answerer, response.to_tag());
  if (body_kind(response) != Body::sdp || (dialog != nullptr && dialog->settled)) return EarlySdp{};
  if (crossing.is_first && crossing.has_offer && has_open_offer(*answerer.call)) {
    // The open offer is another dialog's: this fork's media is heard if it wins.
    if (dialog != nullptr) {
      dialog->sdp = sip::StoredMessage(services_.buffers, response);
      dialog->settled = reliable;
    }
    return EarlySdp{};
  }
  media::OfferAnswer& engine = *answerer.call->offer_answer;
  const sdp::PolicyInput policy = policy_for(answerer, response);
  std::expected<std::string, media::MediaError> text;
  bool offers = false;
  if (engine.offered_by(crossing.asker.side())) {
    text = engine.answer(answerer.side(), session_description(response), policy, !reliable);
  } else if (crossing.is_first && crossing.has_offer && engine.state() == media::OfferAnswer::State::stable) {
    text = engine.fork_answer(answerer.side(), session_description(response), policy);
  } else if (!crossing.has_offer && reliable && crossing.asker.supports_100rel &&
             engine.state() != media::OfferAnswer::State::offered) {
    text = engine.offer(answerer.side(), session_description(response), policy, now());
    offers = true;
  } else {
    return EarlySdp{};  // an unreliable 18x is no place for an offer (RFC 3261 13.2.1)
  }
  count_address_policy(answerer.peer, engine.last_actions());
  if (!text) {
    refuse_early_sdp(crossing, text.error());
    return std::nullopt;
  }
  if (dialog != nullptr) {
    if (crossing.is_first) {
      dialog->sdp = sip::StoredMessage(services_.buffers, response);
      dialog->settled = reliable;
      choose_fork(answerer, response.to_tag());
    } else {
      dialog->settled = reliable;
    }
  }
  // The first answer that came reliably is the answer (RFC 3261 13.2.1): of another fork's the caller hears
  // nothing.
  if (!offers && is_answered_reliably(crossing.asker)) text->clear();
  return EarlySdp{std::move(*text), offers};
}

void CallManager::refuse_early_sdp(const InviteCrossing& crossing, const media::MediaError& fault) {
  const LocalError error = media_error(fault.fault);
  const bool refused = error == LocalError::private_media || error == LocalError::refused_address;
  if (crossing.is_first)
    return refuse_answer(crossing.answerer, refused ? LocalError::answer_refused : error);
  // His re-INVITE is cancelled; where he answers it all the same he is put back.
  Call& call = *crossing.answerer.call;
  if (find_relay(call, crossing.client) == nullptr) return;
  cancel_relay(crossing.answerer, crossing.client);
  refuse_relay(crossing.answerer, take_relay(call, crossing.client), fault);
}

// RFC 6228: one of the forks has ended. The caller has one dialog with us: he hears of it when the last has.
void CallManager::on_early_dialog_terminated(const InviteCrossing& crossing, const sip::MessageView& response,
                                             const std::optional<OwedPrack>& owed) {
  Leg& leg = crossing.answerer;
  if (owed) (void)send_prack(leg, *owed, {}, nullptr);
  response_map::Input input = heard(leg, crossing.asker.peer, response);
  input.supports_199 = crossing.asker.supports_199;
  const response_map::Verdict verdict = services_.maps.map(input);
  if (leg.dialog && sip::iequals(leg.dialog->remote_tag(), response.to_tag())) {
    if (leg.forks.empty()) {
      leg.dialog.reset();
      leg.dialog_invite = {};
    } else {
      leg.dialog = std::move(leg.forks.back().dialog);
      leg.dialog_invite = std::move(leg.forks.back().invite);
      leg.forks.pop_back();
      (void)apply_fork_sdp(leg);
    }
  } else {
    std::erase_if(leg.forks, [&](const Fork& fork) {
      return sip::iequals(fork.dialog.remote_tag(), response.to_tag());
    });
  }
  if (!verdict.forward || leg.dialog || crossing.asker.state != LegState::early) return;
  const std::optional<OwedPrack> none;
  forward_provisional(crossing, verdict, response, {}, none);
}

// The media goes to the fork that the leg now speaks with. False: that one has sent no SDP.
bool CallManager::apply_fork_sdp(Leg& leg) {
  if (!leg.dialog_invite.sdp || leg.dialog_invite.inactive) return false;
  const sip::MessageView said = leg.dialog_invite.sdp.view();
  if (leg.call->late_offer) {
    const auto answer =
        leg.call->offer_answer->fork_offer(leg.side(), session_description(said), policy_for(leg, said));
    return answer && answer->active;
  }
  return leg.call->offer_answer->fork_answer(leg.side(), session_description(said), policy_for(leg, said))
      .has_value();
}

}  // namespace sallyport::b2bua
