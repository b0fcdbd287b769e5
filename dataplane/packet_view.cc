// SPDX-License-Identifier: Apache-2.0
#include "dataplane/packet_view.h"

namespace sallyport::dp {
namespace {

DropReason view_link(std::span<const std::uint8_t> head, PacketView& out) {
  if (head.size() < kEtherBytes) return DropReason::truncated;
  out.data = head.data();
  out.ether_type = read16(&head[12]);
  out.l3 = kEtherBytes;
  if (out.ether_type == kEtherVlan) {
    if (head.size() < kEtherBytes + kVlanBytes) return DropReason::truncated;
    out.vlan = read16(&head[14]) & 0x0fff;
    out.ether_type = read16(&head[16]);
    out.l3 += kVlanBytes;
  }
  return kPass;
}

DropReason view_ipv4(std::span<const std::uint8_t> head, std::size_t total, bool trust_checksum,
                     PacketView& out) {
  if (head.size() < out.l3 + kIpv4Bytes) return DropReason::truncated;
  const std::uint8_t* ip = &head[out.l3];
  const std::size_t header_bytes = (ip[0] & 0x0fu) * 4u;
  const std::size_t ip_bytes = read16(ip + 2);
  if (ip[0] >> 4 != 4 || header_bytes < kIpv4Bytes || ip_bytes < header_bytes) return DropReason::ip_header;
  if (out.l3 + ip_bytes > total || out.l3 + header_bytes > head.size()) return DropReason::truncated;
  if (!trust_checksum && fold(sum_of(ip, header_bytes)) != 0xffff) return DropReason::ip_checksum;
  const std::uint16_t fragment = read16(ip + 6);
  out.family = Family::v4;
  out.protocol = ip[9];
  out.l4 = static_cast<std::uint16_t>(out.l3 + header_bytes);
  out.l4_bytes = static_cast<std::uint16_t>(ip_bytes - header_bytes);
  out.more_fragments = (fragment & 0x2000) != 0;
  out.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1fff) * 8);
  out.fragment = out.more_fragments || out.fragment_offset != 0;
  out.fragment_id = read16(ip + 4);
  return kPass;
}

// RFC 8200 4: hop-by-hop, routing with no segments left, destination options and fragment headers. An endless
// chain of headers is an attack: a few are enough.
DropReason walk_ipv6_extensions(std::span<const std::uint8_t> head, PacketView& out) {
  constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kDestination = 60;
  for (int headers = 0; headers < 6; ++headers) {
    const bool options =
        out.protocol == kHopByHop || out.protocol == kDestination || out.protocol == kRouting;
    if (!options && out.protocol != kIpv6Fragment) return kPass;
    if (out.l4_bytes < 8) return DropReason::ip_header;
    if (std::size_t{out.l4} + 8 > head.size()) return DropReason::truncated;
    const std::uint8_t* at = &head[out.l4];
    if (out.protocol == kRouting && at[3] != 0) return DropReason::protocol;
    const std::size_t bytes = options ? (at[1] + std::size_t{1}) * 8 : 8;
    if (bytes > out.l4_bytes) return DropReason::ip_header;
    if (out.l4 + bytes > head.size()) return DropReason::truncated;
    const bool is_fragment = !options;
    if (is_fragment) {
      const std::uint16_t field = read16(at + 2);
      out.fragment_offset = field & 0xfff8;
      out.more_fragments = (field & 1) != 0;
      out.fragment = out.fragment_offset != 0 || out.more_fragments;  // else atomic, RFC 6946
      out.fragment_id = read32(at + 4);
    }
    out.protocol = at[0];
    out.l4 = static_cast<std::uint16_t>(out.l4 + bytes);
    out.l4_bytes = static_cast<std::uint16_t>(out.l4_bytes - bytes);
    if (out.fragment) return kPass;
  }
  return DropReason::ip_header;
}

