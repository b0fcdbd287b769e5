// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_keeper.h"

#include <rte_prefetch.h>

#include <algorithm>

#include "dataplane/flow_link.h"
#include "dataplane/police.h"
#include "dataplane/rtcp_statistics.h"

namespace sallyport::dp {
namespace {

constexpr Nanoseconds kScanPeriod = kSecond / 2;  // in which every active flow is looked at once
constexpr std::size_t kScanAtMost = 1024;         // in one turn
constexpr std::size_t kScanAhead = 4;             // whose memory is on its way meanwhile

[[nodiscard]] std::vector<bool> slots_of_worker(const WorkerContext& context) {
  std::vector<bool> owned(context.flows->size());
  for (const MediaRange& range : context.media) {
    for (std::uint32_t port = range.first; port <= range.last; ++port) {
      const auto p = static_cast<std::uint16_t>(port);
      owned[range.slot_of(p)] =
          range.owner(range.pair_of(p), context.shards, context.workers).worker == context.id;
    }
  }
  return owned;
}

// Signalling may come from elsewhere by now, of a phone that has changed its network: a lock that its rule
// would not give again goes.
[[nodiscard]] bool may_stay_locked(const Flow& flow, const FlowMore& more) {
  return !flow.is_locked() || latch_allows(more.spec, source_of(flow, more));
}

[[nodiscard]] std::uint32_t per_unit(std::uint64_t nanoseconds, std::uint32_t rate) {
  return rate == 0 ? 0 : static_cast<std::uint32_t>(std::min<std::uint64_t>(nanoseconds / rate, 0xffffffffu));
}

// What look_at reads.
void prefetch_look(const Flow& flow, const FlowMore& more) {
  rte_prefetch0(&flow);
  rte_prefetch0(&flow.rtp);
  rte_prefetch0(&more.out);
  rte_prefetch0(&more.rtp_history);
  rte_prefetch0(&more.spec.idle_timeout_ms);
}

}  // namespace

FlowKeeper::FlowKeeper(const WorkerContext& context, const LocalTable& locals, Neighbours& neighbours,
                       FlowEvents& events, Accounts& accounts)
    : context_(context),
      locals_(locals),
      neighbours_(neighbours),
      flows_(*context.flows),
      events_(events),
      accounts_(accounts),
      proofs_(kProofs),
      owned_(slots_of_worker(context)) {
  active_.reserve(static_cast<std::size_t>(std::count(owned_.begin(), owned_.end(), true)));
  free_proofs_.reserve(kProofs);
  for (std::size_t i = kProofs; i > 0; --i) free_proofs_.push_back(static_cast<std::uint16_t>(i - 1));
}

unsigned FlowKeeper::owner_of_slot(std::uint32_t slot) const {
  for (const MediaRange& range : context_.media) {
    if (slot >= range.slot_base && slot - range.slot_base <= std::uint32_t{range.last} - range.first) {
      return owner_of(range, range.port_of(slot));
    }
  }
  return context_.id;
}

// The fields that packets read, from the spec. What the latch and the counters hold stays.
void FlowKeeper::take(Flow& flow, const FlowSpec& spec) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  more(flow).spec = spec;
  flow.kind = spec.kind;
  flow.realm = static_cast<std::uint8_t>(spec.realm);
  flow.rtcp_mux = spec.rtcp_mux;
  flow.may_send = spec.may_send;
  flow.secured = spec.secured;
  const bool any_type = spec.payload_types[0] == 0 && spec.payload_types[1] == 0;
  flow.payload_types = any_type ? std::array{kAll, kAll} : spec.payload_types;
  flow.ns_per_packet = per_unit(static_cast<std::uint64_t>(kSecond), spec.police_pps);
  flow.ns_per_byte_q8 = per_unit(static_cast<std::uint64_t>(kSecond) << 8, spec.police_bytes_per_s);
}

