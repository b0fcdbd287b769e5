// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <future>
#include <utility>

#include "controlplane/b2bua/peer_policies.h"
#include "controlplane/config/config.h"
#include "controlplane/response_map/response_map.h"
#include "controlplane/routing/peer_table.h"

namespace sallyport::shard {

// What a reload hands to one shard: a configuration of its own, as shards share nothing, with all that is
// compiled from it, so that the shard only exchanges and compiles nothing. Once it is taken, what the shard
// had before stands in its place and goes with it, on the thread that made it. `config` is of
// config::succeed().
struct Rules {
  Rules(config::Config configuration, response_map::Maps compiled)
      : config(std::move(configuration)), maps(std::move(compiled)), peers(config), policies(config) {}
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;

  config::Config config;
  response_map::Maps maps;
  routing::PeerTable peers;
  b2bua::PeerPolicies policies;
  std::promise<void> taken;
};

}  // namespace sallyport::shard
