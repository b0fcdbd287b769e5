// SPDX-License-Identifier: Apache-2.0
// Subscriptions outside of calls (subscription.h).
#include "controlplane/b2bua/subscription.h"

#include <algorithm>
#include <charconv>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/sipfrag.h"
#include "controlplane/b2bua/sips.h"
#include "controlplane/b2bua/target_uri.h"
#include "controlplane/sip/nat.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;
using sip::Method;

namespace {

constexpr std::uint32_t kUsualSubscription = 3600;
constexpr std::uint32_t kLongestSubscription = 86'400 * 7;
constexpr std::size_t kMostWaiting = 8;

std::uint32_t expires_of(const sip::MessageView& message) {
  const std::string_view text = message.header(HeaderId::expires);
  std::uint32_t seconds = kUsualSubscription;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::min(seconds, kLongestSubscription);
}

bool says_terminated(const sip::MessageView& notify) {
  const std::string_view state = notify.header(HeaderId::subscription_state);
  return sip::iequals(sip::trim(state.substr(0, state.find(';'))), "terminated");
}

}  // namespace

std::uint64_t CallManager::subscription_token(const Subscription& one, Side to) {
  return token(Purpose::subscription, {subscription_slot(one.begin.slot, to), one.begin.generation});
}

Subscription* CallManager::subscription_of(std::uint32_t slot, std::uint32_t generation) {
  return subscriptions_.find((slot & ~kOfSubscription & 0x0fffffffu) >> 1, generation);
}

// Frees it once nothing of it waits for an answer.
void CallManager::settle_subscription(Subscription& one) {
  if (one.over && one.relays.empty() && !one.client) {
    one.expiry.stop();
    subscriptions_.free(one.begin.slot);
  }
}

void CallManager::end_subscription(std::uint64_t cookie) {
  Subscription* one =
      subscription_of(static_cast<std::uint32_t>(cookie >> 32), static_cast<std::uint32_t>(cookie));
  if (one == nullptr) return;
  one->over = true;
  settle_subscription(*one);
}

// ---- it begins

void CallManager::on_subscribe(sip::ServerId id, const sip::MessageView& request, config::PeerIndex from) {
  if (refused_standalone(id, request, from)) return;
  const bool refers = request.method() == Method::refer;
  if (refers && refused_refer(id, from, request)) return;
  if (!refers && !request.has(HeaderId::event)) return respond(id, 489);  // RFC 6665 4.2.1.1
  sip::Slab<Subscription>::Handle handle;
  Subscription* one = subscriptions_.make(handle);
  if (one == nullptr) return (void)refuse(id, from, LocalError::capacity);
  one->begin.slot = handle.slot;
  one->begin.generation = handle.generation;
  one->begin.server = id;
  one->begin.from = from;
  one->began_ns = now();
  if (refers) one->refer_cseq = request.cseq();
  for (const Side side : {Side::near, Side::far}) {
    one->at(side).tag =
        mint(steer::TokenKind::tag, {subscription_slot(handle.slot, side), handle.generation});
  }
  one->expiry.bind(*this, static_cast<std::uint8_t>(CallTimer::subscription),
                   std::uint64_t{subscription_slot(handle.slot, Side::near)} << 32 | handle.generation);
  SubscriptionSide& near = one->at(Side::near);
  near.peer = from;
  near.path = request.path;
  near.sips = is_sips(request.request_uri());
  auto dialog = sip::Dialog::uas(request, near.tag);
  const std::vector<routing::TargetId> candidates = route_request(one->begin, request);
  one->over = !dialog || candidates.empty();
  if (!dialog) respond(id, 400, {}, "Missing or bad Contact header field");
  if (dialog && candidates.empty())
    refuse(id, from, one->begin.route ? LocalError::peer_down : LocalError::no_route);
  if (one->over) return settle_subscription(*one);
  near.dialog = std::move(*dialog);
  if (sip::nat_evident(request)) near.dialog->set_nat_source(request.path.remote);
  one->begin.candidates = candidates;
  response_map::Input nobody;
  nobody.local = LocalError::peer_down;
  next_subscribe(*one, nobody);
}

void CallManager::next_subscribe(Subscription& one, response_map::Input failure) {
  Standalone& begin = one.begin;
  const sip::StoredMessage* request = transactions_->request_of(begin.server);
  while (request != nullptr && begin.next_candidate < begin.candidates.size()) {
    LocalError error =
        aim(begin, begin.candidates[begin.next_candidate++], is_sips(request->view().request_uri()));
    const bool refers = one.refer_cseq.has_value();
    if (error == LocalError::none && refers && !may_be_referred(request->view(), begin.path))
      error = LocalError::sips_not_allowed;
    if (error == LocalError::none && send_subscribe(one, request->view())) return;
    failure = {};
    failure.local = error == LocalError::none ? LocalError::capacity : error;
  }
  refuse_subscribe(one, failure, {});
}

