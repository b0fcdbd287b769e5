// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/peer_table.h"

#include <algorithm>

namespace sallyport::routing {

PeerTable::PeerTable(const config::Config& config) : config_(&config), resolved_(config.realms.size()) {
  std::vector<RealmTable> realms(config.realms.size());
  for (std::size_t index = 0; index < config.peers.size(); ++index) {
    const config::Peer& peer = config.peers[index];
    if (peer.retired) continue;
    for (const std::string& name : peer.match_names) {
      realms[peer.realm].names.emplace(name, static_cast<config::PeerIndex>(index));
    }
    for (const Prefix& prefix : peer.match) {
      RealmTable& realm = realms[peer.realm];
      auto& levels = prefix.address.is_v4() ? realm.v4 : realm.v6;
      const auto longer = [&](const Level& level) { return level.length > prefix.length; };
      auto at = std::find_if_not(levels.begin(), levels.end(), longer);
      if (at == levels.end() || at->length != prefix.length) at = levels.insert(at, {prefix.length, {}});
      at->peers.emplace(prefix.network(), static_cast<config::PeerIndex>(index));
    }
  }
  realms_ = std::make_shared<const std::vector<RealmTable>>(std::move(realms));
}

std::optional<config::PeerIndex> PeerTable::find(config::RealmIndex realm, const IpAddress& source) const {
  if (realm >= realms_->size()) return std::nullopt;
  const std::uint8_t whole = source.is_v4() ? 32 : 128;
  const auto resolved = resolved_[realm].find(source);
  const bool is_resolved = resolved != resolved_[realm].end();
  for (const Level& level : source.is_v4() ? (*realms_)[realm].v4 : (*realms_)[realm].v6) {
    if (is_resolved && level.length < whole) break;
    const auto found = level.peers.find(Prefix{source, level.length}.network());
    if (found != level.peers.end()) return found->second;
  }
  return is_resolved ? std::optional(resolved->second) : std::nullopt;
}

void PeerTable::succeed(const PeerTable& next) {
  realms_ = next.realms_;
  for (Resolved& realm : resolved_) realm.clear();
}

void PeerTable::learn(const ResolvedNames& names) {
  for (Resolved& realm : resolved_) realm.clear();
  for (const ResolvedName& name : names) {
    const config::Peer& peer = config_->peers[name.peer];
    if (!peer.match_targets || peer.retired || !name.is_target()) continue;
    for (const ResolvedPlace& place : name.places) {
      resolved_[peer.realm].emplace(place.endpoint.address, name.peer);
    }
  }
}

std::optional<config::PeerIndex> PeerTable::find_name(config::RealmIndex realm,
                                                      const std::vector<std::string>& domains) const {
  for (const std::string& domain : domains) {
    const auto found = (*realms_)[realm].names.find(domain);
    if (found != (*realms_)[realm].names.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace sallyport::routing
