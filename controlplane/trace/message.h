// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"

namespace sallyport::trace {

enum class Transport : std::uint8_t { udp, tcp, tls };
enum class Direction : std::uint8_t { received, sent };
// Which of a call's legs a message is of; `none`: it is of no call.
enum class Side : std::uint8_t { none, caller, callee };

// One SIP message as a ring has kept it, copied out. Its secrets are blanked (keys.h).
struct Message {
  std::uint64_t sequence = 0;  // of all messages of its shard, from 1
  std::uint32_t number = 0;    // of its call's messages, from 1; 0: it is of no call
  std::uint32_t left_out = 0;  // of its call's messages, before it, where there were too many to show
  Nanoseconds monotonic_ns = 0;
  Nanoseconds wall_ns = 0;
  Direction direction = Direction::received;
  bool retransmission = false;
  Transport transport = Transport::udp;
  Side side = Side::none;
  Endpoint local;
  Endpoint remote;
  std::string call;  // our name of the call, which both legs share; empty: of none
  std::string realm;
  std::string peer;  // empty: nobody that we know
  std::string octets;

  [[nodiscard]] const Endpoint& source() const { return direction == Direction::received ? remote : local; }
  [[nodiscard]] const Endpoint& target() const { return direction == Direction::received ? local : remote; }
};

// Messages in the order in which they passed, and behind which sequence number the next ones begin.
struct Slice {
  std::vector<Message> messages;
  std::uint64_t next = 0;
  bool is_last = true;  // nothing stood behind them when they were copied
};

}  // namespace sallyport::trace
