// SPDX-License-Identifier: Apache-2.0
// Where the headers of one frame are: offsets and values, each read after its length was checked. Nothing is
// assumed of a frame; no octet is changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/api/drop_reason.h"
#include "dataplane/base/address.h"
#include "dataplane/checksum.h"

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
  bool udp_verified = false;       // the device has found it right

  friend bool operator==(const PacketView&, const PacketView&) = default;

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

// view_packet for any frame.
[[nodiscard]] DropReason view_any_packet(std::span<const std::uint8_t> head, std::size_t total,
                                         bool trust_ip_checksum, PacketView& out);
// The same for what nearly all packets are: untagged, IPv4 without options, whole, UDP. False: it is not, or
// something is wrong with it.
[[nodiscard]] inline bool view_plain_packet(std::span<const std::uint8_t> head, std::size_t total,
                                            bool trust_ip_checksum, PacketView& out) {
  constexpr std::size_t kUdpAt = kEtherBytes + kIpv4Bytes;
  if (head.size() < kUdpAt + kUdpBytes) return false;
  const std::uint8_t* ip = head.data() + kEtherBytes;
  const std::uint8_t* udp = ip + kIpv4Bytes;
  const bool whole = (read16(ip + 6) & 0x3fff) == 0;
  if (read16(ip - 2) != kEtherIpv4 || ip[0] != 0x45 || ip[9] != kUdp || !whole) return false;
  const std::uint16_t ip_bytes = read16(ip + 2);
  const std::uint16_t udp_bytes = read16(udp + 4);
  if (kEtherBytes + ip_bytes > total || udp_bytes < kUdpBytes || udp_bytes + kIpv4Bytes > ip_bytes)
    return false;
  if (!trust_ip_checksum && fold(sum_of(ip, kIpv4Bytes)) != 0xffff) return false;
  out = PacketView{.data = head.data(),
                   .ether_type = kEtherIpv4,
                   .l3 = kEtherBytes,
                   .l4 = kUdpAt,
                   .l4_bytes = static_cast<std::uint16_t>(ip_bytes - kIpv4Bytes),
                   .family = Family::v4,
                   .protocol = kUdp,
                   .fragment_id = read16(ip + 4),
                   .source_port = read16(udp),
                   .destination_port = read16(udp + 2),
                   .payload = kUdpAt + kUdpBytes,
                   .payload_bytes = static_cast<std::uint16_t>(udp_bytes - kUdpBytes)};
  std::memcpy(&out.udp_checksum, udp + 6, sizeof(out.udp_checksum));
  return true;
}

// Of `total` octets of a frame, the first `head.size()` lie together: the headers have to be among them.
// Lengths in headers are held against `total`. `trust_ip_checksum`: it was verified before (a reassembled
// datagram). kPass, or why the frame is to be dropped. ARP passes with its 28 octets there and nothing read.
[[nodiscard]] inline DropReason view_packet(std::span<const std::uint8_t> head, std::size_t total,
                                            bool trust_ip_checksum, PacketView& out) {
  if (view_plain_packet(head, total, trust_ip_checksum, out)) return kPass;
  return view_any_packet(head, total, trust_ip_checksum, out);
}

// The whole UDP datagram lies behind the headers (one segment): true when its checksum is right, or absent in
// IPv4. What the device has verified is not added up again.
[[nodiscard]] bool udp_checksum_right(const PacketView& view);

}  // namespace sallyport::dp
