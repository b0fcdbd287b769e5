// SPDX-License-Identifier: Apache-2.0
#include "controlplane/shard/stream_link.h"

#include <span>

#include "controlplane/stream/contract.h"

namespace sallyport::shard {

StreamLink::StreamLink(StreamLines lines, std::vector<dp::RecordRing*> rings, stats::ShardTotals& totals)
    : lines_(std::move(lines)), rings_(std::move(rings)), marks_(rings_.size(), 0), totals_(totals) {}

bool StreamLink::passed(const std::vector<std::size_t>& marks) const {
  for (std::size_t worker = 0; worker < rings_.size(); ++worker) {
    if (!rings_[worker]->passed(marks[worker])) return false;
  }
  return true;
}

bool StreamLink::push(const sip::Path& path, std::string_view octets) {
  const stream::Send head{path, static_cast<std::uint32_t>(octets.size())};
  const bool taken = lines_.commands->push(static_cast<std::uint16_t>(stream::Command::send), head,
                                           std::as_bytes(std::span(octets)));
  pushed_ = pushed_ || taken;
  if (!taken) totals_.commands_ring_full.add();
  return taken;
}

bool StreamLink::send(const sip::Path& path, std::string_view octets) {
  if (lines_.commands == nullptr) return false;
  if (held_.empty() && !flow_commands_wait_ && passed(marks_)) return push(path, octets);
  if (held_.size() >= kMostHeld) {
    totals_.commands_ring_full.add();
    return false;
  }
  held_.push_back({path, std::string(octets), flow_commands_wait_ ? std::vector<std::size_t>{} : marks_});
  return true;
}

void StreamLink::flush(bool flow_commands_wait) {
  flow_commands_wait_ = flow_commands_wait;
  while (!held_.empty()) {
    Held& first = held_.front();
    if (first.marks.empty() && !flow_commands_wait) first.marks = marks_;
    if (first.marks.empty() || !passed(first.marks) || !push(first.path, first.octets)) break;
    held_.pop_front();
  }
  if (pushed_) lines_.wake();
  pushed_ = false;
}

}  // namespace sallyport::shard
