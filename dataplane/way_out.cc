// SPDX-License-Identifier: Apache-2.0
#include "dataplane/way_out.h"

#include <algorithm>

namespace sallyport::dp {

WayOut::WayOut(const WorkerContext& context, const DatagramSender& sender, const RealmOptions& realm)
    : port_(realm.port), link_bytes_(realm.vlan == 0 ? kEtherBytes : kEtherBytes + kVlanBytes) {
  std::ranges::copy(context.ports[port_].mac, link_.begin());
  put16(&link_[6], kEtherVlan);
  put16(&link_[8], realm.vlan);
  Egress egress;
  egress.port = realm.port;
  egress.vlan = realm.vlan;
  egress.family = Family::v4;
  most_v4_ = static_cast<std::uint32_t>(sender.unfragmented_bytes(egress));
  egress.family = Family::v6;
  most_v6_ = static_cast<std::uint32_t>(sender.unfragmented_bytes(egress));
}

std::vector<WayOut> ways_out(const WorkerContext& context, const DatagramSender& sender) {
  std::vector<WayOut> ways;
  for (const RealmOptions& realm : context.realms) ways.emplace_back(context, sender, realm);
  return ways;
}

}  // namespace sallyport::dp
