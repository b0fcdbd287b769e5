// SPDX-License-Identifier: Apache-2.0
// Reliable provisional responses towards the leg that sent us an INVITE (RFC 3262 3).
#include "controlplane/b2bua/reliable.h"

#include <algorithm>
#include <charconv>

#include "controlplane/b2bua/call_manager.h"

namespace sallyport::b2bua {

using response_map::LocalError;
using sip::HeaderId;

std::uint32_t parse_rseq(std::string_view value) {
  std::uint32_t number = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
  return read.ec == std::errc{} && read.ptr == value.data() + value.size() ? number : 0;
}

std::optional<RAck> parse_rack(std::string_view value) {
  RAck rack;
  const auto number = [&value](std::uint32_t& out) {
    const auto read = std::from_chars(value.data(), value.data() + value.size(), out);
    const bool good = read.ec == std::errc{};
    value = sip::trim(value.substr(static_cast<std::size_t>(read.ptr - value.data())));
    return good;
  };
  if (!number(rack.rseq) || !number(rack.cseq) || value != "INVITE") return std::nullopt;
  return rack;
}

// The one place where the state of a leg's reliable responses changes.
ReliableAction CallManager::reliable_event(Leg& leg, ReliableEvent event) {
  const ReliableStep next = reliable_step(leg.reliable->state, event);
  leg.reliable->state = next.next;
  return next.action;
}

void CallManager::begin_reliable(Leg& leg, sip::ServerId invite, std::uint32_t cseq) {
  if (!leg.reliable) {
    leg.reliable = std::make_unique<Reliable>();
    const std::uint64_t cookie = token(Purpose::invite, leg.handle);
    leg.reliable->resend.bind(*this, static_cast<std::uint8_t>(CallTimer::reliable_resend), cookie);
    leg.reliable->expire.bind(*this, static_cast<std::uint8_t>(CallTimer::reliable_expire), cookie);
  }
  Reliable& reliable = *leg.reliable;
  if (reliable.invite == invite) return;
  stop_reliable(leg);
  (void)reliable_event(leg, ReliableEvent::begin);
  reliable.invite = invite;
  reliable.invite_cseq = cseq;
  reliable.last.reset();
  // RFC 3262 3: the first number is chosen at random, below 2^31.
  reliable.rseq = static_cast<std::uint32_t>(random_() % 0x7ffffffe);
}

void CallManager::stop_reliable(Leg& leg) {
  if (!leg.reliable) return;
  leg.reliable->resend.stop();
  leg.reliable->expire.stop();
  leg.reliable->queue.clear();
}

void CallManager::send_reliably(Leg& leg, sip::ServerId invite, std::uint32_t cseq,
                                ReliableResponse response) {
  begin_reliable(leg, invite, cseq);
  if (leg.reliable->queue.size() >= kMostQueued) return;  // the far end repeats it: it has had no PRACK
  const ReliableAction action = reliable_event(leg, ReliableEvent::send);
  if (action == ReliableAction::ignore) return;
  leg.reliable->queue.push_back(std::move(response));
  if (action == ReliableAction::transmit) transmit_reliably(leg);
}

void CallManager::transmit_reliably(Leg& leg) {
  Reliable& reliable = *leg.reliable;
  ++reliable.rseq;
  sip::HeaderWriter(reliable.queue.front().headers)
      .line(HeaderId::require, "100rel")
      .line(HeaderId::rseq, std::uint64_t{reliable.rseq});
  const Nanoseconds t1 = services_.config.controlplane.sip.t1_ns;
  reliable.interval = t1;
  services_.wheel.start(reliable.resend, t1);
  services_.wheel.start(reliable.expire, 64 * t1);
  repeat_reliably(leg);
}

void CallManager::repeat_reliably(Leg& leg) {
  const ReliableResponse& out = leg.reliable->queue.front();
  (void)transactions_->respond(leg.reliable->invite, {.status = out.status,
                                                      .phrase = out.phrase,
                                                      .to_tag = leg.tag,
                                                      .headers = out.headers,
                                                      .body = out.body});
}

void CallManager::on_reliable_timer(Leg& leg, ReliableEvent event) {
  if (!leg.reliable) return;
  Reliable& reliable = *leg.reliable;
  const ReliableAction action = reliable_event(leg, event);
  if (action == ReliableAction::repeat) {
    // RFC 3262 3: doubled without a cap.
    reliable.interval *= 2;
    services_.wheel.start(reliable.resend, reliable.interval);
    repeat_reliably(leg);
  } else if (action == ReliableAction::fail) {
    stop_reliable(leg);
    reject_unacknowledged(leg);
  }
}

// 64*T1 without a PRACK: the INVITE is rejected by a 5xx (RFC 3262 3).
void CallManager::reject_unacknowledged(Leg& leg) {
  Call& call = *leg.call;
  if (leg.reliable->invite == leg.invite_server && !call.answered) {
    for (Leg* other : call.legs) {
      if (other != &leg) hang_up_leg(*other);
    }
    return fail_call(call, LocalError::prack_timeout);
  }
  for (const Relay& relay : call.relays) {
    if (relay.server != leg.reliable->invite) continue;
    Leg& answerer = *call.other(leg);
    cancel_relay(answerer, relay.client);
    response_map::Input input;
    input.local = LocalError::prack_timeout;
    input.in_dialog = true;
    input.exhausted = true;
    input.send = services_.config.peers[leg.peer].map_send;
    return relay_refused(answerer, take_relay(call, relay.client), services_.maps.map(input));
  }
}

// A final response to the leg's INVITE leaves: what is out is not repeated any more.
void CallManager::reliable_final(Leg& leg, sip::ServerId invite) {
  leg.offer_pending = false;
  if (!leg.reliable || leg.reliable->invite != invite) return;
  const bool out = leg.reliable->state == ReliableState::waiting;
  if (reliable_event(leg, ReliableEvent::final) != ReliableAction::stop) return;
  if (out) leg.reliable->last = std::move(leg.reliable->queue.front());
  stop_reliable(leg);
}

// RFC 3262 3: no 2xx before the SDP of a reliable provisional response has been acknowledged.
bool CallManager::holds_success(const Leg& leg, sip::ServerId invite) const {
  if (!leg.reliable || leg.reliable->invite != invite) return false;
  const auto& queue = leg.reliable->queue;
  return std::ranges::any_of(queue, [](const ReliableResponse& response) { return response.described; });
}

// Its answer is out, or has been acknowledged.
bool CallManager::is_answered_reliably(const Leg& leg) const {
  if (!leg.offer_pending) return true;
  if (!leg.reliable) return false;
  return std::ranges::any_of(leg.reliable->queue, [](const ReliableResponse& response) {
    return response.described && !response.offers;
  });
}

}  // namespace sallyport::b2bua
