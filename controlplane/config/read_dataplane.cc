// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "controlplane/config/read.h"
#include "controlplane/config/text.h"

namespace sallyport::config {
namespace {

constexpr unsigned kMaxCore = 1023;
constexpr std::size_t kMaxWorkers = 32;  // dp::kMaxWorkers, kMaxPorts, kMaxShards: the contract's sizes
constexpr std::size_t kMaxPorts = 8;
constexpr unsigned kMaxShards = 64;
constexpr unsigned kLeastMtu = 1280;  // IPv6 has none below (RFC 8200 5)
constexpr unsigned kLargestMtu = 9216;

constexpr std::array<std::pair<std::string_view, Idle>, 2> kIdle{
    {{"adaptive", Idle::adaptive}, {"busy", Idle::busy}}};
constexpr std::array<std::pair<std::string_view, Memory>, 3> kMemory{
    {{"auto", Memory::automatic}, {"hugepages", Memory::hugepages}, {"ordinary", Memory::ordinary}}};

// Replaces `cores` where the key is there. Whether the machine has them is looked at on start.
std::vector<Place> read_cores(MapReader& reader, std::vector<unsigned>& cores) {
  std::vector<Place> places;
  const auto value = reader.get("cores");
  if (!value) return places;
  cores.clear();
  const auto items = value->list_or_one();
  if (value->is_list() && items.empty()) value->fault("is empty");
  for (const Value& item : items) {
    const auto core = item.number(0, kMaxCore);
    if (!core) continue;
    if (std::find(cores.begin(), cores.end(), *core) != cores.end()) {
      item.fault("core {} is named twice", *core);
      continue;
    }
    cores.push_back(static_cast<unsigned>(*core));
    places.push_back(item.at());
  }
  return places;
}

void read_port(const Value::Named& named, Draft& draft) {
  auto& ports = draft.config.dataplane.ports;
  Port port{.name = named.name, .at = named.at};
  MapReader reader(named.value);
  const auto device = reader.need("device");
  if (device) {
    if (auto text = device->text(256)) port.device = std::move(*text);
    if (port.device.find_first_of(" \t") != std::string::npos) {
      device->fault("{} is neither a PCI address nor a DPDK vdev: it has a blank", in_quotes(port.device));
    }
    const auto same = [&](const Port& other) { return !port.device.empty() && other.device == port.device; };
    if (const auto other = std::find_if(ports.begin(), ports.end(), same); other != ports.end()) {
      device->fault("port '{}' has this device already", other->name);
    }
  }
  reader.number("mtu", port.mtu, kLeastMtu, kLargestMtu);
  reader.finish();
  ports.push_back(std::move(port));
}

void read_ports(MapReader& dataplane, Draft& draft) {
  const auto value = dataplane.need("ports");
  if (!value) return;
  const auto named = value->named();
  if (value->is_map() && named.empty()) value->fault("needs at least one port");
  if (named.size() > kMaxPorts) value->fault("has more than {} ports", kMaxPorts);
  for (std::size_t i = 0; i < std::min(named.size(), kMaxPorts); ++i) read_port(named[i], draft);
}

void read_sip_timers(MapReader& controlplane, SipTimers& timers) {
  const auto value = controlplane.get("sip");
  if (!value) return;
  MapReader reader(*value);
  reader.duration("t1", timers.t1_ns, kMillisecond, 10 * kSecond);
  reader.duration("t2", timers.t2_ns, kMillisecond, 60 * kSecond);
  reader.duration("t4", timers.t4_ns, kMillisecond, 60 * kSecond);
  reader.finish();
  if (timers.t2_ns < timers.t1_ns) value->fault("t2 must not be shorter than t1");
}

}  // namespace

void read_dataplane(MapReader& top, Draft& draft) {
  const auto value = top.need("dataplane");
  if (!value) return;
  Dataplane& dataplane = draft.config.dataplane;
  MapReader reader(*value);
  read_cores(reader, dataplane.cores);
  if (dataplane.cores.size() > kMaxWorkers) value->fault("cores: more than {}", kMaxWorkers);
  reader.choice<Idle>("idle", dataplane.idle, kIdle);
  if (const auto memory = reader.get("memory")) {
    draft.memory = memory->at();
    if (const auto word = memory->choice<Memory>(kMemory)) dataplane.memory = *word;
  }
  read_ports(reader, draft);
  if (const auto eal = reader.get("eal")) {
    for (const Value& item : eal->list()) {
      if (auto text = item.text(256)) dataplane.eal.push_back(std::move(*text));
    }
  }
  reader.finish();
}

void read_controlplane(MapReader& top, Draft& draft) {
  const auto value = top.get("controlplane");
  if (!value) return;
  Controlplane& controlplane = draft.config.controlplane;
  MapReader reader(*value);
  reader.number("shards", controlplane.shards, 1, kMaxShards);
  draft.shard_cores = read_cores(reader, controlplane.cores);
  reader.duration("drain", controlplane.drain_ns, 0, kDay);
  reader.number("max_calls", controlplane.max_calls, 1, 10'000'000);
  reader.number("max_connections", controlplane.max_connections, 1, 1'000'000);
  read_sip_timers(reader, controlplane.sip);
  reader.finish();
}

std::uint16_t Draft::port_index(std::string_view name) const {
  const auto& ports = config.dataplane.ports;
  const auto found = std::find_if(ports.begin(), ports.end(), [&](const Port& p) { return p.name == name; });
  return found == ports.end() ? kNoIndex : static_cast<std::uint16_t>(found - ports.begin());
}

}  // namespace sallyport::config
