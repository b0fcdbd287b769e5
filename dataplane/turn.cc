// SPDX-License-Identifier: Apache-2.0
#include "dataplane/turn.h"

#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include <cstring>
#include <stdexcept>

#include "dataplane/verified.h"
#include "dataplane/worker.h"

namespace sallyport::dp {
namespace {

constexpr unsigned kCommandsATurn = 64;  // of one shard
constexpr std::size_t kScratchBytes = 0x10000 + 128;

template <typename T>
[[nodiscard]] bool read(const RecordRing::Record& record, T& out) {
  if (record.bytes.size() < sizeof(T)) return false;
  std::memcpy(&out, record.bytes.data(), sizeof(T));
  return true;
}

WorkerContext& checked(WorkerContext& context) {
  if (detail::packet_meta_offset < 0 && !register_packet_fields()) {
    throw std::runtime_error("no room in the mbuf for the worker's notes");
  }
  if (context.flows == nullptr || context.next_hops == nullptr || context.counters == nullptr) {
    throw std::runtime_error("a worker needs flows, next hops and counters");
  }
  return context;
}

}  // namespace

Turn::Turn(WorkerContext& context)
    : context_(checked(context)),
      accounts_(*context.counters),
      locals_(context.realms, context.media),
      events_(context, *context.flows),
      neighbours_(*context.next_hops, context.id),
      keeper_(context, locals_, neighbours_, events_, accounts_),
      tx_(context.ports, accounts_, context.flows),
      sender_(context.ports, tx_, context.id),
      handoff_(context, accounts_),
      relay_(context, keeper_, neighbours_, tx_, sender_, handoff_, accounts_),
      inbound_(context, events_, accounts_),
      outbound_(context, locals_, neighbours_, sender_, inbound_, accounts_),
      kernel_(context, tx_, accounts_),
      scratch_(kScratchBytes) {
  for (std::size_t i = 0; i < context.ports.size(); ++i) {
    reassemblers_.push_back(std::make_unique<Reassembler>(accounts_, context.socket));
  }
}

Turn::~Turn() {
  rte_mbuf* packet = nullptr;
  while (context_.handoff_in != nullptr &&
         rte_ring_sc_dequeue(context_.handoff_in, reinterpret_cast<void**>(&packet)) == 0) {
    accounts_.drop(packet, DropReason::shutdown);
  }
  for (auto& reassembler : reassemblers_) reassembler->abandon();
  keeper_.abandon();
  relay_.abandon();
  outbound_.abandon();
  tx_.abandon();
}

unsigned Turn::take(Nanoseconds now_ns) {
  unsigned work = carry_out_commands(now_ns);
  for (std::uint8_t port = 0; port < context_.ports.size(); ++port) work += poll_port(port, now_ns);
  work += poll_handoff(now_ns);
  work += kernel_.take();
  outbound_.retry(now_ns);
  relay_.retry(now_ns);
  if (now_ns - expired_ns_ >= 10 * kMillisecond) {
    expired_ns_ = now_ns;
    for (auto& reassembler : reassemblers_) reassembler->expire(now_ns);
  }
  keeper_.scan(now_ns);
  handoff_.flush();
  tx_.flush();
  if (events_.deliver()) ++work;
  events_.ring_bells();
  snapshot_.serve(keeper_, *context_.flows);
  return work;
}

bool Turn::has_commands() const {
  for (RecordRing* ring : context_.commands) {
    if (!ring->empty()) return true;
  }
  return false;
}

unsigned Turn::carry_out_commands(Nanoseconds now_ns) {
  unsigned done = 0;
  for (unsigned shard = 0; shard < context_.commands.size(); ++shard) {
    RecordRing& ring = *context_.commands[shard];
    for (unsigned n = 0; n < kCommandsATurn; ++n) {
      const RecordRing::Record record = ring.front();
      if (record.kind == 0) break;
      carry_out(record, shard, now_ns);
      ring.pop();
      ++done;
    }
  }
  return done;
}

void Turn::carry_out(const RecordRing::Record& record, unsigned shard, Nanoseconds now_ns) {
  switch (static_cast<Command>(record.kind)) {
    case Command::flow_install:
      if (FlowInstall command; read(record, command)) keeper_.install(command.spec, now_ns);
      break;
    case Command::flow_update:
      if (FlowUpdate command; read(record, command)) keeper_.update(command, now_ns);
      break;
    case Command::flow_remove:
      if (FlowRemove command; read(record, command)) keeper_.remove(command.flow, shard);
      break;
    case Command::sip_send:
      if (SipSend command; read(record, command) && record.bytes.size() >= sizeof(command) + command.bytes) {
        const auto* octets = reinterpret_cast<const std::uint8_t*>(record.bytes.data()) + sizeof(command);
        outbound_.send(command, {octets, command.bytes}, now_ns);
      }
      break;
    case Command::flow_mirror:
      if (FlowMirror command; read(record, command)) keeper_.mirror(command, shard);
      break;
    case Command::flow_report:
      if (FlowReport command; read(record, command)) keeper_.report(command.flow, shard);
      break;
    case Command::realm_settings:
      if (RealmSettings command; read(record, command)) set_realm(command);
      break;
    case Command::none:
      break;
  }
}

void Turn::set_realm(const RealmSettings& settings) {
  if (settings.realm >= context_.realms.size()) return;
  RealmOptions& realm = context_.realms[settings.realm];
  realm.sip_police_pps = settings.sip_police_pps;
  realm.sip_dscp = settings.sip_dscp;
}

inline void Turn::look(rte_mbuf* packet, std::uint8_t port, Step& step) {
  step.slot = kNoSlot;
  step.is_own = false;
  if (packet->nb_segs != 1) return;
  const std::span head{rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len};
  const DropReason reason = view_packet(head, packet->pkt_len, ip_verified(packet), step.view);
  step.view.udp_verified = udp_verified(packet);
  step.what = reason == kPass ? classify(step.view, port, locals_) : Classified{.reason = reason};
  if (step.what.is != PacketClass::media) return;
  step.slot = step.what.local->media.slot_of(step.view.destination_port);
  step.is_own = keeper_.owns(step.slot);
}

// What a packet touches of its flow, on its way from memory. The first line is read and not announced: a
// prefetch whose page the TLB does not have may be forgotten, a read is looked for, several at once. Then the
// second line's page is known.
inline void Turn::fetch_flow(std::uint32_t slot) {
  const Flow& flow = (*context_.flows)[slot];
  [[maybe_unused]] const FlowState state = static_cast<const volatile Flow&>(flow).state;
  rte_prefetch0(&flow.packets);
}

// Three passes over a burst. The one in the middle is as short as can be: only what fits into the core at once
// is looked for at once.
unsigned Turn::poll_port(std::uint8_t port, Nanoseconds now_ns) {
  std::array<rte_mbuf*, kBurst> burst;
  const WorkerPort& from = context_.ports[port];
  const unsigned count = rte_eth_rx_burst(from.dpdk_port, from.queue, burst.data(), kBurst);
  if (count == 0) return 0;
  accounts_.received(port, std::span(burst).first(count));
  for (unsigned i = 0; i < count; ++i) rte_prefetch0(rte_pktmbuf_mtod(burst[i], void*));
  for (unsigned i = 0; i < count; ++i) look(burst[i], port, steps_[i]);
  for (unsigned i = 0; i < count; ++i) {
    if (!steps_[i].is_own) continue;
    fetch_flow(steps_[i].slot);
    if (steps_[i].view.family == Family::v6)
      rte_prefetch0(&context_.flows->more((*context_.flows)[steps_[i].slot]).source);
  }
  for (unsigned i = 0; i < count; ++i) {
    if (steps_[i].is_own) [[likely]] {
      relay_.arrive(burst[i], steps_[i].view, steps_[i].slot, now_ns);
    } else if (burst[i]->nb_segs != 1) {
      process_alone(burst[i], now_ns);
    } else {
      dispatch(burst[i], steps_[i], now_ns);
    }
  }
  handoff_.flush();
  return count;
}

void Turn::dispatch(rte_mbuf* packet, Step& step, Nanoseconds now_ns) {
  switch (step.what.is) {
    case PacketClass::drop:
      return accounts_.drop(packet, step.what.reason);
    case PacketClass::media:
      return to_media(packet, step, now_ns);
    case PacketClass::sip:
      return inbound_.deliver(packet, step.view, *step.what.local, now_ns);
    case PacketClass::fragment:
      return to_fragments(packet, step.view, now_ns);
    case PacketClass::icmp_error:
      return to_icmp(packet, step, now_ns);
    case PacketClass::kernel_neighbour:
    case PacketClass::kernel_icmp:
    case PacketClass::kernel_tcp:
      return kernel_.give(packet, step.view, step.what.is, now_ns);
  }
}

void Turn::to_media(rte_mbuf* packet, const Step& step, Nanoseconds now_ns) {
  if (step.is_own) return relay_.arrive(packet, step.view, step.slot, now_ns);
  handoff_.give(keeper_.owner_of(step.what.local->media, step.view.destination_port), packet, step.slot);
}

void Turn::to_fragments(rte_mbuf* packet, const PacketView& view, Nanoseconds now_ns) {
  const unsigned owner = Reassembler::datagram_hash(view) % context_.workers;
  if (owner != context_.id) return handoff_.give(owner, packet, kNoSlot);
  rte_mbuf* whole = reassemblers_[meta(packet).ingress]->add(packet, view, now_ns);
  if (whole != nullptr) process_alone(whole, now_ns);
}

void Turn::to_icmp(rte_mbuf* packet, const Step& step, Nanoseconds now_ns) {
  const IcmpQuote quote = read_icmp_quote(step.view, *step.what.local);
  if (quote.is == QuoteOf::sip) return inbound_.deliver_icmp(packet, quote, *step.what.local, now_ns);
  if (quote.is == QuoteOf::kernel) return kernel_.give(packet, step.view, PacketClass::kernel_icmp, now_ns);
  accounts_.drop(packet, DropReason::icmp_unrelated);
}

unsigned Turn::poll_handoff(Nanoseconds now_ns) {
  if (context_.handoff_in == nullptr) return 0;
  std::array<rte_mbuf*, kBurst> burst;
  const unsigned count =
      rte_ring_sc_dequeue_burst(context_.handoff_in, reinterpret_cast<void**>(burst.data()), kBurst, nullptr);
  // The other worker's core has them yet: the notes first, then what they lead to.
  for (unsigned i = 0; i < count; ++i) {
    rte_prefetch0(burst[i]);
    rte_prefetch0(&meta(burst[i]));
  }
  for (unsigned i = 0; i < count; ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(burst[i], void*));
    if (const std::uint32_t slot = meta(burst[i]).slot; slot < context_.flows->size()) fetch_flow(slot);
  }
  for (unsigned i = 0; i < count; ++i) {
    if (const std::uint32_t slot = meta(burst[i]).slot; slot < context_.flows->size()) {
      arrive_alone(burst[i], slot, now_ns);
    } else {
      process_alone(burst[i], now_ns);
    }
  }
  return count;
}

