// SPDX-License-Identifier: Apache-2.0
// Which thread runs where. A worker has its core to itself as far as there are others: a shard is pinned to
// one core of its own, in turn, and every other thread is kept to the cores that do not poll. Where all of
// them poll, all are shared.
#pragma once

#include <optional>
#include <vector>

namespace sallyport::cli {

class Placement {
 public:
  // `pinned`: controlplane.cores, may be empty; `allowed`: where the process may run at all.
  Placement(const std::vector<unsigned>& polling, std::vector<unsigned> pinned,
            const std::vector<unsigned>& allowed);

  [[nodiscard]] unsigned core_of_shard(unsigned shard) const;
  // Of threads that are neither workers nor shards.
  [[nodiscard]] const std::vector<unsigned>& others() const { return others_; }

 private:
  std::vector<unsigned> pinned_;
  std::vector<unsigned> others_;
};

// The first of `pinned` that is not among `allowed`, which is empty when nobody can tell.
[[nodiscard]] std::optional<unsigned> missing_core(const std::vector<unsigned>& pinned,
                                                   const std::vector<unsigned>& allowed);
// Of the calling thread, before EAL has pinned it.
[[nodiscard]] std::vector<unsigned> allowed_cores();
// The calling thread. False: none of them is there, or allowed.
[[nodiscard]] bool run_on(const std::vector<unsigned>& cores);

}  // namespace sallyport::cli
