// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/media/media_session.h"
#include "controlplane/shard/stream_link.h"
#include "controlplane/sip/path.h"
#include "controlplane/stats/shard_statistics.h"
#include "dataplane/api/contract.h"
#include "dataplane/api/ring.h"

namespace sallyport::shard {

// One shard's way to the workers. What a full ring does not take waits here, in order: flow commands without
// limit, SIP messages as far as kMostHeldBytes goes, and beyond it they are lost as on the network, whose
// timers then send them again (RFC 3261 17). So a worker that stands still for a moment fails no call. A SIP
// message goes down the ring that took the last flow command, so that the INVITE leaves after
// its pinhole is open and a worker sees flow_install before sip_send; without one it goes to any worker.
class WorkerLink final : public media::FlowCommandSink, public sip::MessageSink {
 public:
  // `rings`: by worker; the shard's thread is their producer.
  WorkerLink(std::vector<dp::RecordRing*> rings, StreamLines stream, stats::ShardTotals& totals);

  void send(std::uint8_t worker, const dp::FlowInstall& command) override;
  void send(std::uint8_t worker, const dp::FlowUpdate& command) override;
  void send(std::uint8_t worker, const dp::FlowRemove& command) override;
  void send(std::uint8_t worker, const dp::FlowMirror& command) override;
  void send(std::uint8_t worker, const dp::FlowReport& command) override;
  // To every worker. Never lost either.
  void send(const dp::RealmSettings& settings);
  // False: too large for a datagram, or the stream transport does not take it.
  [[nodiscard]] bool send(const sip::Path& path, std::string_view octets) override;

  // Of SIP messages that wait for one worker.
  static constexpr std::size_t kMostHeldBytes = std::size_t{1} << 20;

  // Once a turn: offers again what waits. Then calls `kick(worker)` for each ring that has something new, and
  // wakes the stream transport when it has.
  template <typename Kick>
  void flush(Kick kick) {
    for (std::size_t worker = 0; worker < rings_.size(); ++worker) {
      retry(worker);
      if (pushed_[worker]) kick(static_cast<unsigned>(worker));
      pushed_[worker] = false;
    }
    stream_.flush(has_backlog());
  }
  [[nodiscard]] bool has_backlog() const;
  // Messages for the stream transport wait for a worker's word.
  [[nodiscard]] bool has_held() const { return stream_.has_held(); }

 private:
  struct Waiting {
    dp::Command kind;
    dp::FlowUpdate update;  // the largest: install, remove, mirror and report use parts of it
    dp::RealmSettings realm;
    bool on = false;           // of mirror
    dp::SipSend head = {};     // of sip_send
    std::string message = {};  // the same
  };
  void push(std::size_t worker, Waiting waiting);
  [[nodiscard]] bool offer(std::size_t worker, const Waiting& waiting);
  [[nodiscard]] bool offer(std::size_t worker, const dp::SipSend& head, std::string_view message);
  void retry(std::size_t worker);

  std::vector<dp::RecordRing*> rings_;
  std::vector<std::deque<Waiting>> backlog_;
  std::vector<std::size_t> held_bytes_;  // of messages in it
  std::vector<bool> pushed_;
  StreamLink stream_;
  stats::ShardTotals& totals_;
  std::uint8_t sip_worker_ = 0;
};

}  // namespace sallyport::shard
