// SPDX-License-Identifier: Apache-2.0
// Theory of operation. librte_ip_frag joins the fragments; this wrapper gives every fragment that it throws
// away the reason. The library only hands back a "death row" of mbufs, so each fragment carries a note of its
// datagram and of its place in it (FragmentMeta), and the reason is read from the notes of what died
// together. One table a port: the library's key has no port in it, and a flood on one side must not evict the
// other's.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <memory>

#include "dataplane/accounts.h"
#include "dataplane/base/clock.h"
#include "dataplane/packet_view.h"

struct rte_ip_frag_tbl;
struct rte_ip_frag_death_row;

namespace sallyport::dp {

inline constexpr Nanoseconds kReassemblyTime =
    2 * kSecond;  // RFC 791 3.2 asks for 15 s; SIP is sent again by then

class Reassembler {
 public:
  Reassembler(Accounts& accounts, int socket);  // throws std::runtime_error
  ~Reassembler();
  Reassembler(const Reassembler&) = delete;
  Reassembler& operator=(const Reassembler&) = delete;

  // Takes a fragment, whose view is `view`. The whole datagram, chained, when it was the last one missing:
  // its notes carry the weight of all fragments. Else nullptr.
  [[nodiscard]] rte_mbuf* add(rte_mbuf* fragment, const PacketView& view, Nanoseconds now_ns);
  // Drops what waited too long. Cheap when there is nothing.
  void expire(Nanoseconds now_ns);
  // Drops everything, at the end.
  void abandon();
  [[nodiscard]] unsigned waiting() const { return waiting_; }

  // Of source, destination, identification and protocol: the same on every worker.
  [[nodiscard]] static std::uint32_t datagram_hash(const PacketView& view);

 private:
  void bury(std::uint32_t datagram, Nanoseconds now_ns);
  void give_up(rte_mbuf* row, DropReason reason);

  Accounts& accounts_;
  rte_ip_frag_tbl* table_ = nullptr;
  std::unique_ptr<rte_ip_frag_death_row> dead_;
  unsigned waiting_ = 0;  // fragments in the table
};

}  // namespace sallyport::dp
