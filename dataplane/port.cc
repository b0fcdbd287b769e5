// SPDX-License-Identifier: Apache-2.0
#include "dataplane/port.h"

#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "dataplane/eal.h"
#include "dataplane/media_steering.h"
#include "dataplane/netlink.h"

namespace sallyport::dp {
namespace {

constexpr std::uint16_t kDescriptors = 2048;
constexpr std::uint16_t kUsualMtu = 1500;    // what is used of a device's MTU unless more is asked for
constexpr unsigned kMbufOverhead = 192;      // the mbuf and the pool's own header
constexpr unsigned kLinkBytes = 14 + 4 + 4;  // Ethernet, VLAN, FCS
constexpr std::uint64_t kReceiveChecksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;

bool is_pci_address(const std::string& text) {
  // [domain:]bus:device.function, all hexadecimal.
  const auto colons = std::ranges::count(text, ':');
  return (colons == 1 || colons == 2) && std::ranges::count(text, '.') == 1 &&
         std::ranges::all_of(text, [](char c) {
           return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.';
         });
}

DeviceKind kind_of(const std::string& name, const std::string& interface) {
  if (is_pci_address(name)) return DeviceKind::pci;
  if (name.starts_with("net_af_xdp")) return DeviceKind::af_xdp;
  if (name.starts_with("net_af_packet")) return DeviceKind::af_packet;
  if (name.starts_with("net_pcap")) return interface.empty() ? DeviceKind::software : DeviceKind::pcap;
  if (name.starts_with("net_ring") || name.starts_with("net_null")) return DeviceKind::software;
  return DeviceKind::other;
}

// The value of `key=` in "a=1,b=2", empty when it is not there.
std::string argument(const std::string& arguments, const std::string& key) {
  for (std::size_t at = 0; at < arguments.size();) {
    const std::size_t end = std::min(arguments.find(',', at), arguments.size());
    const std::string one = arguments.substr(at, end - at);
    if (one.starts_with(key + "=")) return one.substr(key.size() + 1);
    at = end + 1;
  }
  return {};
}

// Queue pairs that AF_XDP may bind on an interface: its combined channels, 1 when it does not say (veth).
unsigned xdp_queues(const std::string& interface) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 1;
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&channels);
  const bool known = ::ioctl(fd, SIOCETHTOOL, &request) == 0;
  ::close(fd);
  return known ? std::max(channels.combined_count, 1u) : 1;
}

void bring_up(unsigned ifindex) {
  if (auto netlink = Netlink::open(0)) (void)netlink->link_up(ifindex, 0, nullptr);
}

std::string reason(int error) {
  return std::string(" (") + std::strerror(error < 0 ? -error : error) + ")";
}

}  // namespace

Device parse_device(const std::string& text, unsigned index) {
  Device device;
  const auto comma = text.find(',');
  device.name = text.substr(0, comma);
  if (comma != std::string::npos) device.arguments = text.substr(comma + 1);
  device.interface = argument(device.arguments, "iface");
  device.kind = kind_of(device.name, device.interface);
  const bool numbered =
      !device.name.empty() && std::isdigit(static_cast<unsigned char>(device.name.back())) != 0;
  // A ring device that exists already bears a name of its own.
  const bool named = device.name.starts_with("net_ring_");
  if (device.kind != DeviceKind::pci && !numbered && !named) device.name += std::to_string(index);
  return device;
}

Device as_af_packet(const Device& device, unsigned index) {
  return parse_device("net_af_packet,iface=" + device.interface, index);
}

std::string arguments_for(const Device& device, unsigned queues) {
  const char* key = device.kind == DeviceKind::af_xdp      ? "queue_count"
                    : device.kind == DeviceKind::af_packet ? "qpairs"
                                                           : "";
  if (*key == 0 || queues == 1 || !argument(device.arguments, key).empty()) return device.arguments;
  return device.arguments + (device.arguments.empty() ? "" : ",") + key + "=" + std::to_string(queues);
}

unsigned pool_size(unsigned workers) {
  // A worker's queue: receive ring, AF_XDP's fill ring, send ring; and what it holds itself (fragments,
  // latches, SIP that waits for a neighbour, hand-off).
  return workers * (3u * kDescriptors + 2048u) - 1u;
}

// Devices fill buffers of whole KiB.
unsigned buffer_bytes(std::uint16_t mtu) {
  constexpr unsigned kKiB = 1024;
  const unsigned frame = std::max(mtu, kUsualMtu) + kLinkBytes;
  return std::max(2 * kKiB, (frame + kKiB - 1) / kKiB * kKiB) + RTE_PKTMBUF_HEADROOM;
}

