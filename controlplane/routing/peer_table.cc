// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/peer_table.h"

#include <algorithm>

namespace sallyport::routing {

PeerTable::PeerTable(const config::Config& config) : realms_(config.realms.size()) {
  for (std::size_t index = 0; index < config.peers.size(); ++index) {
    const config::Peer& peer = config.peers[index];
    for (const Prefix& prefix : peer.match) {
      RealmTable& realm = realms_[peer.realm];
      auto& levels = prefix.address.is_v4() ? realm.v4 : realm.v6;
      const auto longer = [&](const Level& level) { return level.length > prefix.length; };
      auto at = std::find_if_not(levels.begin(), levels.end(), longer);
      if (at == levels.end() || at->length != prefix.length) at = levels.insert(at, {prefix.length, {}});
      at->peers.emplace(prefix.network(), static_cast<config::PeerIndex>(index));
    }
  }
}

std::optional<config::PeerIndex> PeerTable::find(config::RealmIndex realm, const IpAddress& source) const {
  if (realm >= realms_.size()) return std::nullopt;
  for (const Level& level : source.is_v4() ? realms_[realm].v4 : realms_[realm].v6) {
    const auto found = level.peers.find(Prefix{source, level.length}.network());
    if (found != level.peers.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace sallyport::routing
