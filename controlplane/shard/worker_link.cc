// SPDX-License-Identifier: Apache-2.0
#include "controlplane/shard/worker_link.h"

#include <algorithm>
#include <limits>

namespace sallyport::shard {

WorkerLink::WorkerLink(std::vector<dp::RecordRing*> rings, StreamLines stream, stats::ShardTotals& totals)
    : rings_(std::move(rings)),
      backlog_(rings_.size()),
      held_bytes_(rings_.size(), 0),
      pushed_(rings_.size(), false),
      stream_(std::move(stream), rings_, totals),
      totals_(totals) {}

void WorkerLink::send(std::uint8_t worker, const dp::FlowInstall& command) {
  sip_worker_ = worker;
  push(worker, {dp::Command::flow_install, {command.spec, 0}, {}});
}

void WorkerLink::send(std::uint8_t worker, const dp::FlowUpdate& command) {
  sip_worker_ = worker;
  push(worker, {dp::Command::flow_update, command, {}});
}

void WorkerLink::send(std::uint8_t worker, const dp::FlowRemove& command) {
  dp::FlowUpdate update;
  update.spec.self = command.flow;
  sip_worker_ = worker;
  push(worker, {dp::Command::flow_remove, update, {}});
}

void WorkerLink::send(std::uint8_t worker, const dp::FlowMirror& command) {
  dp::FlowUpdate update;
  update.spec.self = command.flow;
  push(worker, {dp::Command::flow_mirror, update, {}, command.on != 0});
}

void WorkerLink::send(std::uint8_t worker, const dp::FlowReport& command) {
  dp::FlowUpdate update;
  update.spec.self = command.flow;
  push(worker, {dp::Command::flow_report, update, {}});
}

void WorkerLink::send(const dp::RealmSettings& settings) {
  for (std::size_t worker = 0; worker < rings_.size(); ++worker)
    push(worker, {dp::Command::realm_settings, {}, settings});
}

void WorkerLink::push(std::size_t worker, Waiting waiting) {
  if (backlog_[worker].empty() && offer(worker, waiting)) return;
  totals_.commands_ring_full.add();
  backlog_[worker].push_back(std::move(waiting));
}

bool WorkerLink::offer(std::size_t worker, const Waiting& waiting) {
  dp::RecordRing& ring = *rings_[worker];
  const auto kind = static_cast<std::uint16_t>(waiting.kind);
  bool taken = false;
  switch (waiting.kind) {
    case dp::Command::flow_install:
      taken = ring.push(kind, dp::FlowInstall{waiting.update.spec});
      break;
    case dp::Command::flow_update:
      taken = ring.push(kind, waiting.update);
      break;
    case dp::Command::flow_remove:
      taken = ring.push(kind, dp::FlowRemove{waiting.update.spec.self});
      break;
    case dp::Command::flow_mirror:
      taken =
          ring.push(kind, dp::FlowMirror{waiting.update.spec.self, static_cast<std::uint8_t>(waiting.on)});
      break;
    case dp::Command::flow_report:
      taken = ring.push(kind, dp::FlowReport{waiting.update.spec.self});
      break;
    case dp::Command::realm_settings:
      taken = ring.push(kind, waiting.realm);
      break;
    case dp::Command::sip_send:
      return offer(worker, waiting.head, waiting.message);
    case dp::Command::none:
      break;
  }
  if (taken) {
    pushed_[worker] = true;
    stream_.note_flow_command(worker);
  }
  return taken;
}

bool WorkerLink::offer(std::size_t worker, const dp::SipSend& head, std::string_view message) {
  const auto kind = static_cast<std::uint16_t>(dp::Command::sip_send);
  if (!rings_[worker]->push(kind, head, std::as_bytes(std::span(message)))) return false;
  pushed_[worker] = true;
  return true;
}

void WorkerLink::retry(std::size_t worker) {
  std::deque<Waiting>& backlog = backlog_[worker];
  while (!backlog.empty() && offer(worker, backlog.front())) {
    held_bytes_[worker] -= backlog.front().message.size();
    backlog.pop_front();
  }
}

bool WorkerLink::has_backlog() const {
  return std::ranges::any_of(backlog_, [](const auto& backlog) { return !backlog.empty(); });
}

bool WorkerLink::send(const sip::Path& path, std::string_view octets) {
  if (sip::is_reliable(path.transport)) return stream_.send(path, octets);
  const std::size_t record = sizeof(dp::SipSend) + octets.size();
  if (octets.size() > std::numeric_limits<std::uint16_t>::max() || !rings_[sip_worker_]->may_hold(record))
    return false;
  const dp::SipSend head{path.realm, static_cast<std::uint16_t>(octets.size()), path.local, path.remote};
  // A message must not overtake what waits before it.
  if (backlog_[sip_worker_].empty() && offer(sip_worker_, head, octets)) return true;
  totals_.commands_ring_full.add();
  std::size_t& held = held_bytes_[sip_worker_];
  if (held + octets.size() > kMostHeldBytes) return true;  // lost
  held += octets.size();
  backlog_[sip_worker_].push_back({.kind = dp::Command::sip_send,
                                   .update = {},
                                   .realm = {},
                                   .head = head,
                                   .message = std::string(octets)});
  return true;
}

}  // namespace sallyport::shard
