// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "controlplane/config/config.h"

namespace sallyport::routing {

// Who speaks: the peer of a realm whose `match` holds a source address, the longest prefix first. Built once
// from a configuration; reads only after that, so shards may share one.
class PeerTable {
 public:
  explicit PeerTable(const config::Config& config);

  // nullopt: an unknown source (realm.unknown_source says what it gets).
  [[nodiscard]] std::optional<config::PeerIndex> find(config::RealmIndex realm,
                                                      const IpAddress& source) const;

 private:
  // All prefixes of one length, by their network address.
  struct Level {
    std::uint8_t length = 0;
    std::unordered_map<IpAddress, config::PeerIndex, IpAddressHash> peers;
  };
  struct RealmTable {
    std::vector<Level> v4, v6;  // longest first
  };
  std::vector<RealmTable> realms_;
};

}  // namespace sallyport::routing
