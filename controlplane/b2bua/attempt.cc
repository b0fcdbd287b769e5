// SPDX-License-Identifier: Apache-2.0
// One target after the other is tried, each on a leg of its own.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/header_policy.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/message_body.h"
#include "controlplane/b2bua/sips.h"
#include "controlplane/b2bua/target_uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

namespace {

LocalError local_error_of(media::MediaFault fault) {
  switch (fault) {
    case media::MediaFault::private_address:
      return LocalError::private_media;
    case media::MediaFault::refused_address:
      return LocalError::refused_address;
    case media::MediaFault::no_codec:
      return LocalError::no_common_codec;
    case media::MediaFault::no_ports:
      return LocalError::no_ports;
    case media::MediaFault::sdp:
    case media::MediaFault::too_many_streams:
      return LocalError::sdp_fault;
    case media::MediaFault::answer:
      return LocalError::answer_fault;
    case media::MediaFault::state:
      return LocalError::internal;
  }
  return LocalError::internal;
}

}  // namespace

LocalError CallManager::media_error(media::MediaFault fault) {
  return local_error_of(fault);
}

void CallManager::next_attempt(Call& call, const response_map::Input& last_failure) {
  response_map::Input failure = last_failure;
  while (call.next_candidate < call.candidates.size()) {
    const Candidate candidate = call.candidates[call.next_candidate++];
    const Attempt attempt = try_target(call, candidate);
    if (attempt.started || call.over) return;
    failure = {};
    failure.local = attempt.error;
  }
  failure.exhausted = true;
  failure.send = services_.config.peers[call.from].map_send;
  refuse_caller(call, services_.maps.map(failure));
}

CallManager::Attempt CallManager::try_target(Call& call, const Candidate& candidate) {
  const routing::TargetId target = candidate.target;
  const config::Peer& peer = services_.config.peers[target.peer];
  const config::Realm& realm = services_.config.realms[peer.realm];
  const config::Target* known = services_.health.place(target);
  if (!candidate.redirect && known == nullptr) return {false, LocalError::peer_down};  // its name moved on
  const config::Target there = candidate.redirect ? routing::place_of(*candidate.redirect) : *known;
  const Endpoint remote = there.endpoint;
  const auto transport = static_cast<sip::Transport>(there.transport);
  const IpAddress local = realm.address(remote.address.family());
  if (!local) return {false, LocalError::transport_failure};
  const bool called_by_sips = is_sips(call.invite.view().request_uri());
  if (!may_go_by(there.transport, called_by_sips)) return {false, LocalError::sips_not_allowed};
  if (!services_.admission.begin_leg(target.peer, now())) return {false, LocalError::call_limit};
  Leg* leg = new_leg(call, LegRole::uac, target.peer);
  if (leg == nullptr) {
    services_.admission.end_leg(target.peer);
    return {false, LocalError::capacity};
  }
  leg->admitted = true;
  leg->target = target;
  if (candidate.redirect) leg->redirect.make() = candidate;
  leg->path = {.local = {local, realm.sip_port(there.transport)},
               .remote = remote,
               .realm = peer.realm,
               .transport = transport,
               .peer = peer_to_prove(transport, target.peer),
               .host = host_to_prove(there)};
  leg->sips = called_by_sips || is_sips(candidate.redirect ? candidate.redirect->uri : there.uri);
  leg->next_host = next_host(there, leg->sips);
  leg->call_id = mint(steer::TokenKind::call_id, leg->handle);
  leg->invite_cseq = 1;
  call.b = leg;
  const auto body = offer_for(call, *leg);
  if (!body) {
    // Nothing of ours has left yet: the leg ends as if refused.
    (void)step(*leg, LegEvent::failure);
    const LocalError error = local_error_of(body.error().fault);
    const bool hopeless = error != LocalError::no_ports && error != LocalError::no_common_codec;
    if (hopeless)
      fail_call(call, error, error == LocalError::sdp_fault ? body.error().detail : std::string_view{});
    return {false, error};
  }
  const auto id = send_invite(*leg, *body);
  if (!id) {
    (void)step(*leg, LegEvent::failure);
    return {false, id.error() == sip::TransactionError::full ? LocalError::capacity : LocalError::internal};
  }
  services_.wheel.start(leg->wait, peer.limits.setup_ns);
  begin_attempt(*leg, remote);
  return {true, LocalError::none};
}

// The INVITE has left: from here on what becomes of the call is the peer's too.
void CallManager::begin_attempt(Leg& leg, const Endpoint& remote) {
  Call& call = *leg.call;
  leg.invited = leg.attempt_open = true;
  pair(call).attempts.add();
  const config::Peer& peer = services_.config.peers[leg.peer];
  call.record.to_peer = peer.name;
  call.record.to_realm = services_.config.realms[leg.path.realm].name;
  stats::AttemptRecord& attempt = call.record.attempts.emplace_back();
  attempt.peer = peer.name;
  attempt.target = remote;
  attempt.call_id = leg.call_id;
}

