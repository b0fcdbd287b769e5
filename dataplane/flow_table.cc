// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <new>

namespace sallyport::dp {

std::size_t slots_of(const std::vector<MediaRange>& media) {
  std::size_t slots = 0;
  for (const MediaRange& range : media) {
    slots = std::max(slots, std::size_t{range.slot_base} + (range.last - range.first) + 1u);
  }
  return slots;
}

namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;

// Zeroed by the kernel and touched page by page as flows come. Throws std::bad_alloc.
void* reserve(std::size_t bytes) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

std::size_t mapped_bytes(std::size_t slots) {
  return slots * sizeof(Flow) + kLargePage;
}

}  // namespace

FlowTable::FlowTable(std::size_t slots) : odd_((slots + 1) / 2), slots_(slots) {
  if (slots == 0) return;
  rtcp_ = static_cast<RtcpStatistics*>(reserve(slots * sizeof(RtcpStatistics)));
  more_ = static_cast<FlowMore*>(reserve(slots * sizeof(FlowMore)));
  mapping_ = reserve(mapped_bytes(slots));
  void* memory = mapping_;
  std::size_t room = mapped_bytes(slots);
  std::align(kLargePage, slots * sizeof(Flow), memory, room);
  // Resident memory grows in the steps of large pages: flows of one call are neighbours, so it pays from a
  // few hundred calls on. Where the kernel does not have them, no matter.
  madvise(memory, slots * sizeof(Flow), MADV_HUGEPAGE);
  flows_ = static_cast<Flow*>(memory);  // zero octets are a free Flow
}

FlowTable::~FlowTable() {
  if (flows_ == nullptr) return;
  munmap(mapping_, mapped_bytes(slots_));
  munmap(more_, slots_ * sizeof(FlowMore));
  munmap(rtcp_, slots_ * sizeof(RtcpStatistics));
}

}  // namespace sallyport::dp
