// SPDX-License-Identifier: Apache-2.0
// Where the headers of one frame are: offsets and values, each read after its length was checked. Nothing is
// assumed of a frame; no octet is changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/api/drop_reason.h"
#include "dataplane/base/address.h"

namespace sallyport::dp {

inline constexpr DropReason kPass = DropReason::kCount;  // no drop

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherArp = 0x0806;
inline constexpr std::uint16_t kEtherVlan = 0x8100;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;
inline constexpr std::uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpv6 = 58, kIpv6Fragment = 44;
inline constexpr std::size_t kEtherBytes = 14, kVlanBytes = 4, kIpv4Bytes = 20, kIpv6Bytes = 40,
                             kUdpBytes = 8;
inline constexpr std::size_t kArpBytes = 28;

struct PacketView {
  const std::uint8_t* data = nullptr;  // the Ethernet header
  std::uint16_t ether_type = 0;        // behind the VLAN tag, if any
  std::uint16_t vlan = 0;              // 0: untagged (or priority-tagged)
  std::uint16_t l3 = 0;                // offset of the IP (or ARP) header
  std::uint16_t l4 = 0;                // offset of the transport header; of a fragment: of its octets
  std::uint16_t l4_bytes = 0;          // octets from there to the end of the IP packet
  Family family = Family::none;
  std::uint8_t protocol = 0;
  bool fragment = false;  // one of several; nothing is read behind the IP header
  bool more_fragments = false;
  std::uint32_t fragment_id = 0;
  std::uint16_t fragment_offset = 0;  // in octets

  // UDP and TCP
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  // UDP
  std::uint16_t payload = 0;  // offset
  std::uint16_t payload_bytes = 0;
  std::uint16_t udp_checksum = 0;  // as on the wire, not swapped

  [[nodiscard]] const std::uint8_t* source_bytes() const {
    return data + l3 + (family == Family::v4 ? 12 : 8);
  }
  [[nodiscard]] const std::uint8_t* destination_bytes() const {
    return data + l3 + (family == Family::v4 ? 16 : 24);
  }
  [[nodiscard]] std::size_t address_bytes() const { return family == Family::v4 ? 4 : 16; }
  [[nodiscard]] IpAddress source() const { return IpAddress::from_bytes(family, source_bytes()); }
  [[nodiscard]] IpAddress destination() const { return IpAddress::from_bytes(family, destination_bytes()); }
  [[nodiscard]] Endpoint source_endpoint() const { return {source(), source_port}; }
  [[nodiscard]] Endpoint destination_endpoint() const { return {destination(), destination_port}; }
};

// Of `total` octets of a frame, the first `head.size()` lie together: the headers have to be among them.
// Lengths in headers are held against `total`. `trust_ip_checksum`: it was verified before (a reassembled
// datagram). kPass, or why the frame is to be dropped. ARP passes with its 28 octets there and nothing read.
[[nodiscard]] DropReason view_packet(std::span<const std::uint8_t> head, std::size_t total,
                                     bool trust_ip_checksum, PacketView& out);

// The whole UDP datagram lies behind the headers (one segment): true when its checksum is right, or absent in
// IPv4.
[[nodiscard]] bool udp_checksum_right(const PacketView& view);

}  // namespace sallyport::dp
