// SPDX-License-Identifier: Apache-2.0
// A worker's notes on a packet, kept in the mbuf itself (dynamic fields), since a packet may change workers.
#pragma once

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <cstdint>

namespace sallyport::dp {

inline constexpr std::uint8_t kOwnPacket = 0xff;  // PacketMeta::ingress of what we or the kernel made

struct PacketMeta {
  std::uint32_t slot = 0xffffffff;    // of the flow that relays it, for what the egress then refuses
  std::uint8_t ingress = kOwnPacket;  // port index
  std::uint8_t weight = 0;            // received packets that it stands for: its fragments; 0 for our own
  std::uint8_t hops = 0;              // from flow to flow inside
  bool reassembled = false;           // the IP checksum is no longer that of the wire
};

// What a fragment was, for the reason of its datagram's end.
struct FragmentMeta {
  std::uint32_t datagram = 0;  // hash of source, destination, identification and protocol
  std::uint32_t arrived_ms = 0;
  std::uint16_t offset = 0;
  std::uint16_t bytes = 0;
  bool middle = false;  // neither the first nor the last
};

namespace detail {
inline int packet_meta_offset = -1;  // set once by register_packet_fields, before workers start
inline int fragment_meta_offset = -1;
}  // namespace detail

[[nodiscard]] inline PacketMeta& meta(rte_mbuf* packet) {
  return *RTE_MBUF_DYNFIELD(packet, detail::packet_meta_offset, PacketMeta*);
}
[[nodiscard]] inline FragmentMeta& fragment_meta(rte_mbuf* packet) {
  return *RTE_MBUF_DYNFIELD(packet, detail::fragment_meta_offset, FragmentMeta*);
}

static_assert(sizeof(PacketMeta) == 8 && sizeof(FragmentMeta) == 16);

}  // namespace sallyport::dp