// The slot, the realm and the local endpoint are one and the same port of ours.
bool FlowKeeper::is_place_of(const FlowSpec& spec) const {
  if (spec.realm >= context_.realms.size() || spec.owner.shard >= context_.shards) return false;
  const LocalAddress* own = locals_.find_any(spec.realm, spec.local.address);
  return own != nullptr && own->realm == spec.realm && own->has_media(spec.local.port) &&
         own->media.slot_of(spec.local.port) == spec.self.slot;
}

void FlowKeeper::install(const FlowSpec& spec, Nanoseconds now_ns) {
  const std::uint32_t slot = spec.self.slot;
  if (!owns(slot) || !is_place_of(spec)) return;
  Flow& flow = flows_[slot];
  // A slot is only used again after its flow_removed. A shard that breaks this loses the old flow, never its
  // event.
  if (flow.state == FlowState::active) remove({slot, more(flow).generation()}, more(flow).spec.owner.shard);
  if (flow.state == FlowState::removing) return;
  flow = Flow{};
  more(flow) = FlowMore{};
  flow.state = FlowState::active;
  more(flow).proof = kNoProof;
  more(flow).linked_from = kNoSlot;
  take(flow, spec);
  flow.latch = spec.latch == LatchMode::off ? LatchState::strict : LatchState::open;
  if (flow.latch == LatchState::strict) set_source(flow, more(flow), spec.remote);
  flow.last_ns = now_ns;
  retarget(flow, now_ns);
  more(flow).active_index = static_cast<std::uint32_t>(active_.size());
  active_.push_back(slot);
  context_.counters->realms[spec.realm].flows_active.add();
}

void FlowKeeper::update(const FlowUpdate& update, Nanoseconds now_ns) {
  const FlowSpec& spec = update.spec;
  Flow* flow = owns(spec.self.slot) ? active(spec.self.slot) : nullptr;
  if (flow == nullptr || more(*flow).generation() != spec.self.generation || !is_place_of(spec)) return;
  unlink(flows_, *flow);
  const bool was_strict = flow->latch == LatchState::strict;
  const bool is_strict = spec.latch == LatchMode::off;
  // Who only received was believed for less than RTP: now that it sends, it proves itself by what it sends.
  const bool begins_to_send = !flow->may_send && spec.may_send && flow->rtp.received == 0;
  take(*flow, spec);
  if (is_strict) {
    forget_proof(*flow, DropReason::flow_latching);
    flow->latch = LatchState::strict;
    set_source(*flow, more(*flow), spec.remote);
  } else if (was_strict || update.reopen_latch != 0 || begins_to_send ||
             !may_stay_locked(*flow, more(*flow))) {
    reopen(*flow);
  }
  flow->last_ns = now_ns;  // what signalling changed is waited for anew
  flow->idle_told = false;
  retarget(*flow, now_ns);
}

Flow* FlowKeeper::named(const FlowRef& ref, unsigned shard) {
  Flow* flow = owns(ref.slot) ? active(ref.slot) : nullptr;
  if (flow == nullptr || more(*flow).generation() != ref.generation || more(*flow).spec.owner.shard != shard)
    return nullptr;
  return flow;
}

void FlowKeeper::mirror(const FlowMirror& command, unsigned shard) {
  Flow* flow = named(command.flow, shard);
  if (flow == nullptr) return;
  unlink(flows_, *flow);
  flow->mirrored = command.on != 0;
}

void FlowKeeper::report(const FlowRef& ref, unsigned shard) {
  if (named(ref, shard) != nullptr) events_.tell(ref.slot, kTellCounters);
}

void FlowKeeper::reopen(Flow& flow) {
  forget_proof(flow, DropReason::flow_latching);
  flow.latch = latch_step(LatchState::locked, LatchEvent::reopen).next;
}

