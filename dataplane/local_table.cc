// SPDX-License-Identifier: Apache-2.0
#include "dataplane/local_table.h"

#include <algorithm>

namespace sallyport::dp {
namespace {

MediaRange media_of(const std::vector<MediaRange>& media, std::uint16_t realm, const IpAddress& address) {
  for (const MediaRange& range : media) {
    if (range.realm == realm && range.address == address) return range;
  }
  return {};
}

}  // namespace

LocalTable::LocalTable(const std::vector<RealmOptions>& realms, const std::vector<MediaRange>& media) {
  for (std::uint16_t realm = 0; realm < realms.size(); ++realm) {
    for (const Prefix& prefix : realms[realm].addresses) {
      addresses_.push_back({.address = prefix.address,
                            .port = realms[realm].port,
                            .vlan = realms[realm].vlan,
                            .realm = realm,
                            .sip_udp = realms[realm].sip_udp,
                            .media = media_of(media, realm, prefix.address)});
    }
  }
  buckets_.assign(std::bit_ceil(std::max<std::size_t>(16, addresses_.size() * 4)), 0);
  mask_ = buckets_.size() - 1;
  for (std::uint16_t i = 0; i < addresses_.size(); ++i) {
    keys_.push_back(key_of(addresses_[i].address.family(), addresses_[i].address.bytes().data()));
    std::size_t at = hash(keys_[i]) & mask_;
    while (buckets_[at] != 0) at = (at + 1) & mask_;
    buckets_[at] = static_cast<std::uint16_t>(i + 1);
  }
}

const LocalAddress* LocalTable::find_any(std::uint16_t realm, const IpAddress& address) const {
  const LocalAddress* found = nullptr;
  std::size_t at = hash(key_of(address.family(), address.bytes().data())) & mask_;
  for (; buckets_[at] != 0; at = (at + 1) & mask_) {
    const LocalAddress& entry = addresses_[buckets_[at] - 1u];
    if (entry.address != address) continue;
    if (entry.realm == realm) return &entry;
    if (found == nullptr) found = &entry;
  }
  return found;
}

bool LocalTable::has_vlan(std::uint8_t port, std::uint16_t vlan) const {
  return std::ranges::any_of(
      addresses_, [&](const LocalAddress& entry) { return entry.port == port && entry.vlan == vlan; });
}

}  // namespace sallyport::dp
