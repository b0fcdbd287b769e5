// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow.h"

namespace sallyport::dp {

FlowCounters counters_of(const Flow& flow, const RtcpStatistics& rtcp) {
  FlowCounters out;
  out.packets = flow.packets;
  out.bytes = flow.bytes;
  out.sent_packets = flow.sent_packets;
  out.sent_bytes = flow.sent_bytes;
  out.dropped = flow.dropped;
  out.lost = flow.rtp.lost();
  out.jitter_us = flow.rtp.jitter_us();
  out.ssrc = flow.rtp.ssrc;
  out.first_ns = flow.first_ns;
  out.last_ns = flow.packets == 0 ? 0 : flow.last_ns;
  if (rtcp.generation == flow.generation) {
    out.rtt_us = rtcp.rtt_us;
    out.reported_lost = rtcp.reported_lost;
  }
  if (flow.is_locked()) out.latched = source_of(flow);
  return out;
}

Endpoint source_of(const Flow& flow) {
  return {IpAddress::from_bytes(flow.source_family, flow.source.data()), flow.source_port.host()};
}

void set_source(Flow& flow, const Endpoint& source) {
  flow.source = source.address.bytes();
  flow.source_family = source.address.family();
  flow.source_port = be16(source.port);
  flow.in_sum = endpoints_sum(source, flow.spec.local);
}

Endpoint target_of(const Flow& flow) {
  const FlowSpec& spec = flow.spec;
  if (spec.latch == LatchMode::off || spec.latch == LatchMode::asymmetric) return spec.remote;
  if (flow.is_locked()) return source_of(flow);
  // Not locked: the SDP's word is taken only where the signalling vouches for it. Behind a NAT it does not,
  // and a private address there would lead to somebody else.
  if (!spec.remote) return {};
  const IpAddress& remote = spec.remote.address;
  const unsigned bits = remote.is_v6() ? spec.latch_mask + 96u : spec.latch_mask;
  const bool vouched = same_prefix(remote, spec.signalling_source, bits) ||
                       (spec.latch == LatchMode::same_address && !remote.is_private());
  return vouched ? spec.remote : Endpoint{};
}

}  // namespace sallyport::dp
