// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stats/shard_statistics.h"

namespace sallyport::stats {
namespace {

// The block of a slot, made on its first use. The release pairs with the readers' acquire, so that a reader
// never sees a block that is half made.
template <typename T>
T& block_of(std::atomic<T*>& slot) {
  T* block = slot.load(std::memory_order_relaxed);
  if (block == nullptr) {
    block = new T;
    slot.store(block, std::memory_order_release);
  }
  return *block;
}

// The last slot belongs to kNone and to what is beyond the room.
template <typename Slots>
auto& slot_of(Slots& slots, std::size_t index) {
  return slots[index < slots.size() - 1 ? index : slots.size() - 1];
}

template <typename Slots>
void free_blocks(Slots& slots) {
  for (auto& slot : slots) delete slot.load(std::memory_order_relaxed);
}

constexpr std::size_t kPairSlots = ShardStatistics::kMaxPairs * 2;  // half full at most

std::size_t pair_hash(std::uint16_t from, std::uint16_t to) {
  const std::uint64_t key = std::uint64_t{from} << 16 | to;
  return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15u) >> 40);
}

}  // namespace

void MappedTable::count(std::uint16_t received, CodeSlot sent) {
  const std::uint32_t key = 1 + (std::uint32_t{received} << 8 | sent);
  for (std::size_t n = 0, i = key % kSlots; n < kSlots; ++n, i = (i + 1) % kSlots) {
    const std::uint32_t there = keys_[i].load(std::memory_order_relaxed);
    if (there != key && there != 0) continue;
    if (there == 0) keys_[i].store(key, std::memory_order_release);
    counts_[i].add();
    return;
  }
  counts_[kSlots].add();
}

std::vector<MappedTable::Entry> MappedTable::read() const {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < kSlots; ++i) {
    const std::uint32_t key = keys_[i].load(std::memory_order_acquire);
    if (key == 0) continue;
    entries.push_back(
        {static_cast<std::uint16_t>((key - 1) >> 8), static_cast<CodeSlot>(key - 1), counts_[i].get()});
  }
  if (const std::uint64_t rest = counts_[kSlots].get(); rest != 0)
    entries.push_back({kOtherCode, kOtherCode, rest});
  return entries;
}

ShardStatistics::ShardStatistics(std::size_t peers, std::size_t realms)
    : peers_(peers + 1), realms_(realms + 1), pairs_(kPairSlots) {
  PairStatistics& rest = block_of(pairs_[pair_hash(kNone, kNone) % kPairSlots]);
  rest.from = rest.to = kNone;
  pair_count_ = 1;
}

ShardStatistics::~ShardStatistics() {
  free_blocks(peers_);
  free_blocks(realms_);
  free_blocks(pairs_);
}

SipCounters& ShardStatistics::sip(std::uint16_t peer_index, std::uint16_t realm_index) {
  return peer_index < peers() ? peer(peer_index).sip : realm(realm_index).unknown_sources;
}

PeerStatistics& ShardStatistics::peer(std::uint16_t index) {
  return block_of(slot_of(peers_, index));
}
RealmStatistics& ShardStatistics::realm(std::uint16_t index) {
  return block_of(slot_of(realms_, index));
}

PairStatistics& ShardStatistics::pair(std::uint16_t from, std::uint16_t to) {
  if (from >= peers()) from = kNone;
  if (to >= peers()) to = kNone;
  for (std::size_t i = pair_hash(from, to) % kPairSlots;; i = (i + 1) % kPairSlots) {
    PairStatistics* pair = pairs_[i].load(std::memory_order_relaxed);
    if (pair == nullptr) {
      if (pair_count_ == kMaxPairs) return this->pair(kNone, kNone);
      ++pair_count_;
      pair = new PairStatistics;
      pair->from = from;
      pair->to = to;
      pairs_[i].store(pair, std::memory_order_release);
    }
    if (pair->from == from && pair->to == to) return *pair;
  }
}

const PeerStatistics* ShardStatistics::find_peer(std::uint16_t index) const {
  return slot_of(peers_, index).load(std::memory_order_acquire);
}

const RealmStatistics* ShardStatistics::find_realm(std::uint16_t index) const {
  return slot_of(realms_, index).load(std::memory_order_acquire);
}

std::vector<const PairStatistics*> ShardStatistics::pairs() const {
  std::vector<const PairStatistics*> all;
  for (const auto& slot : pairs_) {
    if (const PairStatistics* pair = slot.load(std::memory_order_acquire); pair != nullptr)
      all.push_back(pair);
  }
  return all;
}

}  // namespace sallyport::stats
