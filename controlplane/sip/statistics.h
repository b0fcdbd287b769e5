// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "controlplane/sip/path.h"
#include "dataplane/api/contract.h"
#include "dataplane/sip/fault.h"
#include "dataplane/sip/names.h"

namespace sallyport::sip {

enum class Direction : std::uint8_t { received, sent };

// One message that passed the transaction layer.
struct MessageEvent {
  Direction direction = Direction::received;
  Method method = Method::none;  // of a response: the one that it answers
  std::uint16_t status = 0;      // 0: a request
  bool retransmission = false;   // one that the layer absorbed, or sent again
  const Path* path = nullptr;
  std::string_view octets;
};

// Told of every message: metrics by peer and realm, traces. On the shard, so it must be quick.
class MessageObserver {
 public:
  virtual ~MessageObserver() = default;
  virtual void on_message(const MessageEvent& event) = 0;
};

// shard: wo, everyone: ro
struct TransactionCounters {
  dp::Counter clients_started;
  dp::Counter servers_started;
  dp::Counter clients_active;
  dp::Counter servers_active;
  dp::Counter requests_retransmitted;   // sent again by timer A or E
  dp::Counter responses_retransmitted;  // sent again by timer G, a repeated request, or 13.3.1.4
  dp::Counter retransmissions_received;
  dp::Counter merged_requests;  // 482
  dp::Counter refused_full;     // 503: no transaction left
  dp::Counter refused_large;    // 513, or silence where not even that fits: no room for a response
  dp::Counter large_responses;  // above 65,535 octets: cut short, or not sent at all
  dp::Counter stray_responses;  // no transaction (any more), or of another method
  dp::Counter stray_acks;
  dp::Counter unknown_tags;  // 481
  dp::Counter timeouts;      // timers B and F
  dp::Counter missing_acks;  // timer H, and 2xx without ACK
  dp::Counter transport_errors;
  std::array<dp::Counter, static_cast<std::size_t>(Fault::kCount)> faults;
};

}  // namespace sallyport::sip
