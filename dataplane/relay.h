// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The media path of one worker, in ARCHITECTURE.md's fixed order: flow by index, source
// check or latch, policing, RTP or RTCP sanity, address and checksum rewrite, egress. The relay is symmetric:
// what arrives at a flow leaves by its pair, from the pair's local address to the pair's endpoint. Each
// packet given to it ends here: queued on an egress, held by a latch, waiting for the kernel to resolve its
// neighbour, handed to another worker, or dropped by name.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/accounts.h"
#include "dataplane/datagram_sender.h"
#include "dataplane/flow_keeper.h"
#include "dataplane/media_wait.h"
#include "dataplane/neighbours.h"
#include "dataplane/packet_view.h"
#include "dataplane/rtp.h"
#include "dataplane/tx_queues.h"
#include "dataplane/way_out.h"

namespace sallyport::dp {

class Handoff;

inline constexpr std::uint8_t kMaxHops = 4;  // from flow to flow inside

// One packet on its way; `flow` is where it arrived.
struct MediaPacket {
  rte_mbuf* packet = nullptr;
  const PacketView& view;
  std::uint32_t slot = kNoSlot;
  Flow* flow = nullptr;
  MediaKind kind = MediaKind::other;
  RtpHeader rtp;  // of a flow that carries RTP, when rtp_read
  bool rtp_read = false;
  bool control = false;      // RTCP: not bound by the stream's direction
  Nanoseconds until_ns = 0;  // of one that has waited for its neighbour: how long it may
};

class Relay {
 public:
  Relay(const WorkerContext& context, FlowKeeper& keeper, Neighbours& neighbours, TxQueues& tx,
        DatagramSender& sender, Handoff& handoff, Accounts& accounts);

  // Takes the packet, whose datagram lies in one piece behind `view` (in the mbuf, or in a scratch buffer of
  // the worker when the mbuf is a chain), for the slot.
  void arrive(rte_mbuf* packet, const PacketView& view, std::uint32_t slot, Nanoseconds now_ns);
  // Sends what has been resolved since, gives up what has waited too long.
  void retry(Nanoseconds now_ns);
  void abandon();  // at the end
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  [[nodiscard]] FlowMore& more(const Flow& flow) { return flows_.more(flow); }
  void latch(MediaPacket& media, Nanoseconds now_ns);
  void refuse_or_move(MediaPacket& media, Nanoseconds now_ns);
  void keep_source(Flow& flow);
  [[nodiscard]] bool may_move(MediaPacket& media, Nanoseconds now_ns);
  [[nodiscard]] bool rtcp_vouched(const MediaPacket& media);
  [[nodiscard]] DropReason no_proof(MediaPacket& media);
  void prove(MediaPacket& media, unsigned needed, Nanoseconds now_ns);
  void hold(MediaPacket& media, LatchProof* proof, const LatchEvidence& evidence, LatchAction action,
            Nanoseconds now_ns);
  void lock(MediaPacket& media, const Endpoint& source, Nanoseconds now_ns);
  void accept(MediaPacket& media, Nanoseconds now_ns);
  void relay(MediaPacket& media, Nanoseconds now_ns);
  [[nodiscard]] bool leave_by_link(MediaPacket& media, Nanoseconds now_ns);
  void send(MediaPacket& media, Flow& pair, Nanoseconds now_ns);
  void wait(MediaPacket& media, Nanoseconds now_ns);
  void resume(const WaitingMedia& waited, Nanoseconds now_ns);
  void go_inside(MediaPacket& media, Flow& pair, Nanoseconds now_ns);
  void drop(const MediaPacket& media, DropReason reason);
  void count(MediaPacket& media, Flow& pair, Nanoseconds now_ns);
  void mirror(const MediaPacket& media, const Flow& pair, Nanoseconds now_ns);
  [[nodiscard]] bool in_place(const MediaPacket& media) const;
  [[nodiscard]] DropReason rewrite(MediaPacket& media, const Egress& out);

  const WorkerContext& context_;
  FlowTable& flows_;
  FlowKeeper& keeper_;
  Neighbours& neighbours_;
  TxQueues& tx_;
  DatagramSender& sender_;
  Handoff& handoff_;
  Accounts& accounts_;
  std::vector<WayOut> ways_;  // by realm
  MediaWait waiting_;
  bool retrying_ = false;
};

// The checksum that the datagram leaves with (RFC 1624; RFC 768 for 0). `in_sum`: of the addresses and ports
// that it came with.
[[nodiscard]] std::uint16_t relayed_checksum(const PacketView& view, std::uint16_t in_sum, const Egress& out);

}  // namespace sallyport::dp
