// SPDX-License-Identifier: Apache-2.0
// A call comes in: what is refused at the door, admission, route.
#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/sip/nat.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;

LocalError CallManager::admission_error(policy::Refusal refusal) {
  switch (refusal) {
    case policy::Refusal::draining:
      return LocalError::draining;
    case policy::Refusal::overload:
      return LocalError::overload;
    case policy::Refusal::peer_calls:
      return LocalError::call_limit;
    case policy::Refusal::peer_rate:
      return LocalError::rate_limit;
    default:
      return LocalError::capacity;
  }
}

// In the order of RFC 3261 8.2: Request-URI, Require, content.
bool CallManager::refused_at_the_door(sip::ServerId id, const sip::MessageView& invite,
                                      config::PeerIndex from) {
  std::string lines;
  sip::HeaderWriter out(lines);
  const auto uri = sip::parse_uri(invite.request_uri());
  if (!uri || uri->scheme == sip::Scheme::other) {
    refuse_attempt(id, from, LocalError::unsupported_scheme);
  } else if (uri->scheme == sip::Scheme::sips && invite.path.transport != sip::Transport::tls) {
    refuse_attempt(id, from, LocalError::sips_not_allowed);  // it came by a hop that was not secure
  } else if (invite.index->max_forwards == 0) {
    refuse_attempt(id, from, LocalError::too_many_hops);
  } else if (const std::string tags = unsupported_tags(invite); !tags.empty()) {
    out.line(HeaderId::unsupported, tags);
    refuse_attempt(id, from, LocalError::bad_extension, lines);
  } else if (body_kind(invite) == Body::other || invite.has(HeaderId::content_encoding)) {
    out.line(HeaderId::accept, "application/sdp");
    refuse_attempt(id, from, LocalError::unsupported_media, lines);
  } else if (const SessionAnswer timer =
                 answer_session(session_fields(invite), services_.config.peers[from].session_timer);
             timer.too_small) {
    out.line(HeaderId::min_se, std::uint64_t{timer.min_se_s});
    refuse_attempt(id, from, response_map::own_refusal(422, "Session-Expires is below Min-SE"), lines);
  } else if (!accepts_sdp(invite)) {
    refuse_attempt(id, from, response_map::own_refusal(406, "Accept is without application/sdp"));
  } else {
    return false;
  }
  return true;
}

void CallManager::on_invite(sip::ServerId id, const sip::MessageView& invite) {
  const auto from = peer_of(invite.path);
  if (!from) {
    record_unknown(invite);
    return respond(id, 403);
  }
  if (refused_at_the_door(id, invite, *from) || refused_replaces(id, invite, *from)) return;
  const policy::Admit admit = services_.admission.begin_call(*from, now());
  if (!admit) return refuse_attempt(id, *from, admission_error(admit.refusal));
  Call* call = new_call(*from, id, invite);
  if (call == nullptr) {
    services_.admission.end_call(*from);
    return refuse_attempt(id, *from, LocalError::capacity);
  }
  call->admitted = true;
  mark(*call);
  Leg& a = *call->a;
  auto dialog = sip::Dialog::uas(invite, a.tag);
  if (!dialog) {
    const bool contact = dialog.error() == sip::DialogFault::bad_contact;
    return fail_call(*call, LocalError::malformed,
                     contact ? "Missing or bad Contact header field" : "Bad Record-Route");
  }
  a.dialog = std::move(*dialog);
  a.invite_cseq = invite.cseq();
  a.sips = sip::asks_for_sips(invite) && services_.config.realms[invite.path.realm].sip_tls != 0;
  if (sip::nat_evident(invite)) a.dialog->set_nat_source(invite.path.remote);
  start_keepalive(a);

  call->late_offer = body_kind(invite) == Body::none;
  a.offer_pending = !call->late_offer;
  note_100rel(a, invite);
  note_capabilities(a, invite);
  const auto named =
      invite.has(HeaderId::replaces) ? parse_replaces(invite.header(HeaderId::replaces)) : std::nullopt;
  const auto replaced = named ? leg_named(*named) : std::nullopt;
  const LocalError nowhere = replaced ? LocalError::none : find_route(*call);
  if (nowhere != LocalError::none) return fail_call(*call, nowhere);
  open_session(*call);
  if (replaced) return borrow(*call, *replaced, *named);
  response_map::Input nobody;
  nobody.local = LocalError::peer_down;
  next_attempt(*call, nobody);
}

