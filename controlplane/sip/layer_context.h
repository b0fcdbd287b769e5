// SPDX-License-Identifier: Apache-2.0
// What the two halves of the transaction layer share. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/sip/buffer_pool.h"
#include "controlplane/sip/statistics.h"
#include "controlplane/sip/timer_wheel.h"
#include "controlplane/sip/transaction_layer.h"
#include "controlplane/sip/transaction_user.h"

namespace sallyport::sip {

struct LayerContext {
  TransactionOptions options;
  TimerWheel& wheel;
  MessageSink& sink;
  TransactionUser& core;
  const steer::IdentifierCodec& codec;
  SipHashKey hash_key;
  MessageObserver* observer = nullptr;
  TransactionCounters counters = {};
  BufferPool pool = {};
  std::string scratch = {};  // where messages are composed, one at a time

  // Hands a message of ours to the transport; false: it will not leave.
  [[nodiscard]] bool send(const Path& path, std::string_view octets, Method method, std::uint16_t status,
                          bool retransmission);
  void note_received(const MessageView& message, bool retransmission);
  // Whether something new may take a place of a table of that size; the last share is for what goes on.
  [[nodiscard]] bool has_room(std::uint32_t used, std::uint32_t most) const {
    return used < most - most / options.reserve_divisor;
  }
};

[[nodiscard]] constexpr std::uint8_t number_of(TimerName name) {
  return static_cast<std::uint8_t>(name);
}

// A transaction's handle in a timer's cookie.
[[nodiscard]] constexpr std::uint64_t cookie_of(std::uint32_t slot, std::uint32_t generation) {
  return std::uint64_t{slot} << 32 | generation;
}

}  // namespace sallyport::sip
