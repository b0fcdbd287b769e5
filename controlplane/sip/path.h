// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/base/address.h"

namespace sallyport::sip {

enum class Transport : std::uint8_t { udp, tcp, tls };

// Reliable transports retransmit nothing and have their waiting timers at zero (RFC 3261 17).
[[nodiscard]] constexpr bool is_reliable(Transport transport) {
  return transport != Transport::udp;
}
// As in a Via: "UDP", "TCP", "TLS".
[[nodiscard]] constexpr std::string_view transport_name(Transport transport) {
  return transport == Transport::udp ? "UDP" : transport == Transport::tcp ? "TCP" : "TLS";
}
// What a URI of ours says of its transport; for UDP nothing (RFC 3263 4.1).
[[nodiscard]] constexpr std::string_view transport_param(Transport transport) {
  return transport == Transport::udp ? "" : transport == Transport::tcp ? ";transport=tcp" : ";transport=tls";
}
// RFC 3261 19.1.2.
[[nodiscard]] constexpr std::uint16_t default_port(Transport transport) {
  return transport == Transport::tls ? 5061 : 5060;
}

// Path::peer where nothing but the source address says who it is.
inline constexpr std::uint16_t kPeerByAddress = 0xffff;

// As whom the far end of a TLS connection of ours is called: a host name of the configuration by a hash of it
// (a path is plain data, and indices change with a reload), or one of these.
using HostKey = std::uint32_t;
inline constexpr HostKey kAnyHost = 0;      // the peer, by whichever name
inline constexpr HostKey kAddressHost = 1;  // what is called is written as an address
// `host`: in lower case; empty: an address. FNV-1a, never one of the two above for a name.
[[nodiscard]] constexpr HostKey host_key(std::string_view host) {
  if (host.empty()) return kAddressHost;
  HostKey key = 2166136261;
  for (const char c : host) key = (key ^ static_cast<unsigned char>(c)) * 16777619;
  return key > kAddressHost ? key : key + 2;
}

// Where a message came from, or goes: the realm that it passes, our endpoint and theirs.
struct Path {
  Endpoint local;
  Endpoint remote;
  std::uint16_t realm = 0;
  Transport transport = Transport::udp;
  std::uint32_t connection = 0;  // of a stream transport: its handle; 0: none, or whichever leads there
  std::uint16_t peer = kPeerByAddress;  // whom the connection's certificate has named (config::PeerIndex)
  HostKey host = kAnyHost;              // over TLS: by which name a connection of ours calls that peer

  friend bool operator==(const Path&, const Path&) = default;
};

// Who takes messages away: the shard's ring to a worker, or its stream transport.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  // Takes a copy of `octets`. False: it will not leave (too large, no such connection), a transport error in
  // the sense of RFC 3261 17.1.4. What may be lost without a word is UDP's alone.
  [[nodiscard]] virtual bool send(const Path& path, std::string_view octets) = 0;
};

}  // namespace sallyport::sip
