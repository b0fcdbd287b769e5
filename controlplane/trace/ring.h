// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A ring of whole messages in memory of a fixed size: what is new takes the place of
// what is oldest. A record's position counts all octets that were ever written, so it never comes again, and
// one below the oldest has been overwritten. Each record leads back to the one before it of its call and of
// its Call-ID; two tables of fixed size hold where those chains begin, by keyed hashes, so that a call is
// found without a search, whatever a sender makes of his Call-IDs. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "controlplane/trace/message.h"

namespace sallyport::trace {

inline constexpr std::size_t kMostCallChars = 32;
inline constexpr std::size_t kMostNameChars = 255;  // of a realm or a peer

// A message on its way into a ring, or as it lies in one: the views end with the next add().
struct Entry {
  std::uint64_t sequence = 0;
  std::uint32_t number = 0;
  Nanoseconds monotonic_ns = 0;
  Nanoseconds wall_ns = 0;
  Direction direction = Direction::received;
  bool retransmission = false;
  Transport transport = Transport::udp;
  Side side = Side::none;
  Endpoint local;
  Endpoint remote;
  std::uint64_t call_id_hash = 0;
  std::uint64_t own_hash = 0;  // of our tag; 0: the message has none
  std::uint64_t far_hash = 0;  // of the far end's
  std::string_view call;       // at most kMostCallChars
  std::string_view realm;      // at most kMostNameChars, as is the peer
  std::string_view peer;
  std::string_view octets;

  [[nodiscard]] Message copy() const;
};

class Ring {
 public:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  // Throws std::bad_alloc. 0: it takes nothing. The pages are the kernel's until they are written.
  explicit Ring(std::size_t bytes);

  // Its position; kNone: it is larger than half of the ring. `entry` points at nothing of this ring.
  std::uint64_t add(const Entry& entry);
  // The record at `position`, the newest of all and of no call so far, is of that call.
  void name(std::uint64_t position, std::string_view call, Side side, std::uint32_t number);

  // The oldest record, the place of the next one, and the record behind one.
  [[nodiscard]] std::uint64_t oldest() const { return oldest_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] std::uint64_t after(std::uint64_t position) const;
  [[nodiscard]] bool has(std::uint64_t position) const { return position >= oldest_ && position < end_; }
  [[nodiscard]] Entry at(std::uint64_t position) const;
  // The oldest record behind that sequence number, or end(). Records are added in the order of theirs.
  [[nodiscard]] std::uint64_t behind(std::uint64_t sequence) const;

  // The newest record of that call, or kNone; and the one before it.
  [[nodiscard]] std::uint64_t newest_of_call(std::string_view call) const;
  [[nodiscard]] std::uint64_t before_in_call(std::uint64_t position) const;
  // The same by Call-ID.
  [[nodiscard]] std::uint64_t newest_of_call_id(std::uint64_t call_id_hash) const;
  [[nodiscard]] std::uint64_t before_of_call_id(std::uint64_t position) const;

  [[nodiscard]] std::uint64_t overwritten() const { return overwritten_; }
  [[nodiscard]] bool keeps() const { return bytes_ != 0; }

 private:
  struct Head;
  using Chains = std::vector<std::uint64_t>;  // by hash: a position and 1; 0: none
  struct Mark {
    std::uint64_t sequence = 0;
    std::uint64_t position = 0;
  };
  struct Free {
    void operator()(std::byte* memory) const;
  };

  [[nodiscard]] Head head(std::uint64_t position) const;
  [[nodiscard]] std::uint32_t length(std::uint64_t position) const;
  [[nodiscard]] bool is_gap(std::uint64_t position) const;
  [[nodiscard]] std::byte* memory(std::uint64_t position) const { return data_.get() + position % bytes_; }
  void make_room(std::size_t bytes);
  void skip_to_start();
  [[nodiscard]] std::uint64_t link(Chains& chains, std::uint64_t hash, std::uint64_t position);
  // From `position` on along a chain to the first that `fits`.
  template <typename Before, typename Fits>
  [[nodiscard]] std::uint64_t walk(std::uint64_t position, Before before, Fits fits) const;

  std::unique_ptr<std::byte, Free> data_;
  std::size_t bytes_ = 0;
  std::uint64_t oldest_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t overwritten_ = 0;
  Chains by_call_;
  Chains by_call_id_;
  std::vector<Mark> marks_;  // where to begin to look for a sequence number
};

}  // namespace sallyport::trace