std::expected<sip::ClientId, sip::TransactionError> CallManager::send_invite(Leg& leg,
                                                                             const std::string& sdp) {
  Call& call = *leg.call;
  const sip::MessageView invite = call.invite.view();
  const std::string uri = request_uri_for(called_uri(leg), leg.next_host, leg.sips);
  call.trail.went_to(leg.path.remote, static_cast<config::Transport>(leg.path.transport), uri);
  const std::string body = sdp.empty() ? std::string{} : with_session_description(invite, sdp);
  std::string headers = invite_headers(call, leg, uri, !body.empty());
  leg.authorization = authorization(leg, "INVITE", uri, body);
  headers += leg.authorization;
  // The rest of it the headers have.
  leg.authorization = std::string(leg.authorization) + passed_authorization(invite, headers_[leg.peer]);
  const sip::RequestDraft draft{
      .method = Method::invite, .request_uri = uri, .headers = headers, .body = body, .opens = true};
  const auto id = start_request(draft, leg.peer, leg.path, token(Purpose::invite, leg.handle));
  if (id) leg.invite_client = *id;
  return id;
}

void CallManager::count_failed(Call& call, std::uint16_t code) {
  if (call.b == nullptr || !call.b->attempt_open) return;
  call.b->attempt_open = false;
  pair(call).failed[stats::code_slot(code)].add();
}

std::expected<std::string, media::MediaError> CallManager::offer_for(Call& call, Leg& leg) {
  // Whether an earlier attempt got as far as an offer.
  const bool again = call.offer_answer->state() != media::OfferAnswer::State::idle;
  if (again) call.media->close_all();  // the other realm or family of this target needs ports of its own
  // The answerer's source is the target until it answers from somewhere.
  call.media->set_leg(media::Leg::b, media_facts(leg.peer, leg.path, leg.path.remote.address));
  call.offer_answer->set_codecs(media::Leg::b, codecs_[leg.peer]);
  if (call.late_offer) {
    call.offer_answer->forget();
    return std::string{};
  }
  if (again) return call.offer_answer->offer_again(now());
  const sip::MessageView invite = call.invite.view();
  const sdp::PolicyInput policy = policy_for(*call.a, invite);
  auto text = call.offer_answer->offer(media::Leg::a, session_description(invite), policy, now());
  count_address_policy(call.from, call.offer_answer->last_actions());
  return text;
}

bool CallManager::invite_once_more(Leg& leg) {
  const Call& call = *leg.call;
  if (leg.lender) {
    const std::string& offered = call.offer_answer->told(media::Leg::b);
    return send_join_invite(leg, call.late_offer ? std::string{} : offered, Purpose::invite);
  }
  ++leg.invite_cseq;
  leg.dialog.reset();  // what was early belonged to the INVITE that was refused
  leg.dialog_invite = {};
  leg.forks.clear();
  if (!send_invite(leg, call.late_offer ? std::string{} : call.offer_answer->told(media::Leg::b)))
    return false;
  leg.heard = false;
  services_.health.answered(leg.target);
  services_.wheel.start(leg.wait, services_.config.peers[leg.peer].limits.setup_ns);
  return true;
}

std::string CallManager::invite_headers(Call& call, Leg& leg, std::string_view uri, bool with_sdp) {
  const sip::MessageView invite = call.invite.view();
  const std::string host = leg.path.local.address.to_uri_text();
  const Crossing crossing{headers_[call.from], headers_[leg.peer], host, numbers(*call.a, leg)};
  leg.from = crossing_from(invite, crossing).append(";tag=").append(leg.tag);
  const int hops = invite.index->max_forwards < 0 ? 70 : std::min(invite.index->max_forwards, 255);

  std::string lines;
  sip::HeaderWriter out(lines);
  out.line(HeaderId::from, leg.from);
  out.line(HeaderId::to, {"<", uri, ">"});
  out.line(HeaderId::call_id, leg.call_id);
  out.line(HeaderId::cseq, {std::to_string(leg.invite_cseq), " INVITE"});
  out.line(HeaderId::max_forwards, static_cast<std::uint64_t>(hops - 1));
  write_contact(leg, out);
  write_capabilities(out, leg.peer);
  if (write_extensions(leg, out)) ask_session(leg, out);
  out.line(HeaderId::user_agent, kProduct);
  write_joining(invite, crossing, out);
  pass_headers(invite, crossing, out);
  if (with_sdp) write_body_type(invite, out);
  return lines;
}

void CallManager::write_contact(const Leg& leg, sip::HeaderWriter& out) const {
  write_own_contact(leg.path, leg.sips, out);
}

// RFC 3261 8.1.1.8: sips for sips, which says TLS by itself (26.2.2).
void CallManager::write_own_contact(const sip::Path& path, bool sips, sip::HeaderWriter& out) const {
  Endpoint here = path.local;
  if (sips) here.port = services_.config.realms[path.realm].sip_tls;
  const std::string_view transport = sips ? std::string_view{} : transport_param(path.transport);
  out.line(HeaderId::contact, {sips ? "<sips:" : "<sip:", here.to_text(), transport, ">"});
}

}  // namespace sallyport::b2bua
