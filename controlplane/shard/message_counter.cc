// SPDX-License-Identifier: Apache-2.0
#include "controlplane/shard/message_counter.h"

namespace sallyport::shard {

void MessageCounter::on_message(const sip::MessageEvent& event) {
  const std::uint16_t realm = event.path->realm;
  const std::uint16_t peer = event.path->peer != sip::kPeerByAddress
                                 ? event.path->peer
                                 : peers_.find(realm, event.path->remote.address).value_or(stats::kNone);
  const auto direction =
      event.direction == sip::Direction::received ? stats::Direction::in : stats::Direction::out;
  stats::SipCounters& counters = statistics_.sip(peer, realm);
  if (event.status == 0) {
    stats::count_request(counters, direction, static_cast<std::size_t>(event.method));
  } else {
    stats::count_response(counters, direction, event.status);
  }
  record(event, peer);
  if (!event.retransmission) return;
  stats::MethodCounters& again = event.status == 0 ? statistics_.totals.retransmitted_requests
                                                   : statistics_.totals.retransmitted_responses;
  stats::count_method(again, direction, static_cast<std::size_t>(event.method));
}

void MessageCounter::record(const sip::MessageEvent& event, std::uint16_t peer) {
  const sip::Path& path = *event.path;
  trace::Passing message;
  message.direction = static_cast<trace::Direction>(event.direction);
  message.retransmission = event.retransmission;
  message.transport = static_cast<trace::Transport>(path.transport);
  message.local = path.local;
  message.remote = path.remote;
  message.realm = config_.realms[path.realm].name;
  if (peer < config_.peers.size()) message.peer = config_.peers[peer].name;
  message.octets = event.octets;
  recorder_.add(message);
}

static_assert(static_cast<int>(sip::Direction::sent) == static_cast<int>(trace::Direction::sent));
static_assert(static_cast<int>(sip::Transport::tls) == static_cast<int>(trace::Transport::tls));

}  // namespace sallyport::shard
