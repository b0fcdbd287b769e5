// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/ring.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <span>
#include <utility>

namespace sallyport::trace {

namespace {

constexpr std::size_t kAlign = 8;
// A chain for each so many octets: about one a message.
constexpr std::size_t kBytesOfChain = 1024;
// Of so many sequence numbers one is marked.
constexpr std::uint64_t kMarkEvery = 64;

std::size_t round_up(std::size_t n) {
  return (n + kAlign - 1) & ~(kAlign - 1);
}

// Names of calls are our own tokens, which nobody can choose.
std::uint64_t hash_of(std::string_view call) {
  return std::hash<std::string_view>{}(call);
}

}  // namespace

// What stands before a record's realm, peer and octets.
struct Ring::Head {
  std::uint32_t bytes = 0;  // of the record, this head with it
  bool is_gap = false;      // nothing but the way to the start of the memory
  Direction direction = Direction::received;
  bool retransmission = false;
  Transport transport = Transport::udp;
  Side side = Side::none;
  std::uint8_t call_chars = 0;
  std::uint8_t realm_chars = 0;
  std::uint8_t peer_chars = 0;
  std::uint32_t number = 0;
  std::uint32_t octets = 0;
  std::uint64_t sequence = 0;
  Nanoseconds monotonic_ns = 0;
  Nanoseconds wall_ns = 0;
  std::uint64_t call_id_hash = 0;
  std::uint64_t own_hash = 0;
  std::uint64_t far_hash = 0;
  std::uint64_t before_in_call = 0;  // a position and 1; 0: none
  std::uint64_t before_of_call_id = 0;
  Endpoint local;
  Endpoint remote;
  std::array<char, kMostCallChars> call{};
};

void Ring::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

Ring::Ring(std::size_t bytes) : bytes_(bytes & ~(kAlign - 1)) {
  if (bytes_ == 0) return;
  data_.reset(static_cast<std::byte*>(std::calloc(bytes_, 1)));
  if (!data_) throw std::bad_alloc();
  const std::size_t chains = std::bit_ceil(std::max<std::size_t>(bytes_ / kBytesOfChain, 16));
  by_call_.resize(chains);
  by_call_id_.resize(chains);
  marks_.resize(bytes_ / sizeof(Head) / kMarkEvery + 2);
}

Ring::Head Ring::head(std::uint64_t position) const {
  Head head;
  std::memcpy(static_cast<void*>(&head), memory(position), sizeof(head));
  return head;
}

std::uint32_t Ring::length(std::uint64_t position) const {
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, memory(position) + offsetof(Head, bytes), sizeof(bytes));
  return bytes;
}

bool Ring::is_gap(std::uint64_t position) const {
  bool gap = false;
  std::memcpy(&gap, memory(position) + offsetof(Head, is_gap), sizeof(gap));
  return gap;
}

void Ring::make_room(std::size_t bytes) {
  while (end_ + bytes - oldest_ > bytes_) {
    if (!is_gap(oldest_)) ++overwritten_;
    oldest_ += length(oldest_);
  }
  if (oldest_ < end_ && is_gap(oldest_)) oldest_ += length(oldest_);
}

// A record lies in one piece: a gap fills what is left of the memory where it does not fit there.
void Ring::skip_to_start() {
  const auto left = static_cast<std::uint32_t>(bytes_ - end_ % bytes_);
  make_room(left);
  const bool was_empty = oldest_ == end_;
  const bool gap = true;
  std::memcpy(memory(end_) + offsetof(Head, bytes), &left, sizeof(left));
  std::memcpy(memory(end_) + offsetof(Head, is_gap), &gap, sizeof(gap));
  end_ += left;
  if (was_empty) oldest_ = end_;
}

std::uint64_t Ring::link(Chains& chains, std::uint64_t hash, std::uint64_t position) {
  std::uint64_t& first = chains[hash & (chains.size() - 1)];
  return std::exchange(first, position + 1);
}

std::uint64_t Ring::add(const Entry& entry) {
  const std::size_t need =
      round_up(sizeof(Head) + entry.realm.size() + entry.peer.size() + entry.octets.size());
  if (need > bytes_ / 2) return kNone;
  if (bytes_ - end_ % bytes_ < need) skip_to_start();
  make_room(need);
  Head head;
  head.bytes = static_cast<std::uint32_t>(need);
  head.direction = entry.direction;
  head.retransmission = entry.retransmission;
  head.transport = entry.transport;
  head.side = entry.side;
  head.call_chars = static_cast<std::uint8_t>(std::min(entry.call.size(), kMostCallChars));
  head.realm_chars = static_cast<std::uint8_t>(entry.realm.size());
  head.peer_chars = static_cast<std::uint8_t>(entry.peer.size());
  head.number = entry.number;
  head.octets = static_cast<std::uint32_t>(entry.octets.size());
  head.sequence = entry.sequence;
  head.monotonic_ns = entry.monotonic_ns;
  head.wall_ns = entry.wall_ns;
  head.call_id_hash = entry.call_id_hash;
  head.own_hash = entry.own_hash;
  head.far_hash = entry.far_hash;
  head.local = entry.local;
  head.remote = entry.remote;
  std::copy_n(entry.call.data(), head.call_chars, head.call.data());
  head.before_of_call_id = link(by_call_id_, entry.call_id_hash, end_);
  if (!entry.call.empty()) head.before_in_call = link(by_call_, hash_of(entry.call), end_);
  std::byte* to = memory(end_);
  std::memcpy(to, &head, sizeof(head));
  to += sizeof(head);
  for (const std::string_view text : {entry.realm, entry.peer, entry.octets}) {
    to = std::ranges::copy(std::as_bytes(std::span(text)), to).out;  // one of them may be empty
  }
  Mark& mark = marks_[entry.sequence / kMarkEvery % marks_.size()];
  if (mark.sequence / kMarkEvery != entry.sequence / kMarkEvery) mark = {entry.sequence, end_};
  return std::exchange(end_, end_ + need);
}

