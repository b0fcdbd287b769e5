// SPDX-License-Identifier: Apache-2.0
// What all packets that leave by one realm have in common, and the headers of a linked flow's packets made
// from that and from the flow. The relay's hot path: what write_headers (egress.h) does for any packet, in
// straight lines for a whole datagram.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dataplane/checksum.h"
#include "dataplane/datagram_sender.h"
#include "dataplane/flow.h"
#include "dataplane/packet_view.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

class WayOut {
 public:
  WayOut(const WorkerContext& context, const DatagramSender& sender, const RealmOptions& realm);

  [[nodiscard]] std::uint8_t port() const { return port_; }

  // New headers before the same payload, by what `flow` is linked to (of IPv6 `more`, its other part, has the
  // addresses); the UDP header keeps its place, so only the front of the mbuf moves. The packet is one
  // segment that `view` describes. False, and nothing is done: too large for the egress, no room in front, or
  // no checksum came and IPv6 wants one.
  [[nodiscard]] bool write(const Flow& flow, const FlowMore& more, const PacketView& view,
                           rte_mbuf& packet) const {
    const bool v4 = flow.out_family == Family::v4;
    const std::size_t udp_bytes = view.payload_bytes + kUdpBytes;
    const std::size_t headers = link_bytes_ + (v4 ? kIpv4Bytes : kIpv6Bytes);
    if (udp_bytes > (v4 ? most_v4_ : most_v6_) || packet.data_off + std::size_t{view.l4} < headers)
      return false;
    if (view.udp_checksum == 0 && !v4) return false;
    auto* const udp = rte_pktmbuf_mtod_offset(&packet, std::uint8_t*, view.l4);
    packet.data_off = static_cast<std::uint16_t>(packet.data_off + view.l4 - headers);
    packet.data_len = static_cast<std::uint16_t>(headers + udp_bytes);
    packet.pkt_len = packet.data_len;
    packet.ol_flags &=
        RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;  // no word of the ingress's about VLAN or checksums
    write_udp(udp, flow, udp_bytes, view.udp_checksum);
    std::uint8_t* const ip = v4 ? write_ipv4(udp, flow, udp_bytes) : write_ipv6(udp, flow, more, udp_bytes);
    write_link(ip - link_bytes_, flow, v4);
    return true;
  }

 private:
  static void put16(std::uint8_t* at, std::size_t value) {
    const be16 wire(static_cast<std::uint16_t>(value));
    std::memcpy(at, &wire, sizeof(wire));
  }

  template <typename T>
  static void put(std::uint8_t* at, T value) {
    std::memcpy(at, &value, sizeof(value));
  }
  [[nodiscard]] static std::uint64_t raw16(std::size_t value) {
    return be16(static_cast<std::uint16_t>(value)).raw();
  }

  // RFC 1624; none (0) stays none.
  static void write_udp(std::uint8_t* at, const Flow& flow, std::size_t udp_bytes, std::uint16_t checksum) {
    if (checksum != 0) {
      const auto old = static_cast<std::uint16_t>(~checksum);
      checksum = udp_on_wire(static_cast<std::uint16_t>(~fold(std::uint64_t{old} + flow.sum_change)));
    }
    const std::uint64_t ports = flow.out_source_port.raw() | std::uint32_t{flow.out_destination_port.raw()}
                                                                 << 16;
    put(at, ports | raw16(udp_bytes) << 32 | std::uint64_t{checksum} << 48);
  }

  // As egress.cc's: a new, atomic packet (RFC 6864 4.1). The checksum is summed up from the words before they
  // are written: to read them again at another width would wait for the writes.
  static std::uint8_t* write_ipv4(std::uint8_t* udp, const Flow& flow, std::size_t udp_bytes) {
    std::uint8_t* const at = udp - kIpv4Bytes;
    const std::uint32_t first = 0x45u | std::uint32_t{flow.out_dscp} << 10 |
                                static_cast<std::uint32_t>(raw16(kIpv4Bytes + udp_bytes)) << 16;
    const auto second = static_cast<std::uint32_t>(raw16(kIpv4DontFragment)) << 16;
    const std::uint32_t third = kHopLimit | std::uint32_t{kUdp} << 8;
    std::uint64_t addresses;
    std::memcpy(&addresses, flow.out_v4.data(), sizeof(addresses));
    const std::uint64_t sum =
        std::uint64_t{first} + second + third + (addresses & 0xffffffff) + (addresses >> 32);
    put(at, first | std::uint64_t{second} << 32);
    put(at + 8, third | std::uint32_t{static_cast<std::uint16_t>(~fold(sum))} << 16);
    put(at + 12, addresses);
    return at;
  }

  static std::uint8_t* write_ipv6(std::uint8_t* udp, const Flow& flow, const FlowMore& more,
                                  std::size_t udp_bytes) {
    std::uint8_t* const at = udp - kIpv6Bytes;
    put16(at, 0x6000u | static_cast<unsigned>(flow.out_dscp) << 6);
    put16(at + 2, 0);
    put16(at + 4, udp_bytes);
    at[6] = kUdp;
    at[7] = kHopLimit;
    std::memcpy(at + 8, more.out_source_v6.data(), 16);
    std::memcpy(at + 24, more.out_destination_v6.data(), 16);
    return at;
  }

  void write_link(std::uint8_t* at, const Flow& flow, bool v4) const {
    std::memcpy(at, flow.out_mac.data(), 6);
    std::memcpy(at + 6, link_.data(), 6);
    if (link_bytes_ != kEtherBytes) std::memcpy(at + kEtherBytes - 2, link_.data() + 6, kVlanBytes);
    put16(at + link_bytes_ - 2, v4 ? kEtherIpv4 : kEtherIpv6);
  }

  std::array<std::uint8_t, 10> link_{};  // our MAC address, and a VLAN's tag
  std::uint8_t port_ = 0;
  std::uint8_t link_bytes_ = 0;
  std::uint32_t most_v4_ = 0;  // octets of a UDP datagram that leaves in one piece, header included
  std::uint32_t most_v6_ = 0;
};

// By realm.
[[nodiscard]] std::vector<WayOut> ways_out(const WorkerContext& context, const DatagramSender& sender);

}  // namespace sallyport::dp
