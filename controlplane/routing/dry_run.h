// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/routing/router.h"

namespace sallyport::routing {

struct DryRunTarget {
  RouteStep step;
  config::Target target;     // one by name has no address
  std::string user;          // of the Request-URI that this target would get
  bool passed_over = false;  // rules of the route or the target's peer leave it, for its phone-context
  // What routes do not know and whoever knows the legs fills in (b2bua/next_leg.h).
  std::string refusal;             // why the call does not go there, with the code that stands for it
  std::vector<std::string> lines;  // what its next leg says
};

struct DryRun {
  std::string user;                        // as heard
  std::string number;                      // after the caller's numbers.in: what the routes are matched with
  std::optional<std::size_t> number_rule;  // the one of numbers.in that decided
  std::string context;                     // the phone-context of the number
  bool passed_over = false;                // for which numbers.in leaves it as it is
  RouteChoice choice;
  std::vector<DryRunTarget> targets;
  std::string refusal;  // of the whole call, as a target's
};

// The route of a call from that peer to that URI, and each target in order. All targets count as up; names
// are looked up by the running process only, so each counts as one target. `random` decides between weights.
// Error: one sentence (no such peer, not a URI).
[[nodiscard]] std::expected<DryRun, std::string> dry_run(const config::Config& config,
                                                         std::string_view from_peer, std::string_view uri,
                                                         std::uint64_t random);

// What `sallyport route --from PEER URI` prints: the route that decides, with its place in the file, and each
// target in order with a reason and the number it would be sent.
[[nodiscard]] std::string render(const config::Config& config, const DryRun& run);

}  // namespace sallyport::routing
