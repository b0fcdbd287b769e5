// SPDX-License-Identifier: Apache-2.0
// Frames for tests, made and read by code that shares nothing with the dataplane's: a slow checksum, field by
// field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/address.h"

namespace sallyport::dp::test {

using Bytes = std::vector<std::uint8_t>;

enum class UdpChecksum { right, none, wrong };

struct UdpFrame {
  std::string source;  // "198.51.100.20:4000"
  std::string destination;
  Bytes payload;
  UdpChecksum checksum = UdpChecksum::right;
  std::uint16_t vlan = 0;
  std::uint8_t ttl = 61;
  std::uint8_t tos = 0;
  std::uint16_t id = 0x1234;
  Bytes ip_options;         // IPv4, a multiple of 4 octets
  std::size_t padding = 0;  // octets behind the IP packet
};

[[nodiscard]] Bytes frame_of(const UdpFrame& udp);
// The same datagram in IP fragments of at most `piece` octets (a multiple of 8) each.
[[nodiscard]] std::vector<Bytes> fragments_of(const UdpFrame& udp, std::size_t piece);
// One fragment of a UDP datagram: `data` at `offset`.
[[nodiscard]] Bytes fragment_of(const UdpFrame& udp, std::size_t offset, bool more, const Bytes& data);
// Any IP packet, protocol and octets behind the header given.
[[nodiscard]] Bytes ip_frame(std::string_view source, std::string_view destination, std::uint8_t protocol,
                             const Bytes& body);
// An ICMP or ICMPv6 error of `type` and `code` that quotes the IP packet of `quoted` (a frame), and says
// `mtu`.
[[nodiscard]] Bytes icmp_error(std::string_view source, std::string_view destination, std::uint8_t type,
                               std::uint8_t code, const Bytes& quoted, std::uint16_t mtu = 0);
[[nodiscard]] Bytes arp_request(std::string_view sender, std::string_view target);

struct ReadFrame {
  std::uint16_t vlan = 0;
  Endpoint source;
  Endpoint destination;
  Bytes payload;
  std::uint8_t ttl = 0;
  std::uint8_t tos = 0;
  std::uint16_t udp_checksum = 0;  // host order
  bool ip_checksum_right = true;
  bool udp_checksum_right = true;
  Bytes destination_mac;
  bool fragment = false;
};
// Of one that is whole, or nullopt.
[[nodiscard]] std::optional<ReadFrame> read_frame(const Bytes& frame);
// Puts fragments together, in order; the UDP payload.
[[nodiscard]] std::optional<ReadFrame> join_fragments(const std::vector<Bytes>& frames);

[[nodiscard]] Bytes rtp(std::uint16_t sequence, std::uint8_t payload_type = 0,
                        std::uint32_t ssrc = 0x11223344, std::size_t octets = 160);
[[nodiscard]] Bytes rtcp_receiver_report(std::uint32_t ssrc = 0x11223344);
[[nodiscard]] Bytes text(std::string_view octets);
[[nodiscard]] Bytes hex(std::string_view digits);  // blanks are skipped
[[nodiscard]] std::string to_hex(const Bytes& bytes);

}  // namespace sallyport::dp::test
