// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip_outbound.h"

#include <algorithm>
#include <cstring>

namespace sallyport::dp {
namespace {

// The octets as a chain of mbufs, or nullptr.
rte_mbuf* chain_of(std::span<const std::uint8_t> message, rte_mempool* pool) {
  rte_mbuf* head = nullptr;
  while (!message.empty()) {
    rte_mbuf* part = rte_pktmbuf_alloc(pool);
    if (part == nullptr || (head != nullptr && rte_pktmbuf_chain(head, part) != 0)) {
      if (part != nullptr) rte_pktmbuf_free(part);
      if (head != nullptr) rte_pktmbuf_free(head);
      return nullptr;
    }
    if (head == nullptr) head = part;
    const std::size_t bytes = std::min<std::size_t>(message.size(), rte_pktmbuf_tailroom(part));
    std::memcpy(rte_pktmbuf_mtod(part, void*), message.data(), bytes);
    part->data_len = static_cast<std::uint16_t>(bytes);
    if (part == head) {
      head->pkt_len = static_cast<std::uint32_t>(bytes);
    } else {
      head->pkt_len += static_cast<std::uint32_t>(bytes);
    }
    message = message.subspan(bytes);
  }
  return head;
}

}  // namespace

SipOutbound::SipOutbound(const WorkerContext& context, const LocalTable& locals, Neighbours& neighbours,
                         DatagramSender& sender, SipInbound& inbound, Accounts& accounts)
    : context_(context),
      locals_(locals),
      neighbours_(neighbours),
      sender_(sender),
      inbound_(inbound),
      accounts_(accounts),
      scratch_(0x10000) {
  pending_.reserve(kPending);
}

void SipOutbound::send(const SipSend& send, std::span<const std::uint8_t> message, Nanoseconds now_ns) {
  if (send.realm >= context_.realms.size()) return;
  // Its neighbour may have been resolved since: what waits leaves first, a 100 before its 200.
  const auto goes_with = [&](const Waiting& waiting) { return waiting.goes_with(send); };
  if (std::ranges::any_of(pending_, goes_with)) send_resolved(now_ns);
  if (try_send(send, message, now_ns) == Outcome::wait) keep(send, message, now_ns);
}

SipOutbound::Outcome SipOutbound::try_send(const SipSend& send, std::span<const std::uint8_t> message,
                                           Nanoseconds now_ns) {
  const RealmOptions& realm = context_.realms[send.realm];
  Egress egress = make_egress(send.local, send.remote, realm.port, realm.vlan, realm.sip_dscp);
  // To an address of ours SIP would only come back to us: a loop, and no neighbour answers for it.
  const bool to_us = locals_.find_any(send.realm, send.remote.address) != nullptr;
  const NextHopState state = egress.family == Family::none || to_us
                                 ? NextHopState::no_route
                                 : neighbours_.resolve(egress, send.realm, now_ns);
  if (state == NextHopState::unresolved) return Outcome::wait;
  if (state == NextHopState::no_route) {
    fail(send, message);
  } else if (!sender_.send(egress, message, std::nullopt, PacketMeta{},
                           context_.next_hops->path_mtus().of(send.realm, send.remote.address, now_ns))) {
    accounts_.unsent(realm.port);  // no buffers: as if the network had lost it
  }
  return Outcome::done;
}

void SipOutbound::fail(const SipSend& send, std::span<const std::uint8_t> message) {
  accounts_.unsent(context_.realms[send.realm].port);
  inbound_.tell_unreachable({reinterpret_cast<const char*>(message.data()), message.size()}, send.remote);
}

void SipOutbound::keep(const SipSend& send, std::span<const std::uint8_t> message, Nanoseconds now_ns) {
  const std::uint8_t port = context_.realms[send.realm].port;
  const auto repeats = [&](const Waiting& waiting) {
    return waiting.goes_with(send) && std::ranges::equal(gather(waiting.message), message);
  };
  if (std::ranges::any_of(pending_, repeats)) return accounts_.unsent(port);
  rte_mempool* pool = context_.ports[port].pool;
  rte_mbuf* chain = pending_.size() < kPending ? chain_of(message, pool) : nullptr;
  // No place or no buffers: as if the network had lost it. Timers send it again, once the neighbour is known.
  if (chain == nullptr) return accounts_.unsent(port);
  pending_.push_back({send, chain, now_ns + kResolveTime});
}

std::span<const std::uint8_t> SipOutbound::gather(rte_mbuf* chain) {
  const void* at = rte_pktmbuf_read(chain, 0, chain->pkt_len, scratch_.data());
  return {static_cast<const std::uint8_t*>(at), chain->pkt_len};
}

// In the order of arrival: what waited for one neighbour leaves as it was sent.
void SipOutbound::retry(Nanoseconds now_ns) {
  if (pending_.empty() || now_ns - retried_ns_ < kMillisecond) return;
  send_resolved(now_ns);
}

void SipOutbound::send_resolved(Nanoseconds now_ns) {
  retried_ns_ = now_ns;
  std::size_t kept = 0;
  for (Waiting& waiting : pending_) {
    const std::span<const std::uint8_t> message = gather(waiting.message);
    bool done = try_send(waiting.send, message, now_ns) == Outcome::done;
    if (!done && now_ns >= waiting.until_ns) {
      fail(waiting.send, message);
      done = true;
    }
    if (done) {
      rte_pktmbuf_free(waiting.message);
    } else {
      pending_[kept++] = waiting;
    }
  }
  pending_.resize(kept);
}

void SipOutbound::abandon() {
  for (Waiting& waiting : pending_) {
    accounts_.unsent(context_.realms[waiting.send.realm].port);
    rte_pktmbuf_free(waiting.message);
  }
  pending_.clear();
}

}  // namespace sallyport::dp
