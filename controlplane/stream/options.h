// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/sip/path.h"
#include "dataplane/base/clock.h"
#include "dataplane/steer/identifier.h"

namespace sallyport::stream {

struct Limits {
  std::uint32_t connections = 8192;        // of the process
  std::uint32_t handshakes = 256;          // TLS, of those who come, that run or wait
  std::uint32_t strangers = 64;            // open at once from unknown sources, of those connections
  std::uint32_t strangers_per_source = 4;  // where a certificate may yet say who it is; else one
  std::uint32_t message_bytes = 65'535;
  std::uint32_t queue_bytes = 512 * 1024;  // that wait on one connection
  Nanoseconds connect_ns = 8 * kSecond;
  Nanoseconds handshake_ns = 10 * kSecond;
  Nanoseconds stranger_handshake_ns = 4 * kSecond;
  Nanoseconds first_ns = 10 * kSecond;      // from the connection to its first message or ping
  Nanoseconds stranger_ns = 2 * kSecond;    // the same, and all the time there is, for an unknown source
  Nanoseconds message_ns = 10 * kSecond;    // from a message's first octet to its last
  Nanoseconds write_ns = 10 * kSecond;      // without the far end taking anything
  Nanoseconds idle_ns = 10 * 60 * kSecond;  // of a connection that has shown its use
  Nanoseconds linger_ns = 2 * kSecond;      // for the answer to what was badly framed
  Nanoseconds stall_ns = 1 * kSecond;       // that a full shard ring may hold a connection
};

struct Listener {
  std::uint16_t realm = 0;
  Endpoint at;
  sip::Transport transport = sip::Transport::tcp;
};

struct Options {
  [[nodiscard]] std::uint8_t dscp_of(std::size_t realm) const {
    return realm < dscp.size() ? dscp[realm] : std::uint8_t{0};
  }

  std::vector<Listener> listeners;
  std::vector<std::uint8_t> dscp;  // by realm; what is missing is not marked
  Limits limits;
  steer::NodeKey key;
  std::uint8_t shards = 1;
  std::size_t ring_bytes = 4 << 20;  // each shard's ring, each direction
  int handshake_threads = 2;
};

// Every address of every realm that has sip.tcp or sip.tls.
[[nodiscard]] Options options_of(const config::Config& config, const steer::NodeKey& key);

}  // namespace sallyport::stream
