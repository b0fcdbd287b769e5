// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/config/reader.h"

namespace sallyport::config {

// A configuration while it is read: beside it the places that a later check may have to name. Places are kept
// for entries that were read without a fault, in the order of Config's own lists.
struct Draft {
  struct RealmPlaces {
    bool port_known = false;
    std::vector<Place> addresses;
    std::vector<Place> gateways;
    Place sip_udp;  // of the realm where the file does not say it
  };
  struct PeerPlaces {
    bool realm_known = false;
    bool targets_given = false;  // also when each had a fault
    std::vector<Place> match;
    std::vector<Place> match_names;
    std::vector<Place> targets;
  };
  struct RoutePlaces {
    std::vector<Place> to;
  };

  Config config;
  Place memory;
  std::vector<Place> shard_cores;
  std::vector<RealmPlaces> realms;
  std::vector<PeerPlaces> peers;
  std::vector<RoutePlaces> routes;
  std::vector<Place> dns_servers;
  Place status_listen;

  // Names that were given, also of entries that had faults: those are not reported a second time as
  // undefined.
  [[nodiscard]] std::uint16_t port_index(std::string_view name) const;
  [[nodiscard]] std::uint16_t map_index(std::string_view name) const;
};

// One per section; `top` is the whole file. Realms need the ports, peers the realms and maps, routes the
// peers.
void read_dataplane(MapReader& top, Draft& draft);
void read_controlplane(MapReader& top, Draft& draft);
void read_realms(MapReader& top, Draft& draft);
void read_response_maps(MapReader& top, Draft& draft);
void read_peers(MapReader& top, Draft& draft);
void read_routes(MapReader& top, Draft& draft);
void read_dns(MapReader& top, Draft& draft);
void read_operations(MapReader& top, Draft& draft);  // metrics, status, admin, cdr, log
void read_trace(MapReader& top, Draft& draft);

// The first line of a file, without blanks at its ends; a fault and nothing where there is none.
[[nodiscard]] std::optional<std::string> secret_of(const Value& file);

// private_media, nat_keepalive, and of `media` (nullptr: absent) what a peer may say too: latches, timeouts,
// policing.
void read_media_policy(MapReader& owner, MapReader* media, MediaPolicy& policy);
void read_session_timers(MapReader& peer_reader, SessionTimers& timers);

// trusted, numbers, codecs, headers, credentials and redirects of a peer; numbers of a route.
void read_policies(MapReader& peer_reader, Peer& peer);
void read_numbers(MapReader& owner, Numbers& numbers);
// The header fields of `headers` (read_headers.cc).
void read_header_policy(MapReader& peer_reader, Headers& headers);

// `tls` of a realm and of a peer; a peer begins with its realm's files.
void read_tls(MapReader& owner, Tls& tls, bool of_peer);

// What no section can judge alone: collisions of addresses, ports, matches; memory and devices.
void cross_check(const Draft& draft, Faults& faults);

}  // namespace sallyport::config
