// SPDX-License-Identifier: Apache-2.0
// Theory of operation. One slot for every media port of every media address: (address, port) is an index, so
// there is no hash, no collision and no failed insert. The memory is one mapping, zeroed by the kernel and
// touched page by page as flows come, so idle ports cost nothing; large pages, where the kernel has them,
// keep a busy table out of the TLB's way. A slot belongs to one worker, which alone reads and writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/dataplane.h"
#include "dataplane/flow.h"
#include "dataplane/rtcp_statistics.h"

namespace sallyport::dp {

// Slots that `media` spans.
[[nodiscard]] std::size_t slots_of(const std::vector<MediaRange>& media);

class FlowTable {
 public:
  explicit FlowTable(std::size_t slots);  // throws std::bad_alloc
  ~FlowTable();
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;

  [[nodiscard]] std::size_t size() const { return slots_; }
  [[nodiscard]] Flow& operator[](std::uint32_t slot) { return flows_[place(slot)]; }  // slot < size()
  // The other part of a flow of this table.
  [[nodiscard]] FlowMore& more(const Flow& flow) { return more_[&flow - flows_]; }
  // What RTCP has said of that slot's flow; memory of its own, so that flows without RTCP touch none of it.
  [[nodiscard]] RtcpStatistics& rtcp(std::uint32_t slot) { return rtcp_[slot]; }

 private:
  // Even slots before odd ones: RTP, which is nearly all that comes, lies side by side, and RTCP apart from
  // it.
  [[nodiscard]] std::size_t place(std::uint32_t slot) const {
    return (slot >> 1) + ((slot & 1) != 0 ? odd_ : 0);
  }

  void* mapping_ = nullptr;  // of flows_, with what its alignment takes
  Flow* flows_ = nullptr;
  FlowMore* more_ = nullptr;
  std::size_t odd_ = 0;  // place of slot 1
  RtcpStatistics* rtcp_ = nullptr;
  std::size_t slots_ = 0;
};

}  // namespace sallyport::dp
