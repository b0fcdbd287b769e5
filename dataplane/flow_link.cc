// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_link.h"

#include <algorithm>
#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/rtcp_statistics.h"

namespace sallyport::dp {
namespace {

// `now` less `settled` may be negative: the egress can refuse a packet that was counted (TxQueues).
void move_difference(std::uint64_t now, std::uint32_t& settled, std::uint64_t& sum) {
  const auto low = static_cast<std::uint32_t>(now);
  const auto difference = static_cast<std::int32_t>(low - settled);
  settled = low;
  const std::uint64_t loss = difference < 0 ? static_cast<std::uint64_t>(-std::int64_t{difference}) : 0;
  sum = difference < 0 ? sum - std::min(sum, loss) : sum + static_cast<std::uint64_t>(difference);
}

void end_link(FlowTable& flows, Flow& flow) {
  if (flow.out_family == Family::none) return;
  settle(flows, flow);
  flow.out_family = Family::none;
  flows[flow.spec.pair.slot].linked_from = kNoSlot;
}

}  // namespace

void link(FlowTable& flows, std::uint32_t slot, Flow& pair) {
  Flow& flow = flows[slot];
  end_link(flows, flow);
  if (pair.linked_from != kNoSlot) end_link(flows, flows[pair.linked_from]);
  pair.linked_from = slot;
  const Egress& out = pair.out;
  flow.out_family = out.family;
  flow.out_version = out.version;
  flow.out_mac = out.mac;
  flow.out_realm = pair.realm;
  flow.out_dscp = out.dscp;
  flow.out_source_port = out.source_port;
  flow.out_destination_port = out.destination_port;
  flow.sum_change = fold(std::uint64_t{static_cast<std::uint16_t>(~flow.in_sum)} + out.sum);
  if (out.family == Family::v4) {
    std::memcpy(flow.out_v4.data(), out.source.data(), 4);
    std::memcpy(flow.out_v4.data() + 4, out.destination.data(), 4);
  } else {
    flow.out_source_v6 = out.source;
    flow.out_destination_v6 = out.destination;
  }
  flow.settled_packets = static_cast<std::uint32_t>(flow.packets);
  flow.settled_bytes = static_cast<std::uint32_t>(flow.bytes);
}

void unlink(FlowTable& flows, Flow& flow) {
  end_link(flows, flow);
  if (flow.linked_from != kNoSlot) end_link(flows, flows[flow.linked_from]);
}

void settle(FlowTable& flows, Flow& flow) {
  if (flow.out_family == Family::none) return;
  Flow& pair = flows[flow.spec.pair.slot];
  move_difference(flow.packets, flow.settled_packets, pair.sent_packets);
  move_difference(flow.bytes, flow.settled_bytes, pair.sent_bytes);
}

FlowCounters counters_of(FlowTable& flows, std::uint32_t slot) {
  const Flow& flow = flows[slot];
  if (flow.linked_from != kNoSlot) settle(flows, flows[flow.linked_from]);
  FlowCounters out;
  out.packets = flow.packets;
  out.bytes = flow.bytes;
  out.sent_packets = flow.sent_packets;
  out.sent_bytes = flow.sent_bytes;
  out.dropped = flow.dropped;
  out.lost = flow.rtp.lost(flow.rtp_history);
  out.jitter_us = flow.rtp.jitter_us();
  out.ssrc = flow.rtp.ssrc;
  out.first_ns = flow.first_ns;
  out.last_ns = flow.packets == 0 ? 0 : flow.last_ns;
  if (const RtcpStatistics& rtcp = flows.rtcp(slot); rtcp.generation == flow.generation()) {
    out.rtt_us = rtcp.rtt_us;
    out.reported_lost = rtcp.reported_lost;
  }
  if (flow.is_locked()) out.latched = source_of(flow);
  return out;
}

}  // namespace sallyport::dp
