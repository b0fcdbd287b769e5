// SPDX-License-Identifier: Apache-2.0
// Which addresses are ours, and what lies behind each: a small hash table, built once, read by one worker.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
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

  // Our address on that port and VLAN, or nullptr. `bytes`: as in a header of that family (4 or 16 octets).
  [[nodiscard]] const LocalAddress* find(std::uint8_t port, std::uint16_t vlan, Family family,
                                         const std::uint8_t* bytes) const {
    const Key key = key_of(family, bytes);
    std::size_t at = hash(key) & mask_;
    for (; buckets_[at] != 0; at = (at + 1) & mask_) {
      const std::size_t i = buckets_[at] - 1u;
      if (keys_[i] == key && addresses_[i].port == port && addresses_[i].vlan == vlan) return &addresses_[i];
    }
    return nullptr;
  }
  // On any port: for media that we are asked to send to ourselves. `realm` goes before others.
  [[nodiscard]] const LocalAddress* find_any(std::uint16_t realm, const IpAddress& address) const;
  [[nodiscard]] bool has_vlan(std::uint8_t port, std::uint16_t vlan) const;

 private:
  // An address in words: compared at once.
  struct Key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    Family family = Family::none;
    friend bool operator==(const Key&, const Key&) = default;
  };
  [[nodiscard]] static Key key_of(Family family, const std::uint8_t* bytes) {
    if (family == Family::v4) return {.high = load<std::uint32_t>(bytes), .family = family};
    return {.high = load<std::uint64_t>(bytes), .low = load<std::uint64_t>(bytes + 8), .family = family};
  }
  template <typename T>
  [[nodiscard]] static T load(const std::uint8_t* at) {
    T value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  [[nodiscard]] static std::uint64_t hash(const Key& key) {
    return ((key.high ^ std::rotl(key.low, 29)) * 0x9e3779b97f4a7c15u) >> 40;
  }

  std::vector<LocalAddress> addresses_;
  std::vector<Key> keys_;               // of the same index
  std::vector<std::uint16_t> buckets_;  // index + 1 into addresses_, linear probing; at most a quarter full
  std::size_t mask_ = 0;
};

}  // namespace sallyport::dp
