// SPDX-License-Identifier: Apache-2.0
// Theory of operation. How often each rule or row of the response maps decided of a response. A rule is known
// by what it is told as: the map's name and its own, so that a reload, which may give its map another index,
// goes on with the same number. Its block comes into being on its first hit and is then published by one
// pointer, as those of ShardStatistics; after that a hit allocates nothing. The table is bounded: what finds
// no room shares one count.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/stats/histogram.h"

namespace sallyport::stats {

class RuleHits {
 public:
  static constexpr std::size_t kMostRules = 1024;

  // A rule on the writer's side: `kind` and `number` are the writer's own words for it within `map`.
  struct Key {
    std::string_view map;  // empty: of no map
    std::uint16_t kind = 0;
    std::uint16_t number = 0;
  };

  RuleHits() : slots_(kSlots) {}
  ~RuleHits() {
    for (auto& slot : slots_) delete slot.load(std::memory_order_relaxed);
  }
  RuleHits(const RuleHits&) = delete;
  RuleHits& operator=(const RuleHits&) = delete;

  // The shard's thread. `name` gives the rule's own name as std::string; it is asked on the first hit only.
  template <typename F>
  void count(const Key& key, F name) {
    for (std::size_t i = hash(key) % kSlots;; i = (i + 1) % kSlots) {
      Block* block = slots_[i].load(std::memory_order_relaxed);
      if (block == nullptr) {
        if (rules_ == kMostRules) return others_.add();
        ++rules_;
        block = new Block{std::string(key.map), key.kind, key.number, name(), {}};
        slots_[i].store(block, std::memory_order_release);
      }
      if (block->is(key)) return block->hits.add();
    }
  }

  struct Entry {
    std::string_view map;  // empty: of no map
    std::string_view rule;
    std::uint64_t count = 0;
  };
  // Any thread; the views live as long as the table. What found no room is one entry of map and rule `other`.
  [[nodiscard]] std::vector<Entry> read() const {
    std::vector<Entry> entries;
    for (const auto& slot : slots_) {
      const Block* block = slot.load(std::memory_order_acquire);
      if (block != nullptr) entries.push_back({block->map, block->rule, block->hits.get()});
    }
    if (const std::uint64_t rest = others_.get(); rest != 0) entries.push_back({"other", "other", rest});
    return entries;
  }

 private:
  static constexpr std::size_t kSlots = kMostRules * 2;  // half full at most

  struct Block {
    std::string map;
    std::uint16_t kind = 0;
    std::uint16_t number = 0;
    std::string rule;
    Counter hits;

    [[nodiscard]] bool is(const Key& key) const {
      return kind == key.kind && number == key.number && map == key.map;
    }
  };
  static std::size_t hash(const Key& key) {
    const std::size_t where = std::size_t{key.kind} << 16 | key.number;
    return std::hash<std::string_view>{}(key.map) ^ where * 0x9e3779b97f4a7c15u;
  }

  std::vector<std::atomic<Block*>> slots_;  // open addressing
  std::size_t rules_ = 0;                   // shard only
  Counter others_;
};

}  // namespace sallyport::stats