void FlowKeeper::remove(const FlowRef& ref, unsigned shard) {
  Flow* flow = named(ref, shard);
  if (flow == nullptr) return;
  unlink(flows_, *flow);
  forget_proof(*flow, DropReason::flow_latching);
  count_loss(*flow);
  deactivate(*flow);
  flow->state = FlowState::removing;
  events_.tell(ref.slot, kTellRemoved);
}

void FlowKeeper::deactivate(Flow& flow) {
  const std::uint32_t last = active_.back();
  active_[more(flow).active_index] = last;
  more(flows_[last]).active_index = more(flow).active_index;
  active_.pop_back();
  Counter& count = context_.counters->realms[flow.realm].flows_active;
  count.set(count.get() - 1);
}

void FlowKeeper::retarget(Flow& flow, Nanoseconds now_ns) {
  const FlowSpec& spec = more(flow).spec;
  Egress& out = more(flow).out;
  const RealmOptions& realm = context_.realms[spec.realm];
  const Endpoint target = target_of(flow, more(flow));
  out = make_egress(spec.local, target, realm.port, realm.vlan, spec.dscp);
  if (out.family == Family::none) return;
  const LocalAddress* own = locals_.find_any(spec.realm, target.address);
  if (own == nullptr) return keep_resolved(flow, now_ns);
  // Our own address: flow to flow inside, or, off the media ports, nowhere.
  out.internal_slot = own->has_media(target.port) ? own->media.slot_of(target.port) : kNoSlot;
  if (out.internal_slot == kNoSlot) out.family = Family::none;
}

// The kernel sees none of our packets: it resolves when asked, and keeps what it is told is in use, also for
// a stream that is on hold.
void FlowKeeper::keep_resolved(Flow& flow, Nanoseconds now_ns) {
  Egress& out = more(flow).out;
  if (out.family == Family::none || out.internal_slot != kNoSlot) return;
  (void)neighbours_.resolve(out, flow.realm, now_ns);
}

LatchProof* FlowKeeper::proof_for(std::uint32_t slot, Flow& flow) {
  std::uint16_t& index = more(flow).proof;
  if (index != kNoProof) return &proofs_[index];
  if (free_proofs_.empty()) return nullptr;
  index = free_proofs_.back();
  free_proofs_.pop_back();
  LatchProof& proof = proofs_[index];
  proof = LatchProof{};
  proof.slot = slot;
  return &proof;
}

void FlowKeeper::release_proof(Flow& flow) {
  std::uint16_t& index = more(flow).proof;
  if (index == kNoProof) return;
  proofs_[index].slot = kNoSlot;
  proofs_[index].held_count = 0;
  free_proofs_.push_back(index);
  index = kNoProof;
}

void FlowKeeper::forget_proof(Flow& flow, DropReason reason) {
  if (more(flow).proof == kNoProof) return;
  LatchProof& proof = proofs_[more(flow).proof];
  for (std::uint8_t i = 0; i < proof.held_count; ++i) accounts_.drop(proof.held[i], reason);
  more(flow).dropped += proof.held_count;
  release_proof(flow);
}

void FlowKeeper::lock(std::uint32_t slot, Flow& flow, const Endpoint& source, Nanoseconds now_ns) {
  unlink(flows_, flow);
  flow.latch = LatchState::locked;
  set_source(flow, more(flow), source);
  retarget(flow, now_ns);
  context_.counters->latches.add();
  events_.tell(slot, kTellLatched);
}

Flow* FlowKeeper::rtp_of(std::uint32_t slot, const Flow& rtcp) {
  Flow* rtp = slot == 0 || !owns(slot - 1) ? nullptr : active(slot - 1);
  return rtp != nullptr && rtp->kind == FlowKind::rtp && more(*rtp).generation() == more(rtcp).generation()
             ? rtp
             : nullptr;
}

RtcpStatistics& FlowKeeper::rtcp_of(std::uint32_t slot, const Flow& flow) {
  RtcpStatistics& rtcp = flows_.rtcp(slot);
  if (rtcp.generation != more(flow).generation()) rtcp = {.generation = more(flow).generation()};
  return rtcp;
}

