// SPDX-License-Identifier: Apache-2.0
// What a frame is, and so which way it goes. Everything that is not on the list of decision 5 ends in a named
// drop.
#pragma once

#include <cstdint>

#include "dataplane/local_table.h"
#include "dataplane/packet_view.h"

namespace sallyport::dp {

enum class PacketClass : std::uint8_t {
  drop,
  media,             // UDP to a media port
  sip,               // UDP to a SIP port
  fragment,          // of a UDP datagram
  kernel_neighbour,  // ARP, neighbour discovery
  kernel_icmp,
  kernel_tcp,  // the gate looks at the ports
  icmp_error   // may quote a SIP request of ours
};

struct Classified {
  PacketClass is = PacketClass::drop;
  DropReason reason = kPass;            // of drop
  const LocalAddress* local = nullptr;  // but for kernel_neighbour
};

// Anything but a whole UDP datagram for an address of ours.
[[nodiscard]] Classified classify_other(const PacketView& view, std::uint8_t port, const LocalTable& locals);

// `view` has passed view_packet.
[[nodiscard]] inline Classified classify(const PacketView& view, std::uint8_t port,
                                         const LocalTable& locals) {
  const bool datagram = view.protocol == kUdp && !view.fragment;
  const LocalAddress* local =
      datagram ? locals.find(port, view.vlan, view.family, view.destination_bytes()) : nullptr;
  if (local == nullptr) return classify_other(view, port, locals);
  if (local->sip_udp != 0 && view.destination_port == local->sip_udp)
    return {.is = PacketClass::sip, .local = local};
  if (local->has_media(view.destination_port)) return {.is = PacketClass::media, .local = local};
  return {.reason = DropReason::no_port};
}

}  // namespace sallyport::dp
