// SPDX-License-Identifier: Apache-2.0
// Requests inside a call's dialogs that have nothing to do with its session: INFO (RFC 6086), MESSAGE (RFC
// 3428), REFER (RFC 3515) with the NOTIFY that follows it, SUBSCRIBE, and by policy methods that we do not
// know. They go to the other leg with their body as it is, and are answered with that leg's answer.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/sipfrag.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

namespace {

// Both need a Contact in requests and 2xx alike (RFC 3515 2.2, RFC 6665 8.2.1); MESSAGE must have none (RFC
// 3428 4).
bool has_contact(Method method) {
  return method == Method::refer || method == Method::notify || method == Method::subscribe;
}

}  // namespace

void CallManager::note_recv_info(Leg& leg, const sip::MessageView& message) {
  if (!message.has(HeaderId::recv_info)) return;
  std::string packages;
  sip::for_each_value(message, HeaderId::recv_info, [&](std::string_view package) {
    if (!package.empty()) packages.append(packages.empty() ? "" : ", ").append(package);
  });
  leg.recv_info = packages;
}

// RFC 6086 4.2.2: a package that the other side has not said to take is refused here, with what it does take.
// Without a package it is what INFO was before (RFC 2976: DTMF, ISUP), and passes.
bool CallManager::refused_package(sip::ServerId id, const Leg& leg, const sip::MessageView& info) {
  const std::string_view field = info.header(HeaderId::info_package);
  if (!info.has(HeaderId::info_package)) return false;
  const std::string_view package = sip::trim(field.substr(0, field.find(';')));
  const Leg* other = leg.call->other(leg);
  const std::string takes = other == nullptr ? std::string{} : std::string(other->recv_info);
  sip::ValueReader packages(takes);
  while (const auto one = packages.next()) {
    if (sip::iequals(sip::trim(one->substr(0, one->find(';'))), package)) return false;
  }
  std::string lines;
  sip::HeaderWriter(lines).line(HeaderId::recv_info, takes);
  respond(id, 469, lines);
  return true;
}

bool CallManager::refused_other(sip::ServerId id, const Leg& leg, const sip::MessageView& request) {
  const Method method = request.method();
  const config::Peer& peer = services_.config.peers[leg.peer];
  std::string lines;
  sip::HeaderWriter out(lines);
  if (method == Method::other && peer.unknown_methods == config::UnknownMethods::refuse) {
    write_capabilities(out, leg.peer);
    respond(id, 501, lines);
  } else if (request.index->max_forwards == 0) {
    refuse(id, leg, LocalError::too_many_hops);
  } else if (refused_extension(id, leg, request)) {
    return true;
  } else if (!is_reachable(leg.call->other(leg))) {
    respond(id, 491);
  } else if (leg.call->relays.size() >= kMostOthers) {
    refuse(id, leg, LocalError::capacity);
  } else {
    return (method == Method::info && refused_package(id, leg, request)) ||
           (method == Method::refer && refused_refer(id, leg, request));
  }
  return true;
}

void CallManager::on_other_in_dialog(sip::ServerId id, Leg& leg, const sip::MessageView& request) {
  if (refused_other(id, leg, request)) return;
  const bool follows = services_.config.peers[leg.peer].refer == config::ReferMode::follow;
  if (request.method() == Method::refer && follows) return follow_refer(id, leg, request);
  if (request.method() == Method::subscribe && own_subscription(id, leg, request)) return;
  Call& call = *leg.call;
  Leg& other = *call.other(leg);
  Relay relay{
      .server = id, .from = leg.handle, .method = request.method(), .client_method = request.method()};
  relay.server_cseq = request.cseq();
  relay.is_other = true;
  if (relay.method == Method::other) relay.method_text = request.method_text();
  if (!start_other(leg, other, relay, request)) return (void)refuse(id, leg, LocalError::capacity);
  if (relay.method == Method::refer) {
    if (call.referrals.size() >= kMostReferrals) call.referrals.erase(call.referrals.begin());
    call.referrals.push_back({leg.handle, relay.server_cseq, relay.client_cseq});
  }
  transactions_->set_token(id, token(Purpose::relay, leg.handle));
  call.relays.push_back(std::move(relay));
}

