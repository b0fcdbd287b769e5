// SPDX-License-Identifier: Apache-2.0
#include "dataplane/relay.h"

#include <algorithm>
#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/flow_link.h"
#include "dataplane/handoff.h"
#include "dataplane/police.h"

namespace sallyport::dp {
namespace {

constexpr std::size_t kUdptlBytes = 3;  // T.38 9.1: sequence number, and a primary packet's length

[[nodiscard]] std::span<const std::uint8_t> payload_of(const PacketView& view) {
  return {view.data + view.payload, view.payload_bytes};
}

[[nodiscard]] bool from_own_source(FlowTable& flows, const Flow& flow, const PacketView& view) {
  if (view.family != flow.source_family || be16(view.source_port) != flow.source_port) return false;
  if (view.family == Family::v4) return std::memcmp(view.source_bytes(), flow.source_v4.data(), 4) == 0;
  return std::memcmp(view.source_bytes(), flows.more(flow).source.data(), sizeof(AddressBytes)) == 0;
}

[[nodiscard]] Behind behind_header(const Flow& flow) {
  return flow.secured ? Behind::encrypted : Behind::clear;
}

[[nodiscard]] DropReason rtcp_sanity(const MediaPacket& media) {
  return rtcp_sane(payload_of(media.view), behind_header(*media.flow)) ? kPass
                                                                       : DropReason::flow_rtp_malformed;
}

[[nodiscard]] DropReason rtp_sanity(MediaPacket& media) {
  const Flow& flow = *media.flow;
  const std::span<const std::uint8_t> payload = payload_of(media.view);
  if (media.kind == MediaKind::rtcp) return flow.rtcp_mux ? rtcp_sanity(media) : DropReason::flow_not_rtp;
  if (media.kind != MediaKind::rtp) return DropReason::flow_not_rtp;
  if (!read_rtp(payload, payload.size(), media.rtp, behind_header(flow)))
    return DropReason::flow_rtp_malformed;
  media.rtp_read = true;
  const unsigned type = media.rtp.payload_type;
  const bool negotiated = (flow.payload_types[type >> 6] >> (type & 63) & 1) != 0;
  return negotiated ? kPass : DropReason::flow_payload_type;
}

// RFC 7983, as far as the flow knows what it carries.
[[nodiscard]] DropReason sanity(MediaPacket& media) {
  if (media.kind == MediaKind::keep_alive) return DropReason::flow_keep_alive;
  switch (media.flow->kind) {
    case FlowKind::rtp:
      return rtp_sanity(media);
    case FlowKind::rtcp:
      return media.kind == MediaKind::rtcp ? rtcp_sanity(media) : DropReason::flow_not_rtp;
    case FlowKind::udptl:
      return media.view.payload_bytes >= kUdptlBytes ? kPass : DropReason::flow_rtp_malformed;
    case FlowKind::opaque:
      break;
  }
  return kPass;
}

[[nodiscard]] DropReason police(Flow& flow, std::uint32_t bytes, Nanoseconds now_ns) {
  const Nanoseconds byte_cost = static_cast<Nanoseconds>(std::uint64_t{bytes} * flow.ns_per_byte_q8 >> 8);
  if (!conforms(flow.packets_due, now_ns, kMediaTolerance) ||
      !conforms(flow.bytes_due, now_ns, kMediaTolerance)) {
    return DropReason::flow_police;
  }
  if (flow.ns_per_packet != 0) charge(flow.packets_due, now_ns, flow.ns_per_packet);
  if (byte_cost != 0) charge(flow.bytes_due, now_ns, byte_cost);
  return kPass;
}

[[nodiscard]] LatchEvidence evidence_of(const MediaPacket& media) {
  LatchEvidence evidence{.source = media.view.source_endpoint()};
  if (media.rtp_read) {
    evidence.ssrc = media.rtp.ssrc;
    evidence.sequence = media.rtp.sequence;
    evidence.sequenced = true;
  } else if (media.flow->kind == FlowKind::udptl) {
    be16 sequence;
    std::memcpy(&sequence, payload_of(media.view).data(), sizeof(sequence));
    evidence.sequence = sequence.host();
    evidence.sequenced = true;
  }
  return evidence;
}

}  // namespace

Relay::Relay(const WorkerContext& context, FlowKeeper& keeper, Neighbours& neighbours, TxQueues& tx,
             DatagramSender& sender, Handoff& handoff, Accounts& accounts)
    : context_(context),
      flows_(*context.flows),
      keeper_(keeper),
      neighbours_(neighbours),
      tx_(tx),
      sender_(sender),
      handoff_(handoff),
      accounts_(accounts),
      ways_(ways_out(context, sender)),
      waiting_(neighbours) {}

void Relay::arrive(rte_mbuf* packet, const PacketView& view, std::uint32_t slot, Nanoseconds now_ns) {
  MediaPacket media{.packet = packet, .view = view, .slot = slot, .flow = keeper_.active(slot)};
  if (media.flow == nullptr) return accounts_.drop(packet, DropReason::port_closed);
  media.kind = media_kind(payload_of(view));
  media.control =
      media.kind == MediaKind::rtcp && (media.flow->kind == FlowKind::rtcp || media.flow->rtcp_mux);
  meta(packet).slot = slot;
  if (!media.flow->knows_source()) return latch(media, now_ns);
  if (!from_own_source(flows_, *media.flow, view)) return refuse_or_move(media, now_ns);
  if (media.flow->latch == LatchState::moving) [[unlikely]]
    keep_source(*media.flow);
  accept(media, now_ns);
}

// The source that was locked is there after all.
void Relay::keep_source(Flow& flow) {
  flow.latch = latch_step(flow.latch, LatchEvent::own).next;
  keeper_.forget_proof(flow, DropReason::flow_latching);
}

// From another source than the flow's own.
void Relay::refuse_or_move(MediaPacket& media, Nanoseconds now_ns) {
  if (!may_move(media, now_ns)) return drop(media, DropReason::flow_source);
  prove(media, proof_of(media.flow->kind), now_ns);
}

// Whether the locked source may have moved to the packet's port: RFC 7362 has no such rule, so it is narrow.
// The SSRC is 32 bits that only the source and its listener know.
bool Relay::may_move(MediaPacket& media, Nanoseconds now_ns) {
  const Flow& flow = *media.flow;
  if (!flow.is_locked() || more(flow).spec.relatch_after_ms == 0) return false;
  if (now_ns - flow.last_ns < Nanoseconds{more(flow).spec.relatch_after_ms} * kMillisecond) return false;
  if (media.view.source_endpoint().address != source_of(flow, more(flow)).address) return false;
  if (!udp_checksum_right(media.view) || sanity(media) != kPass) return false;
  if (flow.kind == FlowKind::rtcp) return rtcp_vouched(media);
  return media.rtp_read && flow.rtp.received != 0 && media.rtp.ssrc == flow.rtp.ssrc;
}

// RTCP is believed when it is of the source that its RTP flow has locked: its address, the port above (RFC
// 3550 11) or the one that SDP names, and its SSRC; where a latch may learn ports by policy, any port. Who
// may not send RTP has no SSRC to show.
bool Relay::rtcp_vouched(const MediaPacket& media) {
  const Flow* rtp = keeper_.rtp_of(media.slot, *media.flow);
  if (rtp == nullptr) return false;
  if (!rtp->is_locked()) return !rtp->may_send;
  const Endpoint locked = source_of(*rtp, more(*rtp));
  const Endpoint source = media.view.source_endpoint();
  const FlowSpec& spec = more(*media.flow).spec;
  const bool port_fits = source.port == locked.port + 1 || source.port == spec.remote.port ||
                         spec.latch == LatchMode::same_address;
  if (source.address != locked.address || !port_fits) return false;
  return rtp->rtp.received == 0 ? !rtp->may_send : rtcp_ssrc(payload_of(media.view)) == rtp->rtp.ssrc;
}

void Relay::drop(const MediaPacket& media, DropReason reason) {
  more(*media.flow).dropped += 1;
  accounts_.drop(media.packet, reason);
}

// A packet for a flow that does not know its source yet. What is no proof ends by its own name: only a good
// source's good packet may count.
void Relay::latch(MediaPacket& media, Nanoseconds now_ns) {
  const Flow& flow = *media.flow;
  if (!latch_allows(more(flow).spec, media.view.source_endpoint()))
    return drop(media, DropReason::flow_source);
  if (!udp_checksum_right(media.view)) return drop(media, DropReason::udp_checksum);
  if (!more(flow).spec.may_latch) return drop(media, DropReason::flow_no_remote);
  if (const DropReason reason = no_proof(media); reason != kPass) return drop(media, reason);
  const bool only_receives = flow.kind == FlowKind::rtp && !flow.may_send;
  prove(media, only_receives ? 1 : proof_of(flow.kind), now_ns);
}

// Why a good source's packet is no proof of it; kPass: it is.
DropReason Relay::no_proof(MediaPacket& media) {
  const Flow& flow = *media.flow;
  const DropReason reason = sanity(media);
  if (flow.kind == FlowKind::rtcp && reason == kPass) {
    return rtcp_vouched(media) ? kPass : DropReason::flow_latching;
  }
  if (flow.kind != FlowKind::rtp) return reason;
  if (flow.may_send)
    return reason == kPass && !media.rtp_read ? DropReason::flow_latching : reason;  // muxed RTCP
  // RFC 6263 4: who only receives keeps its NAT open by empty datagrams, RTCP, or RTP of an unknown type.
  const bool keeps_alive = reason == DropReason::flow_keep_alive || reason == DropReason::flow_payload_type;
  return keeps_alive ? kPass : reason;
}

// Counts a packet that may be proof.
void Relay::prove(MediaPacket& media, unsigned needed, Nanoseconds now_ns) {
  Flow& flow = *media.flow;
  const LatchEvidence evidence = evidence_of(media);
  LatchProof* proof = keeper_.proof_for(media.slot, flow);
  if (proof == nullptr) return drop(media, DropReason::flow_latching);
  const LatchEvent event = latch_event(flow.latch, proof->candidate, evidence, needed, now_ns);
  const LatchStep step = latch_step(flow.latch, event);
  flow.latch = step.next;
  switch (step.action) {
    case LatchAction::lock:
      return lock(media, evidence.source, now_ns);
    case LatchAction::hold:
    case LatchAction::restart:
      return hold(media, proof, evidence, step.action, now_ns);
    case LatchAction::pass:
    case LatchAction::refuse:
    case LatchAction::forget:
      return drop(media, DropReason::flow_source);
  }
}

void Relay::hold(MediaPacket& media, LatchProof* proof, const LatchEvidence& evidence, LatchAction action,
                 Nanoseconds now_ns) {
  if (!in_place(media)) return drop(media, DropReason::flow_latching);
  if (action == LatchAction::restart) {
    keeper_.forget_proof(*media.flow, DropReason::flow_latching);
    proof = keeper_.proof_for(media.slot, *media.flow);  // one was just given back
  }
  latch_note(proof->candidate, evidence, action, now_ns);
  if (proof->held_count == proof->held.size()) return drop(media, DropReason::flow_latching);
  proof->held[proof->held_count++] = media.packet;
}

// The packets that were the proof are relayed, in order, and then this one.
void Relay::lock(MediaPacket& media, const Endpoint& source, Nanoseconds now_ns) {
  const LatchProof proof = keeper_.proof(*media.flow);
  keeper_.release_proof(*media.flow);
  keeper_.lock(media.slot, *media.flow, source, now_ns);
  for (std::uint8_t i = 0; i < proof.held_count; ++i) {
    rte_mbuf* held = proof.held[i];
    PacketView view;
    const std::span head{rte_pktmbuf_mtod(held, const std::uint8_t*), held->data_len};
    const DropReason reason = view_packet(head, held->pkt_len, meta(held).reassembled, view);
    if (reason != kPass) {
      accounts_.drop(held, reason);  // cannot be: it was viewed when it came
      continue;
    }
    arrive(held, view, media.slot, now_ns);
  }
  arrive(media.packet, media.view, media.slot, now_ns);
}

// From the flow's own source: police, check, count, relay.
void Relay::accept(MediaPacket& media, Nanoseconds now_ns) {
  Flow& flow = *media.flow;
  if (!flow.may_send && !media.control) return drop(media, DropReason::flow_direction);
  DropReason reason = police(flow, media.view.payload_bytes, now_ns);
  if (reason == kPass) reason = sanity(media);
  if (reason == kPass || reason == DropReason::flow_keep_alive) keeper_.heard(media.slot, flow, now_ns);
  if (reason != kPass) return drop(media, reason);
  if (media.control) keeper_.heard_control(media.slot, flow, payload_of(media.view), now_ns);
  if (flow.packets == 0 && more(flow).first_ns == 0) more(flow).first_ns = now_ns;
  if (media.rtp_read) flow.rtp.add(media.rtp, more(flow).rtp_history, now_ns);
  accounts_.counters().realms[flow.realm].media_received_packets.add();
  relay(media, now_ns);
}

void Relay::relay(MediaPacket& media, Nanoseconds now_ns) {
  if (leave_by_link(media, now_ns)) return;
  const FlowRef to = more(*media.flow).spec.pair;
  Flow* pair = keeper_.owns(to.slot) ? keeper_.active(to.slot) : nullptr;
  if (pair == nullptr || more(*pair).generation() != to.generation)
    return drop(media, DropReason::flow_no_pair);
  if (!more(*pair).spec.may_receive && !media.control) return drop(media, DropReason::flow_direction);
  if (more(*pair).out.family == Family::none) return drop(media, DropReason::flow_no_remote);
  if (more(*pair).out.internal_slot != kNoSlot) return go_inside(media, *pair, now_ns);
  send(media, *pair, now_ns);
}

void Relay::count(MediaPacket& media, Flow& pair, Nanoseconds now_ns) {
  Flow& flow = *media.flow;
  flow.packets += 1;
  flow.bytes += media.view.payload_bytes;
  if (flow.out_family == Family::none) {  // a linked flow tells its pair later (settle)
    more(pair).sent_packets += 1;
    more(pair).sent_bytes += media.view.payload_bytes;
  }
  accounts_.counters().realms[pair.realm].media_sent_packets.add();
  if (flow.mirrored) [[unlikely]]
    mirror(media, pair, now_ns);
}

// A copy for who looks at the call. The headers that the packet came with are gone by now, its payload is
// not.
void Relay::mirror(const MediaPacket& media, const Flow& pair, Nanoseconds now_ns) {
  if (context_.mirror == nullptr) return;
  const MirroredPacket head{.source = source_of(*media.flow, more(*media.flow)),
                            .local = more(*media.flow).spec.local,
                            .pair_local = more(pair).spec.local,
                            .pair_target = target_of(pair, more(pair)),
                            .payload_bytes = media.view.payload_bytes,
                            .relayed_ns = now_ns};
  const bool taken = context_.mirror->push(static_cast<std::uint16_t>(Mirror::packet), head,
                                           std::as_bytes(payload_of(media.view)));
  (taken ? context_.counters->mirrored : context_.counters->mirror_ring_full).add();
}

// The pair has been asked before (flow_link.h): only headers are written. False, and nothing is done, where
// it has to be asked: no link, other neighbours since, too large for the egress, or a checksum to be made of
// all octets.
bool Relay::leave_by_link(MediaPacket& media, Nanoseconds now_ns) {
  Flow& flow = *media.flow;
  if (flow.out_family == Family::none || flow.out_version != neighbours_.version() ||
      waiting_.is_due(now_ns) || !in_place(media)) {
    return false;
  }
  const WayOut& way = ways_[flow.out_realm];
  if (!way.write(flow, more(flow), media.view, *media.packet)) return false;
  flow.packets += 1;
  flow.bytes += media.view.payload_bytes;
  accounts_.counters().realms[flow.out_realm].media_sent_packets.add();
  tx_.push(way.port(), media.packet);
  return true;
}

void Relay::send(MediaPacket& media, Flow& pair, Nanoseconds now_ns) {
  if (waiting_.is_due(now_ns)) retry(now_ns);  // what came before leaves before
  switch (neighbours_.resolve(more(pair).out, pair.realm, now_ns)) {
    case NextHopState::no_route:
      return drop(media, DropReason::no_route);
    case NextHopState::unresolved:
      return wait(media, now_ns);
    case NextHopState::ready:
      break;
  }
  const std::size_t udp_bytes = media.view.payload_bytes + kUdpBytes;
  if (in_place(media) && udp_bytes <= sender_.unfragmented_bytes(more(pair).out)) {
    if (const DropReason reason = rewrite(media, more(pair).out); reason != kPass) return drop(media, reason);
    count(media, pair, now_ns);
    if (more(pair).spec.may_receive && !media.flow->mirrored) link(flows_, media.slot, pair);
    return tx_.push(more(pair).out.port, media.packet);
  }
  // Larger than the egress takes, or not in one piece: made anew, in fragments where it must be.
  const std::uint16_t checksum = relayed_checksum(media.view, more(*media.flow).in_sum, more(pair).out);
  if (!sender_.send(more(pair).out, payload_of(media.view), checksum, meta(media.packet))) {
    return drop(media, DropReason::no_buffer);
  }
  count(media, pair, now_ns);
  rte_pktmbuf_free(media.packet);  // its end is the new frame's
}

void Relay::wait(MediaPacket& media, Nanoseconds now_ns) {
  const Nanoseconds until = media.until_ns != 0 ? media.until_ns : now_ns + MediaWait::kTime;
  if (now_ns >= until || !in_place(media)) return drop(media, DropReason::no_neighbour);
  if (const auto gone = waiting_.add({media.packet, media.slot, more(*media.flow).generation(), until})) {
    more(*media.flow).dropped += 1;
    accounts_.drop(gone->packet, DropReason::no_neighbour);
  }
}

void Relay::retry(Nanoseconds now_ns) {
  if (retrying_) return;  // one that is sent again may pass send() more than once (go_inside)
  retrying_ = true;
  for (const WaitingMedia& waited : waiting_.take(now_ns)) resume(waited, now_ns);
  retrying_ = false;
}

// It was accepted when it came; what has changed since is the flow, or its pair.
void Relay::resume(const WaitingMedia& waited, Nanoseconds now_ns) {
  PacketView view;
  MediaPacket media{.packet = waited.packet, .view = view, .slot = waited.slot, .until_ns = waited.until_ns};
  media.flow = keeper_.active(waited.slot);
  const std::span head{rte_pktmbuf_mtod(waited.packet, const std::uint8_t*), waited.packet->data_len};
  const bool read = view_packet(head, waited.packet->pkt_len, meta(waited.packet).reassembled, view) == kPass;
  if (media.flow == nullptr || more(*media.flow).generation() != waited.generation || !read) {
    return accounts_.drop(waited.packet, DropReason::no_neighbour);
  }
  media.kind = media_kind(payload_of(media.view));
  media.control =
      media.kind == MediaKind::rtcp && (media.flow->kind == FlowKind::rtcp || media.flow->rtcp_mux);
  relay(media, now_ns);
}

void Relay::abandon() {
  for (const WaitingMedia& waited : waiting_.take_all()) accounts_.drop(waited.packet, DropReason::shutdown);
}

// The pair's endpoint is a media port of ours: the packet arrives there as if it had come by the wire.
void Relay::go_inside(MediaPacket& media, Flow& pair, Nanoseconds now_ns) {
  if (++meta(media.packet).hops > kMaxHops) return drop(media, DropReason::flow_hops);
  if (!in_place(media)) return drop(media, DropReason::mtu);
  const std::uint32_t slot = more(pair).out.internal_slot;
  if (const DropReason reason = rewrite(media, more(pair).out); reason != kPass) return drop(media, reason);
  count(media, pair, now_ns);
  if (!keeper_.owns(slot)) return handoff_.give(keeper_.owner_of_slot(slot), media.packet, slot);
  PacketView view;
  const std::span head{rte_pktmbuf_mtod(media.packet, const std::uint8_t*), media.packet->data_len};
  if (const DropReason reason = view_packet(head, media.packet->pkt_len, true, view); reason != kPass) {
    return accounts_.drop(media.packet, reason);
  }
  arrive(media.packet, view, slot, now_ns);
}

// In the mbuf's only segment, and not in the worker's scratch buffer.
bool Relay::in_place(const MediaPacket& media) const {
  return media.packet->nb_segs == 1 && media.view.data == rte_pktmbuf_mtod(media.packet, const std::uint8_t*);
}

// New headers before the same payload. The UDP header keeps its place, so only the front of the mbuf moves.
DropReason Relay::rewrite(MediaPacket& media, const Egress& out) {
  rte_mbuf* packet = media.packet;
  const PacketView& view = media.view;
  const std::uint16_t checksum = relayed_checksum(view, more(*media.flow).in_sum, out);
  const auto headers = static_cast<std::uint16_t>(header_bytes(out, false));
  const auto udp_bytes = static_cast<std::uint16_t>(view.payload_bytes + kUdpBytes);
  if (packet->data_off + view.l4 < headers) return DropReason::no_buffer;
  packet->data_off = static_cast<std::uint16_t>(packet->data_off + view.l4 - headers);
  packet->data_len = static_cast<std::uint16_t>(headers + udp_bytes);
  packet->pkt_len = packet->data_len;
  packet->ol_flags &=
      RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;  // no word of the ingress's about VLAN or checksums
  auto* at = rte_pktmbuf_mtod(packet, std::uint8_t*);
  write_udp(at + headers, out, udp_bytes, checksum);
  write_headers(at, out, {.source_mac = &context_.ports[out.port].mac, .l4_bytes = udp_bytes});
  return kPass;
}

std::uint16_t relayed_checksum(const PacketView& view, std::uint16_t in_sum, const Egress& out) {
  if (view.udp_checksum != 0) return udp_on_wire(update_checksum(view.udp_checksum, in_sum, out.sum));
  if (out.family == Family::v4) return 0;  // none stays none
  const auto udp_bytes = static_cast<std::uint16_t>(view.payload_bytes + kUdpBytes);
  const be16 length(udp_bytes);
  const std::uint64_t sum = out.sum + pseudo_tail_sum(udp_bytes, kUdp) + length.raw() +
                            sum_of(view.data + view.payload, view.payload_bytes);
  return udp_on_wire(static_cast<std::uint16_t>(~fold(sum)));
}

}  // namespace sallyport::dp
