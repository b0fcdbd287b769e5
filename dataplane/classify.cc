// SPDX-License-Identifier: Apache-2.0
#include "dataplane/classify.h"

namespace sallyport::dp {
namespace {

[[nodiscard]] Classified dropped(DropReason reason) {
  return {.is = PacketClass::drop, .reason = reason};
}

// Requests and answers for our addresses, and announcements (RFC 5227), which correct what the kernel knows.
Classified classify_arp(const PacketView& view, std::uint8_t port, const LocalTable& locals) {
  const std::uint8_t* arp = view.data + view.l3;
  const IpAddress sender = IpAddress::from_bytes(Family::v4, arp + 14);
  const IpAddress target = IpAddress::from_bytes(Family::v4, arp + 24);
  if (sender != target && locals.find(port, view.vlan, Family::v4, arp + 24) == nullptr)
    return dropped(DropReason::not_for_us);
  return {.is = PacketClass::kernel_neighbour};
}

[[nodiscard]] bool is_neighbour_discovery(const PacketView& view) {
  if (view.family != Family::v6 || view.protocol != kIcmpv6 || view.fragment || view.l4_bytes < 8)
    return false;
  const std::uint8_t type = view.data[view.l4];
  return type >= 133 && type <= 137;  // RFC 4861
}

[[nodiscard]] bool is_icmp_error(const PacketView& view) {
  const std::uint8_t type = view.data[view.l4];
  if (view.family == Family::v6) return type < 128;           // RFC 4443 2.1
  return type == 3 || type == 4 || type == 11 || type == 12;  // RFC 792
}

Classified classify_icmp(const PacketView& view, const LocalAddress& local) {
  if (view.fragment) return {.is = PacketClass::kernel_icmp, .local = &local};
  if (view.l4_bytes < 8) return dropped(DropReason::truncated);
  return {.is = is_icmp_error(view) ? PacketClass::icmp_error : PacketClass::kernel_icmp, .local = &local};
}

}  // namespace

Classified classify_other(const PacketView& view, std::uint8_t port, const LocalTable& locals) {
  if (!locals.has_vlan(port, view.vlan)) return dropped(DropReason::wrong_vlan);
  if (view.ether_type == kEtherArp) return classify_arp(view, port, locals);
  if (is_neighbour_discovery(view)) return {.is = PacketClass::kernel_neighbour};
  const LocalAddress* local = locals.find(port, view.vlan, view.family, view.destination_bytes());
  if (local == nullptr) return dropped(DropReason::not_for_us);
  const bool icmp = view.protocol == (view.family == Family::v4 ? kIcmp : kIcmpv6);
  if (icmp) return classify_icmp(view, *local);
  if (view.protocol == kUdp) return {.is = PacketClass::fragment, .local = local};
  if (view.protocol == kTcp && !view.fragment) return {.is = PacketClass::kernel_tcp, .local = local};
  return dropped(DropReason::protocol);
}

}  // namespace sallyport::dp
