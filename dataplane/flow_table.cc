// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "dataplane/flow.h"

namespace sallyport::dp {

std::size_t slots_of(const std::vector<MediaRange>& media) {
  std::size_t slots = 0;
  for (const MediaRange& range : media) {
    slots = std::max(slots, std::size_t{range.slot_base} + (range.last - range.first) + 1u);
  }
  return slots;
}

namespace {

// Zeroed by the kernel and touched page by page as flows come. Throws std::bad_alloc.
void* reserve(std::size_t bytes) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

}  // namespace

FlowTable::FlowTable(std::size_t slots) : slots_(slots) {
  if (slots == 0) return;
  rtcp_ = static_cast<RtcpStatistics*>(reserve(slots * sizeof(RtcpStatistics)));
  void* memory = reserve(slots * sizeof(Flow));
  // Large pages would keep a busy table out of the TLB's way, but resident memory grows in their steps: flows
  // of one call are neighbours, so it pays from a few hundred calls on. Where the kernel does not have them,
  // no matter.
  madvise(memory, slots * sizeof(Flow), MADV_HUGEPAGE);
  flows_ = static_cast<Flow*>(memory);  // zero octets are a free Flow
}

FlowTable::~FlowTable() {
  if (flows_ == nullptr) return;
  munmap(flows_, slots_ * sizeof(Flow));
  munmap(rtcp_, slots_ * sizeof(RtcpStatistics));
}

Flow& FlowTable::operator[](std::uint32_t slot) {
  return flows_[slot];
}

RtcpStatistics& FlowTable::rtcp(std::uint32_t slot) {
  return rtcp_[slot];
}

}  // namespace sallyport::dp
