// SPDX-License-Identifier: Apache-2.0
// Theory of operation. `sallyport trace` asks for little at a time, and again until there is nothing more: so
// an answer is bounded, the process keeps nothing for a client, and one that goes leaves nothing behind.
//   {"command": "trace", "shard": N, "behind": SEQUENCE, "call_id"|"user"|"peer": TEXT}
//       looks through a part of that shard's ring: {"calls": [our names of calls that match], "messages":
//       [those that match and are of no call], "next": SEQUENCE, "more": BOOL, "overwritten": N, "shards": N}
//   {"command": "trace", "shard": N, "behind": SEQUENCE, "call": NAME}
//       {"messages": [...], "next": SEQUENCE, "more": BOOL}
//   {"command": "trace", "who": TEXT, "media": NAME, "shard": N}
//       copies of that call's media are kept for the next seconds: {"mirrored": BOOL}
//   {"command": "trace", "who": TEXT, "take": true}
//       {"packets": [...], "more": BOOL, "lost": N}
// Media goes to one client at a time, who says who he is, until he has not asked for some seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "controlplane/stats/shard_query.h"
#include "dataplane/dataplane.h"

namespace sallyport::ops {

class TraceAnswers {
 public:
  // Octets of messages, and of media, in one answer.
  static constexpr std::size_t kMostBytes = 256 << 10;
  static constexpr std::chrono::seconds kLease{5};

  // `dataplane`: null: no media.
  TraceAnswers(stats::ShardQuery* shards, dp::Dataplane* dataplane, std::chrono::milliseconds timeout)
      : shards_(shards), dataplane_(dataplane), timeout_(timeout) {}

  // Throws nlohmann::json::exception where a member is of another type.
  [[nodiscard]] nlohmann::json answer(const nlohmann::json& request);

 private:
  [[nodiscard]] nlohmann::json search(const nlohmann::json& request, unsigned shard) const;
  [[nodiscard]] nlohmann::json call(const nlohmann::json& request, unsigned shard) const;
  [[nodiscard]] nlohmann::json mirror(const std::string& call, unsigned shard) const;
  [[nodiscard]] nlohmann::json take();
  [[nodiscard]] bool holds_media(const std::string& who);

  stats::ShardQuery* shards_;
  dp::Dataplane* dataplane_;
  std::chrono::milliseconds timeout_;
  std::mutex mutex_;  // of what follows: the admin thread's, and whoever else answers
  std::string holder_;
  std::chrono::steady_clock::time_point held_until_;
  std::uint64_t full_before_ = 0;  // the workers' mirror_ring_full when the holder began
};

}  // namespace sallyport::ops
