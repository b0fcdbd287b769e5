// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/placement.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace sallyport::cli {

Placement::Placement(const std::vector<unsigned>& polling, std::vector<unsigned> pinned,
                     const std::vector<unsigned>& allowed)
    : pinned_(std::move(pinned)) {
  std::ranges::copy_if(allowed, std::back_inserter(others_),
                       [&](unsigned core) { return std::ranges::find(polling, core) == polling.end(); });
  if (others_.empty()) others_ = allowed.empty() ? polling : allowed;
  if (pinned_.empty()) pinned_ = others_;
}

unsigned Placement::core_of_shard(unsigned shard) const {
  return pinned_[shard % pinned_.size()];
}

std::optional<unsigned> missing_core(const std::vector<unsigned>& pinned,
                                     const std::vector<unsigned>& allowed) {
  if (allowed.empty()) return std::nullopt;
  const auto missing = [&](unsigned core) { return std::ranges::find(allowed, core) == allowed.end(); };
  const auto found = std::ranges::find_if(pinned, missing);
  return found == pinned.end() ? std::nullopt : std::optional(*found);
}

std::vector<unsigned> allowed_cores() {
  std::vector<unsigned> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (pthread_getaffinity_np(pthread_self(), sizeof(set), &set) != 0) return cores;
  for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

bool run_on(const std::vector<unsigned>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned core : cores) CPU_SET(core, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0;
}

}  // namespace sallyport::cli
