// SPDX-License-Identifier: Apache-2.0
// Theory of operation. Ops asks a shard by posting a closure into its mailbox; the shard runs it between two
// events, on its own thread, against its own view of itself, and the closure carries the answer home. Who
// asks waits a bounded time: a shard that the kernel has stopped is "not answering", and its late answer goes
// nowhere.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/trace/message.h"
#include "dataplane/api/contract.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"

namespace sallyport::stats {

// A line of `show calls`.
struct CallRow {
  std::string id;
  std::string state;  // "setup", "early", "established", "ending"
  std::string from_peer;
  std::string to_peer;
  std::string caller;
  std::string callee;
  Nanoseconds age_ns = 0;       // since the INVITE came
  Nanoseconds answered_ns = 0;  // since the answer; 0: not answered
  std::uint16_t received = 0;   // the final response of the last target; 0: none
  std::uint16_t sent = 0;       // what the caller got; 0: none yet
};

struct LegRow {
  std::string role;  // "UAS", "UAC"
  std::string state;
  std::string peer;
  std::string realm;
  std::string call_id;
  std::string local_tag;
  std::string remote_tag;
  Endpoint local;
  Endpoint remote;
  std::uint16_t code = 0;  // last response on this leg; 0: none
  std::string dialog;      // "early", "confirmed"; empty: none
  std::uint32_t local_cseq = 0;
  std::uint32_t remote_cseq = 0;
  std::string remote_target;
};

// A timer that runs.
struct TimerRow {
  std::string name;
  std::string of;  // "caller", "callee", "call"
  Nanoseconds left_ns = 0;
};

struct StreamRow {
  std::uint8_t leg = 0;
  std::uint8_t stream = 0;
  std::string kind;  // "rtp", "rtcp"
  Endpoint local;
  Endpoint remote;
  std::string latch;
  std::uint32_t slot = 0;
};

// `show call ID`.
struct CallDetail {
  CallRow row;
  std::vector<LegRow> legs;
  std::vector<StreamRow> streams;
  std::vector<TimerRow> timers;
  std::string received_phrase;  // of row.received, and so on
  std::string reason_received;
  std::string sent_phrase;
  std::string reason_sent;
  std::string local_error;
  std::string rule;
};

// A line of `show peers`, as one shard sees the peer. Ops adds the shards up.
struct PeerRow {
  std::string name;
  std::string realm;
  bool usable = true;                // at least one target is
  std::vector<std::string> targets;  // "192.0.2.10:5060 up", "192.0.2.11:5060 out of use for 12s"
  std::uint64_t calls = 0;           // active, both directions
  bool removed = false;              // by a reload: it is only shown for its calls
};

// The shard as it shows itself. Implemented by the shard room; called on the shard's thread only.
class ShardView {
 public:
  virtual ~ShardView() = default;
  [[nodiscard]] virtual std::vector<CallRow> calls(std::size_t limit) = 0;
  [[nodiscard]] virtual std::size_t call_count() = 0;
  [[nodiscard]] virtual std::optional<CallDetail> call(std::string_view id) = 0;
  [[nodiscard]] virtual std::vector<PeerRow> peers() = 0;

  // ---- what the shard has kept of its messages (trace/recorder.h); a view without a ring has none
  [[nodiscard]] virtual trace::Slice messages(std::uint64_t /*behind*/, std::size_t /*most_bytes*/) {
    return {};
  }
  [[nodiscard]] virtual trace::Slice messages_of(std::string_view /*call*/, std::uint64_t /*behind*/,
                                                 std::size_t /*most_bytes*/) {
    return {};
  }
  // The first few and the newest, where they are more than that.
  [[nodiscard]] virtual std::vector<trace::Message> ends_of_call(std::string_view call,
                                                                 std::size_t most_bytes) {
    return messages_of(call, 0, most_bytes).messages;
  }
  // Copies of the call's media packets go to the workers' mirror rings for so long; false: no such call.
  virtual bool mirror(std::string_view /*call*/, Nanoseconds /*span*/) { return false; }
};

using ShardRequest = std::function<void(ShardView&)>;

class ShardQuery {
 public:
  virtual ~ShardQuery() = default;
  [[nodiscard]] virtual unsigned shards() const = 0;
  // Any thread, never blocks. False: that shard's mailbox is full.
  [[nodiscard]] virtual bool post(unsigned shard, ShardRequest request) = 0;
};

// An answer on its way. The shard that is late writes into a box that nobody looks into any more.
template <typename T>
class Pending {
 public:
  // nullopt: not answering.
  [[nodiscard]] std::optional<T> wait_until(std::chrono::steady_clock::time_point limit) {
    std::unique_lock lock(box_->mutex);
    if (!box_->ready.wait_until(lock, limit, [&] { return box_->answer.has_value(); })) return std::nullopt;
    return std::move(box_->answer);
  }
  void fill(T answer) const {
    {
      const std::lock_guard lock(box_->mutex);
      box_->answer.emplace(std::move(answer));
    }
    box_->ready.notify_one();
  }

 private:
  struct Box {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<T> answer;
  };
  std::shared_ptr<Box> box_ = std::make_shared<Box>();
};

// Asks one shard without waiting; nullopt: its mailbox is full.
template <typename F>
[[nodiscard]] auto post_ask(ShardQuery& query, unsigned shard, F read)
    -> std::optional<Pending<decltype(read(std::declval<ShardView&>()))>> {
  Pending<decltype(read(std::declval<ShardView&>()))> pending;
  const auto request = [pending, read = std::move(read)](ShardView& view) { pending.fill(read(view)); };
  if (!query.post(shard, request)) return std::nullopt;
  return pending;
}

// Asks one shard and waits at most `timeout`; nullopt: not answering.
template <typename F>
[[nodiscard]] auto ask(ShardQuery& query, unsigned shard, std::chrono::milliseconds timeout, F read)
    -> std::optional<decltype(read(std::declval<ShardView&>()))> {
  auto pending = post_ask(query, shard, std::move(read));
  return pending ? pending->wait_until(std::chrono::steady_clock::now() + timeout) : std::nullopt;
}

}  // namespace sallyport::stats
