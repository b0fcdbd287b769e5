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
  flows.more(flows[flows.more(flow).spec.pair.slot]).linked_from = kNoSlot;
}

void end_link_to(FlowTable& flows, const Flow& pair) {
  if (const std::uint32_t from = flows.more(pair).linked_from; from != kNoSlot) end_link(flows, flows[from]);
}

}  // namespace

void link(FlowTable& flows, std::uint32_t slot, const Flow& pair) {
  Flow& flow = flows[slot];
  FlowMore& more = flows.more(flow);
  end_link(flows, flow);
  end_link_to(flows, pair);
  flows.more(pair).linked_from = slot;
  const Egress& out = flows.more(pair).out;
  flow.out_family = out.family;
  flow.out_version = out.version;
  flow.out_mac = out.mac;
  flow.out_realm = pair.realm;
  flow.out_dscp = out.dscp;
  flow.out_source_port = out.source_port;
  flow.out_destination_port = out.destination_port;
  flow.sum_change = fold(std::uint64_t{static_cast<std::uint16_t>(~more.in_sum)} + out.sum);
  if (out.family == Family::v4) {
    std::memcpy(flow.out_v4.data(), out.source.data(), 4);
    std::memcpy(flow.out_v4.data() + 4, out.destination.data(), 4);
  } else {
    more.out_source_v6 = out.source;
    more.out_destination_v6 = out.destination;
  }
  more.settled_packets = static_cast<std::uint32_t>(flow.packets);
  more.settled_bytes = static_cast<std::uint32_t>(flow.bytes);
}

void unlink(FlowTable& flows, Flow& flow) {
  end_link(flows, flow);
  end_link_to(flows, flow);
}

void settle(FlowTable& flows, const Flow& flow) {
  if (flow.out_family == Family::none) return;
  FlowMore& more = flows.more(flow);
  FlowMore& pair = flows.more(flows[more.spec.pair.slot]);
  move_difference(flow.packets, more.settled_packets, pair.sent_packets);
  move_difference(flow.bytes, more.settled_bytes, pair.sent_bytes);
}

bool is_settling_due(FlowTable& flows, const Flow& flow) {
  constexpr std::uint32_t kMuch = 1u << 30;
  return flow.out_family != Family::none &&
         static_cast<std::uint32_t>(flow.bytes) - flows.more(flow).settled_bytes >= kMuch;
}

FlowCounters counters_of(FlowTable& flows, std::uint32_t slot) {
  const Flow& flow = flows[slot];
  const FlowMore& more = flows.more(flow);
  if (more.linked_from != kNoSlot) settle(flows, flows[more.linked_from]);
  FlowCounters out;
  out.packets = flow.packets;
  out.bytes = flow.bytes;
  out.sent_packets = more.sent_packets;
  out.sent_bytes = more.sent_bytes;
  out.dropped = more.dropped;
  out.lost = flow.rtp.lost(more.rtp_history);
  out.jitter_us = flow.rtp.jitter_us();
  out.ssrc = flow.rtp.ssrc;
  out.first_ns = more.first_ns;
  out.last_ns = flow.packets == 0 ? 0 : flow.last_ns;
  if (const RtcpStatistics& rtcp = flows.rtcp(slot); rtcp.generation == more.generation()) {
    out.rtt_us = rtcp.rtt_us;
    out.reported_lost = rtcp.reported_lost;
  }
  if (flow.is_locked()) out.latched = source_of(flow, more);
  return out;
}

}  // namespace sallyport::dp
