// SPDX-License-Identifier: Apache-2.0
// The parts of a worker wired together, and what one turn of its loop does with them.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "dataplane/accounts.h"
#include "dataplane/classify.h"
#include "dataplane/datagram_sender.h"
#include "dataplane/flow_events.h"
#include "dataplane/flow_keeper.h"
#include "dataplane/flow_snapshot.h"
#include "dataplane/handoff.h"
#include "dataplane/kernel_way.h"
#include "dataplane/local_table.h"
#include "dataplane/neighbours.h"
#include "dataplane/reassembler.h"
#include "dataplane/relay.h"
#include "dataplane/sip_inbound.h"
#include "dataplane/sip_outbound.h"
#include "dataplane/tx_queues.h"

namespace sallyport::dp {

class Turn {
 public:
  static constexpr unsigned kBurst = 32;

  explicit Turn(WorkerContext& context);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // Packets, commands and events dealt with.
  unsigned take(Nanoseconds now_ns);
  [[nodiscard]] bool has_flows() const { return keeper_.active_flows() != 0; }
  // Something waits for time to pass soon: packets to send, a neighbour, the last fragment.
  [[nodiscard]] bool has_pending() const {
    return tx_.queued() != 0 || outbound_.pending() != 0 || relay_.waiting() != 0;
  }
  [[nodiscard]] bool has_commands() const;
  [[nodiscard]] FlowSnapshot& snapshot() { return snapshot_; }

 private:
  struct Step {
    PacketView view;
    Classified what;
    std::uint32_t slot = kNoSlot;  // of media
    bool is_own = false;           // this worker's
  };

  unsigned carry_out_commands(Nanoseconds now_ns);
  void carry_out(const RecordRing::Record& record, unsigned shard, Nanoseconds now_ns);
  void set_realm(const RealmSettings& settings);
  unsigned poll_port(std::uint8_t port, Nanoseconds now_ns);
  unsigned poll_handoff(Nanoseconds now_ns);
  void look(rte_mbuf* packet, std::uint8_t port, Step& step);
  void fetch_flow(std::uint32_t slot);
  void dispatch(rte_mbuf* packet, Step& step, Nanoseconds now_ns);
  void to_media(rte_mbuf* packet, const Step& step, Nanoseconds now_ns);
  void to_fragments(rte_mbuf* packet, const PacketView& view, Nanoseconds now_ns);
  void to_icmp(rte_mbuf* packet, const Step& step, Nanoseconds now_ns);
  void process_alone(rte_mbuf* packet, Nanoseconds now_ns);
  void arrive_alone(rte_mbuf* packet, std::uint32_t slot, Nanoseconds now_ns);
  [[nodiscard]] DropReason view_whole(rte_mbuf* packet, PacketView& view);

  WorkerContext& context_;
  Accounts accounts_;
  LocalTable locals_;
  FlowEvents events_;
  Neighbours neighbours_;
  FlowKeeper keeper_;
  TxQueues tx_;
  DatagramSender sender_;
  Handoff handoff_;
  Relay relay_;
  SipInbound inbound_;
  SipOutbound outbound_;
  KernelWay kernel_;
  std::vector<std::unique_ptr<Reassembler>> reassemblers_;  // by port
  std::vector<std::uint8_t> scratch_;                       // one chained datagram in one piece
  std::array<Step, kBurst> steps_;
  FlowSnapshot snapshot_;
  Nanoseconds expired_ns_ = 0;
};

}  // namespace sallyport::dp
