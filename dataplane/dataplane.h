// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The dataplane owns the ports, the workers and the exception thread. The control plane
// gives it one plain description at start and then speaks to it only through the rings of api/contract.h. No
// DPDK type is seen here.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/api/contract.h"
#include "dataplane/api/ring.h"
#include "dataplane/steer/identifier.h"

namespace sallyport::dp {

enum class Memory : std::uint8_t { automatic, hugepages, ordinary };
enum class Idle : std::uint8_t { adaptive, busy };
// How a port's media comes to the worker that owns its flow; see media_steering.h.
enum class Steering : std::uint8_t { one_worker, none, hash, destination_hash, flow_rules };
inline constexpr std::array<std::string_view, 5> kSteeringNames{"one_worker", "none", "hash", "destination_hash",
                                                                "flow_rules"};
[[nodiscard]] constexpr std::string_view steering_name(Steering by) {
  return kSteeringNames[static_cast<std::size_t>(by)];
}

struct PortOptions {
  std::string name;    // the configuration's, also the metrics label
  std::string device;  // a PCI address or a vdev, "net_af_xdp,iface=access0"
  std::uint16_t mtu = 0;  // of IP; 0: the device's, at most 1500
};

struct RealmOptions {
  std::string name;
  std::uint8_t port = 0;          // index into ports
  std::uint16_t vlan = 0;         // 0: untagged
  std::vector<Prefix> addresses;  // interface addresses with their prefix lengths
  std::vector<IpAddress> gateways;
  std::uint16_t sip_udp = 0;      // 0: none
  std::uint16_t sip_tcp = 0;      // the exception path lets TCP to these through
  std::uint16_t sip_tls = 0;
  std::uint16_t media_first = 0;  // even
  std::uint16_t media_last = 0;   // odd
  std::uint8_t sip_dscp = 24;
  std::uint32_t sip_police_pps = 0;  // SIP datagrams a second that one source address may send us; 0: no limit
};

// What is no fault but has to be known, one line. `from`: "dataplane", or "DPDK" with its own words. Any thread.
using Notices = std::function<void(std::string_view from, std::string_view notice)>;

struct DataplaneOptions {
  std::vector<unsigned> cores;    // one worker each
  Idle idle = Idle::adaptive;
  Memory memory = Memory::automatic;
  std::vector<PortOptions> ports;
  std::vector<RealmOptions> realms;
  std::uint8_t shards = 1;
  steer::NodeKey key;
  std::size_t ring_bytes = 4 << 20;    // each shard-worker ring, each direction
  std::size_t mirror_bytes = 0;        // each worker's ring of copied media packets; 0: none
  std::string runtime_dir = "/run/sallyport";
  std::vector<std::string> eal_extra;  // passed on to EAL as they are
  Notices tell;                        // none: standard error
};

// Of a whole dataplane whose ports have these MTUs (0: the usual 1500), in bytes: packet buffers and EAL's own.
[[nodiscard]] std::uint64_t memory_needed(std::span<const std::uint16_t> mtus, unsigned workers);

// Wakes one sleeping shard. The worker calls `wake` at most once a burst and shard; it is a flag and, only when the
// shard said that it sleeps, one write to its eventfd.
class ShardDoorbell {
 public:
  ShardDoorbell();   // throws std::system_error
  ~ShardDoorbell();
  ShardDoorbell(const ShardDoorbell&) = delete;
  ShardDoorbell& operator=(const ShardDoorbell&) = delete;

  void wake();  // any thread
  // Shard only. Announce, look at the rings once more, then wait (at most timeout_ns), then say that one is awake.
  void prepare_sleep();
  void wait(Nanoseconds timeout_ns, int also = -1);  // also: a descriptor that ends the wait when it is readable
  void cancel_sleep();

