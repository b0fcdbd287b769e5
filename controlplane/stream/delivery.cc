// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/delivery.h"

#include <cstring>

namespace sallyport::stream {

namespace {

dp::SteerVerdict verdict_of(steer::Verdict verdict) {
  switch (verdict) {
    case steer::Verdict::by_branch:
      return dp::SteerVerdict::by_branch;
    case steer::Verdict::by_tag:
      return dp::SteerVerdict::by_tag;
    case steer::Verdict::unknown_tag:
      return dp::SteerVerdict::unknown_tag;
    case steer::Verdict::by_hash:
    case steer::Verdict::foreign_response:
      break;
  }
  return dp::SteerVerdict::by_hash;
}

constexpr std::size_t round_up_8(std::size_t bytes) {
  return (bytes + 7) & ~std::size_t{7};
}

}  // namespace

Delivery::Delivery(const steer::NodeKey& key, std::uint8_t shards, std::size_t ring_bytes,
                   StreamCounters& counters)
    : codec_(key),
      hash_key_(key.hash),
      touched_(shards, false),
      index_(std::make_unique<sip::MessageIndex>()),
      counters_(counters) {
  for (unsigned shard = 0; shard < shards; ++shard)
    rings_.push_back(std::make_unique<dp::RecordRing>(ring_bytes));
}

Delivery::Verdict Delivery::deliver(std::string_view octets, const sip::Path& where, Nanoseconds now_ns) {
  const bool whole = sip::parse(octets, sip::Framing::stream, *index_);
  if (!whole) counters_.faults[static_cast<std::size_t>(index_->fault)].add();
  if (index_->kind == sip::Kind::none) return Verdict::no_sip;
  if (!whole && sip::fault_status(index_->fault) == 0) {
    counters_.malformed.add();
    return Verdict::dropped;
  }
  const steer::Steering to =
      steer::steer(*index_, octets, codec_, hash_key_, static_cast<std::uint8_t>(rings_.size()));
  if (to.verdict == steer::Verdict::foreign_response) {
    counters_.foreign_responses.add();
    return Verdict::dropped;
  }
  const Verdict verdict = push(octets, to, where, now_ns);
  if (verdict == Verdict::delivered) {
    counters_.received_messages.add();
    counters_.received_bytes.add(octets.size());
  }
  return verdict;
}

bool Delivery::deliver_broken(std::string_view header, sip::Fault fault, const sip::Path& where,
                              Nanoseconds now_ns) {
  counters_.faults[static_cast<std::size_t>(fault)].add();
  if (header.empty()) return false;
  (void)sip::parse(header, sip::Framing::stream, *index_);
  if (index_->kind != sip::Kind::request || sip::fault_status(fault) == 0) return false;
  // What the framing says of the message outweighs what its parser, who saw no body, can say.
  index_->fault = fault;
  const steer::Steering to =
      steer::steer(*index_, header, codec_, hash_key_, static_cast<std::uint8_t>(rings_.size()));
  return push(header, to, where, now_ns) == Verdict::delivered;
}

Delivery::Verdict Delivery::push(std::string_view octets, const steer::Steering& to, const sip::Path& where,
                                 Nanoseconds now_ns) {
  const std::size_t index_bytes = index_->used_bytes();
  const std::size_t message_at = sizeof(Received) + round_up_8(index_bytes);
  std::byte* const at =
      rings_[to.shard]->reserve(static_cast<std::uint16_t>(Event::received), message_at + octets.size());
  if (at == nullptr) return Verdict::full;
  const Received head{.path = where,
                      .index_bytes = static_cast<std::uint32_t>(index_bytes),
                      .message_bytes = static_cast<std::uint32_t>(octets.size()),
                      .verdict = verdict_of(to.verdict),
                      .slot = to.slot,
                      .generation = to.generation,
                      .received_ns = now_ns};
  std::memcpy(at, &head, sizeof(head));
  std::memcpy(at + sizeof(head), index_.get(), index_bytes);
  std::memcpy(at + message_at, octets.data(), octets.size());
  rings_[to.shard]->publish();
  touched_[to.shard] = true;
  return Verdict::delivered;
}

bool Delivery::report_unreachable(const sip::Path& path, std::string_view octets) {
  (void)sip::scan(octets, sip::Framing::stream, *index_);
  if (index_->kind != sip::Kind::request) return false;
  const auto identity = codec_.open(steer::branch_token(index_->branch.in(octets)), steer::TokenKind::branch);
  // An ACK's branch names no transaction: its shard would find nothing.
  if (!identity || identity->shard >= rings_.size() || index_->method == sip::Method::ack) return true;
  const Unreachable event{identity->slot, identity->generation, path.remote};
  if (rings_[identity->shard]->push(static_cast<std::uint16_t>(Event::unreachable), event)) {
    touched_[identity->shard] = true;
    counters_.unreachable.add();
  } else {
    counters_.shard_ring_full.add();
  }
  return true;
}

}  // namespace sallyport::stream
