// SPDX-License-Identifier: Apache-2.0
#include "controlplane/shard/exchange.h"

#include <algorithm>
#include <cstring>

namespace sallyport::shard {
namespace {

constexpr std::size_t kRingBytes = 4096;
constexpr std::uint16_t kMessage = 1;

b2bua::JoinMessage* pointer_of(const dp::RecordRing::Record& record) {
  b2bua::JoinMessage* message = nullptr;
  std::memcpy(static_cast<void*>(&message), record.bytes.data(), sizeof(message));
  return message;
}

}  // namespace

Exchange::Exchange(unsigned shards) : bells_(shards, nullptr) {
  for (unsigned i = 0; i < shards * shards; ++i) {
    rings_.push_back(std::make_unique<dp::RecordRing>(kRingBytes));
  }
}

Exchange::~Exchange() {
  for (const auto& ring : rings_) {
    for (auto record = ring->front(); record.kind != 0; record = ring->front()) {
      const std::unique_ptr<b2bua::JoinMessage> message(pointer_of(record));
      ring->pop();
    }
  }
}

ExchangeLink::ExchangeLink(Exchange* exchange, unsigned shard)
    : exchange_(exchange), shard_(shard), backlog_(exchange != nullptr ? exchange->shards() : 0) {}

bool ExchangeLink::push(unsigned to, std::unique_ptr<b2bua::JoinMessage>& message) {
  if (!exchange_->ring(shard_, to).push(kMessage, message.get())) return false;
  (void)message.release();  // the receiver's now
  exchange_->wake(to);
  return true;
}

void ExchangeLink::send(std::uint8_t shard, std::unique_ptr<b2bua::JoinMessage> message) {
  if (shard >= backlog_.size()) return;
  if (!backlog_[shard].empty() || !push(shard, message)) backlog_[shard].push_back(std::move(message));
}

void ExchangeLink::send_to_others(const b2bua::JoinMessage& message) {
  for (unsigned to = 0; to < backlog_.size(); ++to) {
    if (to != shard_) send(static_cast<std::uint8_t>(to), std::make_unique<b2bua::JoinMessage>(message));
  }
}

void ExchangeLink::flush() {
  for (unsigned to = 0; to < backlog_.size(); ++to) {
    auto& waiting = backlog_[to];
    while (!waiting.empty() && push(to, waiting.front())) waiting.pop_front();
  }
}

std::unique_ptr<b2bua::JoinMessage> ExchangeLink::take() {
  for (unsigned from = 0; from < backlog_.size(); ++from) {
    dp::RecordRing& ring = exchange_->ring(from, shard_);
    const auto record = ring.front();
    if (record.kind == 0) continue;
    std::unique_ptr<b2bua::JoinMessage> message(pointer_of(record));
    ring.pop();
    return message;
  }
  return nullptr;
}

bool ExchangeLink::has_arrived() const {
  for (unsigned from = 0; from < backlog_.size(); ++from) {
    if (!exchange_->ring(from, shard_).empty()) return true;
  }
  return false;
}

bool ExchangeLink::has_backlog() const {
  return std::ranges::any_of(backlog_, [](const auto& waiting) { return !waiting.empty(); });
}

}  // namespace sallyport::shard
