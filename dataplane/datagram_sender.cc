// SPDX-License-Identifier: Apache-2.0
#include "dataplane/datagram_sender.h"

#include <rte_random.h>

#include <algorithm>
#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/packet_view.h"

namespace sallyport::dp {
namespace {

std::uint16_t full_checksum(const Egress& egress, std::span<const std::uint8_t> payload) {
  const auto udp_bytes = static_cast<std::uint16_t>(payload.size() + kUdpBytes);
  const be16 length(udp_bytes);
  const std::uint64_t sum =
      egress.sum + pseudo_tail_sum(udp_bytes, kUdp) + length.raw() + sum_of(payload.data(), payload.size());
  return udp_on_wire(static_cast<std::uint16_t>(~fold(sum)));
}

// The device adds the rest to the sum of the pseudo-header, which is what it finds in the field; it has to
// know where the headers are.
std::uint16_t left_to_device(rte_mbuf* frame, const Egress& egress, std::uint16_t udp_bytes) {
  frame->l2_len = egress.link_bytes() & 0x7f;
  frame->l3_len = egress.ip_bytes() & 0x1ff;
  frame->ol_flags |=
      RTE_MBUF_F_TX_UDP_CKSUM | (egress.family == Family::v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
  return fold(sum_of(egress.source.data(), 16) + sum_of(egress.destination.data(), 16) +
              pseudo_tail_sum(udp_bytes, kUdp));
}

// Copies octets [offset, offset + bytes) of the UDP datagram whose header is `udp` and whose payload follows.
void copy_piece(std::uint8_t* to, const std::array<std::uint8_t, kUdpBytes>& udp,
                std::span<const std::uint8_t> payload, std::size_t offset, std::size_t bytes) {
  if (offset < kUdpBytes) {  // the first piece always holds all of the header
    std::memcpy(to, udp.data(), kUdpBytes);
    to += kUdpBytes;
    bytes -= kUdpBytes;
    offset = kUdpBytes;
  }
  if (bytes != 0) std::memcpy(to, payload.data() + (offset - kUdpBytes), bytes);
}

}  // namespace

DatagramSender::DatagramSender(const std::vector<WorkerPort>& ports, TxQueues& tx, unsigned worker)
    : ports_(ports), tx_(tx), next_id_(static_cast<std::uint32_t>(rte_rand()) ^ worker << 28) {}

std::size_t DatagramSender::unfragmented_bytes(const Egress& egress, std::uint16_t path_mtu) const {
  const WorkerPort& port = ports_[egress.port];
  const std::size_t room =
      rte_pktmbuf_data_room_size(port.pool) - RTE_PKTMBUF_HEADROOM - header_bytes(egress, false);
  return std::min<std::size_t>(std::min(port.mtu, path_mtu) - egress.ip_bytes(), room);
}

// Of a fragment: a multiple of 8.
std::size_t DatagramSender::piece_bytes(const Egress& egress, std::uint16_t path_mtu) const {
  const WorkerPort& port = ports_[egress.port];
  const std::size_t headers = header_bytes(egress, true);
  const std::size_t room = rte_pktmbuf_data_room_size(port.pool) - RTE_PKTMBUF_HEADROOM - headers;
  const std::size_t mtu = std::min(port.mtu, path_mtu);
  return std::min<std::size_t>(mtu + egress.link_bytes() - headers, room) & ~std::size_t{7};
}

bool DatagramSender::send(const Egress& egress, std::span<const std::uint8_t> payload,
                          std::optional<std::uint16_t> checksum, const PacketMeta& notes,
                          std::uint16_t path_mtu) {
  const std::size_t udp_bytes = payload.size() + kUdpBytes;
  if (udp_bytes + kIpv4Bytes > 0xffff) return false;
  const bool fragment = udp_bytes > unfragmented_bytes(egress, path_mtu);
  const std::size_t piece = fragment ? piece_bytes(egress, path_mtu) : udp_bytes;
  const std::size_t count = (udp_bytes + piece - 1) / piece;
  const WorkerPort& port = ports_[egress.port];
  std::array<rte_mbuf*, kFragments> frames;
  if (count > kFragments ||
      rte_pktmbuf_alloc_bulk(port.pool, frames.data(), static_cast<unsigned>(count)) != 0) {
    return false;
  }
  if (!checksum && port.sends_checksums && !fragment) {
    checksum = left_to_device(frames[0], egress, static_cast<std::uint16_t>(udp_bytes));
  } else if (!checksum) {
    checksum = full_checksum(egress, payload);
  }
  std::array<std::uint8_t, kUdpBytes> udp;
  write_udp(udp.data(), egress, static_cast<std::uint16_t>(udp_bytes), *checksum);
  HeaderFields fields{
      .source_mac = &port.mac, .fragment = fragment, .dont_fragment = false, .id = ++next_id_};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t offset = i * piece;
    const std::size_t bytes = std::min(piece, udp_bytes - offset);
    fields.l4_bytes = static_cast<std::uint16_t>(bytes);
    fields.fragment_offset = static_cast<std::uint16_t>(offset);
    fields.more_fragments = i + 1 < count;
    const std::size_t headers = header_bytes(egress, fragment);
    auto* at = reinterpret_cast<std::uint8_t*>(
        rte_pktmbuf_append(frames[i], static_cast<std::uint16_t>(headers + bytes)));
    write_headers(at, egress, fields);
    copy_piece(at + headers, udp, payload, offset, bytes);
    meta(frames[i]) = i == 0 ? notes : PacketMeta{};
    tx_.push(egress.port, frames[i]);
  }
  return true;
}

}  // namespace sallyport::dp
