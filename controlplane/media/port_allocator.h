// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A shard owns some of the even-odd port pairs of every media address, dealt out by
// dp::MediaRange, and of those each pair belongs to one worker. Free pairs of one address and worker lie in
// an array from which one is drawn at random (RFC 6056 3.3.1): an attacker cannot guess the next. A released
// pair cools down before it is drawn again, so that late packets of the old call meet a closed port. Every
// use of a slot has a generation of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "dataplane/api/contract.h"

namespace sallyport::media {

// An even RTP port and the odd RTCP port above it.
struct PortPair {
  std::uint16_t range = 0;  // index into the layout
  std::uint8_t worker = 0;
  std::uint32_t pair = 0;  // within the range
  Endpoint local;          // of the even port
  dp::FlowRef rtp;
  dp::FlowRef rtcp;

  [[nodiscard]] Endpoint local_rtcp() const {
    return {local.address, static_cast<std::uint16_t>(local.port + 1)};
  }
};

// Which media ports of this node are open, whichever shard opened them: an SDP that names one is a call that
// passes us twice. Each port has one writer, its shard.
class OpenPorts {
 public:
  explicit OpenPorts(std::span<const dp::MediaRange> layout);
  void set(std::uint32_t slot, bool open) { open_[slot].store(open, std::memory_order_relaxed); }
  // Any thread. Also false for what is no media port of ours.
  [[nodiscard]] bool is_open(const Endpoint& local) const;

 private:
  std::vector<dp::MediaRange> layout_;
  std::unique_ptr<std::atomic<bool>[]> open_;
};

class PortAllocator {
 public:
  struct Setting {
    std::uint32_t shard = 0;
    std::uint32_t shards = 1;
    std::uint32_t workers = 1;
    Nanoseconds cool_down_ns = 5 * kSecond;
    std::uint64_t seed = 0;
    OpenPorts* board = nullptr;  // told of every port taken and given back
  };
  PortAllocator(std::span<const dp::MediaRange> layout, const Setting& setting);

  // One pair of an address of that realm and family, served by that worker; nullopt: all in use or cooling.
  [[nodiscard]] std::optional<PortPair> allocate(std::uint16_t realm, Family family, std::uint8_t worker,
                                                 Nanoseconds now_ns);
  // After the worker has confirmed that both slots are empty (or they were never installed).
  void release(const PortPair& pair, Nanoseconds now_ns);
  // One that nobody was told of: it need not cool down.
  void give_back(const PortPair& pair);
  [[nodiscard]] std::uint32_t workers() const { return setting_.workers; }

  // Whether (address, port) is a port of ours that is in use by this shard's calls, and its slot.
  [[nodiscard]] std::optional<dp::FlowRef> in_use(const Endpoint& local) const;
  // Whether it lies in any media range of this node, used or not.
  [[nodiscard]] bool is_media_port(const Endpoint& local) const;

  struct Level {
    std::uint32_t total = 0;
    std::uint32_t used = 0;
    std::uint32_t cooling = 0;
  };
  [[nodiscard]] Level level(std::uint16_t realm) const;

 private:
  struct Cooling {
    std::uint32_t pair;
    Nanoseconds until_ns;
  };
  struct Pool {  // one range, one worker
    std::vector<std::uint32_t> free;
    std::deque<Cooling> cooling;
  };
  struct RangeState {
    dp::MediaRange range;
    std::vector<Pool> pools;                 // by worker
    std::vector<std::uint32_t> generations;  // by pair; odd: in use
  };
  void thaw(Pool& pool, Nanoseconds now_ns);
  Pool& end_use(const PortPair& pair);
  [[nodiscard]] PortPair make_pair(std::uint16_t range, std::uint8_t worker, std::uint32_t pair);

  std::vector<RangeState> ranges_;
  Setting setting_;
  std::mt19937_64 random_;
};

}  // namespace sallyport::media