void FlowKeeper::heard_control(std::uint32_t slot, const Flow& flow, std::span<const std::uint8_t> packet,
                               Nanoseconds now_ns) {
  if (flow.kind == FlowKind::rtcp) {
    if (Flow* rtp = rtp_of(slot, flow)) heard(slot - 1, *rtp, now_ns);
  }
  const FlowRef to = more(flow).spec.pair;
  const Flow* pair = owns(to.slot) ? active(to.slot) : nullptr;
  if (pair == nullptr || more(*pair).generation() != to.generation) return;
  read_reports(packet, rtcp_of(slot, flow), rtcp_of(to.slot, *pair), now_ns);
}

void FlowKeeper::tell_active(std::uint32_t slot, Flow& flow) {
  flow.idle_told = false;
  // A shard that has not heard of the silence need not hear of its end.
  if ((flow.pending & kTellIdle) != 0) {
    flow.pending = static_cast<std::uint8_t>((flow.pending & ~kTellIdle) | kTellActive);
  } else {
    events_.tell(slot, kTellActive);
  }
}

// Net gaps since the last look; the realm's counter never goes back, so what arrives late afterwards stays
// counted.
void FlowKeeper::count_loss(Flow& flow) {
  std::uint32_t& reported = more(flow).rtp_history.reported_lost;
  const std::uint32_t lost = flow.rtp.lost(more(flow).rtp_history);
  if (lost <= reported) return;
  context_.counters->realms[flow.realm].media_lost_packets.add(lost - reported);
  reported = lost;
}

void FlowKeeper::look_at(Flow& flow, std::uint32_t slot, Nanoseconds now_ns) {
  count_loss(flow);
  if (is_settling_due(flows_, flow)) settle(flows_, flow);
  keep_resolved(flow, now_ns);
  const Nanoseconds limit = Nanoseconds{more(flow).spec.idle_timeout_ms} * kMillisecond;
  if (!more(flow).spec.reports_idle || limit == 0 || flow.idle_told || now_ns - flow.last_ns < limit) return;
  flow.idle_told = true;
  events_.tell(slot, kTellIdle);
  flow.pending &= static_cast<std::uint8_t>(~kTellActive);  // after it: the flow stays on its list
}

void FlowKeeper::scan(Nanoseconds now_ns) {
  const Nanoseconds passed = std::min(now_ns - scanned_ns_, kScanPeriod);
  if (passed < kMillisecond) return;
  scanned_ns_ = now_ns;
  const std::size_t share = active_.size() * static_cast<std::size_t>(passed / kMicrosecond) /
                            static_cast<std::size_t>(kScanPeriod / kMicrosecond);
  for (std::size_t n = std::min({share + 1, active_.size(), kScanAtMost}); n > 0; --n) {
    if (scan_at_ >= active_.size()) scan_at_ = 0;
    if (scan_at_ + kScanAhead < active_.size()) {
      const Flow& soon = flows_[active_[scan_at_ + kScanAhead]];
      prefetch_look(soon, more(soon));
    }
    const std::uint32_t slot = active_[scan_at_++];
    look_at(flows_[slot], slot, now_ns);
  }
  for (std::size_t n = free_proofs_.size() == kProofs ? 0 : 32; n > 0; --n) {
    const LatchProof& proof = proofs_[proof_at_++ % kProofs];
    if (proof.slot == kNoSlot) continue;
    Flow& flow = flows_[proof.slot];
    if (now_ns - proof.candidate.last_ns < hold_time(flow.kind)) continue;
    flow.latch = latch_step(flow.latch, LatchEvent::silent).next;
    forget_proof(flow, DropReason::flow_latching);
  }
}

void FlowKeeper::abandon() {
  for (const std::uint32_t slot : active_) forget_proof(flows_[slot], DropReason::shutdown);
}

}  // namespace sallyport::dp
