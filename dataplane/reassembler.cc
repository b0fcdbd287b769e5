// SPDX-License-Identifier: Apache-2.0
// The expiry functions of librte_ip_frag are marked experimental in DPDK 22.11 and stable later.
#define ALLOW_EXPERIMENTAL_API
#include "dataplane/reassembler.h"

#include "dataplane/base/bytes.h"

#include <rte_ip_frag.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace sallyport::dp {
namespace {

constexpr std::uint32_t kBuckets = 256;
constexpr std::uint32_t kWays = 4;
constexpr std::uint32_t kDatagrams = 512;  // each may hold 8 mbufs: half of a small pool

[[nodiscard]] std::uint32_t milliseconds(Nanoseconds now_ns) {
  return static_cast<std::uint32_t>(now_ns / kMillisecond);
}

[[nodiscard]] bool overlap(const FragmentMeta& a, const FragmentMeta& b) {
  return a.offset < std::uint32_t{b.offset} + b.bytes && b.offset < std::uint32_t{a.offset} + a.bytes;
}

// Why fragments of one datagram died when one more came: the library keeps 8, a first, a last and 6 between
// them; else they overlap (RFC 5722 for IPv6; the same here) or disagree about the end.
DropReason reason_of(std::span<rte_mbuf*> fragments, std::uint32_t datagram) {
  constexpr std::size_t kMiddle = RTE_LIBRTE_IP_FRAG_MAX_FRAG - 2;
  std::size_t of_it = 0;
  std::size_t middle = 0;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const FragmentMeta& one = fragment_meta(fragments[i]);
    if (one.datagram != datagram) continue;
    ++of_it;
    if (one.middle) ++middle;
    for (std::size_t j = i + 1; j < fragments.size(); ++j) {
      const FragmentMeta& other = fragment_meta(fragments[j]);
      if (other.datagram == datagram && overlap(one, other)) return DropReason::fragment_overlap;
    }
  }
  if (of_it <= 1) return DropReason::fragment_table_full;
  return middle > kMiddle ? DropReason::fragment_too_many : DropReason::fragment_overlap;
}

}  // namespace

Reassembler::Reassembler(Accounts& accounts, int socket)
    : accounts_(accounts), dead_(std::make_unique<rte_ip_frag_death_row>()) {
  dead_->cnt = 0;
  // The library only compares and adds `tms`, so its cycles may be nanoseconds.
  table_ = rte_ip_frag_table_create(kBuckets, kWays, kDatagrams, static_cast<std::uint64_t>(kReassemblyTime),
                                    socket);
  if (table_ == nullptr) throw std::runtime_error("no memory for IP reassembly");
}

Reassembler::~Reassembler() {
  abandon();
  rte_ip_frag_table_destroy(table_);
}

std::uint32_t Reassembler::datagram_hash(const PacketView& view) {
  std::uint32_t hash = view.fragment_id * 0x9e3779b1u ^ view.protocol;
  const std::uint8_t* at = view.source_bytes();  // the destination follows
  for (std::size_t i = 0; i < 2 * view.address_bytes(); i += 4) {
    std::uint32_t word;
    std::memcpy(&word, at + i, sizeof(word));
    hash = (hash ^ word) * 0x85ebca6bu;
    hash ^= hash >> 15;
  }
  return hash;
}

