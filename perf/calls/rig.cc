// SPDX-License-Identifier: Apache-2.0
#include "perf/calls/rig.h"

#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstring>

#include "controlplane/cli/process.h"
#include "controlplane/config/load.h"
#include "dataplane/layout.h"
#include "perf/common/must.h"
#include "perf/common/octets.h"

namespace sallyport::perf {
namespace {

constexpr unsigned kWirePackets = 4096;
constexpr unsigned kPoolPackets = 16'383;
constexpr std::size_t kIpAt = 14, kUdpAt = 34, kPayloadAt = 42;
constexpr std::array<std::uint8_t, 6> kPeerMac{2, 0, 0, 0, 0, 9};

void write_frame(std::uint8_t* at, const Endpoint& from, const Endpoint& to, std::string_view text) {
  const std::size_t udp_bytes = 8 + text.size();
  std::memset(at, 0, kPayloadAt);
  at[0] = 2;
  std::memcpy(at + 6, kPeerMac.data(), kPeerMac.size());
  put16(at + 12, 0x0800);
  at[kIpAt] = 0x45;
  put16(at + kIpAt + 2, 20 + udp_bytes);
  at[kIpAt + 8] = 61;
  at[kIpAt + 9] = 17;
  std::memcpy(at + kIpAt + 12, from.address.bytes().data(), 4);
  std::memcpy(at + kIpAt + 16, to.address.bytes().data(), 4);
  put16(at + kUdpAt, from.port);
  put16(at + kUdpAt + 2, to.port);
  put16(at + kUdpAt + 4, udp_bytes);
  std::memcpy(at + kPayloadAt, text.data(), text.size());
  put_checksums(at + kIpAt, udp_bytes);
}

Endpoint endpoint_at(const std::uint8_t* address, const std::uint8_t* port) {
  return {IpAddress::from_bytes(Family::v4, address), static_cast<std::uint16_t>(port[0] << 8 | port[1])};
}

// Every packet's memory is touched once, so that it is resident before anything is measured.
void touch(rte_mempool* pool) {
  std::vector<rte_mbuf*> all(kPoolPackets);
  must(rte_pktmbuf_alloc_bulk(pool, all.data(), kPoolPackets) == 0, "the pool is smaller than it says");
  for (rte_mbuf* packet : all) std::memset(packet->buf_addr, 0, packet->buf_len);
  rte_pktmbuf_free_bulk(all.data(), kPoolPackets);
}

}  // namespace

struct Rig::Wire {
  rte_ring* in = nullptr;
  rte_ring* out = nullptr;
  std::uint16_t port = 0;
};

Rig::Rig(const std::string& yaml) {
  auto loaded = config::load(yaml);
  must(loaded.has_value(), loaded ? "" : config::format_faults("calls", loaded.error()));
  config_ = std::move(*loaded);
  auto maps = response_map::Maps::compile(config_.response_maps);
  must(maps.has_value(), "the response maps do not compile");
  realms_ = cli::dataplane_options(config_, key_).realms;
  media_ = dp::media_layout(realms_);
  open_ports_ = std::make_unique<media::OpenPorts>(media_);
  flows_ = std::make_unique<dp::FlowTable>(dp::slots_of(media_));
  next_hops_ = std::make_unique<dp::NextHopTable>(std::vector<std::uint8_t>{0, 1}, 1);
  for (std::uint8_t link = 0; link < 2; ++link) next_hops_->set_fixed(link, kPeerMac);
  make_wires();
  make_worker();
  make_shard();
}

void Rig::make_wires() {
  pool_ = rte_pktmbuf_pool_create("calls", kPoolPackets, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  must(pool_ != nullptr, "no memory for packets");
  touch(pool_);
  for (std::size_t i = 0; i < wires_.size(); ++i) {
    const std::string name = "wire" + std::to_string(i);
    auto wire = std::make_unique<Wire>();
    wire->in = rte_ring_create((name + "in").c_str(), kWirePackets, SOCKET_ID_ANY, 0);
    wire->out = rte_ring_create((name + "out").c_str(), kWirePackets, SOCKET_ID_ANY, 0);
    const int port = rte_eth_from_rings(name.c_str(), &wire->in, 1, &wire->out, 1, 0);
    must(port >= 0, "no ring device");
    wire->port = static_cast<std::uint16_t>(port);
    const rte_eth_conf conf{};
    must(rte_eth_dev_configure(wire->port, 1, 1, &conf) == 0 &&
             rte_eth_rx_queue_setup(wire->port, 0, 512, 0, nullptr, pool_) == 0 &&
             rte_eth_tx_queue_setup(wire->port, 0, 512, 0, nullptr) == 0 &&
             rte_eth_dev_start(wire->port) == 0,
         "a ring device does not start");
    wires_[i] = std::move(wire);
  }
}

void Rig::make_worker() {
  dp::WorkerContext context;
  for (const auto& wire : wires_) {
    context.ports.push_back({.dpdk_port = wire->port, .queue = 0, .mac = {2, 0, 0, 0, 0, 1}, .pool = pool_});
  }
  context.realms = realms_;
  context.media = media_;
  context.flows = flows_.get();
  context.commands = {&commands_};
  context.events = {&events_};
  context.doorbells = {nullptr};
  context.next_hops = next_hops_.get();
  context.counters = &counters_;
  context.key = key_;
  worker_ = std::make_unique<dp::Worker>(context);
}

void Rig::make_shard() {
  const shard::Common common{config_, key_, *open_ports_, &records_};
  const shard::Lines lines{{&commands_}, {&events_}, nullptr, media_};
  shard_ = std::make_unique<shard::Shard>(common, lines, 0, 1, 0);
}

Rig::~Rig() {
  shard_.reset();
  worker_.reset();
  sent([](std::uint8_t, const Endpoint&, const Endpoint&, std::string_view) {});
  for (const auto& wire : wires_) {
    rte_eth_dev_stop(wire->port);
    rte_eth_dev_close(wire->port);
  }
}

bool Rig::put(std::uint8_t port, const Endpoint& from, const Endpoint& to, std::string_view text) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  if (packet == nullptr) return false;
  char* at = rte_pktmbuf_append(packet, static_cast<std::uint16_t>(kPayloadAt + text.size()));
  must(at != nullptr, "a message of the bench is larger than a packet");
  write_frame(reinterpret_cast<std::uint8_t*>(at), from, to, text);
  if (rte_ring_enqueue(wires_[port]->in, packet) == 0) return true;
  rte_pktmbuf_free(packet);
  return false;
}

void Rig::turn(Nanoseconds now_ns) {
  const std::uint64_t start = rte_rdtsc_precise();
  unsigned more = 0;
  do {
    more = worker_->poll_once(now_ns);
  } while (more >= 32);
  const std::uint64_t delivered = rte_rdtsc_precise();
  shard_->turn(now_ns);
  shard_->link().flush([](unsigned) {});
  const std::uint64_t handled = rte_rdtsc_precise();
  do {
    more = worker_->poll_once(now_ns);
  } while (more >= 32);
  const std::uint64_t end = rte_rdtsc_precise();
  cycles_.worker += delivered - start + (end - handled);
  cycles_.shard += handled - delivered;
}

void Rig::sent(const Take& take) {
  for (std::uint8_t port = 0; port < wires_.size(); ++port) {
    rte_mbuf* packet = nullptr;
    while (rte_ring_dequeue(wires_[port]->out, reinterpret_cast<void**>(&packet)) == 0) {
      const auto* at = rte_pktmbuf_mtod(packet, const std::uint8_t*);
      const std::string_view text(reinterpret_cast<const char*>(at) + kPayloadAt,
                                  packet->data_len - kPayloadAt);
      take(port, endpoint_at(at + kIpAt + 12, at + kUdpAt), endpoint_at(at + kIpAt + 16, at + kUdpAt + 2),
           text);
      rte_pktmbuf_free(packet);
    }
  }
}

std::uint64_t Rig::drops() const {
  std::uint64_t all = 0;
  for (const dp::PortCounters& port : counters_.ports) {
    for (const dp::Counter& drops : port.drops) all += drops.get();
    all += port.unsent.get();
  }
  return all;
}

std::uint64_t Rig::flows() const {
  std::uint64_t all = 0;
  for (const dp::RealmCounters& realm : counters_.realms) all += realm.flows_active.get();
  return all;
}

}  // namespace sallyport::perf
