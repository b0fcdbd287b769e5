// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/server_transactions.h"

#include <algorithm>
#include <cassert>

#include "controlplane/sip/compose.h"
#include "controlplane/sip/nat.h"
#include "controlplane/sip/writer.h"

namespace sallyport::sip {

namespace {

// What a response of ours may need beside what it copies from the request.
constexpr std::size_t kResponseRoom = 4096;

}  // namespace

ServerTransactions::ServerTransactions(LayerContext& context)
    : context_(context),
      keys_(context.options.max_servers / 2),
      merges_(context.options.max_servers / 2),
      slab_(context.options.max_servers) {}

// ---- matching

ServerTransactions::Transaction* ServerTransactions::match(const MessageView& request, const MatchKey& key,
                                                           Method method) {
  return keys_.find(key.hash, [&](Transaction& t) {
    if (t.method != method) return false;
    if (method == Method::other && t.request.view().method_text() != request.method_text()) return false;
    if (!key.rfc2543) return true;
    const std::string_view expected =
        request.method() == Method::ack ? std::string_view(t.local_tag) : t.request.view().to_tag();
    return expected == request.to_tag();
  });
}

bool ServerTransactions::is_merged(const MessageView& request, std::uint64_t hash) {
  if (!request.to_tag().empty()) return false;
  return merges_.find(hash, [&](Transaction& t) { return same_request(t.request.view(), request); }) !=
         nullptr;
}

ServerTransactions::Transaction* ServerTransactions::make(const MessageView& request, const MatchKey& key) {
  Slab<Transaction>::Handle handle;
  Transaction* t = slab_.make(handle);
  if (t == nullptr) return nullptr;
  t->id = {handle.slot, handle.generation};
  t->method = request.method();
  t->invite = t->method == Method::invite;
  t->rfc2543 = key.rfc2543;
  t->request = StoredMessage(context_.pool, request);
  t->response_path = response_path(request);
  keys_.insert(t->by_key, key.hash);
  context_.counters.servers_started.add();
  context_.counters.servers_active.set(slab_.size());
  return t;
}

// ---- requests

void ServerTransactions::receive(const Arrival& arrival) {
  const MessageView& request = arrival.message;
  if (request.index->fault != Fault::none) return answer_fault(request);
  const MatchKey key = match_key(context_.hash_key, request);
  if (request.method() == Method::ack) return receive_ack(arrival, key);
  Transaction* known = match(request, key, request.method());
  context_.note_received(request, known != nullptr);
  if (known != nullptr) {
    context_.counters.retransmissions_received.add();
    if (known->invite) {
      handle(*known, invite_server::Event::invite, {&arrival, 0});
    } else {
      handle(*known, non_invite_server::Event::request, {&arrival, 0});
    }
    return;
  }
  if (request.method() == Method::cancel) return receive_cancel(arrival, key);
  receive_new(arrival, key);
}

void ServerTransactions::answer_fault(const MessageView& request) {
  const Fault fault = request.index->fault;
  context_.note_received(request, false);
  context_.counters.faults[static_cast<std::size_t>(fault)].add();
  const std::uint16_t status = fault_status(fault);
  if (status == 0 || !request.has(HeaderId::via)) return;
  if (request.method() != Method::ack) context_.core.on_refused(request, status, fault_phrase(fault));
  respond_stateless(request, {.status = status, .phrase = fault_phrase(fault)});
}

void ServerTransactions::receive_ack(const Arrival& arrival, const MatchKey& key) {
  Transaction* invite = match(arrival.message, key, Method::invite);
  const bool again = invite != nullptr && invite->invite_state == invite_server::State::confirmed;
  context_.note_received(arrival.message, again);
  if (invite != nullptr) {
    handle(*invite, invite_server::Event::ack, {&arrival, 0});
  } else if (arrival.verdict == dp::SteerVerdict::by_tag) {
    context_.core.on_ack(arrival);
  } else {
    context_.counters.stray_acks.add();
  }
}

// RFC 3261 9.2. A server without a free transaction, or without room for an answer in one, answers without
// one, but never forgets to cancel.
void ServerTransactions::receive_cancel(const Arrival& arrival, const MatchKey& key) {
  const MessageView& request = arrival.message;
  Transaction* invite = match(request, key, Method::invite);
  if (invite == nullptr) return respond_stateless(request, {.status = 481});
  const std::string tag(to_tag_for(*invite, {}));
  Transaction* cancel = leaves_room(request) ? make(request, key) : nullptr;
  if (cancel == nullptr) {
    respond_stateless(request, {.status = 200, .to_tag = tag});
  } else {
    answer(*cancel, {.status = 200, .to_tag = tag});
  }
  if (invite->invite_state == invite_server::State::proceeding && invite->has_user) {
    context_.core.on_cancel(invite->id, invite->token, request);
  }
}

void ServerTransactions::receive_new(const Arrival& arrival, const MatchKey& key) {
  const MessageView& request = arrival.message;
  if (arrival.verdict == dp::SteerVerdict::unknown_tag) {
    context_.counters.unknown_tags.add();
    return respond_stateless(request, {.status = 481});
  }
  if (!leaves_room(request)) return refuse_large(request);
  const std::uint64_t merge = merge_hash(context_.hash_key, request);
  const bool merged = is_merged(request, merge);
  const bool may_start = arrival.verdict == dp::SteerVerdict::by_tag ||
                         context_.has_room(slab_.size(), context_.options.max_servers);
  Transaction* t = may_start ? make(request, key) : nullptr;
  if (t == nullptr) return refuse_full(request);
  if (merged) {
    context_.counters.merged_requests.add();
    return answer(*t, {.status = 482});
  }
  if (request.to_tag().empty()) merges_.insert(t->by_merge, merge);
  t->has_user = true;
  const Nanoseconds trying_after = context_.options.trying_after;
  if (t->invite && trying_after > 0) repeat_later(*t, TimerName::trying, trying_after);
  context_.core.on_request(t->id, arrival);
  if (t->invite && trying_after == 0) handle(*t, invite_server::Event::trying, {});
}

void ServerTransactions::refuse_full(const MessageView& request) {
  context_.counters.refused_full.add();
  context_.core.on_refused(request, 503, default_phrase(503));
  std::string headers;
  HeaderWriter(headers).line(HeaderId::retry_after, std::uint64_t{context_.options.retry_after_s});
  respond_stateless(request, {.status = 503, .headers = headers});
}

// Via, Record-Route, From, To and the like go back as they came (RFC 3261 8.2.6.2): a request may bring so
// much of them that no response can be made. The names of compact fields and our marks in the Via are within
// what is left out of the first look.
bool ServerTransactions::leaves_room(const MessageView& request) {
  if (request.octets.size() + 2 * kResponseRoom <= kMaxMessageBytes) return true;
  compose_response(context_.scratch, request, {.status = 200}, stateless_tag(context_.hash_key, request));
  const std::size_t copied = context_.scratch.size() + request.header(HeaderId::timestamp).size();
  return copied + kResponseRoom <= kMaxMessageBytes;
}

// RFC 3261 21.5.7.
void ServerTransactions::refuse_large(const MessageView& request) {
  context_.counters.refused_large.add();
  context_.core.on_refused(request, 513, default_phrase(513));
  respond_stateless(request, {.status = 513});
}

// ---- the user

void ServerTransactions::set_token(ServerId id, std::uint64_t token) {
  if (Transaction* t = find(id)) t->token = token;
}

void ServerTransactions::set_tag(ServerId id, std::string_view tag) {
  if (Transaction* t = find(id)) t->local_tag = tag;
}

const StoredMessage* ServerTransactions::request_of(ServerId id) {
  const Transaction* t = find(id);
  return t == nullptr ? nullptr : &t->request;
}

bool ServerTransactions::belongs(const MessageView& request) {
  if (request.index->fault != Fault::none) return false;
  const Method method = request.method();
  const bool of_invite = method == Method::ack || method == Method::cancel;
  const MatchKey key = match_key(context_.hash_key, request);
  const Transaction* t = match(request, key, of_invite ? Method::invite : method);
  return t != nullptr && t->request.view().path.realm == request.path.realm &&
         t->request.view().path.remote.address == request.path.remote.address;
}

void ServerTransactions::acknowledged(ServerId id) {
  Transaction* t = find(id);
  if (t != nullptr && t->invite) handle(*t, invite_server::Event::acknowledged, {});
}

namespace {

invite_server::Event invite_event(std::uint16_t status) {
  using enum invite_server::Event;
  return status < 200 ? send_provisional : status < 300 ? send_success : send_failure;
}

non_invite_server::Event non_invite_event(std::uint16_t status) {
  return status < 200 ? non_invite_server::Event::send_provisional : non_invite_server::Event::send_final;
}

}  // namespace

bool ServerTransactions::allows(const Transaction& t, std::uint16_t status) const {
  if (t.invite) {
    return step_of(invite_server::kMachine, t.invite_state, invite_event(status)).action !=
           invite_server::Action::refuse;
  }
  return step_of(non_invite_server::kMachine, t.state, non_invite_event(status)).action !=
         non_invite_server::Action::refuse;
}

std::expected<void, TransactionError> ServerTransactions::respond(ServerId id, const ResponseDraft& draft) {
  assert(draft.status >= 100 && draft.status < 700);
  Transaction* t = find(id);
  if (t == nullptr) return std::unexpected(TransactionError::gone);
  if (!allows(*t, draft.status)) return std::unexpected(TransactionError::state);
  compose(*t, draft);
  std::uint16_t status = draft.status;
  const bool fits = context_.scratch.size() <= kMaxMessageBytes;
  if (!fits) {
    context_.counters.large_responses.add();
    if (status < 200) return std::unexpected(TransactionError::too_large);  // its final one is yet to come
    status = compose_short(*t, draft);
  }
  if (status == 0) {
    abandon(*t);
  } else if (t->invite) {
    handle(*t, invite_event(status), {nullptr, status});
  } else {
    handle(*t, non_invite_event(status), {nullptr, status});
  }
  if (!fits) return std::unexpected(TransactionError::too_large);
  return {};
}

// No timer runs before the final response, so without one the transaction would stay for ever.
std::uint16_t ServerTransactions::compose_short(Transaction& t, const ResponseDraft& draft) {
  const std::uint16_t status = draft.status < 300 ? std::uint16_t{500} : draft.status;
  compose(t, {.status = status, .to_tag = draft.to_tag});
  if (context_.scratch.size() > kMaxMessageBytes) return 0;
  if (t.invite && draft.status < 300) cut_short_.push_back(t.id);
  return status;
}

void ServerTransactions::answer(Transaction& transaction, const ResponseDraft& draft) {
  [[maybe_unused]] const auto done = respond(transaction.id, draft);
  assert(done || done.error() == TransactionError::too_large);
}

void ServerTransactions::respond_stateless(const MessageView& request, const ResponseDraft& draft) {
  if (!request.is_request() || request.method() == Method::ack || !request.has(HeaderId::via)) return;
  const std::string tag =
      draft.to_tag.empty() ? stateless_tag(context_.hash_key, request) : std::string(draft.to_tag);
  compose_response(context_.scratch, request, draft, tag);
  if (context_.scratch.size() > kMaxMessageBytes) return context_.counters.large_responses.add();
  if (!context_.send(response_path(request), context_.scratch, request.method(), draft.status, false)) {
    context_.counters.transport_errors.add();
  }
}

}  // namespace sallyport::sip
