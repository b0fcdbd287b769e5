// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A port is one DPDK device with a queue pair and nothing shared for each worker, and a
// packet pool of its own on its NUMA node, whose buffers hold the largest frame in one piece. What the device
// has to help (checksums, receive interrupts) is used, what it has not is done without. Errors are sentences
// that say what to do. A port is added to EAL when it is opened and taken out when it is closed, so a failed
// start leaves nothing.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/dataplane.h"
#include "dataplane/eth_device.h"

struct rte_mempool;

namespace sallyport::dp {

enum class DeviceKind : std::uint8_t {
  pci,
  af_xdp,     // takes frames from the kernel's device before the kernel
  af_packet,  // the kernel gets a copy of each frame
  pcap,       // the same, with iface=
  software,   // ring, null, pcap files: no network and no kernel behind it
  other       // tap, memif, virtio-user ...: a network, but no device of the kernel's below
};

struct Device {
  DeviceKind kind = DeviceKind::other;
  std::string name;       // EAL's, "net_af_xdp0"; a PCI address as it is
  std::string arguments;  // "iface=access0"
  std::string interface;  // of iface=
};

// "net_af_xdp,iface=access0" with the port's index when the name bears no number of its own.
[[nodiscard]] Device parse_device(const std::string& text, unsigned index);
// The same interface by AF_PACKET; other arguments do not carry over.
[[nodiscard]] Device as_af_packet(const Device& device, unsigned index);
// With the argument that gives the driver `queues` queue pairs, unless there is one.
[[nodiscard]] std::string arguments_for(const Device& device, unsigned queues);

// mbufs that one port needs. What AF_XDP keeps in its fill ring is in it.
[[nodiscard]] unsigned pool_size(unsigned workers);
// Octets of one, headroom included: what a frame with `mtu` octets of IP fits in. 0: the usual 1500.
[[nodiscard]] unsigned buffer_bytes(std::uint16_t mtu);

// What a port is asked to be.
struct PortWish {
  unsigned queues = 1;
  std::uint16_t mtu = 0;    // 0: the device's, at most 1500
  bool interrupts = false;  // for idle workers, where the device has them
};

// What we ask of a device that says of itself `info`.
[[nodiscard]] rte_eth_conf device_conf(const rte_eth_dev_info& info, const PortWish& wish);

class Port {
 public:
  // What can be said before DPDK is asked: the interface is there, we may take it, it has the queues.
  [[nodiscard]] static std::expected<void, std::string> check(const std::string& name, const Device& device,
                                                              unsigned queues);
  // EAL runs. Configured and started, nobody polls it yet.
  [[nodiscard]] static std::expected<std::unique_ptr<Port>, std::string> open(const std::string& name,
                                                                              const Device& device,
                                                                              const PortWish& wish);
  ~Port();  // closes, then frees the pool: close every port first, they hold each other's packets
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  void close();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Device& device() const { return device_; }
  [[nodiscard]] std::uint16_t dpdk_port() const { return id_; }
  [[nodiscard]] std::uint16_t mtu() const { return mtu_; }
  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] rte_mempool* pool() const { return pool_; }
  [[nodiscard]] const std::array<std::uint8_t, 6>& mac() const { return mac_; }
  [[nodiscard]] EthDevice& nic() const { return *nic_; }
  // What the device verifies of what comes, and computes of what goes.
  [[nodiscard]] bool receives_checksums() const { return receives_checksums_; }
  [[nodiscard]] bool sends_checksums() const { return sends_checksums_; }
  // It was started with receive interrupts; whether it has them shows when one is asked for.
  [[nodiscard]] bool interrupts() const { return interrupts_; }
  // What was lost before us, by cause.
  void add_losses(std::vector<NicLoss>& out) const;

 private:
  Port(std::string name, Device device) : name_(std::move(name)), device_(std::move(device)) {}
  [[nodiscard]] std::expected<void, std::string> attach(unsigned queues);
  [[nodiscard]] std::expected<void, std::string> set_up(const PortWish& wish);
  [[nodiscard]] std::expected<void, std::string> configure(const PortWish& wish);
  [[nodiscard]] std::expected<void, std::string> set_mtu(std::uint16_t wish);
  [[nodiscard]] std::expected<void, std::string> make_pool(const PortWish& wish);
  [[nodiscard]] std::expected<void, std::string> set_up_queues(unsigned queues);
  [[nodiscard]] std::expected<void, std::string> start();
  [[nodiscard]] std::unexpected<std::string> fault(const std::string& what) const;

  std::string name_;
  Device device_;
  std::uint16_t id_ = 0;
  std::uint16_t mtu_ = 1500;
  int socket_ = -1;
  bool attached_ = false;  // known to EAL, not closed
  bool created_ = false;   // by us
  std::array<std::uint8_t, 6> mac_{};
  rte_mempool* pool_ = nullptr;
  std::unique_ptr<EthDevice> nic_;
  bool receives_checksums_ = false;
  bool sends_checksums_ = false;
  bool interrupts_ = false;
};

}  // namespace sallyport::dp
