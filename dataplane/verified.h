// SPDX-License-Identifier: Apache-2.0
// Which checksums of a received packet the device has found right. What it calls wrong, or says nothing of,
// we verify: some devices take UDP's 0, which means none (RFC 768), for an error.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/packet_meta.h"

namespace sallyport::dp {

// Also of a datagram put together of fragments, whose headers were verified one by one.
[[nodiscard]] inline bool ip_verified(rte_mbuf* packet) {
  return meta(packet).reassembled ||
         (packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

// A device sees fragments, never the datagram.
[[nodiscard]] inline bool udp_verified(rte_mbuf* packet) {
  return !meta(packet).reassembled &&
         (packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

}  // namespace sallyport::dp
