// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Every received packet is counted once on arrival and once at its end, on the port that
// it came by: received = relayed + sip + kernel + drops. The functions here are the only ends; each frees the
// packet or leaves it to the egress. A packet stands for as many received ones as its weight says (its
// fragments).
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/api/contract.h"
#include "dataplane/packet_meta.h"

namespace sallyport::dp {

class Accounts {
 public:
  explicit Accounts(WorkerCounters& counters) : counters_(counters) {}

  // A burst as it came from `port`: counted, and its notes begun.
  void received(std::uint8_t port, std::span<rte_mbuf* const> burst) {
    std::uint64_t bytes = 0;
    for (rte_mbuf* packet : burst) {
      meta(packet) = PacketMeta{.ingress = port, .weight = 1};
      bytes += packet->pkt_len;
    }
    counters_.ports[port].received_packets.add(burst.size());
    counters_.ports[port].received_bytes.add(bytes);
    counters_.packets.add(burst.size());
  }

  void drop(rte_mbuf* packet, DropReason reason) {
    count_drop(meta(packet), reason);
    rte_pktmbuf_free(packet);
  }
  void count_drop(const PacketMeta& of, DropReason reason) {
    if (of.ingress == kOwnPacket) {
      return;
    }
    counters_.ports[of.ingress].drops[static_cast<std::size_t>(reason)].add(of.weight);
  }
  void to_sip(rte_mbuf* packet) {
    const PacketMeta& of = meta(packet);
    if (of.ingress != kOwnPacket) counters_.ports[of.ingress].sip.add(of.weight);
    rte_pktmbuf_free(packet);
  }
  // No end: it goes on at another worker.
  void handed_over(rte_mbuf* packet) {
    const PacketMeta& of = meta(packet);
    if (of.ingress != kOwnPacket) counters_.ports[of.ingress].handed_over.add(of.weight);
  }
  void to_kernel(rte_mbuf* packet) {
    const PacketMeta& of = meta(packet);
    if (of.ingress != kOwnPacket) counters_.ports[of.ingress].kernel.add(of.weight);
    rte_pktmbuf_free(packet);
  }
  // The egress `port` has taken packets with these notes and so many octets.
  void sent(std::uint8_t port, std::span<const PacketMeta> packets, std::uint64_t bytes) {
    for (std::size_t i = 0; i < packets.size();) {  // those of one port at once
      const std::uint8_t ingress = packets[i].ingress;
      std::uint64_t weight = 0;
      for (; i < packets.size() && packets[i].ingress == ingress; ++i) weight += packets[i].weight;
      if (ingress != kOwnPacket) counters_.ports[ingress].relayed.add(weight);
    }
    counters_.ports[port].sent_packets.add(packets.size());
    counters_.ports[port].sent_bytes.add(bytes);
  }
  void unsent(std::uint8_t port, std::uint64_t packets = 1) { counters_.ports[port].unsent.add(packets); }

  [[nodiscard]] WorkerCounters& counters() { return counters_; }

 private:
  WorkerCounters& counters_;
};

}  // namespace sallyport::dp
