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
  if (!event.retransmission) return;
  stats::MethodCounters& again = event.status == 0 ? statistics_.totals.retransmitted_requests
                                                   : statistics_.totals.retransmitted_responses;
  stats::count_method(again, direction, static_cast<std::size_t>(event.method));
}

}  // namespace sallyport::shard