bool CallManager::send_subscribe(Subscription& one, const sip::MessageView& request) {
  Standalone& begin = one.begin;
  SubscriptionSide& far = one.at(Side::far);
  far.peer = begin.target.peer;
  far.path = begin.path;
  far.sips = begin.sips;
  far.call_id = mint(steer::TokenKind::call_id, {subscription_slot(begin.slot, Side::far), begin.generation});
  const std::string host = far.path.local.address.to_uri_text();
  const routing::NumberPath numbers(services_.config, begin.from, begin.route, far.peer);
  const Crossing crossing{headers_[begin.from], headers_[far.peer], host, numbers};
  far.from = crossing_from(request, crossing) + ";tag=" + far.tag;
  const std::string uri = request_uri_for(
      numbers.uri(routing::Party::called, called_as_sip(request.request_uri())), begin.next_host, begin.sips);
  std::string lines;
  sip::HeaderWriter out(lines);
  out.line(HeaderId::from, far.from);
  out.line(HeaderId::to, {"<", uri, ">"});
  out.line(HeaderId::call_id, far.call_id);
  out.line(HeaderId::cseq, {std::to_string(++begin.cseq), " ", request.method_text()});
  out.line(HeaderId::max_forwards, std::uint64_t{hops_left(request)});
  write_own_contact(far.path, far.sips, out);
  if (one.refer_cseq.has_value()) {
    write_referral(request, numbers, far.path, out);
  } else {
    out.line(HeaderId::event, event_across(request.header(HeaderId::event), begin.from, far.peer));
  }
  out.line(HeaderId::user_agent, kProduct);
  write_credentials(begin, request, uri, out);
  pass_headers(request, crossing, out);
  const std::string body = pass_content(request, crossing.from, crossing.to, host, out);
  const sip::RequestDraft draft{
      .method = request.method(), .request_uri = uri, .headers = lines, .body = body};
  const auto client = start_request(draft, far.peer, far.path, subscription_token(one, Side::far));
  if (client) one.client = *client;
  return client.has_value();
}

void CallManager::on_subscribe_response(Subscription& one, const sip::MessageView& response) {
  Standalone& begin = one.begin;
  SubscriptionSide& far = one.at(Side::far);
  const sip::StoredMessage* request = transactions_->request_of(begin.server);
  if (request != nullptr && answers_challenge(begin, response) && send_subscribe(one, request->view()))
    return;
  one.client = {};
  const response_map::Input input = heard_standalone(begin, response);
  if (response.status() >= 300)
    return refuse_subscribe(one, input,
                            failure_fields(response, headers_[begin.target.peer], headers_[begin.from]));
  if (!far.dialog) {  // a NOTIFY may have made it (RFC 6665 4.1.2.4)
    auto dialog = sip::Dialog::uac(far.from, far.call_id, response);
    if (!dialog) {
      response_map::Input fault;
      fault.local = LocalError::answer_fault;
      return refuse_subscribe(one, fault, {});
    }
    far.dialog = std::move(*dialog);
    if (sip::nat_evident(response)) far.dialog->set_nat_source(response.path.remote);
  }
  begin.authenticator.accepted();
  far.authenticator = std::move(begin.authenticator);
  one.at(Side::near).dialog->confirm();
  answer_across(one, begin.server, Side::near, response);
  run_subscription(one, expires_of(response));
  one.over |=
      one.refer_cseq.has_value() && sip::iequals(sip::trim(response.header(HeaderId::refer_sub)), "false");
  settle_subscription(one);
}

// A little longer than was agreed: whoever wants more has asked before.
void CallManager::run_subscription(Subscription& one, std::uint32_t seconds) {
  services_.wheel.start(one.expiry, seconds * kSecond + 64 * services_.config.controlplane.sip.t1_ns);
}

void CallManager::refuse_subscribe(Subscription& one, response_map::Input failure,
                                   const FailureFields& said) {
  Standalone& begin = one.begin;
  one.client = {};
  failure.send = services_.config.peers[begin.from].map_send;
  failure.invite = false;
  failure.exhausted = begin.next_candidate >= begin.candidates.size() || one.at(Side::far).dialog.has_value();
  const response_map::Verdict verdict = services_.maps.map(failure);
  if (verdict.failover && transactions_->request_of(begin.server) != nullptr)
    return next_subscribe(one, failure);
  refuse_request(begin.server, verdict, said, begin.from);
  one.over = true;
  settle_subscription(one);
}

// ---- inside its dialogs

