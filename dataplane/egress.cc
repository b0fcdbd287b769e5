// SPDX-License-Identifier: Apache-2.0
#include "dataplane/egress.h"

#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/packet_view.h"

namespace sallyport::dp {
namespace {

constexpr std::uint16_t kMoreFragments = 0x2000;

void put16(std::uint8_t* at, std::uint16_t value) {
  const be16 wire(value);
  std::memcpy(at, &wire, sizeof(wire));
}

void put32(std::uint8_t* at, std::uint32_t value) {
  const be32 wire(value);
  std::memcpy(at, &wire, sizeof(wire));
}

std::uint8_t* write_link(std::uint8_t* at, const Egress& egress, const std::array<std::uint8_t, 6>& source) {
  std::memcpy(at, egress.mac.data(), 6);
  std::memcpy(at + 6, source.data(), 6);
  at += 12;
  if (egress.vlan != 0) {
    put16(at, kEtherVlan);
    put16(at + 2, egress.vlan);
    at += kVlanBytes;
  }
  put16(at, egress.family == Family::v4 ? kEtherIpv4 : kEtherIpv6);
  return at + 2;
}

// We are the endpoint of both legs, so this is a new packet: TTL, no options; identification matters only for
// fragments and what routers may make them of (RFC 6864 4.1), and an atomic datagram has DF.
void write_ipv4(std::uint8_t* at, const Egress& egress, const HeaderFields& fields) {
  at[0] = 0x45;
  at[1] = static_cast<std::uint8_t>(egress.dscp << 2);
  put16(at + 2, static_cast<std::uint16_t>(kIpv4Bytes + fields.l4_bytes));
  const bool atomic = fields.dont_fragment && !fields.fragment;
  put16(at + 4, atomic ? std::uint16_t{0} : static_cast<std::uint16_t>(fields.id));
  const std::uint16_t flags = atomic ? kIpv4DontFragment : fields.more_fragments ? kMoreFragments : 0;
  put16(at + 6, static_cast<std::uint16_t>(flags | fields.fragment_offset / 8));
  at[8] = kHopLimit;
  at[9] = kUdp;
  put16(at + 10, 0);
  std::memcpy(at + 12, egress.source.data(), 4);
  std::memcpy(at + 16, egress.destination.data(), 4);
  const auto checksum = static_cast<std::uint16_t>(~fold(sum_of(at, kIpv4Bytes)));
  std::memcpy(at + 10, &checksum, sizeof(checksum));
}

void write_ipv6(std::uint8_t* at, const Egress& egress, const HeaderFields& fields) {
  constexpr std::uint16_t kFragmentHeader = 8;
  put32(at, 0x60000000u | static_cast<std::uint32_t>(egress.dscp) << 22);
  put16(at + 4, static_cast<std::uint16_t>(fields.l4_bytes + (fields.fragment ? kFragmentHeader : 0)));
  at[6] = fields.fragment ? kIpv6Fragment : kUdp;
  at[7] = kHopLimit;
  std::memcpy(at + 8, egress.source.data(), 16);
  std::memcpy(at + 24, egress.destination.data(), 16);
  if (!fields.fragment) return;
  at += kIpv6Bytes;
  at[0] = kUdp;
  at[1] = 0;
  put16(at + 2, static_cast<std::uint16_t>(fields.fragment_offset | (fields.more_fragments ? 1 : 0)));
  put32(at + 4, fields.id);
}

}  // namespace

std::uint16_t endpoints_sum(const Endpoint& a, const Endpoint& b) {
  const be16 port_a(a.port);
  const be16 port_b(b.port);
  return fold(sum_of(a.address.bytes().data(), 16) + sum_of(b.address.bytes().data(), 16) + port_a.raw() +
              port_b.raw());
}

Egress make_egress(const Endpoint& local, const Endpoint& target, std::uint8_t port, std::uint16_t vlan,
                   std::uint8_t dscp) {
  Egress egress;
  if (!local || !target || local.address.family() != target.address.family()) return egress;
  egress.port = port;
  egress.family = local.address.family();
  egress.vlan = vlan;
  egress.source = local.address.bytes();
  egress.destination = target.address.bytes();
  egress.source_port = be16(local.port);
  egress.destination_port = be16(target.port);
  egress.dscp = dscp & 0x3f;
  egress.sum = endpoints_sum(local, target);
  return egress;
}

std::size_t header_bytes(const Egress& egress, bool fragment) {
  return egress.link_bytes() + egress.ip_bytes() + (fragment && egress.family == Family::v6 ? 8 : 0);
}

void write_headers(std::uint8_t* at, const Egress& egress, const HeaderFields& fields) {
  at = write_link(at, egress, *fields.source_mac);
  if (egress.family == Family::v4) {
    write_ipv4(at, egress, fields);
  } else {
    write_ipv6(at, egress, fields);
  }
}

void write_udp(std::uint8_t* at, const Egress& egress, std::uint16_t udp_bytes, std::uint16_t checksum) {
  std::memcpy(at, &egress.source_port, 2);
  std::memcpy(at + 2, &egress.destination_port, 2);
  put16(at + 4, udp_bytes);
  std::memcpy(at + 6, &checksum, sizeof(checksum));
}

}  // namespace sallyport::dp
