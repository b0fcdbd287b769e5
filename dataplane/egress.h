// SPDX-License-Identifier: Apache-2.0
// How packets of one flow leave: everything of their headers that does not change from packet to packet. 64
// octets, one cache line.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/api/contract.h"
#include "dataplane/base/bytes.h"

namespace sallyport::dp {

inline constexpr std::uint8_t kHopLimit = 64;  // of what we send: we are the endpoint of both legs
inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;

struct alignas(64) Egress {
  std::array<std::uint8_t, 6> mac{};  // of the next hop, when `resolved`
  std::uint8_t port = 0;
  Family family = Family::none;  // none: nothing verified to send to yet
  std::uint32_t version = 0;     // NextHopTable's when `mac` was read
  std::uint16_t entry = 0;       // for NextHopTable::touch
  std::uint16_t vlan = 0;
  std::array<std::uint8_t, 16> source{};  // as in IpAddress
  std::array<std::uint8_t, 16> destination{};
  be16 source_port;
  be16 destination_port;
  std::uint8_t dscp = 0;
  bool resolved = false;
  std::uint16_t sum = 0;                  // of addresses and ports, for RFC 1624
  std::uint32_t internal_slot = kNoSlot;  // the destination is this media port of ours
  std::uint32_t touched_s = 0;

  [[nodiscard]] std::size_t ip_bytes() const { return family == Family::v4 ? 20 : 40; }
  [[nodiscard]] std::size_t link_bytes() const { return vlan == 0 ? 14 : 18; }
  [[nodiscard]] std::size_t address_bytes() const { return family == Family::v4 ? 4 : 16; }
  [[nodiscard]] Endpoint destination_endpoint() const {
    return {IpAddress::from_bytes(family, destination.data()), destination_port.host()};
  }
};
static_assert(sizeof(Egress) == 64);

// From `local` to `target`, which are of one family; another pair gives family none.
[[nodiscard]] Egress make_egress(const Endpoint& local, const Endpoint& target, std::uint8_t port,
                                 std::uint16_t vlan, std::uint8_t dscp);

// The folded sum of two endpoints, as Egress::sum.
[[nodiscard]] std::uint16_t endpoints_sum(const Endpoint& a, const Endpoint& b);

// What stands before the UDP payload or behind the IP header of a fragment.
struct HeaderFields {
  const std::array<std::uint8_t, 6>* source_mac = nullptr;
  std::uint16_t l4_bytes = 0;         // octets behind the IP header (and behind IPv6's fragment header)
  std::uint16_t fragment_offset = 0;  // octets
  bool more_fragments = false;
  bool fragment = false;
  bool dont_fragment = true;  // IPv4, of what is no fragment itself
  std::uint32_t id = 0;       // of fragments and of what may become some
};

// Octets that write_headers writes.
[[nodiscard]] std::size_t header_bytes(const Egress& egress, bool fragment);
// Ethernet, VLAN, IP and, for IPv6 fragments, the fragment header, to `at`. The IPv4 header checksum is
// computed.
void write_headers(std::uint8_t* at, const Egress& egress, const HeaderFields& fields);
// Ports, length and checksum (as on the wire) to `at`.
void write_udp(std::uint8_t* at, const Egress& egress, std::uint16_t udp_bytes, std::uint16_t checksum);

}  // namespace sallyport::dp