bool CallManager::speaks_for_subscription(const sip::Arrival& arrival) {
  Subscription* one = subscription_of(arrival.slot, arrival.generation);
  if (one == nullptr || one->over) return false;
  const SubscriptionSide& side = one->at(static_cast<Side>(arrival.slot & 1));
  if (side.peer == config::kNoIndex) return false;  // it has not been sent anywhere yet
  return is_far_end({side.peer, side.path, one->began_ns}, arrival.message.path);
}

void CallManager::on_in_subscription(sip::ServerId id, const sip::Arrival& arrival) {
  const sip::MessageView& request = arrival.message;
  Subscription* one = subscription_of(arrival.slot, arrival.generation);
  const Side side = static_cast<Side>(arrival.slot & 1);
  if (!speaks_for_subscription(arrival)) return respond(id, 481);
  SubscriptionSide& here = one->at(side);
  const Method wanted = side == Side::far ? Method::notify : Method::subscribe;
  if (side == Side::far && !here.dialog && request.method() == Method::notify &&
      request.call_id() == here.call_id) {
    auto dialog = sip::Dialog::uas(request, here.tag);
    if (!dialog) return respond(id, 400, {}, "Missing or bad Contact header field");
    here.dialog = std::move(*dialog);
    while (here.dialog->local_cseq() < one->begin.cseq) (void)here.dialog->next_cseq();
    if (sip::nat_evident(request)) here.dialog->set_nat_source(request.path.remote);
  } else if (!here.dialog || !here.dialog->matches(request)) {
    return respond(id, 481);  // another fork's (RFC 6665 4.1.2.4: one is enough)
  } else if (const auto accepted = here.dialog->accept_request(request); !accepted) {
    return respond(id, sip::status_of(accepted.error()));
  }
  std::string lines;
  if (request.method() != wanted) {
    sip::HeaderWriter out(lines);
    write_capabilities(out, here.peer);
    return (void)refuse(id, here.peer, LocalError::method_not_allowed, lines);
  }
  if (request.index->max_forwards == 0) return (void)refuse(id, here.peer, LocalError::too_many_hops);
  if (const std::string tags = unsupported_tags(request); !tags.empty()) {
    sip::HeaderWriter(lines).line(HeaderId::unsupported, tags);
    return (void)refuse(id, here.peer, LocalError::bad_extension, lines);
  }
  if (one->relays.size() >= kMostWaiting || !relay_in_subscription(*one, side, id, request))
    refuse(id, here.peer, LocalError::capacity);
}

void CallManager::write_credentials(SubscriptionSide& side, const sip::MessageView& request,
                                    sip::HeaderWriter& out) const {
  if (side.authenticator.empty()) return;
  side.authenticator.authorize(out, credentials_of(services_.config.peers[side.peer]), request.method_text(),
                               side.dialog->request_uri(), request.body());
}

// The `id` of a REFER's notifications is its CSeq number, which is another one on the other side (RFC 3515
// 2.4.6).
std::string CallManager::event_within(const Subscription& one, Side from, std::string_view event) {
  const auto id = sip::find_param(event.substr(std::min(event.find(';'), event.size())), "id");
  const bool near = from == Side::near;
  const bool of_refer = sip::iequals(sip::trim(event.substr(0, event.find(';'))), "refer");
  if (of_refer && id && one.refer_cseq) {
    const std::uint32_t here = near ? *one.refer_cseq : one.begin.cseq;
    const std::uint32_t there = near ? one.begin.cseq : *one.refer_cseq;
    if (id->value == std::to_string(here)) return "refer;id=" + std::to_string(there);
  }
  return event_across(event, one.sides[static_cast<std::size_t>(from)].peer,
                      one.sides[static_cast<std::size_t>(across(from))].peer);
}

bool CallManager::relay_in_subscription(Subscription& one, Side from, sip::ServerId id,
                                        const sip::MessageView& request) {
  SubscriptionSide& there = one.at(across(from));
  const SubscriptionSide& here = one.at(from);
  if (!there.dialog) return false;
  const std::string host = there.path.local.address.to_uri_text();
  const routing::NumberPath numbers(services_.config, here.peer, one.begin.route, there.peer,
                                    from == Side::near);
  std::string lines;
  sip::HeaderWriter out(lines);
  there.dialog->write_headers(out, request.method(), there.dialog->next_cseq(), hops_left(request));
  write_own_contact(there.path, there.sips, out);
  if (request.has(HeaderId::event))
    out.line(HeaderId::event, event_within(one, from, request.header(HeaderId::event)));
  out.line(HeaderId::user_agent, kProduct);
  write_credentials(there, request, out);
  pass_headers(request, {headers_[here.peer], headers_[there.peer], host, numbers}, out);
  const std::string body = pass_content(request, headers_[here.peer], headers_[there.peer], host, out);
  const sip::RequestDraft draft{
      .method = request.method(), .request_uri = there.dialog->request_uri(), .headers = lines, .body = body};
  const auto client = start_request(draft, there.peer, path_within(*there.dialog, there.path),
                                    subscription_token(one, across(from)));
  if (!client) return false;
  const bool ends = request.method() == Method::notify && says_terminated(request);
  one.relays.push_back({.server = id, .client = *client, .from = from, .ends = ends});
  return true;
}

