// SPDX-License-Identifier: Apache-2.0
// Theory of operation. route() walks the configured routes, the first that fits `from` and `user` decides.
// Its peers become an ordered list of targets to try: in a failover list as written; with weights one is
// drawn and the others follow by falling weight. Within a peer its targets stand in their order, those that a
// name led to by the priorities and weights of its records. Targets that PeerHealth holds to be out of use
// are left out, unless that would leave none: then all are tried in order. Pure: chance, clock and health are
// passed in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/routing/peer_health.h"

namespace sallyport::routing {

struct RouteChoice {
  std::optional<std::size_t>
      route;  // index into Config::routes; nullopt: no route fits (local error no-route)
  // Try in this order; empty only without a route, or where no name of its peers leads anywhere.
  std::vector<TargetId> candidates;
  bool last_resort = false;  // every target was out of use
};

// One step of `sallyport route`: every target that the route names, in the order in which it would be tried,
// then those that are left out.
struct RouteStep {
  TargetId id;
  bool tried = true;
  std::string why;
};

struct RouteReport {
  RouteChoice choice;
  std::vector<RouteStep> steps;
};

class Router {
 public:
  // `config` must outlive the router.
  explicit Router(const config::Config& config) : config_(config) {}

  // `user`: the Request-URI's user part as it stands on the wire (escapes are undone here; what follows a ';'
  // is not part of the number). `random`: any uniform number; it decides between weights.
  [[nodiscard]] RouteChoice route(config::PeerIndex from, std::string_view user, std::uint64_t random,
                                  const PeerHealth& health, Nanoseconds now_ns) const;
  // The same with a reason for each target.
  [[nodiscard]] RouteReport explain(config::PeerIndex from, std::string_view user, std::uint64_t random,
                                    const PeerHealth& health, Nanoseconds now_ns) const;

 private:
  [[nodiscard]] std::optional<std::size_t> find_route(config::PeerIndex from, std::string_view number) const;

  const config::Config& config_;
};

// '*' stands for any run of characters, '?' for any one; all else for itself, case included (RFC
// 3261 19.1.4). Time is bounded by pattern times text.
[[nodiscard]] bool pattern_matches(std::string_view pattern, std::string_view text);

}  // namespace sallyport::routing
