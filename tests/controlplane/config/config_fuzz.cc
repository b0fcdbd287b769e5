// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/config/check.h"
#include "controlplane/config/load.h"
#include "controlplane/config/succession.h"

// Whatever the text: a configuration whose indices are in range and that may follow itself, or at least one
// fault.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::config;
  const auto config = load({reinterpret_cast<const char*>(data), size});
  if (!config) {
    if (config.error().empty() || format_faults("f", config.error()).empty()) std::abort();
    return 0;
  }
  for (const Realm& realm : config->realms) {
    if (realm.port >= config->dataplane.ports.size() || realm.addresses.empty()) std::abort();
    if (realm.media_first % 2 != 0 || realm.media_last <= realm.media_first) std::abort();
  }
  for (const Peer& peer : config->peers) {
    if (peer.realm >= config->realms.size()) std::abort();
    // Without a match it is known by the addresses of its targets, or by those that their names lead to.
    const bool has_name =
        std::ranges::any_of(peer.targets, [](const Target& target) { return !target.host.empty(); });
    if (peer.match.empty() && !has_name) std::abort();
    if (peer.map_receive != kNoIndex && peer.map_receive >= config->response_maps.size()) std::abort();
  }
  for (const Route& route : config->routes) {
    if (route.to.empty()) std::abort();
    for (const RouteTarget& to : route.to) {
      if (to.peer >= config->peers.size() || config->peers[to.peer].targets.empty()) std::abort();
    }
  }
  const auto next = succeed(*config, *config);
  if (!next || !next->changed.empty() || !next->waiting.empty()) std::abort();
  if (walked_routes(next->config) != walked_routes(*config)) std::abort();
  return 0;
}
