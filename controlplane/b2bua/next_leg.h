// SPDX-License-Identifier: Apache-2.0
// What `sallyport route` shows of the leg that a call goes on with: who is called, who calls, and whether the
// leg may be at all. It asks the functions that write the INVITE, over one made up for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/response_map/explain.h"
#include "controlplane/routing/dry_run.h"

namespace sallyport::b2bua {

// A call as it comes.
struct IncomingCall {
  config::PeerIndex from = config::kNoIndex;
  std::string_view uri;      // Request-URI
  std::string_view calling;  // URI in its From, P-Asserted-Identity and Diversion; empty: not asked for
};

// Values of header fields, without tags.
struct NextLeg {
  std::string request_uri;
  std::string to;
  std::string from;
  std::vector<std::string> asserted;   // P-Asserted-Identity; empty: it does not cross
  std::vector<std::string> diversion;  // the same
  std::vector<std::string> answered;   // P-Asserted-Identity of the callee's answer, as the caller hears it
};

struct NextLegs {
  // By target of the run.
  struct Target {
    std::optional<NextLeg> leg;                        // where `calling` was given
    std::optional<response_map::Explanation> refusal;  // the call does not go there
  };
  std::vector<Target> targets;
  std::optional<response_map::Explanation> refusal;  // no target may be tried
};

// Of each target of `run`, which is of that call. Marks in `run` what it has found.
[[nodiscard]] NextLegs next_legs(const config::Config& config, const response_map::Maps& maps,
                                 const IncomingCall& call, routing::DryRun& run);

}  // namespace sallyport::b2bua
