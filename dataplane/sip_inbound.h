// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A SIP datagram is parsed where it lies, its shard is chosen by what is in it
// (steering.h), and the index and the octets are copied into that shard's ring. The mbuf is free again before
// anybody answers. What cannot be answered (RFC 3261 18.3, 16.11) is dropped here by name.
#pragma once

#include <vector>

#include "dataplane/accounts.h"
#include "dataplane/flow_events.h"
#include "dataplane/icmp_quote.h"
#include "dataplane/local_table.h"
#include "dataplane/packet_view.h"
#include "dataplane/sip/message_index.h"
#include "dataplane/steer/steering.h"

namespace sallyport::dp {

class SipInbound {
 public:
  SipInbound(const WorkerContext& context, FlowEvents& events, Accounts& accounts);

  // Takes the packet, classified as sip; the whole datagram lies behind `view`.
  void deliver(rte_mbuf* packet, const PacketView& view, const LocalAddress& local, Nanoseconds now_ns);
  // Takes the packet, an ICMP error that quotes SIP from `local`, a port of ours.
  void deliver_icmp(rte_mbuf* packet, const IcmpQuote& quote, const LocalAddress& local, Nanoseconds now_ns);
  // For a SIP request of ours that cannot leave: tells its shard. Nothing when it is none.
  void tell_unreachable(std::string_view message, const Endpoint& remote);

 private:
  [[nodiscard]] bool police(const PacketView& view, const LocalAddress& local, Nanoseconds now_ns);
  [[nodiscard]] DropReason parse_and_push(const PacketView& view, const LocalAddress& local,
                                          Nanoseconds now_ns);
  [[nodiscard]] DropReason push(std::string_view message, const steer::Steering& where,
                                const PacketView& view, const LocalAddress& local, Nanoseconds now_ns);
  [[nodiscard]] bool push_unreachable(std::string_view message, SipUnreachable what, bool& ours);

  const WorkerContext& context_;
  FlowEvents& events_;
  Accounts& accounts_;
  steer::IdentifierCodec codec_;
  sip::MessageIndex index_;
  std::vector<Nanoseconds> sources_;  // by keyed hash of realm and source: when its bucket is full again
};

}  // namespace sallyport::dp
