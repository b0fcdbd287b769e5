// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Requests from addresses that no peer matches. Sallyport is never a reflector: an ACK
// is never answered, a source gets at most 10 answers in any second, and what cannot be remembered gets
// silence. The table is of fixed size, set-associative under a keyed hash; an entry that had an answer within
// the last second is never pushed out, so a flood of forged sources cannot buy another source more answers.
// IPv6 sources count by /64. Each shard has a table, and the 10 are dealt out over the shards, by source.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "controlplane/config/config.h"
#include "dataplane/base/siphash.h"

namespace sallyport::policy {

enum class UnknownAnswer : std::uint8_t {
  reject,  // 403, statelessly
  silence
};

class UnknownSources {
 public:
  static constexpr unsigned kAnswersPerSecond = 10;
  static constexpr unsigned kWays = 4;

  // `key`: drawn at start, the same on all shards. `sources`: how many are remembered, rounded up to a power
  // of two.
  UnknownSources(const config::Config& config, unsigned shard, unsigned shards, SipHashKey key,
                 std::size_t sources = 4096);

  // After a reload: unknown_source of the realms.
  void succeed(const config::Config& config);

  [[nodiscard]] UnknownAnswer judge(config::RealmIndex realm, const IpAddress& source, bool is_ack,
                                    Nanoseconds now_ns);

 private:
  static constexpr Nanoseconds kNever = INT64_MIN / 2;
  struct Entry {
    IpAddress source;
    std::uint8_t oldest = 0;  // ring position of the oldest answer
    std::array<Nanoseconds, kAnswersPerSecond> answers;
    Entry() { answers.fill(kNever); }
  };
  [[nodiscard]] unsigned allowance(std::uint64_t hash) const;
  [[nodiscard]] Entry* entry_for(const IpAddress& source, std::uint64_t hash, Nanoseconds now_ns);

  std::vector<config::UnknownSource> realms_;
  std::vector<Entry> table_;
  SipHashKey key_;
  unsigned shard_;
  unsigned shards_;
};

}  // namespace sallyport::policy
