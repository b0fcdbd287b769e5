// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::dp {

// Every way in which a received packet ends otherwise than relayed, delivered to SIP or handed to the kernel.
// One name each; the name is the metric's `reason` label.
enum class DropReason : std::uint8_t {
  truncated,             // shorter than its headers say, at any layer
  not_ip,                // an EtherType that is neither IP, ARP nor our VLAN
  wrong_vlan,
  not_for_us,            // an address that is none of ours
  ip_header,             // version, header length, total length
  ip_checksum,
  udp_length,
  udp_checksum,
  protocol,              // an IP protocol that the allow-list does not hand to the kernel
  tcp_port,              // TCP to a port that is not a SIP port and answers no connection of ours
  icmp_unrelated,        // an ICMP message that quotes nothing of ours
  kernel_rate,           // the exception path's rate limit
  kernel_full,           // its ring or tap is full
  port_closed,           // UDP to a media port that no flow has
  no_port,               // UDP to neither a SIP nor a media port
  flow_source,           // the source check or the latch refused it
  flow_latching,         // counted as proof by a latch that is not yet set
  flow_direction,        // the stream is on hold in this direction
  flow_payload_type,
  flow_not_rtp,          // neither RTP, RTCP, STUN, DTLS nor what the flow carries (RFC 7983)
  flow_rtp_malformed,
  flow_keep_alive,       // an empty datagram (RFC 6263 4.1): it opened a NAT, it is not relayed
  flow_police,
  flow_no_remote,        // nothing verified to send to yet
  flow_no_pair,          // the other leg has no flow
  flow_hops,             // from flow to flow inside too often
  sip_malformed,         // not SIP; nothing to answer
  sip_keep_alive,        // CRLF and the like
  sip_foreign_response,  // a response without our branch
  sip_police,
  sip_too_large,
  shard_ring_full,
  no_route,              // egress: no route, or no neighbour in time
  no_neighbour,
  tx_full,               // the port did not accept it
  mtu,                   // larger than the egress takes and not to be fragmented
  no_buffer,
  fragment_too_many,
  fragment_overlap,
  fragment_timeout,
  fragment_too_large,
  fragment_table_full,
  handoff_full,          // the ring to the owning worker
  shutdown,              // in hand when the worker stopped
  kCount
};

inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(DropReason::kCount);

inline constexpr std::array<std::string_view, kDropReasons> kDropReasonNames{
    "truncated", "not_ip", "wrong_vlan", "not_for_us", "ip_header", "ip_checksum", "udp_length", "udp_checksum",
    "protocol", "tcp_port", "icmp_unrelated", "kernel_rate", "kernel_full", "port_closed", "no_port", "flow_source",
    "flow_latching", "flow_direction", "flow_payload_type", "flow_not_rtp", "flow_rtp_malformed", "flow_keep_alive", "flow_police",
    "flow_no_remote", "flow_no_pair", "flow_hops", "sip_malformed", "sip_keep_alive", "sip_foreign_response",
    "sip_police", "sip_too_large", "shard_ring_full", "no_route", "no_neighbour", "tx_full", "mtu", "no_buffer",
    "fragment_too_many", "fragment_overlap", "fragment_timeout", "fragment_too_large", "fragment_table_full",
    "handoff_full", "shutdown"};
static_assert(!kDropReasonNames.back().empty());

[[nodiscard]] constexpr std::string_view drop_reason_name(DropReason reason) {
  return kDropReasonNames[static_cast<std::size_t>(reason)];
}

}  // namespace sallyport::dp
