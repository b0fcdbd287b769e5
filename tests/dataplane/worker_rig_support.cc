// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/worker_rig_support.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdexcept>

#include "tests/dataplane/eal_support.h"

namespace sallyport::dp::test {
namespace {

constexpr unsigned kMbufs = 4095;
unsigned made = 0;  // names are the process's

std::string unique(const char* what) {
  return std::string("rig_") + what + std::to_string(++made);
}

void must(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

Prefix prefix(std::string_view text) {
  return *Prefix::parse(text);
}
Endpoint endpoint(std::string_view text) {
  const auto out = Endpoint::parse(text);
  must(out.has_value(), "bad endpoint in a test");
  return *out;
}

}  // namespace

struct Rig::Wire {
  std::vector<rte_ring*> in, out;  // by queue
  std::uint16_t port = 0;
};

// EAL is up before a fixture that has a rig of its own makes it.
WorkerTest::WorkerTest() {
  (void)eal_problem();
}

void WorkerTest::SetUp() {
  if (!eal_problem().empty()) GTEST_SKIP() << eal_problem();
}

Rig::Rig(const RigOptions& o) : options(o) {
  pool_ =
      rte_pktmbuf_pool_create(unique("pool").c_str(), kMbufs, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  must(pool_ != nullptr, "no pool");
  RealmOptions access{.name = "access", .port = kAccess};
  access.addresses = {prefix("198.51.100.1/24"), prefix("2001:db8:1::1/64")};
  RealmOptions core{.name = "core", .port = kCore, .vlan = options.core_vlan};
  core.addresses = {prefix("192.0.2.1/24"), prefix("2001:db8:2::1/64")};
  for (RealmOptions* realm : {&access, &core}) {
    realm->sip_udp = 5060;
    realm->media_first = kFirst;
    realm->sip_police_pps = options.sip_police_pps;
    realm->media_last = kLast;
    realms.push_back(*realm);
  }
  std::uint32_t base = 0;
  for (std::uint16_t realm = 0; realm < 2; ++realm) {
    for (const Prefix& address : realms[realm].addresses) {
      media.push_back({realm, address.address, kFirst, kLast, base});
      base += kLast - kFirst + 1u;
    }
  }
  flows = std::make_unique<FlowTable>(slots_of(media));
  next_hops = std::make_unique<NextHopTable>(std::vector<std::uint8_t>{0, 1}, options.workers);
  if (options.neighbours) {
    next_hops->set_fixed(0, kPeerMac);
    next_hops->set_fixed(1, kPeerMac);
  }
  make_ports();
  make_workers();
}

void Rig::make_ports() {
  for (int i = 0; i < 2; ++i) {
    auto wire = std::make_unique<Wire>();
    for (unsigned queue = 0; queue < options.workers; ++queue) {
      wire->in.push_back(rte_ring_create(unique("in").c_str(), 1024, SOCKET_ID_ANY, 0));
      wire->out.push_back(rte_ring_create(unique("out").c_str(), options.tx_ring, SOCKET_ID_ANY, 0));
      must(wire->in.back() != nullptr && wire->out.back() != nullptr, "no ring");
    }
    const int port = rte_eth_from_rings(unique("eth").c_str(), wire->in.data(), options.workers,
                                        wire->out.data(), options.workers, 0);
    must(port >= 0, "no ring port");
    wire->port = static_cast<std::uint16_t>(port);
    const rte_eth_conf conf{};
    const auto queues = static_cast<std::uint16_t>(options.workers);
    must(rte_eth_dev_configure(wire->port, queues, queues, &conf) == 0, "configure");
    for (std::uint16_t queue = 0; queue < queues; ++queue) {
      must(rte_eth_rx_queue_setup(wire->port, queue, 512, 0, nullptr, pool_) == 0, "rx queue");
      must(rte_eth_tx_queue_setup(wire->port, queue, 512, 0, nullptr) == 0, "tx queue");
    }
    must(rte_eth_dev_start(wire->port) == 0, "start");
    wires_.push_back(std::move(wire));
  }
}

void Rig::make_workers() {
  const unsigned n = options.workers;
  for (unsigned i = 0; i < n * options.shards; ++i) {
    command_rings.push_back(std::make_unique<RecordRing>(options.ring_bytes));
    event_rings.push_back(std::make_unique<RecordRing>(options.ring_bytes));
  }
  from_kernel = std::make_unique<RecordRing>(1 << 20);
  for (unsigned i = 0; i < n; ++i) {
    handoffs_.push_back(rte_ring_create(unique("hand").c_str(), 256, SOCKET_ID_ANY, RING_F_SC_DEQ));
    to_kernel.push_back(std::make_unique<RecordRing>(1 << 20));
    mirrors.push_back(std::make_unique<RecordRing>(4096));
    counters.push_back(std::make_unique<WorkerCounters>());
  }
  for (unsigned i = 0; i < n; ++i) {
    WorkerContext context;
    context.id = i;
    context.workers = n;
    context.shards = options.shards;
    for (const auto& wire : wires_) {
      context.ports.push_back({.dpdk_port = wire->port,
                               .queue = static_cast<std::uint16_t>(i),
                               .mac = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(context.ports.size() + 1)},
                               .mtu = options.mtu,
                               .pool = pool_,
                               .sends_checksums = options.device_checksums});
    }
    context.realms = realms;
    context.media = media;
    context.flows = flows.get();
    for (unsigned shard = 0; shard < options.shards; ++shard) {
      context.commands.push_back(command_rings[i * options.shards + shard].get());
      context.events.push_back(event_rings[i * options.shards + shard].get());
      context.doorbells.push_back(nullptr);
    }
    context.mirror = mirrors[i].get();
    context.handoff_in = handoffs_[i];
    context.handoff_to = handoffs_;
    context.next_hops = next_hops.get();
    context.to_kernel = to_kernel[i].get();
    context.from_kernel = i == 0 ? from_kernel.get() : nullptr;
    context.counters = counters[i].get();
    if (i == 0) {
      context.own_bell = options.bell;
      context.interrupts = options.interrupts;
      context.stop = options.stop;
    }
    context.key = key;
    workers.push_back(std::make_unique<Worker>(std::move(context)));
  }
}

Rig::~Rig() {
  workers.clear();
  check_law();
  for (std::uint8_t port = 0; port < 2; ++port) (void)sent(port);
  for (auto& wire : wires_) {
    rte_eth_dev_stop(wire->port);
    rte_eth_dev_close(wire->port);
    for (rte_ring* ring : wire->in) rte_ring_free(ring);
    for (rte_ring* ring : wire->out) rte_ring_free(ring);
  }
  for (rte_ring* ring : handoffs_) rte_ring_free(ring);
  EXPECT_EQ(in_use(), 0u) << "mbufs are missing from the pool";
  rte_mempool_free(pool_);
}

void Rig::put_in_pieces(std::uint8_t port, const Bytes& frame, std::size_t piece, unsigned queue) {
  rte_mbuf* whole = nullptr;
  for (std::size_t at = 0; at < frame.size(); at += piece) {
    rte_mbuf* part = rte_pktmbuf_alloc(pool_);
    must(part != nullptr, "no mbuf");
    const std::size_t bytes = std::min(piece, frame.size() - at);
    std::memcpy(rte_pktmbuf_append(part, static_cast<std::uint16_t>(bytes)), &frame[at], bytes);
    if (whole == nullptr) {
      whole = part;
    } else {
      must(rte_pktmbuf_chain(whole, part) == 0, "too many pieces");
    }
  }
  must(rte_ring_enqueue(wires_[port]->in[queue], whole) == 0, "wire full");
}

void Rig::put(std::uint8_t port, const Bytes& frame, unsigned queue, std::uint64_t flags) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  must(packet != nullptr, "no mbuf");
  char* at = rte_pktmbuf_append(packet, static_cast<std::uint16_t>(frame.size()));
  must(at != nullptr, "frame too large for an mbuf");
  std::memcpy(at, frame.data(), frame.size());
  packet->ol_flags |= flags;
  must(rte_ring_enqueue(wires_[port]->in[queue], packet) == 0, "wire full");
}

unsigned Rig::turn() {
  unsigned work = 0;
  for (auto& worker : workers) work += worker->poll_once(now);
  return work;
}

unsigned Rig::turn_for(Nanoseconds time) {
  unsigned work = 0;
  for (Nanoseconds until = now + time; now < until;) {
    now += 10 * kMillisecond;
    work += turn();
  }
  return work;
}

std::vector<Bytes> Rig::sent(std::uint8_t port) {
  std::vector<Bytes> out;
  asked.clear();
  for (rte_ring* ring : wires_[port]->out) {
    rte_mbuf* packet = nullptr;
    while (rte_ring_dequeue(ring, reinterpret_cast<void**>(&packet)) == 0) {
      EXPECT_EQ(packet->nb_segs, 1);
      EXPECT_EQ(packet->pkt_len, packet->data_len);
      const auto* at = rte_pktmbuf_mtod(packet, const std::uint8_t*);
      out.emplace_back(at, at + packet->data_len);
      asked.push_back(
          {packet->ol_flags, static_cast<unsigned>(packet->l2_len), static_cast<unsigned>(packet->l3_len)});
      rte_pktmbuf_free(packet);
    }
  }
  return out;
}

void Rig::install(const FlowSpec& spec) {
  for (unsigned worker = 0; worker < options.workers; ++worker) {
    for (const MediaRange& range : media) {
      if (spec.self.slot < range.slot_base || spec.self.slot - range.slot_base > kLast - kFirst) continue;
      const std::uint32_t pair = range.pair_of(range.port_of(spec.self.slot));
      if (range.owner(pair, options.shards, options.workers).worker != worker) continue;
      must(command_rings[worker * options.shards + spec.owner.shard]->push(
               static_cast<std::uint16_t>(Command::flow_install), FlowInstall{spec}),
           "command ring full");
    }
  }
}

void Rig::update(const FlowSpec& spec, bool reopen) {
  for (unsigned worker = 0; worker < options.workers; ++worker) {
    must(command_rings[worker * options.shards + spec.owner.shard]->push(
             static_cast<std::uint16_t>(Command::flow_update),
             FlowUpdate{spec, static_cast<std::uint8_t>(reopen ? 1 : 0)}),
         "command ring full");
  }
}

void Rig::remove(const FlowRef& flow, unsigned shard) {
  for (unsigned worker = 0; worker < options.workers; ++worker) {
    must(command_rings[worker * options.shards + shard]->push(
             static_cast<std::uint16_t>(Command::flow_remove), FlowRemove{flow}),
         "command ring full");
  }
}

void Rig::mirror(const FlowRef& flow, bool on) {
  for (unsigned worker = 0; worker < options.workers; ++worker) {
    must(command_rings[worker * options.shards]->push(static_cast<std::uint16_t>(Command::flow_mirror),
                                                      FlowMirror{flow, static_cast<std::uint8_t>(on)}),
         "command ring full");
  }
}

void Rig::report(const FlowRef& flow, unsigned shard) {
  for (unsigned worker = 0; worker < options.workers; ++worker) {
    must(command_rings[worker * options.shards + shard]->push(
             static_cast<std::uint16_t>(Command::flow_report), FlowReport{flow}),
         "command ring full");
  }
}

void Rig::sip_send(std::uint16_t realm, std::string_view local, std::string_view remote,
                   std::string_view message) {
  const SipSend send{realm, static_cast<std::uint16_t>(message.size()), endpoint(local), endpoint(remote)};
  must(command_rings[0]->push(static_cast<std::uint16_t>(Command::sip_send), send,
                              std::as_bytes(std::span(message))),
       "command ring full");
}

std::string Rig::octets_of(const RecordRing::Record& record) {
  SipReceived head;
  std::memcpy(static_cast<void*>(&head), record.bytes.data(), sizeof(head));
  const std::size_t at = sizeof(head) + (head.index_bytes + 7u) / 8 * 8;
  return {reinterpret_cast<const char*>(record.bytes.data()) + at, head.message_bytes};
}

FlowSpec Rig::flow(std::uint16_t realm, std::string_view local, std::string_view pair,
                   std::string_view remote) const {
  FlowSpec spec;
  spec.self = {slot(local), 1};
  if (!pair.empty()) spec.pair = {slot(pair), 1};
  spec.local = endpoint(local);
  if (!remote.empty()) spec.remote = endpoint(remote);
  spec.realm = realm;
  return spec;
}

std::uint32_t Rig::slot(std::string_view local) const {
  const Endpoint at = endpoint(local);
  for (const MediaRange& range : media) {
    if (range.address == at.address && range.holds(at.port)) return range.slot_of(at.port);
  }
  return kNoSlot;
}

std::uint64_t Rig::drops(std::uint8_t port, DropReason reason) const {
  std::uint64_t all = 0;
  for (const auto& one : counters) all += one->ports[port].drops[static_cast<std::size_t>(reason)].get();
  return all;
}

std::uint64_t Rig::sum(std::uint8_t port, Counter PortCounters::* counter) const {
  std::uint64_t all = 0;
  for (const auto& one : counters) all += (one->ports[port].*counter).get();
  return all;
}

void Rig::check_law() const {
  for (std::uint8_t port = 0; port < 2; ++port) {
    std::uint64_t ends =
        sum(port, &PortCounters::relayed) + sum(port, &PortCounters::sip) + sum(port, &PortCounters::kernel);
    for (std::size_t reason = 0; reason < kDropReasons; ++reason)
      ends += drops(port, static_cast<DropReason>(reason));
    EXPECT_EQ(sum(port, &PortCounters::received_packets), ends) << "the law is broken on port " << int{port};
  }
}

unsigned Rig::in_use() const {
  return rte_mempool_in_use_count(pool_);
}

}  // namespace sallyport::dp::test