std::uint64_t Ring::behind(std::uint64_t sequence) const {
  if (bytes_ == 0) return end_;
  const Mark& mark = marks_[(sequence + 1) / kMarkEvery % marks_.size()];
  const bool is_near =
      mark.sequence / kMarkEvery == (sequence + 1) / kMarkEvery && mark.sequence <= sequence + 1;
  std::uint64_t position = is_near && has(mark.position) ? mark.position : oldest_;
  while (has(position) && at(position).sequence <= sequence) position = after(position);
  return position;
}

void Ring::name(std::uint64_t position, std::string_view call, Side side, std::uint32_t number) {
  Head changed = head(position);
  changed.call_chars = static_cast<std::uint8_t>(std::min(call.size(), kMostCallChars));
  std::copy_n(call.data(), changed.call_chars, changed.call.data());
  changed.side = side;
  changed.number = number;
  changed.before_in_call = link(by_call_, hash_of(call), position);
  std::memcpy(memory(position), &changed, sizeof(changed));
}

Entry Ring::at(std::uint64_t position) const {
  const Head found = head(position);
  Entry entry;
  entry.sequence = found.sequence;
  entry.number = found.number;
  entry.monotonic_ns = found.monotonic_ns;
  entry.wall_ns = found.wall_ns;
  entry.direction = found.direction;
  entry.retransmission = found.retransmission;
  entry.transport = found.transport;
  entry.side = found.side;
  entry.local = found.local;
  entry.remote = found.remote;
  entry.call_id_hash = found.call_id_hash;
  entry.own_hash = found.own_hash;
  entry.far_hash = found.far_hash;
  const char* text = reinterpret_cast<const char*>(memory(position));
  entry.call = {text + offsetof(Head, call), found.call_chars};
  text += sizeof(Head);
  entry.realm = {text, found.realm_chars};
  text += found.realm_chars;
  entry.peer = {text, found.peer_chars};
  text += found.peer_chars;
  entry.octets = {text, found.octets};
  return entry;
}

std::uint64_t Ring::after(std::uint64_t position) const {
  position += length(position);
  if (position < end_ && is_gap(position)) position += length(position);
  return position;
}

template <typename Before, typename Fits>
std::uint64_t Ring::walk(std::uint64_t position, Before before, Fits fits) const {
  while (position != 0 && has(position - 1)) {
    const Head found = head(position - 1);
    if (fits(found)) return position - 1;
    position = before(found);
  }
  return kNone;
}

std::uint64_t Ring::newest_of_call(std::string_view call) const {
  if (bytes_ == 0) return kNone;
  return walk(
      by_call_[hash_of(call) & (by_call_.size() - 1)], [](const Head& h) { return h.before_in_call; },
      [&](const Head& h) { return std::string_view(h.call.data(), h.call_chars) == call; });
}

std::uint64_t Ring::before_in_call(std::uint64_t position) const {
  const Head from = head(position);
  return walk(
      from.before_in_call, [](const Head& h) { return h.before_in_call; },
      [&](const Head& h) { return h.call_chars == from.call_chars && h.call == from.call; });
}

std::uint64_t Ring::newest_of_call_id(std::uint64_t call_id_hash) const {
  if (bytes_ == 0) return kNone;
  return walk(
      by_call_id_[call_id_hash & (by_call_id_.size() - 1)], [](const Head& h) { return h.before_of_call_id; },
      [&](const Head& h) { return h.call_id_hash == call_id_hash; });
}

std::uint64_t Ring::before_of_call_id(std::uint64_t position) const {
  const Head from = head(position);
  return walk(
      from.before_of_call_id, [](const Head& h) { return h.before_of_call_id; },
      [&](const Head& h) { return h.call_id_hash == from.call_id_hash; });
}

Message Entry::copy() const {
  Message message;
  message.sequence = sequence;
  message.number = number;
  message.monotonic_ns = monotonic_ns;
  message.wall_ns = wall_ns;
  message.direction = direction;
  message.retransmission = retransmission;
  message.transport = transport;
  message.side = side;
  message.local = local;
  message.remote = remote;
  message.call = call;
  message.realm = realm;
  message.peer = peer;
  message.octets = octets;
  return message;
}

}  // namespace sallyport::trace
