// SPDX-License-Identifier: Apache-2.0
// Theory of operation. One thread beside the workers carries what belongs to the kernel (decision 5). Frames
// cross by copy, in RecordRings with one producer and one consumer each, so no mbuf leaves its worker's pool
// and a stopped exception thread holds up nobody:
//   to_kernel(worker):  that worker pushes whole Ethernet frames as received, VLAN tag and all;
//                       record kind = port index + 1. A full ring is the worker's drop `kernel_full`.
//   from_kernel():      worker 0 pops whole frames, tag and all, copies each into an mbuf of the egress
//   port's pool
//                       and sends it there; record kind = port index + 1. It counts them in sent_packets.
// The thread looks at the rings at least once a millisecond: a worker never has to wake it.
// Each link (a port, or a VLAN on it) has a tap with the port's MAC and the realms' addresses; VLAN tags are
// taken off and put on here. The same thread mirrors neighbours and routes into the NextHopTable and has the
// kernel resolve what workers ask for.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/api/ring.h"
#include "dataplane/kernel_gate.h"
#include "dataplane/next_hop.h"

namespace sallyport::dp {

inline constexpr std::size_t kMaxFrameBytes = 9216 + 64;  // the largest MTU of a port, and its headers

struct ExceptionPort {
  std::string name;  // the configuration's
  MacAddress mac{};
  std::uint16_t mtu = 1500;
  std::string interface;            // the kernel's device below a vdev ("iface="), or empty
  bool kernel_gets_copies = false;  // AF_PACKET and pcap: the kernel's own copy has to be dropped
  bool has_kernel = true;           // false for ring and null devices: no tap, neighbours are `fixed_peer`
  MacAddress fixed_peer{0x02, 0x53, 0x50, 0, 0, 0x01};
};

struct ExceptionRealm {
  std::uint8_t port = 0;
  std::uint16_t vlan = 0;
  std::vector<Prefix> addresses;
  std::vector<IpAddress> gateways;
};

struct ExceptionOptions {
  std::vector<ExceptionPort> ports;
  std::vector<ExceptionRealm> realms;
  unsigned workers = 1;
  SipHashKey key;  // of the connection set
  std::size_t ring_bytes = 1 << 20;
};

// Any thread reads, the exception thread writes.
struct ExceptionCounters {
  Counter to_tap;
  Counter to_tap_failed;  // the tap took it not
  Counter no_tap;         // a VLAN without a realm, or a port without a kernel
  Counter from_tap;
  Counter from_tap_full;  // worker 0 did not drain its ring
  Counter resolutions;    // asked of the kernel for a worker
  Counter probes;         // of used neighbours that grew old
};

class ExceptionPath {
 public:
  // Makes taps, addresses, routes and rules, and starts the thread. The error is one sentence that says what
  // to do; then nothing is left behind.
  [[nodiscard]] static std::expected<std::unique_ptr<ExceptionPath>, std::string> start(
      const ExceptionOptions& options);
  ~ExceptionPath();  // ends the thread; removes taps and rules; restores what was changed
  ExceptionPath(const ExceptionPath&) = delete;
  ExceptionPath& operator=(const ExceptionPath&) = delete;

  [[nodiscard]] RecordRing& to_kernel(unsigned worker);  // producer: that worker
  [[nodiscard]] RecordRing& from_kernel();               // consumer: worker 0
  [[nodiscard]] NextHopTable& next_hops();
  [[nodiscard]] std::shared_ptr<const KernelConnections> connections() const;
  [[nodiscard]] const ExceptionCounters& counters() const;
  // The gateways of each realm from now on; one thread at a time, while the exception thread runs. All or none: the
  // error is one sentence. Waits a second at most for new ones to answer.
  [[nodiscard]] std::expected<void, std::string> set_gateways(
      const std::vector<std::vector<IpAddress>>& by_realm);
  // The tap of a realm ("sp-access", "sp-core.100"), empty where there is none.
  [[nodiscard]] std::string tap_of(std::uint16_t realm) const;

 private:
  ExceptionPath();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::dp
