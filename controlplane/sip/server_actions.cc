// SPDX-License-Identifier: Apache-2.0
// The server machines at work: events in, actions out.
#include <algorithm>
#include <cassert>
#include <utility>

#include "controlplane/sip/compose.h"
#include "controlplane/sip/server_transactions.h"

namespace sallyport::sip {

void ServerTransactions::on_timer(Timer& timer) {
  Transaction* t = slab_.find(static_cast<std::uint32_t>(timer.cookie() >> 32),
                              static_cast<std::uint32_t>(timer.cookie()));
  assert(t != nullptr);
  switch (static_cast<TimerName>(timer.name())) {
    case TimerName::trying:
      return handle(*t, invite_server::Event::trying, {});
    case TimerName::resend_2xx:
      return handle(*t, invite_server::Event::resend_2xx, {});
    case TimerName::timer_g:
      return handle(*t, invite_server::Event::timer_g, {});
    case TimerName::timer_h:
      return handle(*t, invite_server::Event::timer_h, {});
    case TimerName::timer_i:
      return handle(*t, invite_server::Event::timer_i, {});
    case TimerName::timer_l:
      return handle(*t, invite_server::Event::timer_l, {});
    case TimerName::timer_j:
      return handle(*t, non_invite_server::Event::timer_j, {});
    default:
      assert(false);
  }
}

// The one place where an INVITE transaction changes its state.
void ServerTransactions::handle(Transaction& t, invite_server::Event event, const Input& input) {
  const auto step = step_of(invite_server::kMachine, t.invite_state, event);
  t.invite_state = step.next;
  carry_out(t, step.action, input);
}

void ServerTransactions::handle(Transaction& t, non_invite_server::Event event, const Input& input) {
  const auto step = step_of(non_invite_server::kMachine, t.state, event);
  t.state = step.next;
  carry_out(t, step.action, input);
}

void ServerTransactions::carry_out(Transaction& t, invite_server::Action action, const Input& input) {
  using enum invite_server::Action;
  const Nanoseconds t1 = context_.options.t1;
  const bool reliable = is_reliable(t.response_path.transport);
  switch (action) {
    case none:
    case refuse:
      return;
    case repeat:
      return this->repeat(t);
    case send:
      return transmit(t, input.status);
    case send_trying:
      if (!t.last_response.empty()) return;
      compose(t, {.status = 100});
      return transmit(t, 100);
    case begin_accepted:
      transmit(t, input.status);
      wait_for(t, TimerName::timer_l, 64 * t1);
      return repeat_later(t, TimerName::resend_2xx, t1);  // on a reliable transport too: 13.3.1.4
    case begin_completed:
      transmit(t, input.status);
      wait_for(t, TimerName::timer_h, 64 * t1);
      if (!reliable) repeat_later(t, TimerName::timer_g, t1);
      return;
    case begin_confirmed:
      t.resend.stop();
      t.by_merge.remove();  // no longer ongoing: a proxy that was refused may try again (8.2.2.2)
      return wait_for(t, TimerName::timer_i, reliable ? 0 : context_.options.t4);
    case repeat_doubling:
      this->repeat(t);
      return repeat_later(t, static_cast<TimerName>(t.resend.name()),
                          std::min(2 * t.interval, context_.options.t2));
    case pass_ack:
      return context_.core.on_ack(*input.arrival);
    case stop_repeating:
      t.ack_seen = true;
      return t.resend.stop();
    case no_ack:
      return this->finish(t, ServerEnd::no_ack);
    case finish:
      return this->finish(t, t.last_status < 300 && !t.ack_seen ? ServerEnd::no_ack : ServerEnd::finished);
  }
}

void ServerTransactions::carry_out(Transaction& t, non_invite_server::Action action, const Input& input) {
  using enum non_invite_server::Action;
  switch (action) {
    case none:
    case refuse:
      return;
    case repeat:
      return this->repeat(t);
    case send:
      return transmit(t, input.status);
    case begin_completed:
      transmit(t, input.status);
      return wait_for(t, TimerName::timer_j,
                      is_reliable(t.response_path.transport) ? 0 : 64 * context_.options.t1);
    case finish:
      return this->finish(t, ServerEnd::finished);
  }
}

// The tag stays what it was unless the user wants another, and is one even if he wants none.
std::string_view ServerTransactions::to_tag_for(Transaction& t, std::string_view wanted) {
  const std::string_view of_request = t.request.view().to_tag();
  if (!of_request.empty()) {
    t.local_tag = of_request;
  } else if (!wanted.empty()) {
    t.local_tag = wanted;
  } else if (t.local_tag.empty()) {
    t.local_tag = stateless_tag(context_.hash_key, t.request.view());
  }
  return t.local_tag;
}

void ServerTransactions::compose(Transaction& t, const ResponseDraft& draft) {
  const std::string_view tag = draft.status == 100 ? std::string_view{} : to_tag_for(t, draft.to_tag);
  compose_response(context_.scratch, t.request.view(), draft, tag);
}

// Sends what compose() wrote. The timers decide what becomes of a response that does not leave (RFC
// 6026 8.9).
void ServerTransactions::transmit(Transaction& t, std::uint16_t status) {
  t.last_response = context_.pool.copy(context_.scratch);
  t.last_status = status;
  t.resend.stop();
  if (!context_.send(t.response_path, t.last_response.text(), t.method, status, false)) {
    context_.counters.transport_errors.add();
  }
}

void ServerTransactions::repeat(Transaction& t) {
  if (t.last_response.empty()) return;
  context_.counters.responses_retransmitted.add();
  if (!context_.send(t.response_path, t.last_response.text(), t.method, t.last_status, true)) {
    context_.counters.transport_errors.add();
  }
}

void ServerTransactions::repeat_later(Transaction& t, TimerName name, Nanoseconds interval) {
  t.interval = interval;
  t.resend.stop();
  t.resend.bind(*this, number_of(name), cookie_of(t.id.slot, t.id.generation));
  context_.wheel.start(t.resend, interval);
}

void ServerTransactions::wait_for(Transaction& t, TimerName name, Nanoseconds span) {
  t.wait.stop();
  t.wait.bind(*this, number_of(name), cookie_of(t.id.slot, t.id.generation));
  context_.wheel.start(t.wait, span);
}

void ServerTransactions::finish(Transaction& t, ServerEnd end) {
  t.resend.stop();
  t.wait.stop();
  t.end = end;
  if (end == ServerEnd::no_ack) context_.counters.missing_acks.add();
  over_.push_back(t.id);
}

// Nothing at all can be said to the peer.
void ServerTransactions::abandon(Transaction& t) {
  t.invite_state = invite_server::State::terminated;
  t.state = non_invite_server::State::terminated;
  this->finish(t, ServerEnd::not_sent);
}

bool ServerTransactions::settle() {
  const bool any = !over_.empty() || !cut_short_.empty();
  std::vector<ServerId> ids;
  ids.swap(cut_short_);
  for (const ServerId id : ids) {
    Transaction* t = find(id);
    // It goes on for the peer, who is to acknowledge the failure; the user has to end what he began.
    if (t != nullptr && std::exchange(t->has_user, false))
      context_.core.on_server_done(id, t->token, ServerEnd::not_sent);
  }
  ids.clear();
  ids.swap(over_);
  for (const ServerId id : ids) {
    const Transaction* t = find(id);
    const bool tell = t->has_user;
    const std::uint64_t token = t->token;
    const ServerEnd end = t->end;
    slab_.free(id.slot);
    context_.counters.servers_active.set(slab_.size());
    if (tell) context_.core.on_server_done(id, token, end);
  }
  return any;
}

}  // namespace sallyport::sip
