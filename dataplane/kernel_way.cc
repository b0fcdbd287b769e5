// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel_way.h"

#include <cstring>
#include <optional>

#include "dataplane/exception.h"
#include "dataplane/kernel_gate.h"

namespace sallyport::dp {
namespace {

constexpr unsigned kKernelFramesATurn = 32;

std::optional<DropReason> ask(KernelGate& gate, std::uint8_t port, const PacketView& view, PacketClass is,
                              Nanoseconds now_ns) {
  if (is == PacketClass::kernel_neighbour) return gate.neighbour(port, now_ns);
  if (is == PacketClass::kernel_icmp) return gate.icmp(port, now_ns);
  return gate.tcp(port, view.destination_endpoint(), view.source_endpoint(), now_ns);
}

}  // namespace

void KernelWay::give(rte_mbuf* packet, const PacketView& view, PacketClass is, Nanoseconds now_ns) {
  const DropReason reason = push(packet, view, is, now_ns);
  if (reason == kPass) return accounts_.to_kernel(packet);
  accounts_.drop(packet, reason);
}

DropReason KernelWay::push(rte_mbuf* packet, const PacketView& view, PacketClass is, Nanoseconds now_ns) {
  const std::uint8_t port = meta(packet).ingress;
  if (port >= context_.ports.size()) return DropReason::kernel_full;
  if (context_.gate != nullptr) {
    if (const std::optional<DropReason> refused = ask(*context_.gate, port, view, is, now_ns))
      return *refused;
  }
  if (packet->pkt_len > kMaxFrameBytes) return DropReason::mtu;
  std::byte* to = context_.to_kernel == nullptr
                      ? nullptr
                      : context_.to_kernel->reserve(static_cast<std::uint16_t>(port + 1), packet->pkt_len);
  if (to == nullptr) return DropReason::kernel_full;
  const void* from = rte_pktmbuf_read(packet, 0, packet->pkt_len, to);
  if (from != to) std::memcpy(to, from, packet->pkt_len);
  context_.to_kernel->publish();
  return kPass;
}

unsigned KernelWay::take() {
  if (context_.from_kernel == nullptr) return 0;
  unsigned frames = 0;
  for (; frames < kKernelFramesATurn; ++frames) {
    const RecordRing::Record record = context_.from_kernel->front();
    if (record.kind == 0) break;
    const auto port = static_cast<std::uint8_t>(record.kind - 1);
    if (port < context_.ports.size()) {
      rte_mbuf* packet = rte_pktmbuf_alloc(context_.ports[port].pool);
      char* at = packet == nullptr
                     ? nullptr
                     : rte_pktmbuf_append(packet, static_cast<std::uint16_t>(record.bytes.size()));
      if (at != nullptr) {
        std::memcpy(at, record.bytes.data(), record.bytes.size());
        meta(packet) = PacketMeta{};
        tx_.push(port, packet);
      } else {
        if (packet != nullptr) rte_pktmbuf_free(packet);
        accounts_.unsent(port);
      }
    }
    context_.from_kernel->pop();
  }
  return frames;
}

}  // namespace sallyport::dp
