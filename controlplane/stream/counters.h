// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "controlplane/stream/tls_failure.h"
#include "dataplane/api/contract.h"
#include "dataplane/sip/fault.h"

namespace sallyport::stream {

// Why a connection ended, or was not taken. One name each.
enum class Close : std::uint8_t {
  by_peer,          // FIN or RST
  unknown_source,   // at accept, no peer has that address and the realm drops such
  stranger_served,  // an unknown source has had its answer, or its time
  process_limit,    // at accept
  peer_limit,       // at accept, or after the handshake
  source_limit,     // at accept
  bad_framing,      // 400 where there is somebody to hear it (RFC 3261 18.3)
  silent,           // nothing came after the connection was made
  slow_message,     // a message was begun and not ended in time
  slow_reader,      // what we send is not taken, or too much of it waits
  idle,
  connect_failed,    // refused, unreachable, timed out
  handshake_failed,  // TLS; handshake_failures says why
  shutdown,
  kCount
};
[[nodiscard]] std::string_view close_name(Close reason);

// stream thread: wo, everyone: ro
struct StreamCounters {
  dp::Counter accepted;
  dp::Counter connected;  // that we opened
  dp::Counter open;       // now, any state
  std::array<dp::Counter, static_cast<std::size_t>(Close::kCount)> closed;
  dp::Counter received_messages;  // delivered to a shard
  dp::Counter received_bytes;
  dp::Counter sent_messages;  // written whole
  dp::Counter sent_bytes;
  dp::Counter keep_alives;     // pings answered (RFC 5626 4.4.1)
  dp::Counter reused;          // messages that left on a connection found by its far end
  dp::Counter resent;          // after their first connection broke
  dp::Counter unreachable;     // requests reported to their shard
  dp::Counter responses_lost;  // no connection for them, and none could be made
  dp::Counter foreign_responses;
  dp::Counter malformed;           // framed, but nothing that could be answered
  dp::Counter shard_ring_waits;    // a connection was held because its shard's ring was full
  dp::Counter shard_ring_full;     // a message dropped after such a wait, or a report
  dp::Counter handshakes;          // TLS, done
  dp::Counter handshakes_waiting;  // now, begun and not done
  std::array<dp::Counter, static_cast<std::size_t>(TlsFailure::kCount)> handshake_failures;
  std::array<dp::Counter, static_cast<std::size_t>(sip::Fault::kCount)> faults;
};

}  // namespace sallyport::stream
