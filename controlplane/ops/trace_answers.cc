// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/trace_answers.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "controlplane/ops/over_workers.h"
#include "controlplane/ops/trace_json.h"
#include "controlplane/trace/filter.h"

namespace sallyport::ops {
namespace {

using nlohmann::json;

json refused(std::string sentence) {
  return {{"error", std::move(sentence)}};
}

json silent(unsigned shard) {
  return refused("shard " + std::to_string(shard) + " does not answer");
}

// A mirrored packet twice: as it came, and as it left.
void add_packet(const dp::RecordRing::Record& record, Nanoseconds wall_minus_monotonic, json& packets) {
  dp::MirroredPacket head;
  std::memcpy(&head, record.bytes.data(), sizeof(head));
  trace::MediaPacket packet;
  packet.wall_ns = head.relayed_ns + wall_minus_monotonic;
  packet.source = head.source;
  packet.target = head.local;
  packet.payload.assign(reinterpret_cast<const char*>(record.bytes.data()) + sizeof(head),
                        head.payload_bytes);
  packets.push_back(packet_json(packet));
  packet.source = head.pair_local;
  packet.target = head.pair_target;
  packets.push_back(packet_json(packet));
}

std::uint64_t full_count(const dp::Dataplane& dataplane) {
  return over_workers(dataplane,
                      [](const dp::WorkerCounters& w) -> const dp::Counter& { return w.mirror_ring_full; });
}

}  // namespace

json TraceAnswers::answer(const json& request) {
  if (shards_ == nullptr) return refused("there are no shards here");
  if (request.contains("who")) {
    if (dataplane_ == nullptr || dataplane_->mirror(0) == nullptr)
      return refused("media cannot be looked at: trace.media is off");
    const std::lock_guard lock(mutex_);
    if (!holds_media(request.at("who"))) return refused("another trace takes the media of calls now");
    if (request.value("take", false)) return take();
  }
  const unsigned shard = request.at("shard");
  if (shard >= shards_->shards())
    return refused("there is no shard " + std::to_string(shard) + ", but " +
                   std::to_string(shards_->shards()));
  if (request.contains("media")) return mirror(request.at("media"), shard);
  return request.contains("call") ? call(request, shard) : search(request, shard);
}

json TraceAnswers::search(const json& request, unsigned shard) const {
  const trace::Filter filter{request.value("call_id", ""), request.value("user", ""),
                             request.value("peer", "")};
  const std::uint64_t behind = request.value("behind", std::uint64_t{0});
  const auto slice = stats::ask(*shards_, shard, timeout_, [behind](stats::ShardView& view) {
    return view.messages(behind, kMostBytes);
  });
  if (!slice) return silent(shard);
  std::set<std::string> calls;
  json messages = json::array();
  for (const trace::Message& message : slice->messages) {
    if (!trace::matches(filter, message)) continue;
    if (message.call.empty()) {
      messages.push_back(message_json(message));
    } else {
      calls.insert(message.call);
    }
  }
  const std::uint64_t first = slice->messages.empty() ? behind + 1 : slice->messages.front().sequence;
  return {{"calls", calls},          {"messages", std::move(messages)},   {"next", slice->next},
          {"more", !slice->is_last}, {"overwritten", first - behind - 1}, {"shards", shards_->shards()}};
}

json TraceAnswers::call(const json& request, unsigned shard) const {
  const std::string name = request.at("call");
  const std::uint64_t behind = request.value("behind", std::uint64_t{0});
  const auto slice = stats::ask(*shards_, shard, timeout_, [name, behind](stats::ShardView& view) {
    return view.messages_of(name, behind, kMostBytes);
  });
  if (!slice) return silent(shard);
  json messages = json::array();
  for (const trace::Message& message : slice->messages) messages.push_back(message_json(message));
  return {{"messages", std::move(messages)}, {"next", slice->next}, {"more", !slice->is_last}};
}

json TraceAnswers::mirror(const std::string& call, unsigned shard) const {
  constexpr Nanoseconds kSpan = std::chrono::nanoseconds(kLease).count();
  const auto done = stats::ask(*shards_, shard, timeout_,
                               [call](stats::ShardView& view) { return view.mirror(call, kSpan); });
  return done ? json{{"mirrored", *done}} : silent(shard);
}

// One at a time. Who begins finds nothing of those before him.
bool TraceAnswers::holds_media(const std::string& who) {
  const auto now = std::chrono::steady_clock::now();
  if (who != holder_) {
    if (now < held_until_) return false;
    holder_ = who;
    for (unsigned worker = 0; worker < dataplane_->workers(); ++worker) {
      for (dp::RecordRing& ring = *dataplane_->mirror(worker); !ring.empty();) ring.pop();
    }
    full_before_ = full_count(*dataplane_);
  }
  held_until_ = now + kLease;
  return true;
}

json TraceAnswers::take() {
  json packets = json::array();
  std::size_t bytes = 0;
  const Nanoseconds wall_minus_monotonic = wall_now_ns() - monotonic_now_ns();
  bool more = false;
  for (unsigned worker = 0; worker < dataplane_->workers(); ++worker) {
    dp::RecordRing& ring = *dataplane_->mirror(worker);
    for (; !ring.empty() && bytes < kMostBytes; ring.pop()) {
      bytes += 2 * ring.front().bytes.size();
      add_packet(ring.front(), wall_minus_monotonic, packets);
    }
    more |= !ring.empty();
  }
  return {{"packets", std::move(packets)}, {"more", more}, {"lost", full_count(*dataplane_) - full_before_}};
}

}  // namespace sallyport::ops
