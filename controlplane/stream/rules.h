// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <future>
#include <memory>
#include <utility>

#include "controlplane/config/config.h"
#include "controlplane/routing/peer_table.h"
#include "controlplane/stream/tls_context.h"

namespace sallyport::stream {

// What the stream transport judges connections by, and a reload exchanges: a configuration of its own with
// what is made of it. `contexts`: TlsContexts::load(configuration); null where no realm speaks TLS.
struct Rules {
  Rules(config::Config configuration, std::shared_ptr<const TlsContexts> loaded)
      : config(std::move(configuration)), peers(config), contexts(std::move(loaded)) {}
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;

  config::Config config;
  routing::PeerTable peers;
  std::shared_ptr<const TlsContexts> contexts;
  std::promise<void> taken;
};

}  // namespace sallyport::stream
