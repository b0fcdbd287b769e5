// SPDX-License-Identifier: Apache-2.0
// What the names of targets lead to. The resolver's thread makes one of these whenever something has changed,
// and everyone who uses it (each shard, the stream thread) is handed the newest: it does not change any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/config/config.h"

namespace sallyport::routing {

// One place of a name.
struct ResolvedPlace {
  Endpoint endpoint;
  config::Transport transport = config::Transport::udp;
  std::uint16_t rank = 0;    // lower first: NAPTR order and preference, then SRV priority
  std::uint16_t entry = 0;   // the addresses of one SRV record are one entry of its rank
  std::uint16_t weight = 0;  // of the entry among those of its rank (RFC 2782)
  friend bool operator==(const ResolvedPlace&, const ResolvedPlace&) = default;
};

enum class NameState : std::uint8_t {
  pending,         // not answered so far
  resolved,        //
  stale,           // the servers do not answer: the last good places, beyond their TTL (RFC 8767)
  no_such_name,    // NXDOMAIN
  no_records,      // the name is there, but nothing that leads to SIP by a transport of the realm
  unusable,        // addresses, but of no family of the realm's, or none that may be called
  server_failure,  // the servers do not answer, and there is nothing good from before
  kCount
};
// "no such name".
[[nodiscard]] std::string_view to_text(NameState state);

// Of ResolvedName::configured: from here on it counts the names that the peer's `redirects` allow.
inline constexpr std::uint16_t kFirstAllowedName = 0x100;

// A target of the configuration that is a name, or a name that redirects of a peer may lead to.
struct ResolvedName {
  config::PeerIndex peer = 0;
  std::uint16_t configured = 0;  // index into the peer's targets; kFirstAllowedName and above: see there
  NameState state = NameState::pending;
  std::vector<ResolvedPlace> places;  // empty but for `resolved` and `stale`; by rank, then entry
  [[nodiscard]] bool is_target() const { return configured < kFirstAllowedName; }
  friend bool operator==(const ResolvedName&, const ResolvedName&) = default;
};

// All of a configuration's, in its order.
struct ResolvedNames : std::vector<ResolvedName> {
  using std::vector<ResolvedName>::vector;
  std::uint32_t generation = 0;  // Config::generation: the indices are of no other one
};
using SharedNames = std::shared_ptr<const ResolvedNames>;

// Hands the newest of something from one thread to another; neither ever waits. What was not taken in time
// goes.
template <typename T>
class Latest {
 public:
  Latest() = default;
  ~Latest() { delete slot_.load(std::memory_order_acquire); }
  Latest(const Latest&) = delete;
  Latest& operator=(const Latest&) = delete;

  // Any thread.
  void put(T value) { delete slot_.exchange(new T(std::move(value)), std::memory_order_acq_rel); }
  // The reader's.
  [[nodiscard]] bool waiting() const { return slot_.load(std::memory_order_relaxed) != nullptr; }
  [[nodiscard]] std::unique_ptr<T> take() {
    if (!waiting()) return nullptr;
    return std::unique_ptr<T>(slot_.exchange(nullptr, std::memory_order_acq_rel));
  }

 private:
  std::atomic<T*> slot_{nullptr};
};

}  // namespace sallyport::routing
