// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/target_order.h"

#include <algorithm>

namespace sallyport::routing {
namespace {

struct Entry {
  std::uint16_t first;
  std::uint16_t end;
  std::uint16_t weight;
};

// SplitMix64: further uniform numbers from one.
std::uint64_t next(std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// RFC 2782: entries of weight 0 stand first; of a number from 0 to the sum of the weights, the first whose
// running sum is not below it. That gives a weight of 0 a small chance. Among zeroes alone the first would
// always win: those are drawn evenly.
std::vector<Entry>::iterator drawn(std::vector<Entry>& left, std::uint64_t& random) {
  std::uint64_t sum = 0;
  for (const Entry& entry : left) sum += entry.weight;
  if (sum == 0) return left.begin() + static_cast<std::ptrdiff_t>(next(random) % left.size());
  std::uint64_t ticket = next(random) % (sum + 1);
  auto at = left.begin();
  while (ticket > at->weight) ticket -= (at++)->weight;
  return at;
}

void draw_rank(std::vector<Entry> left, std::uint64_t& random, std::vector<std::uint16_t>& order) {
  std::ranges::partition(left, [](const Entry& entry) { return entry.weight == 0; });
  while (!left.empty()) {
    const auto at = left.size() == 1 ? left.begin() : drawn(left, random);
    for (std::uint16_t i = at->first; i < at->end; ++i) order.push_back(i);
    left.erase(at);
  }
}

}  // namespace

std::vector<std::uint16_t> target_order(std::span<const Standing> places, std::uint64_t random) {
  std::vector<std::uint16_t> order;
  order.reserve(places.size());
  std::vector<Entry> rank;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Standing& place = places[i];
    const auto at = static_cast<std::uint16_t>(i);
    const bool same_rank =
        i != 0 && places[i - 1].configured == place.configured && places[i - 1].rank == place.rank;
    if (!same_rank) {
      draw_rank(std::move(rank), random, order);
      rank.clear();
    }
    if (same_rank && places[i - 1].entry == place.entry) {
      ++rank.back().end;
    } else {
      rank.push_back({at, static_cast<std::uint16_t>(at + 1), place.weight});
    }
  }
  draw_rank(std::move(rank), random, order);
  return order;
}

}  // namespace sallyport::routing
