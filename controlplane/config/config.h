// SPDX-License-Identifier: Apache-2.0
// Theory of operation. One struct holds everything that the configuration file may say, with every default
// written here and nowhere else. The loader (load.h) fills it and hands it out only when the file has no
// fault, so that readers need no checks of their own: names are resolved to indices, prefixes and targets are
// parsed, what a realm says stands in its peers unless they say otherwise, and every index is in range. A
// Config does not change once it is loaded; a reload makes a new one (succession.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/fault.h"
#include "controlplane/config/peer_policy.h"
#include "controlplane/config/session_timers.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"

namespace sallyport::config {

// Indices into Config's vectors.
using PortIndex = std::uint8_t;
using RealmIndex = std::uint16_t;
using PeerIndex = std::uint16_t;
using MapIndex = std::uint16_t;
inline constexpr std::uint16_t kNoIndex = 0xffff;
// In Config::peers, those that reloads have removed among them. A file may have half as many.
inline constexpr std::size_t kMostPeers = 20'000;

// ---- dataplane
// -----------------------------------------------------------------------------------------------

enum class Idle : std::uint8_t { adaptive, busy };
enum class Memory : std::uint8_t { automatic, hugepages, ordinary };

struct Port {
  std::string name;    // also the metrics label
  std::string device;  // a PCI address or a DPDK vdev with its arguments
  std::uint16_t mtu = 0;  // of IP; 0: the device's, at most 1500
  Place at;
  friend bool operator==(const Port&, const Port&) = default;
};

struct Dataplane {
  std::vector<unsigned> cores{1};  // logical cores that poll, no duplicates; presence is looked at on start
  Idle idle = Idle::adaptive;
  Memory memory = Memory::automatic;
  std::vector<Port> ports;       // 1 to 8
  std::vector<std::string> eal;  // further EAL arguments, as they are
  friend bool operator==(const Dataplane&, const Dataplane&) = default;
};

// ---- control plane
// --------------------------------------------------------------------------------------------

// RFC 3261 17.1.1.1. Shorter values are for tests.
struct SipTimers {
  Nanoseconds t1_ns = 500 * kMillisecond;
  Nanoseconds t2_ns = 4 * kSecond;
  Nanoseconds t4_ns = 5 * kSecond;
  friend bool operator==(const SipTimers&, const SipTimers&) = default;
};

struct Controlplane {
  unsigned shards = 1;  // 1 to 64
  std::vector<unsigned>
      cores;  // shard n is pinned to cores[n % size]; empty: to those that do not poll, in turn
  Nanoseconds drain_ns = 30 * kSecond;
  std::uint32_t max_calls = 50'000;      // at once, in the process; the shards share it equally
  std::uint32_t max_connections = 8192;  // of SIP over TCP and TLS, in the process
  SipTimers sip;
  friend bool operator==(const Controlplane&, const Controlplane&) = default;
};

// ---- realms
// -----------------------------------------------------------------------------------------------------

enum class PrivateMedia : std::uint8_t { automatic, latch, reject, trust };
enum class Latch : std::uint8_t { automatic, off, once, same_address, asymmetric };
enum class UnknownSource : std::uint8_t { reject, drop };

// What a realm says of its media and a peer may say otherwise.
struct MediaPolicy {
  PrivateMedia private_media = PrivateMedia::automatic;
  Latch latch = Latch::automatic;
  std::uint8_t latch_mask = 32;                // prefix bits, IPv4; IPv6 takes 96 more
  Nanoseconds relatch_after_ns = 2 * kSecond;  // same_address: 0: never
  // How long media may be silent (media/silence.h); 0: for ever.
  Nanoseconds idle_timeout_ns = 60 * kSecond;     // nobody is heard
  Nanoseconds one_way_timeout_ns = 60 * kSecond;  // one side is not
  Nanoseconds hold_timeout_ns = 3600 * kSecond;   // nobody, on hold
  // Which of them end the call; the others are only reported.
  bool idle_ends = true, one_way_ends = false, hold_ends = true;
  bool police = true;                           // hold endpoints to what was negotiated
  bool any_payload_type = false;                // relay RTP of types that were not negotiated
  Nanoseconds nat_keepalive_ns = 25 * kSecond;  // 0: off
  friend bool operator==(const MediaPolicy&, const MediaPolicy&) = default;
};

// As sip::Transport, number by number.
enum class Transport : std::uint8_t { udp, tcp, tls };

enum class TlsVerify : std::uint8_t { no, optional, yes };

struct KeyPair {
  std::string certificate;  // the chain, ours first; empty: none
  std::string key;
  friend bool operator==(const KeyPair&, const KeyPair&) = default;
};

// Of a realm: what it shows to those who connect, and whether they have to show a certificate (`verify`). Of
// a peer: what we show when we connect to it, and whether its certificate is held against its name. Files in
// PEM.
struct Tls {
  KeyPair own;               // a peer's: its realm's unless it has its own
  std::vector<KeyPair> sni;  // of a realm: instead of `own`, to who asks for a name in one of them
  std::string ca;  // trust anchors; empty: the system's for those we connect to, none for those who connect
  TlsVerify verify = TlsVerify::optional;
  std::string name;  // of a peer: the SIP domain its certificate has to be for (RFC 5922); empty: a target's
  Place at;          // line 0: not written
  friend bool operator==(const Tls&, const Tls&) = default;
};

struct Realm {
  std::string name;
  PortIndex port = 0;
  std::uint16_t vlan = 0;         // 0: untagged
  std::vector<Prefix> addresses;  // at least one, with prefix length; the first of a family is that family's
                                  // SIP address, and all of them carry media
  std::vector<IpAddress> gateways;     // each within one of `addresses`
  std::uint16_t sip_udp = 5060;        // 0: none
  std::uint16_t sip_tcp = 0;           // 0: none. On every address of the realm
  std::uint16_t sip_tls = 0;           // the same
  std::uint32_t sip_police = 4000;     // SIP datagrams a second of one source address; 0: no limit
  Tls tls;                             // with sip_tls: has a certificate
  std::uint8_t sip_dscp = 24;          // CS3, for signalling (RFC 4594 4.2)
  std::uint8_t media_dscp = 46;        // EF, for telephony (RFC 4594 4.1)
  std::uint16_t media_first = 20'000;  // even
  std::uint16_t media_last = 59'999;   // odd
  MediaPolicy media;
  UnknownSource unknown_source = UnknownSource::reject;
  Place at;

