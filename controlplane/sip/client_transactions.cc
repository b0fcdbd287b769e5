// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/client_transactions.h"

#include <algorithm>
#include <cassert>

#include "controlplane/sip/compose.h"
#include "dataplane/sip/via.h"

namespace sallyport::sip {

namespace {

// The slot in the branches of ACKs for 2xx: nothing answers them, so no transaction has it.
constexpr std::uint32_t kAckSlot = (1u << 28) - 1;

// RFC 3261 8.1.3.3: a response for us has one Via, ours.
bool has_one_via(const MessageView& response) {
  std::size_t count = 0;
  for_each_value(response, HeaderId::via, [&count](std::string_view) { ++count; });
  return count == 1;
}

// The request we sent, read again: our own text, so the few who need it (CANCEL, ACK for a failure) pay for
// it.
class SentRequest {
 public:
  SentRequest(const Buffer& octets, const Path& path) : view_{octets.text(), &index_, path} {
    [[maybe_unused]] const bool whole = parse(view_.octets, Framing::datagram, index_);
  }
  SentRequest(const SentRequest&) = delete;
  SentRequest& operator=(const SentRequest&) = delete;
  [[nodiscard]] const MessageView& view() const { return view_; }

 private:
  MessageIndex index_;
  MessageView view_;
};

}  // namespace

std::string ClientTransactions::branch_of(std::uint32_t slot, std::uint32_t generation) const {
  std::string branch(kMagicCookie);
  branch += context_.codec.mint({steer::TokenKind::branch, context_.options.shard, slot, generation});
  return branch;
}

ClientTransactions::Transaction* ClientTransactions::make(Method method, const Path& path) {
  Slab<Transaction>::Handle handle;
  Transaction* transaction = slab_.make(handle);
  if (transaction == nullptr) return nullptr;
  transaction->id = {handle.slot, handle.generation};
  transaction->method = method;
  transaction->path = path;
  context_.counters.clients_started.add();
  context_.counters.clients_active.set(slab_.size());
  return transaction;
}

std::expected<ClientId, TransactionError> ClientTransactions::start(const RequestDraft& draft,
                                                                    const Path& path, std::uint64_t token,
                                                                    TransactionUser* user,
                                                                    const Path* large) {
  assert(draft.method != Method::ack && draft.method != Method::none);
  const bool may_start = !draft.opens || context_.has_room(slab_.size(), context_.options.max_clients);
  Transaction* transaction = may_start ? make(draft.method, path) : nullptr;
  if (transaction == nullptr) {
    context_.counters.refused_full.add();
    return std::unexpected(TransactionError::full);
  }
  const ClientId id = transaction->id;
  const std::string branch = branch_of(id.slot, id.generation);
  compose_request(context_.scratch, draft, path, branch);
  if (large != nullptr && !is_reliable(path.transport) && context_.scratch.size() > kLargestDatagram) {
    compose_request(context_.scratch, draft, *large, branch);
    transaction->path = *large;
    transaction->otherwise = path;
  }
  if (context_.scratch.size() > kMaxMessageBytes) {
    slab_.free(id.slot);
    context_.counters.clients_active.set(slab_.size());
    return std::unexpected(TransactionError::too_large);
  }
  transaction->user = user != nullptr ? user : &context_.core;
  transaction->token = token;
  transaction->request = context_.pool.copy(context_.scratch);
  launch(*transaction);
  return id;
}

// Sends the request and starts the timers of RFC 3261 17.1.1.2 and 17.1.2.2.
void ClientTransactions::launch(Transaction& transaction) {
  const auto cookie = cookie_of(transaction.id.slot, transaction.id.generation);
  const bool invite = transaction.is_invite();
  transaction.resend.bind(*this, number_of(invite ? TimerName::timer_a : TimerName::timer_e), cookie);
  transaction.cancel_guard.bind(*this, number_of(TimerName::cancel_guard), cookie);
  transaction.interval = context_.options.t1;
  if (!is_reliable(transaction.path.transport))
    context_.wheel.start(transaction.resend, transaction.interval);
  wait_for(transaction, invite ? TimerName::timer_b : TimerName::timer_f, 64 * context_.options.t1);
  if (!context_.send(transaction.path, transaction.request.text(), transaction.method, 0, false)) {
    unsent_.push_back(transaction.id);
  }
}

void ClientTransactions::wait_for(Transaction& transaction, TimerName name, Nanoseconds span) {
  transaction.wait.stop();
  transaction.wait.bind(*this, number_of(name), cookie_of(transaction.id.slot, transaction.id.generation));
  context_.wheel.start(transaction.wait, span);
}

void ClientTransactions::stop_timers(Transaction& transaction) {
  transaction.resend.stop();
  transaction.wait.stop();
  transaction.cancel_guard.stop();
}

// ---- events

ClientTransactions::Transaction* ClientTransactions::owner_of(const Arrival& arrival) {
  const MessageView& response = arrival.message;
  Transaction* transaction = slab_.find(arrival.slot, arrival.generation);
  if (transaction == nullptr || !has_one_via(response)) return nullptr;
  // A CANCEL has its INVITE's branch (9.1), so its responses come by the INVITE's slot.
  if (transaction->is_invite() && response.index->cseq_method == Method::cancel)
    transaction = find(transaction->cancel);
  return transaction != nullptr && transaction->method == response.index->cseq_method ? transaction : nullptr;
}

bool ClientTransactions::final_seen(const Transaction& transaction) const {
  return transaction.is_invite() ? transaction.invite_state >= invite_client::State::accepted
                                 : transaction.state >= non_invite_client::State::completed;
}

void ClientTransactions::receive(const Arrival& arrival) {
  const MessageView& response = arrival.message;
  Transaction* transaction = arrival.verdict == dp::SteerVerdict::by_branch ? owner_of(arrival) : nullptr;
  context_.note_received(response, transaction != nullptr && final_seen(*transaction));
  if (transaction == nullptr) {
    context_.counters.stray_responses.add();
    // Only who has had our request knows its branch.
    const bool success = response.status() / 100 == 2 && response.index->cseq_method == Method::invite;
    const bool over = arrival.verdict == dp::SteerVerdict::by_branch &&
                      slab_.find(arrival.slot, arrival.generation) == nullptr;
    if (success && over && has_one_via(response)) context_.core.on_stray_success(response);
    return;
  }
  const std::uint16_t status = response.status();
  if (transaction->is_invite()) {
    using enum invite_client::Event;
    handle(*transaction, status < 200 ? provisional : status < 300 ? success : failure, &response);
  } else {
    using enum non_invite_client::Event;
    handle(*transaction, status < 200 ? provisional : final, &response);
  }
}

void ClientTransactions::unreachable(std::uint32_t slot, std::uint32_t generation) {
  Transaction* transaction = slab_.find(slot, generation);
  if (transaction == nullptr) return;
  context_.counters.transport_errors.add();
  if (go_otherwise(*transaction)) return;
  if (transaction->is_invite()) {
    handle(*transaction, invite_client::Event::transport_error, nullptr);
  } else {
    handle(*transaction, non_invite_client::Event::transport_error, nullptr);
  }
}

// RFC 3261 18.1.1: TCP because of the size alone, and nobody there: the same request over UDP, fragmented.
bool ClientTransactions::go_otherwise(Transaction& transaction) {
  const bool unheard = transaction.is_invite() ? transaction.invite_state == invite_client::State::calling
                                               : transaction.state == non_invite_client::State::trying;
  if (!transaction.otherwise || !unheard) return false;
  compose_otherwise(transaction.path, transaction.otherwise, transaction.request,
                    branch_of(transaction.id.slot, transaction.id.generation));
  stop_timers(transaction);
  launch(transaction);
  return true;
}

void ClientTransactions::compose_otherwise(Path& path, std::optional<Path>& otherwise, Buffer& octets,
                                           std::string_view branch) {
  path = *otherwise;
  otherwise.reset();
  compose_again(context_.scratch, octets.text(), path, branch);
  octets = context_.pool.copy(context_.scratch);
}

void ClientTransactions::on_timer(Timer& timer) {
  Transaction* transaction = slab_.find(static_cast<std::uint32_t>(timer.cookie() >> 32),
                                        static_cast<std::uint32_t>(timer.cookie()));
  assert(transaction != nullptr);
  switch (static_cast<TimerName>(timer.name())) {
    case TimerName::timer_a:
      return handle(*transaction, invite_client::Event::timer_a, nullptr);
    case TimerName::timer_b:
      return handle(*transaction, invite_client::Event::timer_b, nullptr);
    case TimerName::timer_d:
      return handle(*transaction, invite_client::Event::timer_d, nullptr);
    case TimerName::timer_m:
      return handle(*transaction, invite_client::Event::timer_m, nullptr);
    case TimerName::cancel_guard:
      return handle(*transaction, invite_client::Event::cancel_guard, nullptr);
    case TimerName::timer_e:
      return handle(*transaction, non_invite_client::Event::timer_e, nullptr);
    case TimerName::timer_f:
      return handle(*transaction, non_invite_client::Event::timer_f, nullptr);
    case TimerName::timer_k:
      return handle(*transaction, non_invite_client::Event::timer_k, nullptr);
    default:
      assert(false);
  }
}

// The one place where an INVITE transaction changes its state.
void ClientTransactions::handle(Transaction& transaction, invite_client::Event event, Response response) {
  const auto step = step_of(invite_client::kMachine, transaction.invite_state, event);
  transaction.invite_state = step.next;
  carry_out(transaction, step.action, response);
}

void ClientTransactions::handle(Transaction& transaction, non_invite_client::Event event, Response response) {
  const auto step = step_of(non_invite_client::kMachine, transaction.state, event);
  transaction.state = step.next;
  carry_out(transaction, step.action, response);
}

// ---- actions. A user is called last in each: it may call back into the layer.

void ClientTransactions::carry_out(Transaction& t, invite_client::Action action, Response response) {
  using enum invite_client::Action;
  switch (action) {
    case none:
      return;
    case resend:
      return this->resend(t, 2 * t.interval);
    case pass_up:
      t.resend.stop();
      t.wait.stop();
      if (t.cancel_wanted && !t.cancel) send_cancel(t);
      return this->pass_up(t, *response);
    case first_success:
      stop_timers(t);
      wait_for(t, TimerName::timer_m, 64 * context_.options.t1);
      return this->pass_up(t, *response);
    case further_success:
      if (!acknowledge_again(t, *response)) this->pass_up(t, *response);
      return;
    case first_failure:
      stop_timers(t);
      wait_for(t, TimerName::timer_d, is_reliable(t.path.transport) ? 0 : 64 * context_.options.t1);
      send_ack(t, *response, false);
      return this->pass_up(t, *response);
    case ack_again:
      return send_ack(t, *response, true);
    case stray_success:
      return context_.core.on_stray_success(*response);
    case time_out:
      context_.counters.timeouts.add();
      return this->fail(t, t.cancel_wanted ? ClientFailure::cancelled : ClientFailure::timeout);
    case fail:
      return this->fail(t, ClientFailure::transport);
    case give_up:
      return this->fail(t, ClientFailure::cancelled);
    case finish:
      return this->finish(t);
  }
}

void ClientTransactions::carry_out(Transaction& t, non_invite_client::Action action, Response response) {
  using enum non_invite_client::Action;
  switch (action) {
    case none:
      return;
    case resend_doubling:
      return this->resend(t, std::min(2 * t.interval, context_.options.t2));
    case resend_at_t2:
      return this->resend(t, context_.options.t2);
    case pass_up:
      return this->pass_up(t, *response);
    case first_final:
      stop_timers(t);
      wait_for(t, TimerName::timer_k, is_reliable(t.path.transport) ? 0 : context_.options.t4);
      return this->pass_up(t, *response);
    case time_out:
      context_.counters.timeouts.add();
      return this->fail(t, ClientFailure::timeout);
    case fail:
      return this->fail(t, ClientFailure::transport);
    case finish:
      return this->finish(t);
  }
}

void ClientTransactions::resend(Transaction& transaction, Nanoseconds next_interval) {
  transaction.interval = next_interval;
  context_.wheel.start(transaction.resend, next_interval);
  context_.counters.requests_retransmitted.add();
  if (!context_.send(transaction.path, transaction.request.text(), transaction.method, 0, true)) {
    unsent_.push_back(transaction.id);
  }
}

void ClientTransactions::pass_up(Transaction& transaction, const MessageView& response) {
  if (transaction.user != nullptr) transaction.user->on_response(transaction.id, transaction.token, response);
}

void ClientTransactions::fail(Transaction& transaction, ClientFailure failure) {
  finish(transaction);
  if (transaction.user != nullptr) transaction.user->on_failure(transaction.id, transaction.token, failure);
}

// The CANCEL's responses come by the INVITE's branch, so without the INVITE it can only run into timer F.
void ClientTransactions::finish(Transaction& transaction) {
  stop_timers(transaction);
  over_.push_back(transaction.id);
  Transaction* cancel = find(transaction.cancel);
  if (cancel != nullptr && cancel->state != non_invite_client::State::terminated) {
    cancel->state = non_invite_client::State::terminated;
    finish(*cancel);
  }
}

bool ClientTransactions::settle() {
  const bool any = !unsent_.empty() || !over_.empty();
  std::vector<ClientId> ids;
  ids.swap(unsent_);
  for (const ClientId id : ids) unreachable(id.slot, id.generation);
  ids.clear();
  ids.swap(over_);
  for (const ClientId id : ids) {
    Transaction* transaction = find(id);
    TransactionUser* user = transaction->user;
    const std::uint64_t token = transaction->token;
    slab_.free(id.slot);
    context_.counters.clients_active.set(slab_.size());
    if (user != nullptr) user->on_client_done(id, token);
  }
  return any;
}

// ---- CANCEL and ACK

void ClientTransactions::cancel(ClientId id, std::string_view headers) {
  Transaction* invite = find(id);
  if (invite == nullptr || !invite->is_invite() || invite->cancel_wanted) return;
  if (invite->invite_state > invite_client::State::proceeding) return;
  invite->cancel_wanted = true;
  invite->cancel_headers = headers;
  if (invite->invite_state == invite_client::State::proceeding) send_cancel(*invite);
}

void ClientTransactions::send_cancel(Transaction& invite) {
  context_.wheel.start(invite.cancel_guard, 64 * context_.options.t1);
  Transaction* cancel = make(Method::cancel, invite.path);
  if (cancel == nullptr) {
    // No slot: the guard still ends the INVITE.
    context_.counters.refused_full.add();
    return;
  }
  invite.cancel = cancel->id;
  const SentRequest sent(invite.request, invite.path);
  compose_cancel(context_.scratch, sent.view(), invite.cancel_headers);
  cancel->request = context_.pool.copy(context_.scratch);
  launch(*cancel);
}

void ClientTransactions::send_ack(Transaction& invite, const MessageView& response, bool again) {
  const SentRequest sent(invite.request, invite.path);
  compose_ack(context_.scratch, sent.view(), response.header(HeaderId::to));
  if (!context_.send(invite.path, context_.scratch, Method::ack, 0, again)) unsent_.push_back(invite.id);
}

std::expected<void, TransactionError> ClientTransactions::acknowledge(ClientId id, std::string_view to_tag,
                                                                      const RequestDraft& ack,
                                                                      const Path& path, const Path* large) {
  Acknowledgement made;
  made.to_tag = to_tag;
  made.path = path;
  made.number = ++ack_count_;
  const std::string branch = branch_of(kAckSlot, made.number);
  compose_request(context_.scratch, ack, path, branch);
  if (large != nullptr && !is_reliable(path.transport) && context_.scratch.size() > kLargestDatagram) {
    compose_request(context_.scratch, ack, *large, branch);
    made.path = *large;
    made.otherwise = path;
  }
  if (context_.scratch.size() > kMaxMessageBytes) return std::unexpected(TransactionError::too_large);
  // One that does not leave is sent again when the 2xx is repeated.
  if (!context_.send(made.path, context_.scratch, Method::ack, 0, false))
    context_.counters.transport_errors.add();
  Transaction* invite = find(id);
  if (invite != nullptr && invite->invite_state == invite_client::State::accepted) {
    made.octets = context_.pool.copy(context_.scratch);
    invite->acknowledgements.push_back(std::move(made));
  }
  return {};
}

StoredMessage ClientTransactions::request_of(ClientId id) {
  const Transaction* const known = find(id);
  if (known == nullptr) return {};
  return {context_.pool, SentRequest(known->request, known->path).view()};
}

bool ClientTransactions::acknowledge_again(Transaction& invite, const MessageView& response) {
  for (Acknowledgement& known : invite.acknowledgements) {
    if (!iequals(known.to_tag, response.to_tag())) continue;
    // Whoever repeats his 2xx has not had the ACK by TCP.
    if (known.otherwise)
      compose_otherwise(known.path, known.otherwise, known.octets, branch_of(kAckSlot, known.number));
    if (!context_.send(known.path, known.octets.text(), Method::ack, 0, true))
      context_.counters.transport_errors.add();
    return true;
  }
  return false;
}

}  // namespace sallyport::sip