DropReason view_ipv6(std::span<const std::uint8_t> head, std::size_t total, PacketView& out) {
  if (head.size() < out.l3 + kIpv6Bytes) return DropReason::truncated;
  const std::uint8_t* ip = &head[out.l3];
  const std::size_t payload_bytes = read16(ip + 4);
  if (ip[0] >> 4 != 6) return DropReason::ip_header;
  if (out.l3 + kIpv6Bytes + payload_bytes > total) return DropReason::truncated;
  out.family = Family::v6;
  out.protocol = ip[6];
  out.l4 = static_cast<std::uint16_t>(out.l3 + kIpv6Bytes);
  out.l4_bytes = static_cast<std::uint16_t>(payload_bytes);
  return walk_ipv6_extensions(head, out);
}

// RFC 826 for IPv4 over Ethernet; the target address is its last field.
DropReason view_arp(std::span<const std::uint8_t> head, PacketView& out) {
  if (head.size() < out.l3 + kArpBytes) return DropReason::truncated;
  out.l4 = out.l3;
  out.l4_bytes = kArpBytes;
  return kPass;
}

DropReason view_udp(std::span<const std::uint8_t> head, PacketView& out) {
  if (out.l4_bytes < kUdpBytes) return DropReason::udp_length;
  if (out.l4 + kUdpBytes > head.size()) return DropReason::truncated;
  const std::uint8_t* udp = &head[out.l4];
  const std::uint16_t bytes = read16(udp + 4);
  if (bytes < kUdpBytes || bytes > out.l4_bytes) return DropReason::udp_length;
  out.source_port = read16(udp);
  out.destination_port = read16(udp + 2);
  std::memcpy(&out.udp_checksum, udp + 6, sizeof(out.udp_checksum));
  // RFC 8200 8.1: IPv6 has no UDP without a checksum (RFC 6935's tunnels are not ours).
  if (out.family == Family::v6 && out.udp_checksum == 0) return DropReason::udp_checksum;
  out.payload = static_cast<std::uint16_t>(out.l4 + kUdpBytes);
  out.payload_bytes = static_cast<std::uint16_t>(bytes - kUdpBytes);
  return kPass;
}

DropReason view_tcp(std::span<const std::uint8_t> head, PacketView& out) {
  constexpr std::size_t kTcpBytes = 20;
  if (out.l4_bytes < kTcpBytes || out.l4 + kTcpBytes > head.size()) return DropReason::truncated;
  out.source_port = read16(&head[out.l4]);
  out.destination_port = read16(&head[out.l4 + 2u]);
  return kPass;
}

}  // namespace

DropReason view_any_packet(std::span<const std::uint8_t> head, std::size_t total, bool trust_ip_checksum,
                           PacketView& out) {
  out = PacketView{};
  DropReason reason = view_link(head, out);
  if (reason != kPass) return reason;
  switch (out.ether_type) {
    case kEtherArp:
      return view_arp(head, out);
    case kEtherIpv4:
      reason = view_ipv4(head, total, trust_ip_checksum, out);
      break;
    case kEtherIpv6:
      reason = view_ipv6(head, total, out);
      break;
    default:
      return DropReason::not_ip;
  }
  if (reason != kPass || out.fragment) return reason;
  if (out.protocol == kUdp) return view_udp(head, out);
  if (out.protocol == kTcp) return view_tcp(head, out);
  return std::size_t{out.l4} + out.l4_bytes > head.size() ? DropReason::truncated : kPass;
}

bool udp_checksum_right(const PacketView& view) {
  if (view.udp_checksum == 0) return view.family == Family::v4;
  if (view.udp_verified) return true;
  const auto udp_bytes = static_cast<std::uint16_t>(view.payload_bytes + kUdpBytes);
  const std::uint64_t sum = sum_of(view.source_bytes(), 2 * view.address_bytes()) +
                            pseudo_tail_sum(udp_bytes, kUdp) + sum_of(view.data + view.l4, udp_bytes);
  return fold(sum) == 0xffff;
}

}  // namespace sallyport::dp
