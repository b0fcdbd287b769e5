// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/port_allocator.h"

#include <algorithm>
#include <cassert>

namespace sallyport::media {

OpenPorts::OpenPorts(std::span<const dp::MediaRange> layout) : layout_(layout.begin(), layout.end()) {
  std::uint32_t slots = 0;
  for (const dp::MediaRange& range : layout_) slots = std::max(slots, range.slot_of(range.last) + 1);
  open_ = std::make_unique<std::atomic<bool>[]>(slots);
}

bool OpenPorts::is_open(const Endpoint& local) const {
  for (const dp::MediaRange& range : layout_) {
    if (range.address == local.address && range.holds(local.port)) {
      return open_[range.slot_of(local.port)].load(std::memory_order_relaxed);
    }
  }
  return false;
}

PortAllocator::PortAllocator(std::span<const dp::MediaRange> layout, const Setting& setting)
    : setting_(setting), random_(setting.seed) {
  for (const dp::MediaRange& range : layout) {
    RangeState state{range, std::vector<Pool>(setting.workers), {}};
    const auto pairs = static_cast<std::uint32_t>((range.last - range.first + 1) / 2);
    state.generations.assign(pairs, 0);
    for (std::uint32_t pair = 0; pair < pairs; ++pair) {
      const dp::PairOwner owner = range.owner(pair, setting.shards, setting.workers);
      if (owner.shard == setting.shard) state.pools[owner.worker].free.push_back(pair);
    }
    ranges_.push_back(std::move(state));
  }
}

std::optional<PortPair> PortAllocator::allocate(std::uint16_t realm, Family family, std::uint8_t worker,
                                                Nanoseconds now_ns) {
  // Several addresses of a realm: the one with the most free pairs, so that they fill evenly.
  Pool* best = nullptr;
  std::uint16_t best_range = 0;
  for (std::uint16_t i = 0; i < ranges_.size(); ++i) {
    const dp::MediaRange& range = ranges_[i].range;
    if (range.realm != realm || range.address.family() != family) continue;
    Pool& pool = ranges_[i].pools[worker];
    thaw(pool, now_ns);
    if (!pool.free.empty() && (best == nullptr || pool.free.size() > best->free.size())) {
      best = &pool;
      best_range = i;
    }
  }
  if (best == nullptr) return std::nullopt;
  const auto drawn = std::uniform_int_distribution<std::size_t>(0, best->free.size() - 1)(random_);
  const std::uint32_t pair = best->free[drawn];
  best->free[drawn] = best->free.back();
  best->free.pop_back();
  return make_pair(best_range, worker, pair);
}

PortPair PortAllocator::make_pair(std::uint16_t range_index, std::uint8_t worker, std::uint32_t pair) {
  RangeState& state = ranges_[range_index];
  const std::uint32_t generation = ++state.generations[pair];
  assert(generation % 2 == 1);
  const auto port = static_cast<std::uint16_t>(state.range.first + 2 * pair);
  const std::uint32_t slot = state.range.slot_of(port);
  if (setting_.board != nullptr) {
    setting_.board->set(slot, true);
    setting_.board->set(slot + 1, true);
  }
  return {range_index, worker, pair, {state.range.address, port}, {slot, generation}, {slot + 1, generation}};
}

// Nobody has it any more; it lies in no pool yet.
PortAllocator::Pool& PortAllocator::end_use(const PortPair& pair) {
  RangeState& state = ranges_[pair.range];
  assert(state.generations[pair.pair] == pair.rtp.generation);
  ++state.generations[pair.pair];
  if (setting_.board != nullptr) {
    setting_.board->set(pair.rtp.slot, false);
    setting_.board->set(pair.rtcp.slot, false);
  }
  return state.pools[pair.worker];
}

void PortAllocator::release(const PortPair& pair, Nanoseconds now_ns) {
  end_use(pair).cooling.push_back({pair.pair, now_ns + setting_.cool_down_ns});
}

void PortAllocator::give_back(const PortPair& pair) {
  end_use(pair).free.push_back(pair.pair);
}

void PortAllocator::thaw(Pool& pool, Nanoseconds now_ns) {
  while (!pool.cooling.empty() && pool.cooling.front().until_ns <= now_ns) {
    pool.free.push_back(pool.cooling.front().pair);
    pool.cooling.pop_front();
  }
}

std::optional<dp::FlowRef> PortAllocator::in_use(const Endpoint& local) const {
  for (const RangeState& state : ranges_) {
    if (state.range.address != local.address || !state.range.holds(local.port)) continue;
    const std::uint32_t generation = state.generations[state.range.pair_of(local.port)];
    if (generation % 2 == 0) return std::nullopt;
    return dp::FlowRef{state.range.slot_of(local.port), generation};
  }
  return std::nullopt;
}

bool PortAllocator::is_media_port(const Endpoint& local) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const RangeState& state) {
    return state.range.address == local.address && state.range.holds(local.port);
  });
}

PortAllocator::Level PortAllocator::level(std::uint16_t realm) const {
  Level level;
  for (const RangeState& state : ranges_) {
    if (state.range.realm != realm) continue;
    for (const std::uint32_t generation : state.generations) level.used += generation % 2;
    for (const Pool& pool : state.pools) {
      level.total += static_cast<std::uint32_t>(pool.free.size() + pool.cooling.size());
      level.cooling += static_cast<std::uint32_t>(pool.cooling.size());
    }
  }
  level.total += level.used;
  return level;
}

}  // namespace sallyport::media
