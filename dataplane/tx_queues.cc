// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tx_queues.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>

#include "dataplane/flow.h"
#include "dataplane/packet_view.h"

namespace sallyport::dp {
namespace {

// Octets of UDP payload of a frame of ours.
std::uint64_t payload_bytes(rte_mbuf* packet) {
  const std::span head{rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len};
  PacketView view;
  return view_packet(head, packet->pkt_len, true, view) == kPass ? view.payload_bytes : 0;
}

// A packet that the relay counted as relayed has not left. What a linked flow has sent is told of its own
// counters.
void take_back(Flow& flow, FlowTable& flows, std::uint64_t bytes) {
  if (flow.packets == 0) return;
  flow.packets -= 1;
  flow.bytes -= std::min(flow.bytes, bytes);
  FlowMore& more = flows.more(flow);
  more.dropped += 1;
  if (flow.out_family != Family::none || more.spec.pair.slot >= flows.size()) return;
  FlowMore& pair = flows.more(flows[more.spec.pair.slot]);
  pair.sent_packets -= std::min<std::uint64_t>(pair.sent_packets, 1);
  pair.sent_bytes -= std::min(pair.sent_bytes, bytes);
}

}  // namespace

TxQueues::TxQueues(const std::vector<WorkerPort>& ports, Accounts& accounts, FlowTable* flows)
    : ports_(ports), accounts_(accounts), flows_(flows), queues_(std::make_unique<Queue[]>(ports.size())) {}

void TxQueues::flush() {
  for (std::uint8_t port = 0; port < ports_.size(); ++port) {
    if (queues_[port].count != 0) flush(port);
  }
}

void TxQueues::flush(std::uint8_t port) {
  Queue& queue = queues_[port];
  unsigned sent = 0;
  while (sent < queue.count) {
    const unsigned burst = std::min(kBurst, queue.count - sent);
    const unsigned taken = send_burst(port, &queue.packets[sent], burst);
    sent += taken;
    if (taken < burst) break;
  }
  std::copy(queue.packets.begin() + sent, queue.packets.begin() + queue.count, queue.packets.begin());
  queue.count -= sent;
}

// The device owns and may free what it takes: the notes are read before.
unsigned TxQueues::send_burst(std::uint8_t port, rte_mbuf** packets, unsigned count) {
  std::array<PacketMeta, kBurst> notes;
  std::array<std::uint32_t, kBurst> bytes;
  for (unsigned i = 0; i < count; ++i) {
    notes[i] = meta(packets[i]);
    bytes[i] = packets[i]->pkt_len;
  }
  const WorkerPort& to = ports_[port];
  const unsigned taken = rte_eth_tx_burst(to.dpdk_port, to.queue, packets, static_cast<std::uint16_t>(count));
  std::uint64_t total = 0;
  for (unsigned i = 0; i < taken; ++i) total += bytes[i];
  if (taken != 0) accounts_.sent(port, std::span(notes).first(taken), total);
  return taken;
}

void TxQueues::refuse(std::uint8_t port, rte_mbuf* packet, DropReason reason) {
  const PacketMeta of = meta(packet);
  if (of.ingress == kOwnPacket || of.weight == 0) {
    accounts_.unsent(port);
  } else if (flows_ != nullptr && of.slot < flows_->size()) {
    take_back((*flows_)[of.slot], *flows_, payload_bytes(packet));
  }
  accounts_.drop(packet, reason);
}

void TxQueues::abandon() {
  for (std::uint8_t port = 0; port < ports_.size(); ++port) {
    Queue& queue = queues_[port];
    for (unsigned i = 0; i < queue.count; ++i) refuse(port, queue.packets[i], DropReason::shutdown);
    queue.count = 0;
  }
}

unsigned TxQueues::queued() const {
  unsigned all = 0;
  for (std::size_t port = 0; port < ports_.size(); ++port) all += queues_[port].count;
  return all;
}

}  // namespace sallyport::dp