// One packet outside a burst: a whole datagram of fragments, a chained mbuf, a fragment from another worker.
void Turn::process_alone(rte_mbuf* packet, Nanoseconds now_ns) {
  Step step;
  const DropReason reason = view_whole(packet, step.view);
  if (reason != kPass) return accounts_.drop(packet, reason);
  step.what = classify(step.view, meta(packet).ingress, locals_);
  if (step.what.is == PacketClass::media) {
    step.slot = step.what.local->media.slot_of(step.view.destination_port);
    step.is_own = keeper_.owns(step.slot);
  }
  dispatch(packet, step, now_ns);
}

void Turn::arrive_alone(rte_mbuf* packet, std::uint32_t slot, Nanoseconds now_ns) {
  PacketView view;
  const DropReason reason = view_whole(packet, view);
  if (reason != kPass) return accounts_.drop(packet, reason);
  relay_.arrive(packet, view, slot, now_ns);
}

// A chain is made contiguous: in its own first mbuf where that has room, else as a copy in the scratch
// buffer.
DropReason Turn::view_whole(rte_mbuf* packet, PacketView& view) {
  std::span<const std::uint8_t> octets;
  if (packet->nb_segs == 1 || rte_pktmbuf_linearize(packet) == 0) {
    octets = {rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len};
  } else {
    if (packet->pkt_len > scratch_.size()) return DropReason::fragment_too_large;
    octets = {static_cast<const std::uint8_t*>(rte_pktmbuf_read(packet, 0, packet->pkt_len, scratch_.data())),
              packet->pkt_len};
  }
  const DropReason reason = view_packet(octets, octets.size(), ip_verified(packet), view);
  view.udp_verified = udp_verified(packet);
  return reason;
}

}  // namespace sallyport::dp
