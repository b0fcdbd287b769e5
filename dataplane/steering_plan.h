// SPDX-License-Identifier: Apache-2.0
// Whose a media port is when the device brings each port to one queue by itself: what follows from numbers
// alone. A pair of ports (RTP, RTCP) always belongs to one worker, a call's two legs too; which one is
// decided here, before the first call. So a wrong guess about a device costs a hand-off between workers and
// nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/api/contract.h"

namespace sallyport::dp {

// The ports p with (p & mask) == port.
struct PortBlock {
  std::uint16_t port = 0;
  std::uint16_t mask = 0;
  friend bool operator==(const PortBlock&, const PortBlock&) = default;
};

// [first, last] as the fewest aligned blocks, in order: devices match a mask sooner than a range.
[[nodiscard]] std::vector<PortBlock> blocks_of(std::uint16_t first, std::uint16_t last);

// By pair, the worker that has it.
using PairWorkers = std::vector<std::uint8_t>;

// One slice of the range a worker, in order, equal but for what makes their ends fall on round numbers.
[[nodiscard]] PairWorkers sliced(const MediaRange& range, unsigned workers);
// The ports of one worker's slice; {1, 0} when it has none.
struct PortSlice {
  std::uint16_t first = 1;
  std::uint16_t last = 0;
  [[nodiscard]] bool empty() const { return first > last; }
};
[[nodiscard]] PortSlice slice_of(const MediaRange& range, unsigned worker, unsigned workers);

// ---- a hash of the destination alone (RSS with only destination fields)
// -----------------------------------------

// A Toeplitz key that repeats after 16 bits: wherever a device puts address and port in its input (every
// field starts at a multiple of 16 bits), the hash is the same. Of a port's bits the lowest one does not
// reach the index into a table of `entries` (a power of two), so a pair stays together, and the next ones are
// its highest bits, so that neighbouring pairs lie far apart in the table.
[[nodiscard]] std::vector<std::uint8_t> pair_hash_key(std::size_t bytes, unsigned entries);
// Toeplitz over destination address and port, the source fields being 0. The key has at least 40 octets.
[[nodiscard]] std::uint32_t destination_hash(std::span<const std::uint8_t> key, const IpAddress& address,
                                             std::uint16_t port);
// The device's table gives the queue, that is the worker, of hash % table.size(). The even port counts.
[[nodiscard]] PairWorkers hashed(const MediaRange& range, std::span<const std::uint8_t> key,
                                 std::span<const std::uint16_t> table);

// ----
// -----------------------------------------------------------------------------------------------------------

// Every worker has at least half of an equal share, and a pair for each shard.
[[nodiscard]] bool is_fair(const PairWorkers& pairs, unsigned workers, unsigned shards);
// The pairs of each worker, dealt to the shards in turn.
[[nodiscard]] std::vector<PairOwner> dealt(const PairWorkers& pairs, unsigned shards);

}  // namespace sallyport::dp