// A 2xx, as the side that asked may see it.
void CallManager::answer_across(Subscription& one, sip::ServerId server, Side to,
                                const sip::MessageView& response) {
  const SubscriptionSide& back = one.at(to);
  const SubscriptionSide& there = one.at(across(to));
  const std::string host = back.path.local.address.to_uri_text();
  const routing::NumberPath numbers(services_.config, there.peer, one.begin.route, back.peer,
                                    to == Side::far);
  std::string lines;
  sip::HeaderWriter out(lines);
  write_own_contact(back.path, back.sips, out);
  out.line(HeaderId::server, kProduct);
  pass_headers(response, {headers_[there.peer], headers_[back.peer], host, numbers}, out);
  const std::string body = pass_content(response, headers_[there.peer], headers_[back.peer], host, out);
  (void)transactions_->respond(
      server, {.status = response.status(),
               .phrase = response_map::phrase_across(response.status(), response.reason_phrase()),
               .to_tag = back.tag,
               .headers = lines,
               .body = body});
}

void CallManager::on_subscription_response(sip::ClientId id, std::uint64_t token,
                                           const sip::MessageView& response) {
  Subscription* one =
      subscription_of(static_cast<std::uint32_t>(token >> 32), static_cast<std::uint32_t>(token));
  const std::uint16_t status = response.status();
  if (one == nullptr || status < 200) return;
  if (id == one->client) return on_subscribe_response(*one, response);
  const auto it = std::ranges::find(one->relays, id, &SubscriptionRelay::client);
  if (it == one->relays.end()) return;
  SubscriptionSide& asked_of = one->at(across(it->from));
  if (!is_challenge(response)) {
    asked_of.authenticator.accepted();
  } else if (const sip::StoredMessage sent = transactions_->request_of(id);
             sent && answers_challenge(asked_of.authenticator, asked_of.peer, response)) {
    const auto again = send_once_more(
        sent.view(), {asked_of.authenticator, asked_of.peer, asked_of.dialog->next_cseq(), token});
    if (again) return (void)(it->client = again->client);
  }
  const SubscriptionRelay relay = *it;
  one->relays.erase(it);
  if (status < 300) {
    // Of a request that is refused the Contact is no target (RFC 6665 4.4.1, RFC 3261 12.2.2).
    if (const auto* request = transactions_->request_of(relay.server))
      (void)one->at(relay.from).dialog->refresh_target(request->view());
    answer_across(*one, relay.server, relay.from, response);
    if (relay.from == Side::near) run_subscription(*one, expires_of(response));
  } else {
    response_map::Input input;
    input.receive = services_.config.peers[one->at(across(relay.from)).peer].map_receive;
    input.send = services_.config.peers[one->at(relay.from).peer].map_send;
    input.code = status;
    input.phrase = response.reason_phrase();
    input.invite = false;
    input.in_dialog = true;
    input.exhausted = true;
    const response_map::Verdict verdict = services_.maps.map(input);
    const config::PeerIndex asked = one->at(relay.from).peer;
    const config::PeerIndex said_by = one->at(across(relay.from)).peer;
    refuse_request(relay.server, verdict, failure_fields(response, headers_[said_by], headers_[asked]),
                   asked);
    one->over |= verdict.ends == response_map::Ends::usage || verdict.ends == response_map::Ends::dialog;
  }
  one->over |= relay.ends;
  settle_subscription(*one);
}

void CallManager::on_subscription_failure(sip::ClientId id, std::uint64_t token, sip::ClientFailure failure) {
  Subscription* one =
      subscription_of(static_cast<std::uint32_t>(token >> 32), static_cast<std::uint32_t>(token));
  if (one == nullptr) return;
  response_map::Input input;
  input.invite = false;
  input.local = failure == sip::ClientFailure::transport ? LocalError::transport_failure
                                                         : LocalError::transaction_timeout;
  if (id == one->client) {
    services_.health.failed(one->begin.target, now());
    return refuse_subscribe(*one, input, {});
  }
  const auto it = std::ranges::find(one->relays, id, &SubscriptionRelay::client);
  if (it == one->relays.end()) return;
  const SubscriptionRelay relay = *it;
  one->relays.erase(it);
  input.exhausted = true;
  input.send = services_.config.peers[one->at(relay.from).peer].map_send;
  refuse_request(relay.server, services_.maps.map(input), {}, one->at(relay.from).peer);
  one->over = true;  // RFC 6665 4.2.2: nobody is there
  settle_subscription(*one);
}

}  // namespace sallyport::b2bua
