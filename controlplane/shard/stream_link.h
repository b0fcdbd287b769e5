// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/sip/path.h"
#include "controlplane/stats/shard_statistics.h"
#include "dataplane/api/ring.h"

namespace sallyport::shard {

// The stream transport as a shard sees it.
struct StreamLines {
  dp::RecordRing* commands = nullptr;  // null: there is no stream transport
  dp::RecordRing* events = nullptr;
  std::function<void()> wake;
};

// One shard's way to the stream transport. What goes to a worker goes down one ring, in order; what goes by
// TCP or TLS would overtake the flow commands there, and the INVITE must not leave before its pinhole is open
// (decision 4). So a message waits until every worker has given back the flow commands that were in its ring
// before it: a worker carries a command out before it gives the record back.
class StreamLink {
 public:
  // `rings`: by worker, to look at only.
  StreamLink(StreamLines lines, std::vector<dp::RecordRing*> rings, stats::ShardTotals& totals);

  // A flow command went down that worker's ring.
  void note_flow_command(std::size_t worker) { marks_[worker] = rings_[worker]->mark(); }
  // False: there is no stream transport, or its ring is full.
  [[nodiscard]] bool send(const sip::Path& path, std::string_view octets);
  // Once a turn. `flow_commands_wait`: some have not found room in their ring yet.
  void flush(bool flow_commands_wait);
  [[nodiscard]] bool has_held() const { return !held_.empty(); }

 private:
  static constexpr std::size_t kMostHeld = 16'384;
  struct Held {
    sip::Path path;
    std::string octets;
    std::vector<std::size_t> marks;  // by worker; empty: not known yet
  };
  [[nodiscard]] bool passed(const std::vector<std::size_t>& marks) const;
  [[nodiscard]] bool push(const sip::Path& path, std::string_view octets);

  StreamLines lines_;
  std::vector<dp::RecordRing*> rings_;
  std::vector<std::size_t> marks_;  // behind the last flow command of each ring
  std::deque<Held> held_;
  stats::ShardTotals& totals_;
  bool pushed_ = false;
  bool flow_commands_wait_ = false;
};

}  // namespace sallyport::shard
