// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/routing/peer_health.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/path.h"
#include "controlplane/sip/transaction_user.h"

namespace sallyport::b2bua {

// A request outside of any dialog on its way through: it lives as long as its sender waits for the answer.
struct Standalone {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  sip::ServerId server;
  config::PeerIndex from = config::kNoIndex;
  std::optional<std::size_t> route;
  std::vector<routing::TargetId> candidates;
  std::size_t next_candidate = 0;
  routing::TargetId target;  // the current one
  std::string next_host;     // of our Request-URI
  sip::Path path;            // to it
  bool sips = false;         // by a sips URI
  std::uint32_t cseq = 0;
  sip::Authenticator authenticator;  // of challenges of the current target
};

}  // namespace sallyport::b2bua