rte_mbuf* Reassembler::add(rte_mbuf* fragment, const PacketView& view, Nanoseconds now_ns) {
  const bool ragged = view.more_fragments && view.l4_bytes % 8 != 0;
  if (view.l4_bytes == 0 || ragged) {
    accounts_.drop(fragment, DropReason::ip_header);
    return nullptr;
  }
  if (std::uint32_t{view.fragment_offset} + view.l4_bytes >
      std::numeric_limits<std::uint16_t>::max() - kIpv4Bytes) {
    accounts_.drop(fragment, DropReason::fragment_too_large);
    return nullptr;
  }
  // The library wants IPv6's fragment header directly behind the IP header, and nothing that pads the frame.
  const std::size_t plain_header =
      view.family == Family::v6 ? kIpv6Bytes + 8 : view.l4 - std::size_t{view.l3};
  if (view.l4 - std::size_t{view.l3} != plain_header || fragment->nb_segs != 1) {
    accounts_.drop(fragment, DropReason::protocol);
    return nullptr;
  }
  const std::uint32_t datagram = datagram_hash(view);
  fragment_meta(fragment) = {.datagram = datagram,
                             .arrived_ms = milliseconds(now_ns),
                             .offset = view.fragment_offset,
                             .bytes = view.l4_bytes,
                             .middle = view.fragment_offset != 0 && view.more_fragments};
  fragment->l2_len = view.l3 & 0x7f;
  fragment->l3_len = plain_header & 0x1ff;
  rte_pktmbuf_trim(fragment,
                   static_cast<std::uint16_t>(fragment->data_len - (view.l4 + std::size_t{view.l4_bytes})));

  ++waiting_;
  auto* ip = rte_pktmbuf_mtod_offset(fragment, std::uint8_t*, view.l3);
  const auto time = static_cast<std::uint64_t>(now_ns);
  rte_mbuf* whole = view.family == Family::v4
                        ? rte_ipv4_frag_reassemble_packet(table_, dead_.get(), fragment, time,
                                                          reinterpret_cast<rte_ipv4_hdr*>(ip))
                        : rte_ipv6_frag_reassemble_packet(
                              table_, dead_.get(), fragment, time, reinterpret_cast<rte_ipv6_hdr*>(ip),
                              reinterpret_cast<rte_ipv6_fragment_ext*>(ip + kIpv6Bytes));
  bury(datagram, now_ns);
  if (whole == nullptr) return nullptr;
  waiting_ -= whole->nb_segs;
  if (view.family == Family::v6) {  // the library counts the fragment header that it took out
    const be16 bytes(static_cast<std::uint16_t>(whole->pkt_len - view.l3 - kIpv6Bytes));
    std::memcpy(rte_pktmbuf_mtod_offset(whole, std::uint8_t*, view.l3 + 4), &bytes, sizeof(bytes));
  }
  PacketMeta& notes = meta(whole);
  notes.weight = static_cast<std::uint8_t>(whole->nb_segs);
  notes.reassembled = true;
  return whole;
}

// A row of the dead is mostly one fragment; but the library chains as it joins and may find the hole (between
// fragments that lie on each other) when part of the set hangs together already. Each segment was received.
void Reassembler::give_up(rte_mbuf* row, DropReason reason) {
  const std::uint16_t fragments = row->nb_segs;
  meta(row).weight = static_cast<std::uint8_t>(fragments);
  accounts_.drop(row, reason);
  waiting_ -= fragments;
}

void Reassembler::bury(std::uint32_t datagram, Nanoseconds now_ns) {
  if (dead_->cnt == 0) return;
  const std::span rows{dead_->row, dead_->cnt};
  const DropReason reason = reason_of(rows, datagram);
  for (rte_mbuf* row : rows) {
    const FragmentMeta& note = fragment_meta(row);
    const bool old = milliseconds(now_ns) - note.arrived_ms >= kReassemblyTime / kMillisecond;
    give_up(row, note.datagram != datagram || old ? DropReason::fragment_timeout : reason);
  }
  dead_->cnt = 0;
}

void Reassembler::expire(Nanoseconds now_ns) {
  if (waiting_ == 0) return;
  rte_ip_frag_table_del_expired_entries(table_, dead_.get(), static_cast<std::uint64_t>(now_ns));
  for (rte_mbuf* row : std::span{dead_->row, dead_->cnt}) give_up(row, DropReason::fragment_timeout);
  dead_->cnt = 0;
}

void Reassembler::abandon() {
  while (waiting_ != 0) {
    rte_ip_frag_table_del_expired_entries(table_, dead_.get(), std::numeric_limits<std::uint64_t>::max());
    if (dead_->cnt == 0) return;
    for (rte_mbuf* row : std::span{dead_->row, dead_->cnt}) give_up(row, DropReason::shutdown);
    dead_->cnt = 0;
  }
}

}  // namespace sallyport::dp
