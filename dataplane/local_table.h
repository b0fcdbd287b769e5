// SPDX-License-Identifier: Apache-2.0
// Which addresses are ours, and what lies behind each: a small hash table, built once, read by one worker.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/dataplane.h"

namespace sallyport::dp {

struct LocalAddress {
  IpAddress address;
  std::uint8_t port = 0;
  std::uint16_t vlan = 0;
  std::uint16_t realm = 0;
  std::uint16_t sip_udp = 0;  // 0: none
  MediaRange media;           // first 0: none

  [[nodiscard]] bool has_media(std::uint16_t udp_port) const {
    return media.first != 0 && media.holds(udp_port);
  }
};

class LocalTable {
 public:
  LocalTable(const std::vector<RealmOptions>& realms, const std::vector<MediaRange>& media);

  // Our address on that port and VLAN, or nullptr.
  [[nodiscard]] const LocalAddress* find(std::uint8_t port, std::uint16_t vlan,
                                         const IpAddress& address) const;
  // On any port: for media that we are asked to send to ourselves. `realm` goes before others.
  [[nodiscard]] const LocalAddress* find_any(std::uint16_t realm, const IpAddress& address) const;
  [[nodiscard]] bool has_vlan(std::uint8_t port, std::uint16_t vlan) const;

 private:
  [[nodiscard]] static std::uint64_t hash(const IpAddress& address);

  std::vector<LocalAddress> addresses_;
  std::vector<std::uint16_t> buckets_;  // index + 1 into addresses_, linear probing; at most a quarter full
};

}  // namespace sallyport::dp
