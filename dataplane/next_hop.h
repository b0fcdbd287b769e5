// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The kernel owns routes and neighbours of our taps; the exception thread mirrors them
// into this table and workers read it without a lock. A "link" is one tap: a port, or a VLAN on it; each
// realm is on one. A route lookup says whom to ask for (the destination itself or a gateway), a neighbour
// lookup gives its MAC. One neighbour is one 64-bit word of state and MAC, stored at once. Routes are in two
// buffers in turn: a reader never waits, not even for an exception thread that the kernel stopped in the
// middle of an update. The kernel never sees our traffic, so the lookup marks what is used, and the exception
// thread has the kernel probe used entries before they grow old. A stale MAC stays in use while it is probed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/api/ring.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"
#include "dataplane/path_mtu.h"

namespace sallyport::dp {

inline constexpr std::size_t kMaxLinks = kMaxRealms;
using MacAddress = std::array<std::uint8_t, 6>;

enum class NextHopState : std::uint8_t {
  no_route,    // drop no_route
  unresolved,  // request() it; drop no_neighbour, or keep a SIP datagram for a moment
  ready        // mac is valid
};

struct NextHop {
  IpAddress neighbour;  // who is resolved: the destination, or the gateway towards it
  MacAddress mac{};
  NextHopState state = NextHopState::no_route;
  std::uint16_t entry = 0;  // for touch(), when a worker keeps the result
};

// A route of one link. No gateway: on the link.
struct Route {
  Prefix destination;
  IpAddress gateway;
  std::uint32_t metric = 0;
  std::uint8_t link = 0;
  friend bool operator==(const Route&, const Route&) = default;
};

class NextHopTable {
 public:
  static constexpr std::size_t kNeighbours = 4096;
  static constexpr std::size_t kRoutes = 256;

  // `link_of_realm[r]`: the link of realm r. Throws std::bad_alloc.
  NextHopTable(std::vector<std::uint8_t> link_of_realm, unsigned workers);
  NextHopTable(const NextHopTable&) = delete;
  NextHopTable& operator=(const NextHopTable&) = delete;

  // ---- any worker: no lock, no wait
  // ----------------------------------------------------------------------------
  [[nodiscard]] NextHop lookup(std::uint16_t realm, const IpAddress& destination, Nanoseconds now_ns) const;
  // Has the kernel resolve `neighbour` (of a lookup in that realm). Repeat it freely: what the ring has no
  // room for is forgotten, and the kernel asks each neighbour once a second at most.
  void request(unsigned worker, std::uint16_t realm, const IpAddress& neighbour);
  // A worker may keep a result for as long as version() is unchanged, if it calls touch() about once a
  // second.
  [[nodiscard]] std::uint32_t version() const { return version_.load(std::memory_order_acquire); }
  void touch(std::uint16_t entry, Nanoseconds now_ns) const;
  [[nodiscard]] PathMtus& path_mtus() { return path_mtus_; }

  // ---- exception thread: the only writer
  // -----------------------------------------------------------------------
  void set_neighbour(std::uint8_t link, const IpAddress& address, const MacAddress& mac);
  void remove_neighbour(std::uint8_t link, const IpAddress& address);
  // All routes of all links, in any order. What is beyond kRoutes (the shortest prefixes stay) is left out:
  // false.
  bool set_routes(std::vector<Route> routes);
  // A port without a kernel behind it (a ring or null device): every destination of the link has this MAC.
  void set_fixed(std::uint8_t link, const MacAddress& mac);

  struct Request {
    std::uint8_t link = 0;
    IpAddress neighbour;
  };
  // Calls `act(const Request&)` for what workers asked for.
  template <typename Act>
  void drain_requests(Act&& act) {
    for (auto& ring : requests_) {
      for (auto record = ring->front(); record.kind != 0; record = ring->front()) {
        Request request;
        std::memcpy(&request, record.bytes.data(), sizeof(request));
        ring->pop();
        act(request);
      }
    }
  }
  // Calls `act(const Request&)` for each neighbour that a worker used since `since_ns`.
  template <typename Act>
  void for_each_used(Nanoseconds since_ns, Act&& act) const {
    for (std::size_t i = 0; i < kNeighbours; ++i) {
      if (Request used; used_since(i, since_ns, used)) act(used);
    }
  }
  [[nodiscard]] std::size_t neighbours() const { return neighbour_count_; }

 private:
  // An address as two words, comparable and maskable at once; IPv4 has a first word that no IPv6 address has.
  struct Words {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const Words&, const Words&) = default;
  };
  // exception thread: wo, workers: ro; last_used: workers wo.
  struct Neighbour {
    std::atomic<std::uint64_t> state{0};  // MAC 48 bits, link 8, generation 7, valid 1; 0: free
    std::atomic<std::uint64_t> high{0};
    std::atomic<std::uint64_t> low{0};
    mutable std::atomic<std::uint32_t> last_used{0};  // in ticks of 2^30 ns
  };
  struct RouteEntry {
    std::array<std::atomic<std::uint64_t>, 7> words{};  // network, mask, gateway; flags
  };
  struct Routes {
    std::array<RouteEntry, kRoutes> entries;
    std::array<std::atomic<std::uint16_t>, kMaxLinks + 1> begin{};  // of each link's entries
  };
  static constexpr std::size_t kWays = 8;

  static void store(RouteEntry& entry, const Route& route);

  [[nodiscard]] static Words words_of(const IpAddress& address);
  [[nodiscard]] static IpAddress address_of(const Words& words);
  [[nodiscard]] static Words mask_of(const Prefix& prefix);
  [[nodiscard]] std::size_t bucket(std::uint8_t link, const Words& words) const;
  [[nodiscard]] bool route(std::uint8_t link, const Words& destination, Words& neighbour) const;
  [[nodiscard]] bool route_in(const Routes& routes, std::uint8_t link, const Words& destination,
                              Words& neighbour) const;
  [[nodiscard]] bool used_since(std::size_t index, Nanoseconds since_ns, Request& out) const;
  [[nodiscard]] Neighbour* find(std::uint8_t link, const Words& words);
  [[nodiscard]] Neighbour& place(std::uint8_t link, const Words& words);
  void changed() { version_.fetch_add(1, std::memory_order_release); }

  std::vector<std::uint8_t> link_of_realm_;
  std::uint64_t seed_;  // of the buckets: an on-link sender cannot choose who shares his
  PathMtus path_mtus_;
  std::unique_ptr<Neighbour[]> table_;
  std::array<Routes, 2> routes_;
  std::atomic<std::uint32_t> routes_published_{0};  // routes_[n & 1] is in force
  std::atomic<std::uint32_t> routes_begun_{0};      // being written
  std::atomic<std::uint32_t> version_{0};
  std::array<std::atomic<std::uint64_t>, kMaxLinks> fixed_{};  // a MAC and bit 63, or 0
  std::vector<std::unique_ptr<RecordRing>> requests_;          // one a worker
  std::size_t neighbour_count_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace sallyport::dp
