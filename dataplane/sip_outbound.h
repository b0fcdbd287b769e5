// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A shard's SIP datagram becomes frames at once where the neighbour is known. Where the
// kernel has yet to resolve it, the datagram waits for as long as the kernel asks for it, in mbufs of the
// egress port; what cannot leave by then is reported to its shard, which need not wait for its timers. What
// finds no room to wait is lost as on the network, since that says nothing of the host; and what a timer
// repeats meanwhile waits once.
#pragma once

#include <array>
#include <vector>

#include "dataplane/datagram_sender.h"
#include "dataplane/local_table.h"
#include "dataplane/neighbours.h"
#include "dataplane/sip_inbound.h"

namespace sallyport::dp {

class SipOutbound {
 public:
  static constexpr std::size_t kPending = 128;
  // For so long the kernel asks: three times, a second apart (RFC 4861 10, and ARP likewise).
  static constexpr Nanoseconds kResolveTime = 3 * kSecond;

  SipOutbound(const WorkerContext& context, const LocalTable& locals, Neighbours& neighbours,
              DatagramSender& sender, SipInbound& inbound, Accounts& accounts);

  void send(const SipSend& send, std::span<const std::uint8_t> message, Nanoseconds now_ns);
  // Sends what has been resolved since, gives up what waited too long.
  void retry(Nanoseconds now_ns);
  void abandon();
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }

 private:
  struct Waiting {
    [[nodiscard]] bool goes_with(const SipSend& other) const {
      return send.realm == other.realm && send.remote == other.remote;
    }
    SipSend send;
    rte_mbuf* message = nullptr;  // a chain of the octets alone
    Nanoseconds until_ns = 0;
  };
  enum class Outcome : std::uint8_t { done, wait };

  [[nodiscard]] Outcome try_send(const SipSend& send, std::span<const std::uint8_t> message,
                                 Nanoseconds now_ns);
  void fail(const SipSend& send, std::span<const std::uint8_t> message);
  void send_resolved(Nanoseconds now_ns);
  void keep(const SipSend& send, std::span<const std::uint8_t> message, Nanoseconds now_ns);
  [[nodiscard]] std::span<const std::uint8_t> gather(rte_mbuf* chain);

  const WorkerContext& context_;
  const LocalTable& locals_;
  Neighbours& neighbours_;
  DatagramSender& sender_;
  SipInbound& inbound_;
  Accounts& accounts_;
  std::vector<Waiting> pending_;
  std::vector<std::uint8_t> scratch_;
  Nanoseconds retried_ns_ = 0;
};

}  // namespace sallyport::dp