rte_eth_conf device_conf(const rte_eth_dev_info& info, const PortWish& wish) {
  rte_eth_conf conf{};
  if (wish.queues > 1 && spreading_fields(info) != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = spreading_fields(info);
  }
  conf.rxmode.mtu = wish.mtu;
  conf.rxmode.offloads = kReceiveChecksums & info.rx_offload_capa;
  // A device may still want to cut what is large; workers read chains as well.
  if (wish.mtu > kUsualMtu) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER & info.rx_offload_capa;
  conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_UDP_CKSUM & info.tx_offload_capa;
  conf.intr_conf.rxq = wish.interrupts ? 1 : 0;
  return conf;
}

// deploy/host-setup has the same formula; a test holds it against this one.
std::uint64_t memory_needed(std::span<const std::uint16_t> mtus, unsigned workers) {
  constexpr std::uint64_t kMiB = 1024 * 1024;
  std::uint64_t pools = 0;
  for (const std::uint16_t mtu : mtus)
    pools += std::uint64_t{pool_size(workers)} * (buffer_bytes(mtu) + kMbufOverhead);
  return (pools + pools / 16 + 24 * kMiB + workers * 2 * kMiB + 2 * kMiB - 1) / (2 * kMiB) * (2 * kMiB);
}

std::unexpected<std::string> Port::fault(const std::string& what) const {
  return std::unexpected("port " + name_ + ": " + what);
}

std::expected<std::unique_ptr<Port>, std::string> Port::open(const std::string& name, const Device& device,
                                                             const PortWish& wish) {
  std::unique_ptr<Port> port(new Port(name, device));
  if (auto done = port->attach(wish.queues); !done) return std::unexpected(done.error());
  // Drivers of the kernel's sockets and of files have no interrupts, and may not be set up a second time.
  PortWish asked = wish;
  asked.interrupts = wish.interrupts && (device.kind == DeviceKind::pci || device.kind == DeviceKind::other);
  auto done = port->set_up(asked);
  if (!done && asked.interrupts) {  // some start only without (a kernel driver that gives one vector)
    asked.interrupts = false;
    done = port->set_up(asked);
  }
  if (!done) return std::unexpected(done.error());
  return port;
}

std::expected<void, std::string> Port::set_up(const PortWish& wish) {
  if (auto done = configure(wish); !done) return done;
  if (auto done = make_pool(wish); !done) return done;
  if (auto done = set_up_queues(wish.queues); !done) return done;
  interrupts_ = wish.interrupts;
  return start();
}

std::expected<void, std::string> Port::check(const std::string& name, const Device& device, unsigned queues) {
  if (device.interface.empty()) return {};
  const std::string& interface = device.interface;
  const auto refuse = [&name](const std::string& what) {
    return std::unexpected("port " + name + ": " + what);
  };
  if (if_nametoindex(interface.c_str()) == 0) {
    return refuse("there is no network interface " + interface +
                  " here: create it, or correct iface= in its device");
  }
  if (!has_capability(CAP_NET_ADMIN) || !has_capability(CAP_NET_RAW)) {
    return refuse("no privilege to take " + interface +
                  ": run as root, or with CAP_NET_ADMIN and CAP_NET_RAW");
  }
  const unsigned has = device.kind == DeviceKind::af_xdp ? xdp_queues(interface) : queues;
  if (has >= queues) return {};
  return refuse(std::to_string(queues) + " cores are configured, each needs a queue, and " + interface +
                " has " + std::to_string(has) + ": configure fewer cores, or raise 'ethtool -L " + interface +
                " combined'");
}

std::expected<void, std::string> Port::attach(unsigned queues) {
  if (rte_eth_dev_get_port_by_name(device_.name.c_str(), &id_) == 0) {  // PCI, or a device made beforehand
    attached_ = true;
    return {};
  }
  if (device_.kind == DeviceKind::pci) {
    return fault("there is no DPDK device " + device_.name +
                 ": bind it with 'dpdk-devbind.py --bind=vfio-pci " + device_.name +
                 "', or correct the address");
  }
  if (!device_.interface.empty()) bring_up(if_nametoindex(device_.interface.c_str()));
  // Without a bpffs libxdp would say three times that it does what we ask for here: one program, no
  // dispatcher.
  if (device_.kind == DeviceKind::af_xdp) ::setenv("LIBXDP_SKIP_DISPATCHER", "1", 0);
  const std::string arguments = arguments_for(device_, queues);
  if (const int error = rte_eal_hotplug_add("vdev", device_.name.c_str(), arguments.c_str()); error < 0) {
    return fault("DPDK cannot make the device " + device_.name + "," + arguments + reason(error) +
                 ": check its name and arguments, and what DPDK said above");
  }
  created_ = true;
  if (rte_eth_dev_get_port_by_name(device_.name.c_str(), &id_) != 0) {
    return fault("the device " + device_.name + " is no network device");
  }
  attached_ = true;
  return {};
}