LocalError CallManager::find_route(Call& call) {
  // Routes are matched with the number as the caller's peer means it.
  const routing::NumberPath heard_as(services_.config, call.from, std::nullopt, config::kNoIndex);
  const std::string called = heard_as.uri(routing::Party::called, call.invite.view().request_uri());
  const auto uri = sip::parse_uri(called);
  const routing::RouteChoice choice = services_.router.route(call.from, uri ? uri->user : std::string_view{},
                                                             random_(), services_.health, now());
  call.route = choice.route;
  for (const routing::TargetId target : choice.candidates) call.candidates.push_back({.target = target});
  if (!choice.candidates.empty()) return LocalError::none;
  return choice.route ? LocalError::peer_down : LocalError::no_route;
}

void CallManager::open_session(Call& call) {
  const sip::Path& path = call.a->path;
  const config::PeerIndex peer = call.a->peer;
  const dp::FlowOwner owner{
      .call_slot = call.handle.slot, .call_generation = call.handle.generation, .shard = services_.shard};
  call.media = std::make_unique<media::MediaSession>(
      services_.ports, services_.flows, owner, static_cast<std::uint8_t>(next_worker_++ % services_.workers),
      static_cast<media::MediaSessionUser*>(this));
  call.media->set_leg(media::Leg::a, media_facts(peer, path, path.remote.address));
  // Session identifiers stay below 2^62 (RFC 3264 5: what a signed 64-bit reader takes).
  call.offer_answer = std::make_unique<media::OfferAnswer>(
      *call.media, std::array<std::uint64_t, 2>{random_() >> 2, random_() >> 2});
  call.offer_answer->set_codecs(media::Leg::a, codecs_[peer]);
}

void CallManager::refuse_attempt(sip::ServerId id, config::PeerIndex from, LocalError error,
                                 std::string_view headers) {
  const sip::StoredMessage* invite = transactions_->request_of(id);
  const bool leaves_record = invite != nullptr && (error != LocalError::overload || admit_shed_record());
  stats::CallRecord record;
  if (leaves_record) record = begin_refused(from, invite->view());
  const response_map::Verdict verdict =
      refuse_counted(services_.statistics.pair(from, stats::kNone), id, from, error, headers, {});
  count_refused(from, verdict.code);
  if (leaves_record) end_refused(std::move(record), verdict);
}

void CallManager::refuse_attempt(sip::ServerId id, config::PeerIndex from,
                                 const response_map::Verdict& verdict, std::string_view headers) {
  const sip::StoredMessage* invite = transactions_->request_of(id);
  const bool leaves_record = invite != nullptr;
  stats::CallRecord record;
  if (leaves_record) record = begin_refused(from, invite->view());
  respond(id, verdict.code, headers, verdict.phrase);
  count_mapped(services_.statistics.pair(from, stats::kNone), verdict);
  count_refused(from, verdict.code);
  if (leaves_record) end_refused(std::move(record), verdict);
}

void CallManager::count_refused(config::PeerIndex from, std::uint16_t code) {
  stats::PairStatistics& counters = services_.statistics.pair(from, stats::kNone);
  counters.attempts.add();
  counters.failed[stats::code_slot(code)].add();
}

void CallManager::fail_call(Call& call, LocalError error, std::string_view phrase) {
  response_map::Input input;
  input.local = error;
  input.phrase = phrase;
  input.exhausted = true;
  input.send = services_.config.peers[call.from].map_send;
  refuse_caller(call, services_.maps.map(input));
}

}  // namespace sallyport::b2bua
