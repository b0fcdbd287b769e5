// SPDX-License-Identifier: Apache-2.0
// Theory of operation. What happens to a worker's flows other than packets: the shards' install, update and
// remove, the list of active flows, the scan for idle ones (a few each turn, all within about a second), and
// the candidates of latches with the packets that they hold. Where a flow sends to is resolved when
// signalling or a latch says so, not when its first packet comes, and is marked as used for as long as the
// flow lives.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/accounts.h"
#include "dataplane/flow.h"
#include "dataplane/flow_events.h"
#include "dataplane/flow_table.h"
#include "dataplane/local_table.h"
#include "dataplane/neighbours.h"
#include "dataplane/worker_context.h"

namespace sallyport::dp {

// A source on its way to the lock, and the packets that are its proof so far.
struct LatchProof {
  LatchCandidate candidate;
  std::uint32_t slot = kNoSlot;  // kNoSlot: free
  std::uint8_t held_count = 0;
  std::array<rte_mbuf*, kProof> held{};
};

class FlowKeeper {
 public:
  static constexpr std::size_t kProofs = 512;  // at a time; each holds at most kProof - 1 mbufs

  FlowKeeper(const WorkerContext& context, const LocalTable& locals, Neighbours& neighbours,
             FlowEvents& events, Accounts& accounts);

  void install(const FlowSpec& spec, Nanoseconds now_ns);
  void update(const FlowUpdate& update, Nanoseconds now_ns);
  void remove(const FlowRef& flow, unsigned shard);
  void mirror(const FlowMirror& command, unsigned shard);
  void report(const FlowRef& flow, unsigned shard);

  // A slot of ours that is active, or nullptr.
  [[nodiscard]] Flow* active(std::uint32_t slot) {
    if (slot >= flows_.size()) return nullptr;
    Flow& flow = flows_[slot];
    return flow.state == FlowState::active ? &flow : nullptr;
  }
  [[nodiscard]] bool owns(std::uint32_t slot) const { return slot < owned_.size() && owned_[slot]; }
  [[nodiscard]] unsigned owner_of(const MediaRange& range, std::uint16_t port) const {
    return range.owner(range.pair_of(port), context_.shards, context_.workers).worker;
  }

  // The worker of any slot.
  [[nodiscard]] unsigned owner_of_slot(std::uint32_t slot) const;

  // The candidate of a flow; one is begun where there is none. nullptr: all are in use.
  [[nodiscard]] LatchProof* proof_for(std::uint32_t slot, Flow& flow);
  // Ends the candidate without a lock: what is held is dropped.
  void forget_proof(Flow& flow, DropReason reason);
  // Gives the proof back; the held packets are the caller's.
  void release_proof(Flow& flow);
  [[nodiscard]] LatchProof& proof(const Flow& flow) { return proofs_[more(flow).proof]; }
  void lock(std::uint32_t slot, Flow& flow, const Endpoint& source, Nanoseconds now_ns);
  // Where packets leave has changed: the egress is made anew.
  void retarget(Flow& flow, Nanoseconds now_ns);

  // Something good came from the flow's source.
  void heard(std::uint32_t slot, Flow& flow, Nanoseconds now_ns) {
    flow.last_ns = now_ns;
    if (flow.idle_told) [[unlikely]]
      tell_active(slot, flow);
  }
  // Sane RTCP from the flow's source: what it says of the way, and that the endpoint lives, also where its
  // RTP port is silent.
  void heard_control(std::uint32_t slot, const Flow& flow, std::span<const std::uint8_t> packet,
                     Nanoseconds now_ns);
  // The RTP flow of an RTCP flow: the port below. nullptr: there is none.
  [[nodiscard]] Flow* rtp_of(std::uint32_t slot, const Flow& rtcp);

  // A part of the work that time brings: idle flows, silent candidates.
  void scan(Nanoseconds now_ns);
  void abandon();  // at the end
  [[nodiscard]] std::size_t active_flows() const { return active_.size(); }
  [[nodiscard]] const std::vector<std::uint32_t>& active_slots() const { return active_; }

 private:
  [[nodiscard]] FlowMore& more(const Flow& flow) { return flows_.more(flow); }
  // The active flow that a command of that shard names, or nullptr.
  [[nodiscard]] Flow* named(const FlowRef& ref, unsigned shard);
  [[nodiscard]] bool is_place_of(const FlowSpec& spec) const;
  void take(Flow& flow, const FlowSpec& spec);
  void tell_active(std::uint32_t slot, Flow& flow);
  void reopen(Flow& flow);
  [[nodiscard]] RtcpStatistics& rtcp_of(std::uint32_t slot, const Flow& flow);
  void deactivate(Flow& flow);
  void look_at(Flow& flow, std::uint32_t slot, Nanoseconds now_ns);
  void count_loss(Flow& flow);
  void keep_resolved(Flow& flow, Nanoseconds now_ns);

  const WorkerContext& context_;
  const LocalTable& locals_;
  Neighbours& neighbours_;
  FlowTable& flows_;
  FlowEvents& events_;
  Accounts& accounts_;
  std::vector<std::uint32_t> active_;
  std::vector<LatchProof> proofs_;
  std::vector<std::uint16_t> free_proofs_;
  std::vector<bool> owned_;  // by slot
  std::size_t scan_at_ = 0;
  std::size_t proof_at_ = 0;
  Nanoseconds scanned_ns_ = 0;
};

}  // namespace sallyport::dp
