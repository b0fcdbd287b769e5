// SPDX-License-Identifier: Apache-2.0
#include "perf/relay/layout.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>

#include "dataplane/layout.h"
#include "perf/common/octets.h"

namespace sallyport::perf {
namespace {

constexpr std::size_t kFrameBytes = 214;
constexpr std::size_t kIpAt = 14, kUdpAt = 34, kRtpAt = 42;
using Frame = std::array<std::uint8_t, kFrameBytes>;

Frame frame_of(const Side& side, std::uint32_t number, std::mt19937_64& random) {
  Frame frame{};
  const std::array<std::uint8_t, 14> ethernet{2, 0x70, 0x63, 0x61, 0x70, 0, 2, 0, 0, 0, 0, 9, 8, 0};
  std::copy(ethernet.begin(), ethernet.end(), frame.begin());
  frame[14] = 0x45;
  put16(&frame[16], kFrameBytes - 14);
  put16(&frame[18], number);
  frame[22] = 61;
  frame[23] = 17;
  put32(&frame[26], side.remote.address.v4_host_order());
  put32(&frame[30], side.local.address.v4_host_order());
  put16(&frame[kUdpAt], side.remote.port);
  put16(&frame[kUdpAt + 2], side.local.port);
  put16(&frame[kUdpAt + 4], kFrameBytes - kUdpAt);
  frame[kRtpAt] = 0x80;
  frame[kRtpAt + 1] = 8;  // PCMA
  put16(&frame[kRtpAt + 2], number * 7);
  put32(&frame[kRtpAt + 4], number * 160);
  put32(&frame[kRtpAt + 8], number * 2654435761u);
  for (std::size_t i = kRtpAt + 12; i < kFrameBytes; ++i) frame[i] = static_cast<std::uint8_t>(random());
  put_checksums(&frame[kIpAt], kFrameBytes - kUdpAt);
  return frame;
}

void put_host32(std::ofstream& file, std::uint32_t value) {
  file.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

Layout::Layout(std::uint32_t calls)
    : calls_(calls), addresses_((calls + kPairsPerAddress - 1) / kPairsPerAddress) {
  for (const auto& [name, network] : {std::pair{"access", 0xc6336400u}, {"core", 0xc0000200u}}) {
    dp::RealmOptions realm{.name = name, .port = 0};
    for (std::uint32_t i = 0; i < addresses_; ++i)
      realm.addresses.push_back({IpAddress::v4(network + 1 + i), 24});
    realm.sip_udp = 5060;
    realm.media_first = kFirstPort;
    realm.media_last = kLastPort;
    realms_.push_back(realm);
  }
  media_ = dp::media_layout(realms_);
}

Side Layout::side(std::uint32_t call, std::uint16_t realm) const {
  const auto port = static_cast<std::uint16_t>(kFirstPort + 2 * (call % kPairsPerAddress));
  const IpAddress address = realms_[realm].addresses[call / kPairsPerAddress].address;
  const std::uint32_t network = realm == 0 ? 0x0b000000u : 0x0c000000u;
  return {{address, port},
          {IpAddress::v4(network + 1 + call), static_cast<std::uint16_t>(4000 + 2 * (call % 1000))}};
}

std::uint32_t Layout::slot(std::uint32_t call, std::uint16_t realm) const {
  return media_[realm * addresses_ + call / kPairsPerAddress].slot_of(side(call, realm).local.port);
}

std::uint32_t Layout::worker(std::uint32_t call, std::uint32_t workers) const {
  const dp::MediaRange& range = media_[call / kPairsPerAddress];
  return range.owner(range.pair_of(side(call, 0).local.port), 1, workers).worker;
}

// As a call of G.711 with telephone-event has it: types, police, idle timeout and strict source are all on.
// The policing is generous, since here one flow gets thousands of packets a second.
dp::FlowSpec Layout::flow(std::uint32_t call, std::uint16_t realm) const {
  const Side own = side(call, realm);
  dp::FlowSpec spec;
  spec.self = {slot(call, realm), 1};
  spec.pair = {slot(call, static_cast<std::uint16_t>(1 - realm)), 1};
  spec.local = own.local;
  spec.remote = own.remote;
  spec.signalling_source = own.remote.address;
  spec.dscp = 46;
  spec.realm = realm;
  spec.police_pps = 65'000;
  spec.police_bytes_per_s = 12'000'000;
  spec.idle_timeout_ms = 60'000;
  spec.payload_types = {1u << 8 | 1u << 0, std::uint64_t{1} << (101 - 64)};
  spec.owner.call_slot = call;
  return spec;
}

void write_frames(const std::string& path, const Layout& layout, bool shuffled, std::uint64_t seed,
                  std::optional<unsigned> worker) {
  std::vector<std::uint32_t> order(std::size_t{layout.calls()} * 2);
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937_64 random(seed);
  if (shuffled) std::shuffle(order.begin(), order.end(), random);
  std::ofstream file(path, std::ios::binary);
  for (const std::uint32_t word : {0xa1b2c3d4u, 0x00040002u, 0u, 0u, 65535u, 1u}) put_host32(file, word);
  for (const std::uint32_t flow : order) {
    if (worker && layout.worker(flow / 2, 2) != *worker) continue;
    const Frame frame = frame_of(layout.side(flow / 2, static_cast<std::uint16_t>(flow % 2)), flow, random);
    for (const std::uint32_t word : {0u, 0u, std::uint32_t{kFrameBytes}, std::uint32_t{kFrameBytes}})
      put_host32(file, word);
    file.write(reinterpret_cast<const char*>(frame.data()), kFrameBytes);
  }
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace sallyport::perf
