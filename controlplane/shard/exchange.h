// SPDX-License-Identifier: Apache-2.0
// Theory of operation. How shards speak to each other: a ring from each to each, of fixed-size records that
// hand over a message on the heap (b2bua/join_message.h), so that small rings carry messages of any size. One
// that a full ring does not take waits with its sender, in order. Calls that join across shards are rare, and
// so is news of a target: the rings are small, and looked at once a turn.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "controlplane/b2bua/join_message.h"
#include "dataplane/api/ring.h"
#include "dataplane/dataplane.h"

namespace sallyport::shard {

// The rings of all shards. Outlives them.
class Exchange {
 public:
  explicit Exchange(unsigned shards);  // start-up: throws std::bad_alloc
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Before the shards run: what wakes that shard.
  void set_bell(unsigned shard, dp::ShardDoorbell* bell) { bells_[shard] = bell; }
  [[nodiscard]] unsigned shards() const { return static_cast<unsigned>(bells_.size()); }
  [[nodiscard]] dp::RecordRing& ring(unsigned from, unsigned to) { return *rings_[from * shards() + to]; }
  void wake(unsigned shard) {
    if (bells_[shard] != nullptr) bells_[shard]->wake();
  }

 private:
  std::vector<std::unique_ptr<dp::RecordRing>> rings_;
  std::vector<dp::ShardDoorbell*> bells_;
};

// One shard's end of it.
class ExchangeLink final : public b2bua::OtherShards {
 public:
  // `exchange` null: there are no other shards.
  ExchangeLink(Exchange* exchange, unsigned shard);

  void send(std::uint8_t shard, std::unique_ptr<b2bua::JoinMessage> message) override;
  void send_to_others(const b2bua::JoinMessage& message);
  // The next message for this shard; null: none.
  [[nodiscard]] std::unique_ptr<b2bua::JoinMessage> take();
  // Once a turn: offers again what waits.
  void flush();
  // There is something to take. For the decision to sleep.
  [[nodiscard]] bool has_arrived() const;
  [[nodiscard]] bool has_backlog() const;

 private:
  [[nodiscard]] bool push(unsigned to, std::unique_ptr<b2bua::JoinMessage>& message);

  Exchange* exchange_;
  unsigned shard_;
  std::vector<std::deque<std::unique_ptr<b2bua::JoinMessage>>> backlog_;  // by shard
};

}  // namespace sallyport::shard
