// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Every shard owns one ShardStatistics: it alone writes, ops reads at any time without a
// lock, since each value is a counter with one writer. Blocks of a peer or of a pair of peers come into being
// when they are first written, on the shard, and are then published by one pointer; they live as long as the
// whole. Labels are indices here and become names in ops. The tables are bounded: pairs beyond kMaxPairs
// share one block, the one of none to none.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "controlplane/stats/histogram.h"
#include "controlplane/stats/labels.h"
#include "controlplane/stats/rule_hits.h"

namespace sallyport::stats {

using MethodCounters = std::array<std::array<Counter, kMethodNames.size()>, 2>;  // [Direction][sip::Method]

// SIP by a peer, or in a realm with an unknown source.
struct SipCounters {
  MethodCounters requests;
  std::array<std::array<Counter, kCodeSlots>, 2> responses;  // [Direction][code_slot]
};

struct PeerStatistics {
  SipCounters sip;
  std::array<Counter, kPrivateActionNames.size()> private_media;  // [PrivateAction]
  Histogram call_setup{kDelayBounds};                             // as the outgoing peer: INVITE to 2xx
  Histogram post_dial_delay{kDelayBounds};   // INVITE to the first 18x (or the final answer without one)
  Histogram call_duration{kDurationBounds};  // 2xx to the end
};

// What map() made of what: a few combinations in practice, so a small open table; what finds no room is
// counted as other to other.
class MappedTable {
 public:
  static constexpr std::size_t kSlots = 64;
  // `received`: a code slot, or kLocalBit | the local error's number, 0 for a refusal of our own; `sent`: a code slot.
  static constexpr std::uint16_t kLocalBit = 0x100;
  void count(std::uint16_t received, CodeSlot sent);

  struct Entry {
    std::uint16_t received = 0;
    CodeSlot sent = 0;
    std::uint64_t count = 0;
  };
  [[nodiscard]] std::vector<Entry> read() const;  // any thread

 private:
  std::array<std::atomic<std::uint32_t>, kSlots> keys_{};  // 0: free; else 1 + (received << 8 | sent)
  std::array<Counter, kSlots + 1> counts_;
};

// Calls from one peer to another.
struct PairStatistics {
  std::uint16_t from = kNone;
  std::uint16_t to = kNone;
  Gauge active;
  Counter attempts;
  Counter answered;
  std::array<Counter, kCodeSlots> failed;  // by the code that the caller got
  MappedTable mapped;  // where what was sent differs from what was received, and local errors
};

struct RealmStatistics {
  SipCounters unknown_sources;      // peer "none"
  Histogram jitter{kJitterBounds};  // of a flow, when it ends
  Histogram rtt{kRttBounds};        // between us and an endpoint in the realm, likewise
};

// Of the shard as a whole.
struct ShardTotals {
  Counter commands_ring_full;  // a worker's command ring refused
  Counter records_dropped;     // the CDR queue did
  Counter records_shed;  // of refusals that cost less than their record (CallManager::admit_shed_record)
  MethodCounters retransmitted_requests;
  MethodCounters retransmitted_responses;  // by the method that they answer
  Counter stateless_replies;
  Counter silent_drops;  // messages that the shard answered with silence
  std::array<std::array<Counter, kMediaTimeoutActions.size()>, kMediaTimeoutNames.size()> media_timeouts;
  Gauge calls;
};

class ShardStatistics {
 public:
  static constexpr std::size_t kMaxPairs = 4096;
  // Start-up: room for that many peers and realms. Throws std::bad_alloc.
  ShardStatistics(std::size_t peers, std::size_t realms);
  ~ShardStatistics();
  ShardStatistics(const ShardStatistics&) = delete;
  ShardStatistics& operator=(const ShardStatistics&) = delete;

  // ---- the shard's thread only ----
  // SIP counters: the peer's; for kNone, or a peer beyond the room, the realm's of unknown sources.
  [[nodiscard]] SipCounters& sip(std::uint16_t peer, std::uint16_t realm);
  [[nodiscard]] PeerStatistics& peer(std::uint16_t peer);
  [[nodiscard]] RealmStatistics& realm(std::uint16_t realm);
  [[nodiscard]] PairStatistics& pair(std::uint16_t from, std::uint16_t to);
  ShardTotals totals;
  RuleHits rule_hits;

  // ---- any thread ----
  // nullptr: nothing was ever counted there.
  [[nodiscard]] const PeerStatistics* find_peer(std::uint16_t peer) const;
  [[nodiscard]] const RealmStatistics* find_realm(std::uint16_t realm) const;
  [[nodiscard]] std::vector<const PairStatistics*> pairs() const;
  [[nodiscard]] std::size_t peers() const { return peers_.size() - 1; }
  [[nodiscard]] std::size_t realms() const { return realms_.size() - 1; }

 private:
  template <typename T>
  using Slots = std::vector<std::atomic<T*>>;
  Slots<PeerStatistics> peers_;    // the last is kNone's
  Slots<RealmStatistics> realms_;  // the last is kNone's
  Slots<PairStatistics> pairs_;    // open addressing
  std::size_t pair_count_ = 0;     // shard only
};

// Convenience for the writers. `method`: sip::Method as a number.
inline void count_method(MethodCounters& counters, Direction direction, std::size_t method) {
  counters[static_cast<std::size_t>(direction)][method < kMethodNames.size() ? method : 1].add();
}
inline void count_request(SipCounters& counters, Direction direction, std::size_t method) {
  count_method(counters.requests, direction, method);
}
inline void count_response(SipCounters& counters, Direction direction, unsigned code) {
  counters.responses[static_cast<std::size_t>(direction)][code_slot(code)].add();
}

}  // namespace sallyport::stats
