// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel_gate.h"

#include <algorithm>
#include <string_view>

namespace sallyport::dp {
namespace {

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint32_t kOpenSeconds = 7'440;   // RFC 5382 REQ-5: an idle connection lives 2 hours 4 minutes
constexpr std::uint32_t kClosingSeconds = 240;  // RFC 5382 REQ-5: a transitory one 4 minutes

std::uint32_t seconds(Nanoseconds now_ns) {
  return static_cast<std::uint32_t>(now_ns / kSecond);
}

void add(SipHash& hash, const Endpoint& endpoint) {
  const auto& bytes = endpoint.address.bytes();
  const char tail[3] = {static_cast<char>(endpoint.address.family()), static_cast<char>(endpoint.port >> 8),
                        static_cast<char>(endpoint.port)};
  hash.update({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  hash.update({tail, sizeof(tail)});
}

}  // namespace

KernelConnections::KernelConnections(SipHashKey key)
    : key_(key), entries_(std::make_unique<Entry[]>(kConnections)) {}

std::uint64_t KernelConnections::signature(const Endpoint& local, const Endpoint& remote) const {
  SipHash hash(key_);
  add(hash, local);
  add(hash, remote);
  const std::uint64_t value = hash.finish();
  return value == 0 ? 1 : value;
}

KernelConnections::Entry* KernelConnections::find(std::uint64_t signature) const {
  Entry* const first = &entries_[signature % (kConnections / kWays) * kWays];
  for (Entry* e = first; e < first + kWays; ++e) {
    if (e->signature.load(std::memory_order_acquire) == signature) return e;
  }
  return nullptr;
}

bool KernelConnections::expired(const Entry& entry, std::uint32_t now_s) {
  const std::uint32_t limit = entry.closing.load(std::memory_order_relaxed) ? kClosingSeconds : kOpenSeconds;
  const std::uint32_t used = entry.last_used.load(std::memory_order_relaxed);
  return now_s > used && now_s - used > limit;
}

void KernelConnections::sent(const Endpoint& local, const Endpoint& remote, std::uint8_t flags,
                             Nanoseconds now_ns) {
  const std::uint64_t mark = signature(local, remote);
  const std::uint32_t now_s = seconds(now_ns);
  Entry* entry = find(mark);
  if ((flags & kRst) != 0) {
    if (entry != nullptr) entry->signature.store(0, std::memory_order_release);
    return;
  }
  const bool opens = (flags & (kSyn | kAck)) == kSyn;
  if (entry == nullptr) {
    if (!opens) return;  // of a connection that the peer opened: its port is a listener's
    Entry* const first = &entries_[mark % (kConnections / kWays) * kWays];
    entry = first;
    for (Entry* e = first; e < first + kWays; ++e) {
      if (e->signature.load(std::memory_order_relaxed) == 0 || expired(*e, now_s)) {
        entry = e;
        break;
      }
      if (e->last_used.load(std::memory_order_relaxed) < entry->last_used.load(std::memory_order_relaxed))
        entry = e;
    }
  }
  entry->last_used.store(now_s, std::memory_order_relaxed);
  if (opens || (flags & kFin) != 0) entry->closing.store(!opens, std::memory_order_relaxed);
  entry->signature.store(mark, std::memory_order_release);
}

bool KernelConnections::holds(const Endpoint& local, const Endpoint& remote, Nanoseconds now_ns) const {
  const Entry* entry = find(signature(local, remote));
  const std::uint32_t now_s = seconds(now_ns);
  if (entry == nullptr || expired(*entry, now_s)) return false;
  if (entry->last_used.load(std::memory_order_relaxed) != now_s) {
    entry->last_used.store(now_s, std::memory_order_relaxed);
  }
  return true;
}

KernelGate::KernelGate(std::shared_ptr<const KernelConnections> connections, std::vector<Endpoint> listeners,
                       const KernelRates& rates, unsigned workers)
    : connections_(std::move(connections)), listeners_(std::move(listeners)) {
  const auto interval = [workers](std::uint32_t pps) { return kSecond * workers / std::max(pps, 1u); };
  for (Buckets& port : buckets_) {
    port.neighbour.interval = interval(rates.neighbour_pps);
    port.icmp.interval = interval(rates.icmp_pps);
    port.tcp.interval = interval(rates.tcp_pps);
  }
}

std::optional<DropReason> KernelGate::spend(Bucket& bucket, Nanoseconds now_ns) {
  const Nanoseconds due = std::max(bucket.due, now_ns);
  if (due - now_ns > kBurst) return DropReason::kernel_rate;
  bucket.due = due + bucket.interval;
  return std::nullopt;
}

std::optional<DropReason> KernelGate::neighbour(std::size_t port, Nanoseconds now_ns) {
  return spend(buckets_[port].neighbour, now_ns);
}

std::optional<DropReason> KernelGate::icmp(std::size_t port, Nanoseconds now_ns) {
  return spend(buckets_[port].icmp, now_ns);
}

std::optional<DropReason> KernelGate::tcp(std::size_t port, const Endpoint& local, const Endpoint& remote,
                                          Nanoseconds now_ns) {
  const bool listens = std::ranges::find(listeners_, local) != listeners_.end();
  if (!listens && (!connections_ || !connections_->holds(local, remote, now_ns))) return DropReason::tcp_port;
  return spend(buckets_[port].tcp, now_ns);
}

}  // namespace sallyport::dp
