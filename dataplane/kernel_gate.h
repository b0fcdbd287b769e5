// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The way to the kernel is an allow-list, rate-limited per port (decision 5): ARP and
// neighbour discovery, ICMP for our addresses, TCP to the configured SIP ports, and TCP that answers a
// connection which the kernel opened through the tap. Classify decides what a frame is; the gate decides
// whether it may pass. Each worker owns a gate per port (no atomics in it but the shared set of connections).
// The exception thread sees every frame that the kernel sends and writes that set: one keyed 64-bit signature
// a connection, so a guess of addresses and ports lets nothing in that the kernel did not ask for.
//
// What classify hands to which check:
//   neighbour(): ARP; ICMPv6 types 133 to 137 (RFC 4861) whatever their destination address is (multicast,
//   ours, or
//                the tap's own link-local address, which is made of the port's MAC)
//   icmp():      other ICMP and ICMPv6 to one of our addresses (errors that quote SIP or media are the
//   worker's) tcp():       TCP to one of our addresses
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/api/drop_reason.h"
#include "dataplane/base/address.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/siphash.h"

namespace sallyport::dp {

// TCP connections that the kernel opened through a tap. Bounded: in a full bucket the one unused longest
// gives way.
class KernelConnections {
 public:
  static constexpr std::size_t kConnections = 8192;

  explicit KernelConnections(SipHashKey key);

  // Exception thread, for each TCP segment that the kernel sends. `flags`: octet 13 of the TCP header.
  void sent(const Endpoint& local, const Endpoint& remote, std::uint8_t flags, Nanoseconds now_ns);
  // Any worker. True when the kernel has such a connection; marks it as used.
  [[nodiscard]] bool holds(const Endpoint& local, const Endpoint& remote, Nanoseconds now_ns) const;

 private:
  // exception thread: wo, workers: ro; last_used: both.
  struct Entry {
    std::atomic<std::uint64_t> signature{0};          // 0: free
    mutable std::atomic<std::uint32_t> last_used{0};  // seconds
    std::atomic<bool> closing{false};                 // the kernel has sent FIN
  };
  static constexpr std::size_t kWays = 8;
  [[nodiscard]] std::uint64_t signature(const Endpoint& local, const Endpoint& remote) const;
  [[nodiscard]] Entry* find(std::uint64_t signature) const;
  [[nodiscard]] static bool expired(const Entry& entry, std::uint32_t now_s);

  SipHashKey key_;
  std::unique_ptr<Entry[]> entries_;
};

// Packets a second that a whole port may send to the kernel, each with a burst of a quarter second.
struct KernelRates {
  std::uint32_t neighbour_pps = 1'000;
  std::uint32_t icmp_pps = 400;
  std::uint32_t tcp_pps = 40'000;
};

// One worker's gate, for all its ports. nullopt: pass it on; else the reason to drop it. `port`: the
// configuration's index.
class KernelGate {
 public:
  // `listeners`: the realms' addresses with their SIP TCP and TLS ports. A port's rates are shared by its
  // workers.
  KernelGate(std::shared_ptr<const KernelConnections> connections, std::vector<Endpoint> listeners,
             const KernelRates& rates, unsigned workers);

  [[nodiscard]] std::optional<DropReason> neighbour(std::size_t port, Nanoseconds now_ns);
  [[nodiscard]] std::optional<DropReason> icmp(std::size_t port, Nanoseconds now_ns);
  [[nodiscard]] std::optional<DropReason> tcp(std::size_t port, const Endpoint& local, const Endpoint& remote,
                                              Nanoseconds now_ns);

 private:
  // GCRA: `due` is when the next packet would be on time; a packet may be `burst` ahead of it.
  struct Bucket {
    Nanoseconds interval = 0;
    Nanoseconds due = 0;
  };
  struct Buckets {
    Bucket neighbour;
    Bucket icmp;
    Bucket tcp;
  };
  static constexpr Nanoseconds kBurst = 250 * kMillisecond;
  static std::optional<DropReason> spend(Bucket& bucket, Nanoseconds now_ns);

  std::shared_ptr<const KernelConnections> connections_;
  std::vector<Endpoint> listeners_;
  std::array<Buckets, kMaxPorts> buckets_{};
};

}  // namespace sallyport::dp
