// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controlplane/routing/peer_table.h"
#include "controlplane/sip/statistics.h"
#include "controlplane/stats/shard_statistics.h"

namespace sallyport::shard {

// Counts SIP messages by peer, direction and method or code. Each datagram counts, retransmissions too.
class MessageCounter final : public sip::MessageObserver {
 public:
  MessageCounter(const routing::PeerTable& peers, stats::ShardStatistics& statistics)
      : peers_(peers), statistics_(statistics) {}

  void on_message(const sip::MessageEvent& event) override;

 private:
  const routing::PeerTable& peers_;
  stats::ShardStatistics& statistics_;
};

}  // namespace sallyport::shard
