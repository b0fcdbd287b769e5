// SPDX-License-Identifier: Apache-2.0
// Requests outside of any dialog that make none: MESSAGE (RFC 3428), PUBLISH (RFC 3903) and, by policy,
// methods that we do not know. Each goes where a call to the same place would go, with the same policies, and
// is answered with what its target answers. They are counted as messages and leave no call record.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/sipfrag.h"
#include "controlplane/b2bua/sips.h"
#include "controlplane/b2bua/subscription.h"
#include "controlplane/b2bua/target_uri.h"
#include "controlplane/response_map/reason.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

Standalone* CallManager::standalone_of(std::uint64_t token) {
  return standalone_.find(static_cast<std::uint32_t>(token >> 32) & 0x0fffffffu,
                          static_cast<std::uint32_t>(token));
}

bool CallManager::refused_standalone(sip::ServerId id, const sip::MessageView& request,
                                     config::PeerIndex from) {
  const auto uri = sip::parse_uri(request.request_uri());
  const std::string tags = unsupported_tags(request);
  LocalError error = LocalError::none;
  std::string lines;
  if (from == config::kNoIndex) {
    error = LocalError::unknown_source;
  } else if (!uri || uri->scheme == sip::Scheme::other) {
    error = LocalError::unsupported_scheme;
  } else if (uri->scheme == sip::Scheme::sips && request.path.transport != sip::Transport::tls) {
    error = LocalError::sips_not_allowed;
  } else if (request.index->max_forwards == 0) {
    error = LocalError::too_many_hops;
  } else if (!tags.empty()) {
    sip::HeaderWriter(lines).line(HeaderId::unsupported, tags);
    error = LocalError::bad_extension;
  } else if (services_.admission.draining()) {
    error = LocalError::draining;
  } else if (services_.admission.overload().overloaded()) {
    error = LocalError::overload;
  }
  if (error != LocalError::none) refuse(id, from, error, lines);
  return error != LocalError::none;
}

std::vector<routing::TargetId> CallManager::route_request(Standalone& one, const sip::MessageView& request) {
  const routing::NumberPath heard_as(services_.config, one.from, std::nullopt, config::kNoIndex);
  const std::string called = heard_as.uri(routing::Party::called, request.request_uri());
  const auto uri = sip::parse_uri(called);
  routing::RouteChoice choice = services_.router.route(one.from, uri ? uri->user : std::string_view{},
                                                       random_(), services_.health, now());
  one.route = choice.route;
  return std::move(choice.candidates);
}

LocalError CallManager::aim(Standalone& one, routing::TargetId target, bool called_by_sips) {
  const config::Target* there = services_.health.place(target);
  if (there == nullptr) return LocalError::peer_down;  // its name moved on
  const config::Peer& peer = services_.config.peers[target.peer];
  const config::Realm& realm = services_.config.realms[peer.realm];
  const IpAddress local = realm.address(there->endpoint.address.family());
  const auto transport = static_cast<sip::Transport>(there->transport);
  if (!may_go_by(there->transport, called_by_sips)) return LocalError::sips_not_allowed;
  one.target = target;
  one.sips = called_by_sips || is_sips(there->uri);
  one.next_host = next_host(*there, one.sips);
  one.path = {.local = {local, realm.sip_port(there->transport)},
              .remote = there->endpoint,
              .realm = peer.realm,
              .transport = transport,
              .peer = peer_to_prove(transport, target.peer),
              .host = host_to_prove(*there)};
  one.authenticator = {};
  return local ? LocalError::none : LocalError::transport_failure;
}

void CallManager::on_standalone(sip::ServerId id, const sip::MessageView& request, config::PeerIndex from) {
  if (refused_standalone(id, request, from)) return;
  sip::Slab<Standalone>::Handle handle;
  Standalone* one = standalone_.make(handle);
  if (one == nullptr) return (void)refuse(id, from, LocalError::capacity);
  one->slot = handle.slot;
  one->generation = handle.generation;
  one->server = id;
  one->from = from;
  one->candidates = route_request(*one, request);
  if (one->candidates.empty()) {
    const LocalError error = one->route ? LocalError::peer_down : LocalError::no_route;
    standalone_.free(handle.slot);
    return (void)refuse(id, from, error);
  }
  response_map::Input nobody;
  nobody.local = LocalError::peer_down;
  next_standalone(*one, nobody);
}

void CallManager::next_standalone(Standalone& one, response_map::Input failure) {
  const sip::StoredMessage* request = transactions_->request_of(one.server);
  if (request == nullptr) return standalone_.free(one.slot);  // nobody waits any more
  while (one.next_candidate < one.candidates.size()) {
    const LocalError error =
        aim(one, one.candidates[one.next_candidate++], is_sips(request->view().request_uri()));
    if (error == LocalError::none && send_standalone(one, request->view())) return;
    failure = {};
    failure.local = error == LocalError::none ? LocalError::capacity : error;
  }
  standalone_failed(one, failure, {});
}

unsigned CallManager::hops_left(const sip::MessageView& request) {
  return static_cast<unsigned>(
      (request.index->max_forwards < 0 ? 70 : std::min(request.index->max_forwards, 255)) - 1);
}

void CallManager::write_credentials(Standalone& one, const sip::MessageView& request, std::string_view uri,
                                    sip::HeaderWriter& out) {
  if (one.authenticator.empty()) return;
  one.authenticator.authorize(out, credentials_of(services_.config.peers[one.target.peer]),
                              request.method_text(), uri, request.body());
}