bool CallManager::start_other(const Leg& from, Leg& to, Relay& relay, const sip::MessageView& request) {
  relay.max_forwards = static_cast<unsigned>(
      (request.index->max_forwards < 0 ? 70 : std::min(request.index->max_forwards, 255)) - 1);
  sip::HeaderWriter out(relay.lines);
  if (has_contact(relay.method)) write_contact(to, out);
  out.line(HeaderId::user_agent, kProduct);
  if (relay.method == Method::refer) write_referral(request, numbers(from, to), to.path, out);
  if (request.has(HeaderId::event)) write_event(from, to, request, out);
  pass_to(from, to, request, out);
  const std::string host = to.path.local.address.to_uri_text();
  relay.body = pass_content(request, headers_[from.peer], headers_[to.peer], host, out);
  return send_relay(to, relay);
}

// "refer;id=93809823": the number is of this leg's REFER; the other leg's has another.
void CallManager::write_event(const Leg& from, const Leg& to, const sip::MessageView& request,
                              sip::HeaderWriter& out) {
  const std::string_view event = request.header(HeaderId::event);
  const std::string_view type = sip::trim(event.substr(0, event.find(';')));
  const auto id = sip::find_param(event.substr(std::min(event.find(';'), event.size())), "id");
  if (!sip::iequals(type, "refer") || !id)
    return (void)out.line(HeaderId::event, event_across(event, from.peer, to.peer));
  for (const Referral& referral : from.call->referrals) {
    const bool his = referral.from == from.handle;
    const std::uint32_t here = his ? referral.server_cseq : referral.client_cseq;
    const std::uint32_t there = his ? referral.client_cseq : referral.server_cseq;
    if (std::to_string(here) != id->value) continue;
    return (void)out.line(HeaderId::event, {"refer;id=", std::to_string(there)});
  }
  out.line(HeaderId::event, event);
}

void CallManager::on_other_response(Leg& leg, Relay& relay, const sip::MessageView& response) {
  Call& call = *leg.call;
  if (relayed_again(leg, relay, response)) {
    for (Referral& referral : call.referrals) {
      if (referral.from == relay.from && referral.server_cseq == relay.server_cseq)
        referral.client_cseq = relay.client_cseq;
    }
    return;
  }
  const Relay done = take_relay(call, relay.client);
  if (response.status() >= 300) return other_refused(leg, done, response);
  const Leg& back = *call.other(leg);
  std::string lines;
  sip::HeaderWriter out(lines);
  if (has_contact(done.method)) write_contact(back, out);
  out.line(HeaderId::server, kProduct);
  pass_to(leg, back, response, out);
  const std::string host = back.path.local.address.to_uri_text();
  const std::string body = pass_content(response, headers_[leg.peer], headers_[back.peer], host, out);
  const response_map::Verdict verdict = services_.maps.map(heard(leg, back.peer, response));
  (void)transactions_->respond(
      done.server, {.status = verdict.code, .phrase = verdict.phrase, .headers = lines, .body = body});
}

void CallManager::other_refused(Leg& leg, const Relay& relay, const sip::MessageView& response) {
  Call& call = *leg.call;
  const Leg& back = *call.other(leg);
  response_map::Input input = heard(leg, back.peer, response);
  input.in_dialog = true;
  input.exhausted = true;
  const response_map::Verdict verdict = services_.maps.map(input);
  // RFC 4320 4.1 forbids 408 to a non-INVITE; the transaction still needs its end.
  const bool sendable = verdict.code != 408;
  respond(
      relay.server, sendable ? verdict.code : 504,
      failure_headers(verdict, back.path, failure_fields(response, headers_[leg.peer], headers_[back.peer]),
                      back.peer, Asked::other),
      sendable ? verdict.phrase : "");
  count_mapped(pair(call), verdict);
  // RFC 5057 5.1: 481 to these ends the subscription that they belong to, not the call.
  const bool of_a_subscription = relay.method == Method::notify || relay.method == Method::subscribe;
  const bool ends_call = verdict.ends == response_map::Ends::dialog ||
                         (verdict.ends == response_map::Ends::usage && !of_a_subscription);
  if (ends_call) hang_up(call, stats::EndedBy::sallyport, LocalError::not_in_dialog);
}

}  // namespace sallyport::b2bua