 private:
  std::atomic<bool> sleeping_{false};
  int fd_ = -1;
};

struct CoreLoad {
  unsigned core = 0;
  double busy_ratio = 0;          // of cycles, over the last second or so
  double cycles_per_packet = 0;
  int node = -1;                  // NUMA; -1: not known
};

struct NicLoss {
  std::string port;
  std::string cause;              // "missed", "errors", "no_mbuf"
  std::uint64_t packets = 0;
};

struct PoolLevel {               // packet buffers
  std::string port;
  unsigned used = 0;
  unsigned free = 0;
};

struct PortState {               // how a port works, as the device has it
  std::string port;
  Steering steering = Steering::one_worker;
  unsigned rules = 0;            // flow rules that the device has taken
  std::uint16_t mtu = 0;
  int node = -1;                 // NUMA, of its packet buffers; -1: not known
  bool receives_checksums = false;  // the device verifies IP's and UDP's
  bool sends_checksums = false;     // and computes UDP's
  bool interrupts = false;       // idle workers are woken by them
};

struct KernelWayCounts {          // frames between us and the kernel's taps
  std::uint64_t to_kernel = 0;
  std::uint64_t to_kernel_refused = 0;  // the tap took it not
  std::uint64_t no_tap = 0;       // a VLAN without a realm, or a port without a kernel
  std::uint64_t from_kernel = 0;
  std::uint64_t from_kernel_full = 0;   // the first worker did not take them in time
  std::uint64_t resolutions = 0;  // neighbours that the kernel was asked to resolve
  std::uint64_t probes = 0;       // and to probe, being in use and grown old
};

struct FlowRow {                  // for `show flows`
  FlowSpec spec;
  FlowCounters counters;
};

class Dataplane {
 public:
  // Brings up EAL, ports, taps, routes and workers. The error is one sentence that says what to do.
  [[nodiscard]] static std::expected<std::unique_ptr<Dataplane>, std::string> start(const DataplaneOptions& options);
  virtual ~Dataplane() = default;  // stops workers, removes rules and taps

  [[nodiscard]] virtual unsigned workers() const = 0;
  // Producer: that shard's thread.
  [[nodiscard]] virtual RecordRing& commands(unsigned shard, unsigned worker) = 0;
  // Consumer: that shard's thread.
  [[nodiscard]] virtual RecordRing& events(unsigned worker, unsigned shard) = 0;
  [[nodiscard]] virtual ShardDoorbell& doorbell(unsigned shard) = 0;
  // A shard that pushed commands calls this once a turn: a sleeping worker starts on them at once.
  virtual void kick(unsigned worker) = 0;
  // Copies of media packets (Mirror). Consumer: one thread of ops at a time. nullptr: there is no such ring.
  [[nodiscard]] virtual RecordRing* mirror(unsigned /*worker*/) { return nullptr; }
  [[nodiscard]] virtual const std::vector<MediaRange>& media() const = 0;

  // What a reload changes, one thread at a time. Workers that become adaptive sleep without receive interrupts when
  // the start was busy: those are asked of the devices as the ports are opened.
  virtual void set_idle(Idle /*idle*/) {}
  // The gateways of each realm. All or none; the error is one sentence. Waits a second at most for the neighbours
  // that are new to answer, so that the first packets of calls find them resolved.
  [[nodiscard]] virtual std::expected<void, std::string> set_gateways(
      const std::vector<std::vector<IpAddress>>& /*by_realm*/) {
    return {};
  }

  // Ops only, any thread.
  [[nodiscard]] virtual const WorkerCounters& counters(unsigned worker) const = 0;
  [[nodiscard]] virtual std::vector<CoreLoad> load() const = 0;
  [[nodiscard]] virtual std::vector<NicLoss> nic_losses() const = 0;
  [[nodiscard]] virtual std::vector<PoolLevel> pools() const { return {}; }
  [[nodiscard]] virtual std::vector<PortState> ports() const { return {}; }
  [[nodiscard]] virtual KernelWayCounts kernel_way() const { return {}; }
  [[nodiscard]] virtual std::vector<FlowRow> flows(std::size_t limit) const = 0;
  // Those of these slots that are active; each slot is one worker's.
  [[nodiscard]] virtual std::vector<FlowRow> flows_at(std::span<const std::uint32_t> slots) const = 0;
  // Packets and octets that a port's exception path sent for the kernel are in PortCounters.sent_*.
  [[nodiscard]] virtual std::string memory_in_use() const = 0;  // "hugepages" or "ordinary"
};

// "DPDK 22.11.11".
[[nodiscard]] std::string dpdk_version();

}  // namespace sallyport::dp
