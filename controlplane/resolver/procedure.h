// SPDX-License-Identifier: Apache-2.0
// Theory of operation. RFC 3263 4 as a function over what is known: procedure() walks the steps for one
// target and either ends, or names the questions whose answers it lacks; with those it is called again from
// the start. So it has no state, waits for nothing, and a test hands it a zone.
//
//   port in the URI ───────────────────────────────▶ A, AAAA of the name, that port            (4.2)
//   transport in the URI ─▶ SRV of it ─ none ──────▶ A, AAAA of the name, its standard port    (4.1, 4.2)
//   neither ─▶ NAPTR ─ none ─▶ SRV of each transport ─ none ─▶ A, AAAA, UDP or what there is
//                └─▶ SRV of its replacements, by order and preference; then A, AAAA of their targets
//
// sips goes over TLS only. Only transports that the realm speaks and families that it has an address of
// count. "." as the target of a SRV record says that there is no such service: nothing else is looked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/resolver/counters.h"
#include "controlplane/resolver/dns_message.h"
#include "controlplane/routing/resolved.h"

namespace sallyport::resolver {

// A target as the procedure sees it.
struct Wanted {
  std::string host;
  std::uint16_t port = 0;                     // of the URI; 0: none
  std::vector<config::Transport> transports;  // that may be used, preferred first; not empty
  bool transport_given = false;
  std::vector<Family> families;  // that the realm has, preferred first
  std::vector<IpAddress> own;    // addresses of ours, in any realm
  friend bool operator==(const Wanted&, const Wanted&) = default;
};
[[nodiscard]] Wanted wanted(const config::Config& config, const config::Peer& peer,
                            const config::Target& target);

using Known = std::map<Question, Answer>;

struct Outcome {
  std::vector<Question> missing;  // not empty: not at an end; nothing below counts
  routing::NameState state = routing::NameState::pending;
  std::vector<routing::ResolvedPlace> places;
  std::optional<std::uint32_t> ttl_s;  // the least of what was used; of a negative answer its own
  bool incomplete = false;             // the servers failed for some of the targets of SRV records
  std::array<unsigned, static_cast<std::size_t>(Discard::kCount)> discarded{};
};

// Bounds of one name. Beyond them nothing is asked and nothing is used.
inline constexpr std::size_t kMostServices = 8;  // NAPTR records that are followed
inline constexpr std::size_t kMostServers = 16;  // SRV records, of all services
inline constexpr std::size_t kMostPlaces = 64;

[[nodiscard]] Outcome procedure(const Wanted& wanted, const Known& known);

}  // namespace sallyport::resolver
