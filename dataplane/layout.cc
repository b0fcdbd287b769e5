// SPDX-License-Identifier: Apache-2.0
#include "dataplane/layout.h"

#include <algorithm>

namespace sallyport::dp {
namespace {

bool has_media(const RealmOptions& realm) {
  return realm.media_last != 0;
}

std::expected<void, std::string> check_realm(const RealmOptions& realm, std::size_t ports) {
  const auto fault = [&realm](const std::string& what) {
    return std::unexpected("realm " + realm.name + ": " + what);
  };
  if (realm.port >= ports) return fault("its port is not one of the configured ports");
  if (realm.vlan > 4094) return fault("a VLAN is 1 to 4094");
  if (realm.addresses.empty()) return fault("it needs an address");
  if (!has_media(realm)) return {};
  if (realm.media_first == 0 || realm.media_first % 2 != 0 || realm.media_last % 2 != 1 ||
      realm.media_first > realm.media_last) {
    return fault("media ports run from an even port to a higher odd one");
  }
  for (const std::uint16_t sip : {realm.sip_udp, realm.sip_tcp, realm.sip_tls}) {
    if (sip >= realm.media_first && sip <= realm.media_last)
      return fault("a SIP port is among its media ports");
  }
  return {};
}

std::expected<void, std::string> check_counts(const DataplaneOptions& options) {
  const auto between = [](const char* what, std::size_t count,
                          std::size_t most) -> std::expected<void, std::string> {
    if (count >= 1 && count <= most) return {};
    return std::unexpected(std::string(what) + ": 1 to " + std::to_string(most) + ", not " +
                           std::to_string(count));
  };
  if (auto good = between("dataplane.cores", options.cores.size(), kMaxWorkers); !good) return good;
  if (auto good = between("dataplane.ports", options.ports.size(), kMaxPorts); !good) return good;
  if (auto good = between("realms", options.realms.size(), kMaxRealms); !good) return good;
  return between("controlplane.shards", options.shards, kMaxShards);
}

}  // namespace

std::vector<MediaRange> media_layout(const std::vector<RealmOptions>& realms) {
  std::vector<MediaRange> ranges;
  std::uint32_t slot = 0;
  for (std::size_t realm = 0; realm < realms.size(); ++realm) {
    if (!has_media(realms[realm])) continue;
    for (const Prefix& address : realms[realm].addresses) {
      ranges.push_back({static_cast<std::uint16_t>(realm), address.address, realms[realm].media_first,
                        realms[realm].media_last, slot});
      slot += static_cast<std::uint32_t>(realms[realm].media_last - realms[realm].media_first) + 1;
    }
  }
  return ranges;
}

std::vector<Endpoint> tcp_listeners(const std::vector<RealmOptions>& realms) {
  std::vector<Endpoint> listeners;
  for (const RealmOptions& realm : realms) {
    for (const Prefix& address : realm.addresses) {
      for (const std::uint16_t port : {realm.sip_tcp, realm.sip_tls}) {
        if (port != 0) listeners.push_back({address.address, port});
      }
    }
  }
  return listeners;
}

std::expected<void, std::string> check_options(const DataplaneOptions& options) {
  if (auto good = check_counts(options); !good) return good;
  auto cores = options.cores;
  std::ranges::sort(cores);
  if (std::ranges::adjacent_find(cores) != cores.end()) {
    return std::unexpected("dataplane.cores: a core is named twice");
  }
  for (const RealmOptions& realm : options.realms) {
    if (auto good = check_realm(realm, options.ports.size()); !good) return good;
  }
  return {};
}

}  // namespace sallyport::dp
