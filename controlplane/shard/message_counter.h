// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controlplane/config/config.h"
#include "controlplane/routing/peer_table.h"
#include "controlplane/sip/statistics.h"
#include "controlplane/stats/shard_statistics.h"
#include "controlplane/trace/recorder.h"

namespace sallyport::shard {

// Counts SIP messages by peer, direction and method or code, and gives each to the recorder. Each datagram
// counts, retransmissions too.
class MessageCounter final : public sip::MessageObserver {
 public:
  MessageCounter(const config::Config& config, const routing::PeerTable& peers,
                 stats::ShardStatistics& statistics, trace::Recorder& recorder)
      : config_(config), peers_(peers), statistics_(statistics), recorder_(recorder) {}

  void on_message(const sip::MessageEvent& event) override;

 private:
  void record(const sip::MessageEvent& event, std::uint16_t peer);

  const config::Config& config_;
  const routing::PeerTable& peers_;
  stats::ShardStatistics& statistics_;
  trace::Recorder& recorder_;
};

}  // namespace sallyport::shard
