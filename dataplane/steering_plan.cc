// SPDX-License-Identifier: Apache-2.0
#include "dataplane/steering_plan.h"

#include <rte_thash.h>

#include <algorithm>
#include <array>
#include <bit>

#include "dataplane/base/bytes.h"

namespace sallyport::dp {
namespace {

[[nodiscard]] std::uint32_t ports_in(const MediaRange& range) {
  return std::uint32_t{range.last} - range.first + 1;
}

// Where the slice of `worker` begins. Ends that are multiples of a sixteenth of a slice keep its blocks few.
[[nodiscard]] std::uint32_t slice_begin(const MediaRange& range, unsigned worker, unsigned workers) {
  if (worker == 0) return range.first;
  if (worker == workers) return std::uint32_t{range.last} + 1;
  const std::uint32_t slice = std::max(ports_in(range) / workers, 2u);
  const std::uint32_t grain = std::max(std::bit_floor(slice) / 16, 2u);
  const std::uint32_t exact = range.first + ports_in(range) * worker / workers;
  return std::max<std::uint32_t>(exact / grain * grain, range.first);
}

}  // namespace

std::vector<PortBlock> blocks_of(std::uint16_t first, std::uint16_t last) {
  std::vector<PortBlock> blocks;
  for (std::uint32_t at = first; at <= last;) {
    const std::uint32_t aligned = at == 0 ? 0x10000u : at & (~at + 1);
    const std::uint32_t size = std::min(aligned, std::bit_floor(last - at + 1u));
    blocks.push_back({static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(~(size - 1))});
    at += size;
  }
  return blocks;
}

PortSlice slice_of(const MediaRange& range, unsigned worker, unsigned workers) {
  const std::uint32_t begin = slice_begin(range, worker, workers);
  const std::uint32_t end = slice_begin(range, worker + 1, workers);
  if (begin >= end) return {};
  return {static_cast<std::uint16_t>(begin), static_cast<std::uint16_t>(end - 1)};
}

PairWorkers sliced(const MediaRange& range, unsigned workers) {
  PairWorkers pairs(ports_in(range) / 2);
  for (unsigned worker = 0; worker < workers; ++worker) {
    const PortSlice slice = slice_of(range, worker, workers);
    if (slice.empty()) continue;
    for (std::uint32_t pair = range.pair_of(slice.first); pair <= range.pair_of(slice.last); ++pair) {
      pairs[pair] = static_cast<std::uint8_t>(worker);
    }
  }
  return pairs;
}

// The input bit at distance d from the end of its 16 bits meets the key's only set bit of 16 such that bit d
// of a port becomes bit (width - d) of the hash, 16 bits being a turn: bit 0 bit `width`, outside of the
// index.
std::vector<std::uint8_t> pair_hash_key(std::size_t bytes, unsigned entries) {
  const unsigned width = static_cast<unsigned>(std::bit_width(std::max(entries, 2u)) - 1);
  const auto word = static_cast<std::uint16_t>(0x8000u >> ((14u - width) & 15u));
  std::vector<std::uint8_t> key(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    key[i] = static_cast<std::uint8_t>(i % 2 == 0 ? word >> 8 : word & 0xff);
  return key;
}

std::uint32_t destination_hash(std::span<const std::uint8_t> key, const IpAddress& address,
                               std::uint16_t port) {
  std::array<std::uint32_t, 9> input{};  // source, destination, source port and destination port
  const bool v4 = address.family() == Family::v4;
  const std::size_t words = v4 ? 1 : 4;
  for (std::size_t i = 0; i < words; ++i) input[words + i] = read32(address.bytes().data() + 4 * i);
  input[2 * words] = port;
  return rte_softrss(input.data(), static_cast<std::uint32_t>(2 * words + 1), key.data());
}

PairWorkers hashed(const MediaRange& range, std::span<const std::uint8_t> key,
                   std::span<const std::uint16_t> table) {
  PairWorkers pairs(ports_in(range) / 2);
  for (std::uint32_t pair = 0; pair < pairs.size(); ++pair) {
    const auto port = static_cast<std::uint16_t>(range.first + 2 * pair);
    pairs[pair] = static_cast<std::uint8_t>(table[destination_hash(key, range.address, port) % table.size()]);
  }
  return pairs;
}

bool is_fair(const PairWorkers& pairs, unsigned workers, unsigned shards) {
  std::vector<std::size_t> of_worker(workers);
  for (const std::uint8_t worker : pairs) {
    if (worker >= workers) return false;
    ++of_worker[worker];
  }
  const std::size_t least = std::max<std::size_t>(shards, pairs.size() / workers / 2);
  return std::ranges::all_of(of_worker, [least](std::size_t has) { return has >= least; });
}

std::vector<PairOwner> dealt(const PairWorkers& pairs, unsigned shards) {
  std::array<unsigned, 256> dealt_to_worker{};
  std::vector<PairOwner> owners;
  owners.reserve(pairs.size());
  for (const std::uint8_t worker : pairs) {
    owners.push_back({static_cast<std::uint8_t>(dealt_to_worker[worker]++ % shards), worker});
  }
  return owners;
}

}  // namespace sallyport::dp
