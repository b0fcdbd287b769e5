// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/options.h"

namespace sallyport::stream {

Options options_of(const config::Config& config, const steer::NodeKey& key) {
  Options options;
  options.key = key;
  options.shards = static_cast<std::uint8_t>(config.controlplane.shards);
  options.limits.connections = config.controlplane.max_connections;
  for (std::size_t i = 0; i < config.realms.size(); ++i) {
    const config::Realm& realm = config.realms[i];
    options.dscp.push_back(realm.sip_dscp);
    for (const Prefix& prefix : realm.addresses) {
      const auto realm_index = static_cast<std::uint16_t>(i);
      if (realm.sip_tcp != 0) {
        options.listeners.push_back({realm_index, {prefix.address, realm.sip_tcp}, sip::Transport::tcp});
      }
      if (realm.sip_tls != 0) {
        options.listeners.push_back({realm_index, {prefix.address, realm.sip_tls}, sip::Transport::tls});
      }
    }
  }
  return options;
}

}  // namespace sallyport::stream