bool CallManager::answers_challenge(Standalone& one, const sip::MessageView& response) const {
  return answers_challenge(one.authenticator, one.target.peer, response);
}

bool CallManager::send_standalone(Standalone& one, const sip::MessageView& request) {
  const Handle name{kNoLeg | one.slot, one.generation};
  const std::string host = one.path.local.address.to_uri_text();
  const routing::NumberPath numbers(services_.config, one.from, one.route, one.target.peer);
  const Crossing crossing{headers_[one.from], headers_[one.target.peer], host, numbers};
  const std::string uri = request_uri_for(
      numbers.uri(routing::Party::called, called_as_sip(request.request_uri())), one.next_host, one.sips);
  std::string lines;
  sip::HeaderWriter out(lines);
  out.line(HeaderId::from, {crossing_from(request, crossing), ";tag=", mint(steer::TokenKind::tag, name)});
  out.line(HeaderId::to, {"<", uri, ">"});
  out.line(HeaderId::call_id, mint(steer::TokenKind::call_id, name));
  out.line(HeaderId::cseq, {std::to_string(++one.cseq), " ", request.method_text()});
  out.line(HeaderId::max_forwards, std::uint64_t{hops_left(request)});
  out.line(HeaderId::user_agent, kProduct);
  write_credentials(one, request, uri, out);
  pass_headers(request, crossing, out);
  const std::string body = pass_content(request, crossing.from, crossing.to, host, out);
  const sip::RequestDraft draft{.method = request.method(),
                                .method_text = request.method_text(),
                                .request_uri = uri,
                                .headers = lines,
                                .body = body,
                                .opens = true};
  const std::uint64_t whose = token(Purpose::standalone, {one.slot, one.generation});
  return start_request(draft, one.target.peer, one.path, whose).has_value();
}

// What it says, for the response map; its target's health knows of it.
response_map::Input CallManager::heard_standalone(const Standalone& one, const sip::MessageView& response) {
  response_map::Input input;
  input.receive = services_.config.peers[one.target.peer].map_receive;
  input.send = services_.config.peers[one.from].map_send;
  input.code = response.status();
  input.phrase = response.reason_phrase();
  if (response.has(HeaderId::reason)) input.q850 = response_map::q850_of(response.header(HeaderId::reason));
  input.retry_after_s = retry_after_of(response);
  input.invite = false;
  if (input.code == 503 && input.retry_after_s != 0) {
    services_.health.retry_after(one.target, input.retry_after_s * kSecond, now());
  } else {
    services_.health.answered(one.target);
  }
  return input;
}

void CallManager::on_standalone_response(std::uint64_t token, const sip::MessageView& response) {
  Standalone* one = standalone_of(token);
  const std::uint16_t status = response.status();
  if (one == nullptr || status < 200) return;
  const sip::StoredMessage* request = transactions_->request_of(one->server);
  if (request != nullptr && answers_challenge(*one, response) && send_standalone(*one, request->view()))
    return;
  const response_map::Input input = heard_standalone(*one, response);
  if (status >= 300)
    return standalone_failed(*one, input,
                             failure_fields(response, headers_[one->target.peer], headers_[one->from]));
  const response_map::Verdict verdict = services_.maps.map(input);
  const std::string host =
      request != nullptr ? request->view().path.local.address.to_uri_text() : std::string{};
  const routing::NumberPath back(services_.config, one->target.peer, one->route, one->from, false);
  std::string lines;
  sip::HeaderWriter out(lines);
  out.line(HeaderId::server, kProduct);
  pass_headers(response, {headers_[one->target.peer], headers_[one->from], host, back}, out);
  const std::string body = pass_content(response, headers_[one->target.peer], headers_[one->from], host, out);
  (void)transactions_->respond(
      one->server, {.status = verdict.code, .phrase = verdict.phrase, .headers = lines, .body = body});
  standalone_.free(one->slot);
}

void CallManager::on_standalone_failure(std::uint64_t token, sip::ClientFailure failure) {
  Standalone* one = standalone_of(token);
  if (one == nullptr) return;
  services_.health.failed(one->target, now());
  response_map::Input input;
  input.local = failure == sip::ClientFailure::transport ? LocalError::transport_failure
                                                         : LocalError::transaction_timeout;
  input.invite = false;
  standalone_failed(*one, input, {});
}

// The next target by the rule, or the answer. A redirect is the sender's to follow, and its Contacts are not
// his to see: it is a failure like any other.
void CallManager::standalone_failed(Standalone& one, response_map::Input failure, const FailureFields& said) {
  failure.send = services_.config.peers[one.from].map_send;
  failure.exhausted = one.next_candidate >= one.candidates.size();
  const response_map::Verdict verdict = services_.maps.map(failure);
  if (verdict.failover) return next_standalone(one, failure);
  refuse_request(one.server, verdict, said, one.from);
  standalone_.free(one.slot);
}

void CallManager::refuse_request(sip::ServerId id, const response_map::Verdict& verdict,
                                 const FailureFields& said, config::PeerIndex to) {
  const sip::StoredMessage* request = transactions_->request_of(id);
  const sip::Path path = request != nullptr ? request->view().path : sip::Path{};
  // RFC 4320 4.1 forbids 408 to a non-INVITE; the transaction still needs its end.
  const bool sendable = verdict.code != 408;
  respond(id, sendable ? verdict.code : 504, failure_headers(verdict, path, said, to, Asked::other),
          sendable ? verdict.phrase : "");
}

}  // namespace sallyport::b2bua
