// SPDX-License-Identifier: Apache-2.0
#include "dataplane/media_wait.h"

#include <algorithm>
#include <utility>

namespace sallyport::dp {

MediaWait::MediaWait(const Neighbours& neighbours) : neighbours_(neighbours) {
  list_.reserve(kInAll);
  taken_.reserve(kInAll);
}

std::optional<WaitingMedia> MediaWait::add(const WaitingMedia& one) {
  const auto is_its = [&one](const WaitingMedia& other) { return other.slot == one.slot; };
  const auto oldest = std::ranges::find_if(list_, is_its);
  const bool full = list_.size() == kInAll;
  if (full && oldest == list_.end()) return one;
  std::optional<WaitingMedia> gone;
  if (full || std::count_if(oldest, list_.end(), is_its) == static_cast<std::ptrdiff_t>(kOfFlow)) {
    gone = *oldest;
    list_.erase(oldest);
  }
  list_.push_back(one);
  return gone;
}

std::span<const WaitingMedia> MediaWait::take(Nanoseconds now_ns) {
  if (!is_due(now_ns)) return {};
  version_ = neighbours_.version();
  looked_ns_ = now_ns;
  return take_all();
}

std::span<const WaitingMedia> MediaWait::take_all() {
  taken_.clear();
  std::swap(list_, taken_);
  return taken_;
}

}  // namespace sallyport::dp
