// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/call_manager.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "controlplane/sip/nat.h"

namespace sallyport::b2bua {

CallManager::CallManager(const Services& services)
    : services_(services),
      calls_(services.admission.max_calls() + 1024),  // those that end still hold their place for a moment
      legs_(4 * (services.admission.max_calls() + 1024)),
      random_(services.seed) {
  for (const config::Realm& realm : services.config.realms) {
    for (const Prefix& prefix : realm.addresses) own_addresses_.push_back(prefix.address);
  }
  PeerPolicies policies(services.config);
  succeed(policies, 0);
}

void CallManager::succeed(PeerPolicies& policies, Nanoseconds now_ns) {
  std::swap(headers_, policies.headers);
  std::swap(codecs_, policies.codecs);
  succeeded_ns_ = now_ns;
  if (std::exchange(interim_ns_, services_.config.cdr.interim_ns) == services_.config.cdr.interim_ns) return;
  calls_.for_each([this](Call& call) {
    if (call.answered && !call.over) start_interim(call);
  });
}

routing::NumberPath CallManager::numbers(const Leg& from, const Leg& to) const {
  // A transfer is placed as by the one who asks for it; once it is up, the peers are those of its legs.
  const Call& call = *from.call;
  const config::PeerIndex heard = &from == call.a && !call.answered ? call.from : from.peer;
  return {services_.config, heard, call.route, to.peer, from.role == LegRole::uas};
}

void CallManager::pass_to(const Leg& from, const Leg& to, const sip::MessageView& message,
                          sip::HeaderWriter& out) const {
  const std::string host = to.path.local.address.to_uri_text();
  pass_headers(message, {headers_[from.peer], headers_[to.peer], host, numbers(from, to)}, out);
}

void CallManager::pass_or_set(const Leg& to, const sip::MessageView* brought, sip::HeaderWriter& out) const {
  const Leg* from = brought != nullptr ? to.call->other(to) : nullptr;
  from != nullptr ? pass_to(*from, to, *brought, out) : headers_[to.peer].write_values(out);
}

CallManager::~CallManager() {
  legs_.for_each([](Leg& leg) {
    leg.wait.stop();
    leg.keepalive.stop();
    leg.session.refresh.stop();
    leg.session.expiry.stop();
    leg.restore.reset();
    leg.reliable.reset();
  });
  calls_.for_each([](Call& call) {
    // The process ends: what the workers were not asked to remove ends with them.
    if (call.media) call.media->abandon();
  });
}

// ---- tokens: purpose 4 bits, leg slot 28, leg generation 32
// ----------------------------------------------------------

std::uint64_t CallManager::token(Purpose purpose, Handle leg) {
  return std::uint64_t{static_cast<std::uint8_t>(purpose)} << 60 | std::uint64_t{leg.slot} << 32 |
         leg.generation;
}

CallManager::Purpose CallManager::purpose_of(std::uint64_t token) {
  return static_cast<Purpose>(token >> 60);
}

Leg* CallManager::leg_of(std::uint64_t token) {
  return find_leg(static_cast<std::uint32_t>(token >> 32) & 0x0fffffffu, static_cast<std::uint32_t>(token));
}

Leg* CallManager::find_leg(std::uint32_t slot, std::uint32_t generation) {
  return legs_.find(slot, generation);
}

std::string CallManager::mint(steer::TokenKind kind, Handle handle) const {
  return services_.codec.mint({kind, services_.shard, handle.slot, handle.generation});
}

// ---- calls and legs
// --------------------------------------------------------------------------------------------------

Call* CallManager::new_call(config::PeerIndex from, sip::ServerId id, const sip::MessageView& invite) {
  sip::Slab<Call>::Handle handle;
  Call* call = calls_.make(handle);
  if (call == nullptr) return nullptr;
  call->handle = {handle.slot, handle.generation};
  call->from = from;
  call->started_ns = now();
  const std::uint64_t cookie = std::uint64_t{handle.slot} << 32 | handle.generation;
  call->duration.bind(*this, static_cast<std::uint8_t>(CallTimer::duration), cookie);
  call->interim_record.bind(*this, static_cast<std::uint8_t>(CallTimer::interim_record), cookie);
  call->media_timer.bind(*this, static_cast<std::uint8_t>(CallTimer::media), cookie);
  call->a = new_leg(*call, LegRole::uas, from);
  if (call->a == nullptr) {
    calls_.free(handle.slot);
    return nullptr;
  }
  call->invite = sip::StoredMessage(services_.buffers, invite);
  call->a->path = invite.path;
  call->a->invite_server = id;
  call->a->call_id = invite.call_id();
  stats::CallRecord& record = call->record;
  record.id = call->a->tag;
  begin_record(record, from, invite);
  transactions_->set_token(id, token(Purpose::invite, call->a->handle));
  transactions_->set_tag(id, call->a->tag);
  services_.statistics.totals.calls.add(1);
  if (services_.recorder != nullptr) {
    services_.recorder->begin({record.id, trace::Side::caller, &call->messages}, record.call_id);
  }
  return call;
}

Leg* CallManager::new_leg(Call& call, LegRole role, config::PeerIndex peer) {
  sip::Slab<Leg>::Handle handle;
  Leg* leg = legs_.make(handle);
  if (leg == nullptr) return nullptr;
  leg->handle = {handle.slot, handle.generation};
  leg->call = &call;
  leg->role = role;
  leg->peer = peer;
  leg->tag = mint(steer::TokenKind::tag, leg->handle);
  const std::uint64_t cookie = token(Purpose::invite, leg->handle);
  leg->wait.bind(*this, static_cast<std::uint8_t>(CallTimer::setup), cookie);
  leg->keepalive.bind(*this, static_cast<std::uint8_t>(CallTimer::nat_keepalive), cookie);
  leg->session.refresh.bind(*this, static_cast<std::uint8_t>(CallTimer::session_refresh), cookie);
  leg->session.expiry.bind(*this, static_cast<std::uint8_t>(CallTimer::session_expiry), cookie);
  call.legs.push_back(leg);
  return leg;
}

void CallManager::leg_ended(Leg& leg) {
  leg.wait.stop();
  leg.keepalive.stop();
  stop_session(leg);
  restore_event(leg, RestoreEvent::stop);
  stop_reliable(leg);
  leg.held = {};
  if (leg.admitted) services_.admission.end_leg(leg.peer);
  leg.admitted = false;
  if (leg.lender) give_back(leg);
  mark(*leg.call);
}

// Frees the touched calls that are over: every leg has ended and the workers have confirmed the end of every
// flow. Runs at the end of each entry from outside, so that no act has to fear for the leg that it works on.
void CallManager::sweep() {
  deliver_messages();
  while (!touched_.empty()) {
    const Handle handle = touched_.back();
    touched_.pop_back();
    Call* call = calls_.find(handle.slot, handle.generation);
    if (call == nullptr || !call->over) continue;
    if (!std::ranges::all_of(call->legs, [](const Leg* leg) { return leg->may_go(); })) continue;
    close_media(*call);
    if (call->media && !call->media->is_closed()) continue;
    write_record(*call);
    if (call->admitted) services_.admission.end_call(call->from);
    if (call->answered) pair(*call).active.add(-1);
    for (Leg* leg : call->legs) legs_.free(leg->handle.slot);
    calls_.free(handle.slot);
    services_.statistics.totals.calls.add(-1);
  }
}

void CallManager::close_media(Call& call) {
  if (call.media) call.media->close_all();
}

// ---- facts
// ---------------------------------------------------------------------------------------------------------

// The stream transport may be ahead of us by a reload: whom we do not know yet is unknown.
std::optional<config::PeerIndex> CallManager::peer_of(const sip::Path& path) const {
  if (path.peer == sip::kPeerByAddress) return services_.peers.find(path.realm, path.remote.address);
  const auto& peers = services_.config.peers;
  return path.peer < peers.size() && !peers[path.peer].retired ? std::optional(path.peer) : std::nullopt;
}

bool CallManager::speaks_for(const Leg& leg, const sip::Path& path) const {
  return is_far_end({leg.peer, leg.path, leg.call->started_ns}, path);
}

// A name of the peer's may have moved on since the dialog began: its first address stays good for it, unless
// it is another's by now. It stays so too when a reload has given the address to another peer meanwhile, or
// has removed the peer: then all its addresses do.
bool CallManager::is_far_end(const FarEnd& whose, const sip::Path& path) const {
  const auto peer = peer_of(path);
  if (peer == whose.peer || path.peer == whose.peer) return true;
  if (path.peer != sip::kPeerByAddress || (peer && whose.began_ns > succeeded_ns_)) return false;
  if (path.realm == whose.first.realm && path.remote.address == whose.first.remote.address) return true;
  const config::Peer& known = services_.config.peers[whose.peer];
  const auto holds = [&](const Prefix& prefix) { return prefix.contains(path.remote.address); };
  return known.retired && known.realm == path.realm && std::ranges::any_of(known.match, holds);
}

stats::PairStatistics& CallManager::pair(const Call& call) {
  return services_.statistics.pair(call.from, call.b != nullptr && call.b->invited ? call.b->peer : stats::kNone);
}

sdp::PolicyInput CallManager::policy_for(const Leg& leg, const sip::MessageView& message) const {
  const config::Peer& peer = services_.config.peers[leg.peer];
  sdp::PolicyInput input;
  input.mode = static_cast<sdp::PrivateMedia>(peer.media.private_media);
  input.latch = static_cast<sdp::LatchSetting>(peer.media.latch);
  input.trusted_private = peer.trusted_private;
  input.realm_addresses = services_.config.realms[leg.path.realm].addresses;
  input.own_addresses = own_addresses_;
  input.source = message.path.remote.address;
  // The Via of a response is our own.
  if (message.is_request()) {
    if (const auto via = message.top_via()) input.via = sdp::host_address(via->host);
  }
  // A message that needs no Contact (PRACK, ACK) is of the one whose Contact its dialog keeps.
  const auto contact = message.contact();
  const std::string_view target = contact      ? contact->uri
                                  : leg.dialog ? leg.dialog->remote_target()
                                               : std::string_view{};
  if (const auto uri = sip::parse_uri(target)) input.contact = sdp::host_address(uri->host);
  input.is_open_media_port = [&board = services_.open_ports](const Endpoint& at) {
    return board.is_open(at);
  };
  return input;
}

static_assert(static_cast<int>(config::PrivateMedia::trust) == static_cast<int>(sdp::PrivateMedia::trust));
static_assert(static_cast<int>(config::Latch::asymmetric) == static_cast<int>(sdp::LatchSetting::asymmetric));

media::LegMedia CallManager::media_facts(config::PeerIndex peer_index, const sip::Path& path,
                                         const IpAddress& source) const {
  const config::Peer& peer = services_.config.peers[peer_index];
  media::LegMedia facts;
  facts.realm = path.realm;
  facts.family = path.local.address.family();
  facts.address = path.local.address;
  facts.signalling_source = source;
  facts.latch_mask = peer.media.latch_mask;
  facts.dscp = services_.config.realms[path.realm].media_dscp;
  facts.police = peer.media.police;
  facts.any_payload_type = peer.media.any_payload_type;
  const auto ms = [](Nanoseconds time) { return static_cast<std::uint32_t>(time / kMillisecond); };
  facts.relatch_after_ms = ms(peer.media.relatch_after_ns);
  facts.idle_timeout_ms = ms(peer.media.idle_timeout_ns);
  facts.one_way_timeout_ms = ms(peer.media.one_way_timeout_ns);
  facts.hold_timeout_ms = ms(peer.media.hold_timeout_ns);
  return facts;
}

void CallManager::count_address_policy(config::PeerIndex peer, const media::StreamActions& actions) {
  auto& counters = services_.statistics.peer(peer).private_media;
  const auto count = [&](stats::PrivateAction action) { counters[static_cast<std::size_t>(action)].add(); };
  for (const sdp::Action action : actions) {
    switch (action) {
      case sdp::Action::latched:
        count(stats::PrivateAction::latched);
        break;
      case sdp::Action::rejected:
        count(stats::PrivateAction::rejected);
        break;
      case sdp::Action::trusted:
        count(stats::PrivateAction::trusted);
        break;
      case sdp::Action::no_nat:
        count(stats::PrivateAction::no_nat);
        break;
      default:
        break;
    }
  }
}

void CallManager::count_mapped(stats::PairStatistics& counters, const response_map::Verdict& verdict) {
  const bool local = verdict.received == 0;  // a local error; without a name, a refusal of our own
  if (!local && verdict.received == verdict.code) return;
  const auto received = local ? static_cast<std::uint16_t>(stats::MappedTable::kLocalBit |
                                                           static_cast<std::uint16_t>(verdict.local))
                              : std::uint16_t{stats::code_slot(verdict.received)};
  counters.mapped.count(received, stats::code_slot(verdict.code));
}

// ---- events
// --------------------------------------------------------------------------------------------------------

bool CallManager::admit_source(const sip::Arrival& arrival) {
  const sip::MessageView& message = arrival.message;
  if (!message.is_request() || peer_of(message.path)) return true;
  // Of a peer that a reload has removed, what it began before.
  if (transactions_->belongs(message)) return true;
  if (arrival.verdict == dp::SteerVerdict::by_tag && is_subscription(arrival.slot)) {
    if (speaks_for_subscription(arrival)) return true;
  } else if (arrival.verdict == dp::SteerVerdict::by_tag) {
    const Leg* leg = find_leg(arrival.slot, arrival.generation);
    if (leg != nullptr && speaks_for(*leg, message.path)) return true;
  }
  transactions_->note_turned_away(message);
  const bool is_ack = message.method() == sip::Method::ack;
  const auto answer =
      services_.unknown_sources.judge(message.path.realm, message.path.remote.address, is_ack, now());
  if (answer == policy::UnknownAnswer::silence) {
    services_.statistics.totals.silent_drops.add();
    return false;
  }
  if (message.method() == sip::Method::invite && message.to_tag().empty()) record_unknown(message);
  transactions_->respond_stateless(message, {.status = 403, .phrase = "Forbidden"});
  services_.statistics.totals.stateless_replies.add();
  return false;
}

void CallManager::on_request(sip::ServerId id, const sip::Arrival& arrival) {
  const sip::MessageView& request = arrival.message;
  if (arrival.verdict == dp::SteerVerdict::by_tag && is_subscription(arrival.slot)) {
    on_in_subscription(id, arrival);
  } else if (arrival.verdict == dp::SteerVerdict::by_tag) {
    Leg* leg = find_leg(arrival.slot, arrival.generation);
    // The tag finds the leg; the source is held against the leg's peer, not against the first packet.
    if (leg == nullptr || !leg->dialog || !speaks_for(*leg, request.path)) {
      respond(id, 481);
    } else {
      on_in_dialog(id, *leg, request);
    }
  } else if (request.method() == sip::Method::invite) {
    on_invite(id, request);
  } else {
    on_out_of_dialog(id, request);
  }
  sweep();
}

void CallManager::on_response(sip::ClientId id, std::uint64_t token, const sip::MessageView& response) {
  const Purpose purpose = purpose_of(token);
  if (purpose == Purpose::probe) {
    if (response.status() >= 200) on_probe_result(token, response.status() != 503);
    return;
  }
  if (purpose == Purpose::standalone) return on_standalone_response(token, response);
  if (purpose == Purpose::stray) return on_stray_response(id, token, response);
  if (purpose == Purpose::subscription) return on_subscription_response(id, token, response);
  Leg* leg = leg_of(token);
  if (leg == nullptr) {
    const bool success =
        response.status() >= 200 && response.status() < 300 && response.method() == sip::Method::invite;
    if (success && purpose == Purpose::invite) end_fork(id, response);
    const bool in_dialog = purpose == Purpose::relay || purpose == Purpose::refresh ||
                           purpose == Purpose::restore || purpose == Purpose::seat;
    if (success && in_dialog) (void)acknowledge_stray(id, response);  // its BYE has been sent
    return;
  }
  const bool is_final = response.status() >= 200;
  if (is_final && !is_challenge(response)) leg->authenticator.accepted();
  if (purpose == Purpose::invite) {
    on_invite_response(*leg, response);
  } else if (purpose == Purpose::relay) {
    on_relay_response(*leg, id, response);
  } else if (purpose == Purpose::refresh) {
    on_refresh_response(*leg, id, response);
  } else if (purpose == Purpose::restore) {
    on_restore_response(*leg, id, response);
  } else if (purpose == Purpose::seat) {
    on_seat_response(*leg, response);
  } else if (is_final && !sent_again(*leg, id, response, token)) {
    if (purpose == Purpose::notify) {
      on_notified(*leg);
    } else if (purpose == Purpose::bye) {
      carry_out(*leg, step(*leg, LegEvent::done));
    } else if (purpose == Purpose::prack) {
      // Whoever waits for it repeats his response, or gives up.
    } else if (response.status() == 481 || response.status() == 408) {
      // RFC 5057: the endpoint behind the NAT no longer knows the dialog.
      hang_up(*leg->call, stats::EndedBy::sallyport, response_map::LocalError::not_in_dialog);
    }
  }
  sweep();
}

void CallManager::on_failure(sip::ClientId id, std::uint64_t token, sip::ClientFailure failure) {
  const Purpose purpose = purpose_of(token);
  if (purpose == Purpose::probe) return on_probe_result(token, false);
  if (purpose == Purpose::standalone) return on_standalone_failure(token, failure);
  if (purpose == Purpose::stray) return;  // nobody waits for its end
  if (purpose == Purpose::subscription) return on_subscription_failure(id, token, failure);
  Leg* leg = leg_of(token);
  if (leg == nullptr) return;
  using response_map::LocalError;
  const LocalError error = failure == sip::ClientFailure::transport ? LocalError::transport_failure
                                                                    : LocalError::transaction_timeout;
  switch (purpose) {
    case Purpose::invite:
      if (failure != sip::ClientFailure::cancelled) services_.health.failed(leg->target, now());
      // RFC 3261 12.2.1.2: no answer to a re-INVITE is the end of its dialog.
      if (leg->is_borrowed()) leg->lost = failure != sip::ClientFailure::transport;
      if (step(*leg, LegEvent::failure) == LegAction::report) {
        response_map::Input input;
        input.local = error;
        attempt_failed(*leg, input);
      }
      break;
    case Purpose::bye:
      carry_out(*leg, step(*leg, LegEvent::done));
      break;
    case Purpose::relay:
      on_relay_failure(*leg, id, failure);
      break;
    case Purpose::keepalive:  // many phones ignore it: the packet has kept the binding; media says who is
                              // gone
      break;
    case Purpose::refresh:
      on_refresh_failure(*leg, id, error);
      break;
    case Purpose::restore:
      on_restore_failure(*leg, id);
      break;
    case Purpose::seat:
      on_seat_failure(*leg, error);
      break;
    case Purpose::notify:
      on_notified(*leg);
      break;
    case Purpose::prack:  // whoever waits for it repeats his response, or gives up
    case Purpose::probe:
    case Purpose::standalone:
    case Purpose::subscription:
    case Purpose::stray:
      break;
  }
  sweep();
}

void CallManager::on_server_done(sip::ServerId id, std::uint64_t token, sip::ServerEnd end) {
  Leg* leg = leg_of(token);
  if (leg == nullptr) return;
  std::erase_if(leg->unacknowledged, [&](const Unacknowledged& open) { return open.invite == id; });
  mark(*leg->call);
  if (end == sip::ServerEnd::finished) return sweep();
  if (purpose_of(token) == Purpose::invite) {
    if (leg->state == LegState::answered || leg->state == LegState::closing) {
      // RFC 3261 13.3.1.4: no ACK to our 2xx ends the session. One that was not sent has made none: the
      // caller has heard a failure in its place, and gets no BYE.
      const bool unsent = end == sip::ServerEnd::not_sent;
      const LegAction action = step(*leg, unsent ? LegEvent::bye : LegEvent::no_ack);
      hang_up(*leg->call, stats::EndedBy::sallyport,
              unsent ? response_map::LocalError::answer_fault : response_map::LocalError::ack_timeout);
      carry_out(*leg, action);
    }
  } else if (purpose_of(token) == Purpose::relay) {
    on_missing_ack(*leg, id);
  }
  sweep();
}

// ---- from the workers
// ------------------------------------------------------------------------------------------------

void CallManager::on_flow_removed(const dp::FlowRemoved& event) {
  Call* call = calls_.find(event.owner.call_slot, event.owner.call_generation);
  if (call == nullptr || !call->media) return;
  call->media->on_removed(event, now());
  mark(*call);
  sweep();
}

void CallManager::on_flow_latched(const dp::FlowLatched& event) {
  Call* call = calls_.find(event.owner.call_slot, event.owner.call_generation);
  if (call != nullptr && call->media) call->media->on_latched(event);
}

void CallManager::on_flow_reported(const dp::FlowReported& event) {
  Call* call = calls_.find(event.owner.call_slot, event.owner.call_generation);
  if (call == nullptr || !call->media) return;
  call->media->on_reported(event);
  interim_told(*call);
}

void CallManager::drain() {
  services_.admission.set_draining(true);
}

void CallManager::end_all() {
  drain();
  calls_.for_each([this](Call& call) {
    hang_up(call, stats::EndedBy::sallyport, response_map::LocalError::shutdown);
    mark(call);
  });
  sweep();
}

}  // namespace sallyport::b2bua