  // The port that we listen at; 0: that transport is not spoken here.
  [[nodiscard]] std::uint16_t sip_port(Transport transport) const;
  // The first address of that family; of no family when there is none.
  [[nodiscard]] IpAddress address(Family family) const;
  friend bool operator==(const Realm&, const Realm&) = default;
};

// ---- peers
// -------------------------------------------------------------------------------------------------------

struct Target {
  Endpoint endpoint;  // port 5060 when the URI has none, 5061 over TLS. No address where `host` is a name
  Transport transport = Transport::udp;
  std::string uri;  // as written
  // A name to look up (RFC 3263), lower case, without a last dot; empty: the endpoint stands in the URI.
  std::string host;
  std::uint16_t host_port = 0;   // what the URI says beside the name; 0: nothing
  bool transport_given = false;  // the same, of `transport`
  bool secure = false;           // sips
  friend bool operator==(const Target&, const Target&) = default;
};

// Each ends the call on both legs with a local error of its name.
struct Limits {
  Nanoseconds setup_ns = 32 * kSecond;            // INVITE sent to the first response above 100
  Nanoseconds ring_ns = 180 * kSecond;            // that response to the final one
  Nanoseconds duration_ns = kSecond * 12 * 3600;  // answer to end
  std::uint32_t calls = 0;                        // at once, both directions; 0: no limit
  std::uint32_t rate = 0;                         // new calls a second, both directions; 0: no limit
  // Over TCP and TLS, at once, that the peer opened; of one address of its. More are closed at accept.
  std::uint32_t connections = 1000;
  std::uint32_t connections_per_source = 100;
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Peer {
  std::string name;
  RealmIndex realm = 0;
  std::vector<Prefix> match;   // sources; absent in the file: the targets' addresses
  bool match_targets = false;  // absent in the file: also the addresses that the targets' names lead to
  std::vector<std::string> match_names;  // "tls:NAME": the domain of its certificate (RFC 5922), lower case
  Tls tls;
  std::vector<Target> targets;  // failover order; empty: a peer that only calls us
  MediaPolicy media;            // the realm's, with what this peer says otherwise
  std::vector<Prefix> trusted_private;
  Nanoseconds probe_ns = 0;  // OPTIONS to each target; 0: none
  Limits limits;
  SessionTimers session_timer;
  MapIndex map_receive = kNoIndex;  // cleans what this peer says
  MapIndex map_send = kNoIndex;     // adapts what this peer hears
  bool trusted = false;             // of our trust domain (RFC 3325): tells and is told asserted identities
  Numbers numbers;
  Codecs codecs;
  Headers headers;
  Credentials credentials;  // for challenges of this peer; empty: they are passed on
  Redirects redirects;
  ReferMode refer = ReferMode::pass;
  UnknownMethods unknown_methods = UnknownMethods::refuse;
  // A reload has removed it (succession.h): it is only here for the calls that it still has.
  bool retired = false;
  Place at;
  friend bool operator==(const Peer&, const Peer&) = default;
};

// ---- routes
// ------------------------------------------------------------------------------------------------------

struct RouteTarget {
  PeerIndex peer = 0;
  std::uint32_t weight = 0;  // 0 in a failover list, 1 to 1000 in a map of weights
  friend bool operator==(const RouteTarget&, const RouteTarget&) = default;
};

struct Route {
  std::vector<PeerIndex> from;  // empty: any peer
  std::string user;             // pattern with '*' and '?'; empty: any user, also none
  std::vector<RouteTarget> to;  // at least one, each with targets
  bool weighted = false;
  Numbers numbers;  // between those of the two peers
  Place at;
  friend bool operator==(const Route&, const Route&) = default;
};

// ---- response maps
// -----------------------------------------------------------------------------------------------

// Codes first to last. `503` is exact, `500-599` a range, `4xx` a class.
struct CodeSpan {
  enum class Kind : std::uint8_t { exact, range, status_class };
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  Kind kind = Kind::exact;
  [[nodiscard]] constexpr bool holds(unsigned code) const { return code >= first && code <= last; }
  friend bool operator==(const CodeSpan&, const CodeSpan&) = default;
};

// As written; what a rule may say is the response_map room's to judge, only shapes are checked here. Each has
// at least one condition and one output. A rule with `local` has none of code, phrase and q850: they are a
// peer's.
struct MapRule {
  // conditions
  std::optional<CodeSpan> code;
  std::optional<std::string> phrase;
  std::optional<std::uint8_t> q850;  // 1 to 127
  std::optional<std::string> local;  // name of a local error
  // outputs
  std::optional<std::uint16_t> send;  // 100 to 699
  std::optional<std::string> send_phrase;
  std::optional<std::uint8_t> send_q850;      // 1 to 127
  std::optional<std::uint16_t> warning;       // 300 to 399
  std::optional<Nanoseconds> retry_after_ns;  // whole seconds
  std::optional<bool> failover;

