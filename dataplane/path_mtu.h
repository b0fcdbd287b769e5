// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What routers said of the largest packet on the way to a destination: any worker learns
// it from an ICMP error that quotes a request of ours, all workers cut their SIP datagrams by it. An entry is
// one word, stored at once; two destinations that share a place take it from each other, which costs one more
// failed request. Who never had a request of ours cannot make an entry, since the quote has to bear its
// branch.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <string_view>

#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/siphash.h"

namespace sallyport::dp {

class PathMtus {
 public:
  static constexpr std::size_t kPlaces = 1024;
  static constexpr std::uint32_t kLifeSeconds =
      600;  // RFC 8201 4: ten minutes are recommended, five the least
  // Below these nobody has to believe (RFC 8200 5; RFC 1191 3 knows 68, but RFC 791 3.1 has every host take
  // 576).
  static constexpr std::uint16_t kFloor4 = 576, kFloor6 = 1280;
  static constexpr std::uint16_t kUnknown = std::numeric_limits<std::uint16_t>::max();

  explicit PathMtus(SipHashKey key) : key_(key) {}

  // `mtu` as the router said it; 0 from an old one (RFC 1191 5) counts as the floor.
  void learn(std::uint16_t realm, const IpAddress& destination, std::uint32_t mtu, Nanoseconds now_ns) {
    const std::uint16_t floor = destination.is_v4() ? kFloor4 : kFloor6;
    const auto kept = static_cast<std::uint16_t>(std::clamp<std::uint32_t>(mtu, floor, kUnknown));
    const std::uint64_t hash = hash_of(realm, destination);
    place(hash).store(tag_of(hash) << 48 | std::uint64_t{kept} << 32 | seconds_of(now_ns),
                      std::memory_order_relaxed);
  }

  // kUnknown where nobody has said anything lately.
  [[nodiscard]] std::uint16_t of(std::uint16_t realm, const IpAddress& destination,
                                 Nanoseconds now_ns) const {
    const std::uint64_t hash = hash_of(realm, destination);
    const std::uint64_t word = place(hash).load(std::memory_order_relaxed);
    const auto mtu = static_cast<std::uint16_t>(word >> 32);
    const std::uint32_t age = seconds_of(now_ns) - static_cast<std::uint32_t>(word);
    return mtu == 0 || word >> 48 != tag_of(hash) || age >= kLifeSeconds ? kUnknown : mtu;
  }

 private:
  [[nodiscard]] static std::uint32_t seconds_of(Nanoseconds now_ns) {
    return static_cast<std::uint32_t>(now_ns / kSecond);
  }
  [[nodiscard]] static std::uint64_t tag_of(std::uint64_t hash) { return hash >> 48; }
  [[nodiscard]] std::uint64_t hash_of(std::uint16_t realm, const IpAddress& destination) const {
    std::array<char, sizeof(realm) + 16> name{};
    std::copy_n(reinterpret_cast<const char*>(&realm), sizeof(realm), name.begin());
    std::copy_n(reinterpret_cast<const char*>(destination.bytes().data()), 16, name.begin() + sizeof(realm));
    return siphash(key_, std::string_view(name.data(), name.size()));
  }
  [[nodiscard]] std::atomic<std::uint64_t>& place(std::uint64_t hash) { return places_[hash % kPlaces]; }
  [[nodiscard]] const std::atomic<std::uint64_t>& place(std::uint64_t hash) const {
    return places_[hash % kPlaces];
  }

  SipHashKey key_;
  std::array<std::atomic<std::uint64_t>, kPlaces>
      places_{};  // tag 16 bits, MTU 16, seconds 32; any worker: rw
};

}  // namespace sallyport::dp
