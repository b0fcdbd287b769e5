// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/routing/resolved.h"

namespace sallyport::routing {

// Who speaks: the peer of a realm whose `match` holds a source address, the longest prefix first. A peer
// without `match` is also known by the addresses that its targets' names lead to: whole addresses, of two
// such peers the first, but `match` of the same length comes before them. Copies share what comes from the
// configuration; what they learn of names is their own, so every thread that learns has a copy.
class PeerTable {
 public:
  // `config` must outlive it.
  explicit PeerTable(const config::Config& config);

  // nullopt: an unknown source (realm.unknown_source says what it gets).
  [[nodiscard]] std::optional<config::PeerIndex> find(config::RealmIndex realm,
                                                      const IpAddress& source) const;
  // By one of the domains that its certificate is for (lower case), where that was found good.
  [[nodiscard]] std::optional<config::PeerIndex> find_name(config::RealmIndex realm,
                                                           const std::vector<std::string>& domains) const;
  // Whether there is a peer of that realm who is known by name.
  [[nodiscard]] bool has_names(config::RealmIndex realm) const { return !(*realms_)[realm].names.empty(); }

  void learn(const ResolvedNames& names);
  // After a reload: `next` is of the configuration that has taken the place of ours, in the same object. What
  // was learnt is forgotten.
  void succeed(const PeerTable& next);

 private:
  // All prefixes of one length, by their network address.
  struct Level {
    std::uint8_t length = 0;
    std::unordered_map<IpAddress, config::PeerIndex, IpAddressHash> peers;
  };
  struct RealmTable {
    std::vector<Level> v4, v6;  // longest first
    std::unordered_map<std::string, config::PeerIndex> names;
  };
  using Resolved = std::unordered_map<IpAddress, config::PeerIndex, IpAddressHash>;

  const config::Config* config_;
  std::shared_ptr<const std::vector<RealmTable>> realms_;
  std::vector<Resolved> resolved_;  // by realm
};

}  // namespace sallyport::routing