  Place at, code_at, local_at, send_at, warning_at;  // line 0 where the key is absent
  friend bool operator==(const MapRule&, const MapRule&) = default;
};

struct MapBase {
  std::string name;
  Place at;
  friend bool operator==(const MapBase&, const MapBase&) = default;
};

struct MapConfig {
  std::string name;
  std::vector<MapBase> base;
  std::vector<MapRule> rules;
  bool retired =
      false;  // a reload has changed or removed it: it is here for retired peers, and its name is free
  Place at;
  friend bool operator==(const MapConfig&, const MapConfig&) = default;
};

// ---- names
// -------------------------------------------------------------------------------------------------------

enum class DnsTransport : std::uint8_t { udp, tcp };

// How names of targets are looked up (RFC 3263). The servers are asked over the kernel's sockets.
struct Dns {
  std::vector<Endpoint> servers;               // in this order; empty: those of /etc/resolv.conf
  DnsTransport transport = DnsTransport::udp;  // udp: and TCP for answers that were cut
  Nanoseconds timeout_ns = 2 * kSecond;        // of the first try; each further one waits twice as long
  unsigned tries = 2;                          // of each server
  // What an answer's TTL is held to.
  Nanoseconds min_ttl_ns = 5 * kSecond;
  Nanoseconds max_ttl_ns = 3600 * kSecond;
  // How long the last good answer is used beyond its TTL when no server answers (RFC 8767); 0: not at all.
  Nanoseconds max_stale_ns = 24 * 3600 * kSecond;
  friend bool operator==(const Dns&, const Dns&) = default;
};

// ---- the rest
// ----------------------------------------------------------------------------------------------------

enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class LogFormat : std::uint8_t { text, json };

struct Metrics {
  std::optional<Endpoint> listen = Endpoint{IpAddress::v4(0x7f000001), 9464};
  friend bool operator==(const Metrics&, const Metrics&) = default;
};
struct Status {
  std::optional<Endpoint> listen;
  friend bool operator==(const Status&, const Status&) = default;
};
struct Admin {
  std::string socket = "/run/sallyport/admin.sock";
  friend bool operator==(const Admin&, const Admin&) = default;
};
struct Cdr {
  std::string file;            // empty: no records
  Nanoseconds interim_ns = 0;  // 0: no interim records
  std::size_t rotate_bytes = 0;  // no line makes the file larger than that; 0: no rotation
  unsigned keep = 10;            // rotated files
  friend bool operator==(const Cdr&, const Cdr&) = default;
};
struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  friend bool operator==(const Log&, const Log&) = default;
};
// A Homer server that gets a copy of each SIP message (HEPv3 over UDP).
struct Hep {
  Endpoint server;
  std::uint32_t id = 2001;  // of ours, among the server's capture agents
  std::string password;     // empty: none is sent
  friend bool operator==(const Hep&, const Hep&) = default;
};
// What is kept of the SIP that passes, and of media while somebody looks at it. Memory is taken at start.
struct Trace {
  std::size_t ring_bytes = 16 << 20;   // of each shard; 0: nothing is kept
  std::size_t failed_bytes = 4 << 20;  // of each shard, for calls that failed; 0: they are kept as others are
  std::size_t media_bytes = 4 << 20;   // of each worker; 0: media cannot be looked at
  std::optional<Hep> hep;
  friend bool operator==(const Trace&, const Trace&) = default;
};

struct Config {
  Dataplane dataplane;
  Controlplane controlplane;
  std::vector<Realm> realms;  // 1 to 32
  std::vector<Peer> peers;
  std::vector<Route> routes;  // first match wins
  // After a reload: the routes to walk, in order. The others are only here for the calls that went by them.
  std::optional<std::vector<std::uint16_t>> route_order;
  std::vector<MapConfig> response_maps;
  Dns dns;
  Metrics metrics;
  Status status;
  Admin admin;
  Cdr cdr;
  Log log;
  Trace trace;
  std::uint32_t generation = 0;  // how many reloads there were before

  // kNoIndex where there is none of that name; retired peers count. Calls carry indices.
  [[nodiscard]] PeerIndex find_peer(std::string_view name) const;
  [[nodiscard]] RealmIndex find_realm(std::string_view name) const;
};

// The indices of the routes to walk, in order.
[[nodiscard]] std::vector<std::uint16_t> walked_routes(const Config& config);

// The words of the configuration, for text and JSON.
[[nodiscard]] std::string_view to_text(PrivateMedia value);
[[nodiscard]] std::string_view to_text(Latch value);
[[nodiscard]] std::string_view to_text(UnknownSource value);
[[nodiscard]] std::string_view to_text(LogLevel value);

}  // namespace sallyport::config
