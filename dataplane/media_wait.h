// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Media whose neighbour the kernel has yet to resolve waits here, in its own mbuf, for
// as long as ARP takes, and then leaves in order of arrival. That is a call's first packets to a host that
// nobody has spoken to. There is room for a few of each flow: the newest stay, since what is old is of no
// more use to a listener. The list is looked at when the kernel's neighbours have changed, and now and then
// for those that have waited too long; while nobody waits, nothing is looked at.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/neighbours.h"

namespace sallyport::dp {

struct WaitingMedia {
  rte_mbuf* packet = nullptr;
  std::uint32_t slot = 0;  // of the flow that it arrived at
  std::uint32_t generation = 0;
  Nanoseconds until_ns = 0;
};

class MediaWait {
 public:
  static constexpr std::size_t kOfFlow = 16;  // 320 ms of speech
  static constexpr std::size_t kInAll = 512;
  static constexpr Nanoseconds kTime = kSecond;  // the kernel asks a second time after a second

  explicit MediaWait(const Neighbours& neighbours);

  // Takes the packet in. What has to go for it, if anything, is the caller's: the flow's oldest, or the
  // packet itself when the list is full of others'.
  [[nodiscard]] std::optional<WaitingMedia> add(const WaitingMedia& one);
  // True when take() would give something to try.
  [[nodiscard]] bool is_due(Nanoseconds now_ns) const {
    return !list_.empty() && (version_ != neighbours_.version() || now_ns - looked_ns_ >= kLookEvery);
  }
  // All, in order of arrival, for one more try each; empty when nothing is due. Those that still have to wait
  // are added again. Valid until the next take.
  [[nodiscard]] std::span<const WaitingMedia> take(Nanoseconds now_ns);
  [[nodiscard]] std::span<const WaitingMedia> take_all();
  [[nodiscard]] std::size_t size() const { return list_.size(); }

 private:
  static constexpr Nanoseconds kLookEvery = 20 * kMillisecond;

  const Neighbours& neighbours_;
  std::vector<WaitingMedia> list_;
  std::vector<WaitingMedia> taken_;
  std::uint32_t version_ = 0;  // of the neighbours, when last looked
  Nanoseconds looked_ns_ = 0;
};

}  // namespace sallyport::dp
