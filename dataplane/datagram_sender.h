// SPDX-License-Identifier: Apache-2.0
// Makes frames of a UDP payload that lies in one piece: SIP that a shard sends, and media too large for the
// egress. What exceeds the MTU is cut here rather than by rte_ipv4_fragment_packet: that makes chained,
// indirect mbufs, which the AF_XDP driver does not send, and takes a second pool.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/egress.h"
#include "dataplane/packet_meta.h"
#include "dataplane/path_mtu.h"
#include "dataplane/tx_queues.h"

namespace sallyport::dp {

class DatagramSender {
 public:
  DatagramSender(const std::vector<WorkerPort>& ports, TxQueues& tx, unsigned worker);

  // `egress` is resolved. `checksum`: as on the wire, instead of one that we, or the device, compute. The
  // first frame carries `notes`; the others weigh nothing. No packet is larger than `path_mtu`, and routers
  // may cut what is IPv4: without DF a narrow path loses no datagram (RFC 3261 18.1.1 leaves that to the
  // network). False: no buffers, nothing was sent.
  [[nodiscard]] bool send(const Egress& egress, std::span<const std::uint8_t> payload,
                          std::optional<std::uint16_t> checksum, const PacketMeta& notes,
                          std::uint16_t path_mtu = PathMtus::kUnknown);

  // The largest UDP datagram, header included, that leaves in one piece.
  [[nodiscard]] std::size_t unfragmented_bytes(const Egress& egress,
                                               std::uint16_t path_mtu = PathMtus::kUnknown) const;

 private:
  static constexpr std::size_t kFragments = 128;  // 65,535 octets at 576 octets a packet

  [[nodiscard]] std::size_t piece_bytes(const Egress& egress, std::uint16_t path_mtu) const;

  const std::vector<WorkerPort>& ports_;
  TxQueues& tx_;
  std::uint32_t next_id_;
};

}  // namespace sallyport::dp