std::expected<void, std::string> Port::configure(const PortWish& wish) {
  if (!nic_) nic_ = eth_device(id_);
  rte_eth_dev_info info{};
  if (const int error = nic_->info(info); error != 0) return fault("no information" + reason(error));
  if (info.max_rx_queues < wish.queues || info.max_tx_queues < wish.queues) {
    return fault(std::to_string(wish.queues) + " cores are configured, each needs a queue, and the device " +
                 device_.name + " has " + std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)) +
                 ": configure fewer cores, or give it more queues");
  }
  if (wish.mtu != 0 && wish.mtu > info.max_mtu) {
    return fault("the device " + device_.name + " takes an mtu of at most " + std::to_string(info.max_mtu) +
                 ", not " + std::to_string(wish.mtu));
  }
  const rte_eth_conf conf = device_conf(info, wish);
  if (const int error = nic_->configure(static_cast<std::uint16_t>(wish.queues), conf); error != 0)
    return fault("the device refused " + std::to_string(wish.queues) + " queues" + reason(error));
  receives_checksums_ = (conf.rxmode.offloads & kReceiveChecksums) == kReceiveChecksums;
  sends_checksums_ = conf.txmode.offloads != 0;
  socket_ = rte_eth_dev_socket_id(id_);
  rte_ether_addr address{};
  if (rte_eth_macaddr_get(id_, &address) == 0) std::copy_n(address.addr_bytes, mac_.size(), mac_.begin());
  return set_mtu(wish.mtu);
}

std::expected<void, std::string> Port::set_mtu(std::uint16_t wish) {
  std::uint16_t mtu = 0;
  const bool known = rte_eth_dev_get_mtu(id_, &mtu) == 0 && mtu != 0;
  if (wish == 0) {
    if (known) mtu_ = std::min(mtu, kUsualMtu);
    return {};
  }
  // Devices of the kernel have their own until they are told.
  const int error = rte_eth_dev_set_mtu(id_, wish);
  if (error != 0 && !(known && mtu == wish)) {
    return fault("the device " + device_.name + " does not take an mtu of " + std::to_string(wish) +
                 reason(error) + ": choose a smaller one, or raise the interface's");
  }
  mtu_ = wish;
  return {};
}

std::expected<void, std::string> Port::make_pool(const PortWish& wish) {
  if (pool_ != nullptr) return {};
  const std::string pool_name = "sp_" + std::to_string(id_);
  pool_ = rte_pktmbuf_pool_create(pool_name.c_str(), pool_size(wish.queues), 256, 0,
                                  static_cast<std::uint16_t>(buffer_bytes(wish.mtu)), socket_);
  if (pool_ != nullptr) return {};
  const char* const hint = rte_eal_has_hugepages() != 0
                               ? "): free or reserve more hugepages, or configure fewer cores"
                               : "): free memory, or configure fewer cores";
  return fault(std::string("no memory for its packets (") + rte_strerror(rte_errno) + hint);
}

std::expected<void, std::string> Port::set_up_queues(unsigned queues) {
  std::uint16_t rx = kDescriptors;
  std::uint16_t tx = kDescriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx, &tx);
  for (std::uint16_t queue = 0; queue < queues; ++queue) {
    if (const int error =
            rte_eth_rx_queue_setup(id_, queue, rx, static_cast<unsigned>(socket_), nullptr, pool_);
        error != 0) {
      const std::string hint = error == -EBUSY ? ": another program has bound it" : "";
      return fault("cannot set up receive queue " + std::to_string(queue) + reason(error) + hint);
    }
    if (const int error = rte_eth_tx_queue_setup(id_, queue, tx, static_cast<unsigned>(socket_), nullptr);
        error != 0) {
      return fault("cannot set up send queue " + std::to_string(queue) + reason(error));
    }
  }
  return {};
}

std::expected<void, std::string> Port::start() {
  if (const int error = rte_eth_dev_start(id_); error != 0) return fault("it does not start" + reason(error));
  // Neighbour discovery comes to multicast addresses. Devices that cannot filter need neither.
  if (rte_eth_allmulticast_enable(id_) != 0) (void)rte_eth_promiscuous_enable(id_);
  return {};
}

void Port::close() {
  if (attached_) {
    (void)rte_eth_dev_stop(id_);
    (void)rte_eth_dev_close(id_);
    attached_ = false;
  }
  if (created_) (void)rte_eal_hotplug_remove("vdev", device_.name.c_str());
  created_ = false;
}

Port::~Port() {
  close();
  rte_mempool_free(pool_);
}

void Port::add_losses(std::vector<NicLoss>& out) const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return;
  out.push_back({name_, "missed", stats.imissed});
  out.push_back({name_, "errors", stats.ierrors});
  out.push_back({name_, "no_mbuf", stats.rx_nombuf});
}

}  // namespace sallyport::dp
