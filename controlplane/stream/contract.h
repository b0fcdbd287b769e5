// SPDX-License-Identifier: Apache-2.0
// What the stream transport and a shard say to each other, through one RecordRing a direction. Plain data, as
// in dataplane/api/contract.h.
#pragma once

#include <cstdint>
#include <type_traits>

#include "controlplane/sip/path.h"
#include "dataplane/api/contract.h"
#include "dataplane/base/clock.h"

namespace sallyport::stream {

// ---- stream transport to shard

enum class Event : std::uint16_t { none, received, unreachable };

// A SIP message for this shard, as dp::SipReceived with the connection that it came on. Behind the struct:
// index_bytes of sip::MessageIndex (used_bytes of it), padding to 8 octets, then message_bytes octets.
struct Received {
  sip::Path path;  // local: the realm's address with its listening port, also on connections that we opened
  std::uint32_t index_bytes = 0;
  std::uint32_t message_bytes = 0;
  dp::SteerVerdict verdict = dp::SteerVerdict::by_hash;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  Nanoseconds received_ns = 0;
};

// A request of ours, by its branch token, will not reach its target: no connection could be made, or it broke
// before the far end's kernel had the request.
struct Unreachable {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  Endpoint remote;
};

// ---- shard to stream transport

enum class Command : std::uint16_t { none, send };

// One message; its octets stand behind the struct, up to the record's end. It leaves on path.connection if
// that is open; else on any connection to path.remote (over TLS: to path.host there), else on one that is
// opened from path.local's address. So a response's path.remote is where RFC 3261 18.2.2 wants the new
// connection: the source address, with the sent-by port.
struct Send {
  sip::Path path;
  std::uint32_t bytes = 0;
};

static_assert(std::is_trivially_copyable_v<Received> && std::is_trivially_copyable_v<Send>);

}  // namespace sallyport::stream
