// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip_inbound.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/next_hop.h"
#include "dataplane/police.h"

namespace sallyport::dp {
namespace {

constexpr std::size_t kSources = 4096;

[[nodiscard]] constexpr std::size_t round_up_8(std::size_t bytes) {
  return (bytes + 7) & ~std::size_t{7};
}

[[nodiscard]] SteerVerdict verdict_of(steer::Verdict verdict) {
  switch (verdict) {
    case steer::Verdict::by_branch:
      return SteerVerdict::by_branch;
    case steer::Verdict::by_tag:
      return SteerVerdict::by_tag;
    case steer::Verdict::unknown_tag:
      return SteerVerdict::unknown_tag;
    case steer::Verdict::by_hash:
    case steer::Verdict::foreign_response:
      break;
  }
  return SteerVerdict::by_hash;
}

// A fault that has no answer ends here; with an answer, the shard gives it. A faulty response never has one,
// but the shard may still match it by its branch.
[[nodiscard]] DropReason reason_of(const sip::MessageIndex& index) {
  if (index.fault == sip::Fault::none) return kPass;
  if (index.fault == sip::Fault::keep_alive) return DropReason::sip_keep_alive;
  if (index.kind == sip::Kind::none || sip::fault_status(index.fault) == 0) return DropReason::sip_malformed;
  return kPass;
}

// The bucket of a source address in a realm.
[[nodiscard]] std::size_t bucket_of(const SipHashKey& key, std::uint16_t realm, const PacketView& view) {
  std::array<char, sizeof(realm) + 16> source{};
  std::memcpy(source.data(), &realm, sizeof(realm));
  std::memcpy(source.data() + sizeof(realm), view.source_bytes(), view.address_bytes());
  return siphash(key, {source.data(), sizeof(realm) + view.address_bytes()}) % kSources;
}

}  // namespace

SipInbound::SipInbound(const WorkerContext& context, FlowEvents& events, Accounts& accounts)
    : context_(context), events_(events), accounts_(accounts), codec_(context.key), sources_(kSources) {}

// Two sources that share a bucket share a rate; which do is not for a sender to choose.
bool SipInbound::police(const PacketView& view, const LocalAddress& local, Nanoseconds now_ns) {
  const std::uint32_t rate = context_.realms[local.realm].sip_police_pps;
  if (rate == 0) return true;
  Nanoseconds& due = sources_[bucket_of(context_.key.hash, local.realm, view)];
  if (!conforms(due, now_ns, kSecond)) return false;
  charge(due, now_ns, kSecond / rate);
  return true;
}

void SipInbound::deliver(rte_mbuf* packet, const PacketView& view, const LocalAddress& local,
                         Nanoseconds now_ns) {
  DropReason reason = kPass;
  if (!police(view, local, now_ns)) {
    reason = DropReason::sip_police;
  } else if (!udp_checksum_right(view)) {
    reason = DropReason::udp_checksum;
  } else {
    reason = parse_and_push(view, local, now_ns);
  }
  if (reason == kPass) return accounts_.to_sip(packet);
  accounts_.drop(packet, reason);
}

DropReason SipInbound::parse_and_push(const PacketView& view, const LocalAddress& local, Nanoseconds now_ns) {
  const std::string_view message(reinterpret_cast<const char*>(view.data + view.payload), view.payload_bytes);
  if (!sip::parse(message, sip::Framing::datagram, index_)) {
    accounts_.counters().sip_faults[static_cast<std::size_t>(index_.fault)].add();
  }
  if (const DropReason reason = reason_of(index_); reason != kPass) return reason;
  const steer::Steering where =
      steer::steer(index_, message, codec_, context_.key.hash, static_cast<std::uint8_t>(context_.shards));
  if (where.verdict == steer::Verdict::foreign_response || where.shard >= context_.shards) {
    return DropReason::sip_foreign_response;
  }
  return push(message, where, view, local, now_ns);
}

DropReason SipInbound::push(std::string_view message, const steer::Steering& where, const PacketView& view,
                            const LocalAddress& local, Nanoseconds now_ns) {
  const std::size_t index_bytes = index_.used_bytes();
  const std::size_t message_at = sizeof(SipReceived) + round_up_8(index_bytes);
  const std::size_t bytes = message_at + message.size();
  if (bytes + 64 > context_.events[where.shard]->capacity_bytes() / 2) return DropReason::sip_too_large;
  std::byte* to = events_.reserve(where.shard, Event::sip_received, bytes);
  if (to == nullptr) return DropReason::shard_ring_full;
  const SipReceived head{.realm = local.realm,
                         .port = local.port,
                         .index_bytes = static_cast<std::uint16_t>(index_bytes),
                         .message_bytes = static_cast<std::uint16_t>(message.size()),
                         .local = view.destination_endpoint(),
                         .remote = view.source_endpoint(),
                         .verdict = verdict_of(where.verdict),
                         .slot = where.slot,
                         .generation = where.generation,
                         .received_ns = now_ns};
  std::memcpy(to, &head, sizeof(head));
  std::memcpy(to + sizeof(head), &index_, index_bytes);
  std::memcpy(to + message_at, message.data(), message.size());
  events_.publish(where.shard);
  return kPass;
}

// `ours`: the message bears a branch of ours.
bool SipInbound::push_unreachable(std::string_view message, SipUnreachable what, bool& ours) {
  const std::string_view token = find_branch_token(message);
  const auto identity = codec_.open(token, steer::TokenKind::branch);
  ours = identity.has_value() && identity->shard < context_.shards;
  if (!ours) return false;
  what.slot = identity->slot;
  what.generation = identity->generation;
  return events_.push(identity->shard, Event::sip_unreachable, what);
}

// The shard fails the transaction at once, whatever the error is. What is sent next fits the path.
void SipInbound::deliver_icmp(rte_mbuf* packet, const IcmpQuote& quote, const LocalAddress& local,
                              Nanoseconds now_ns) {
  bool ours = false;
  const SipUnreachable what{.remote = quote.remote,
                            .icmp_type = quote.type,
                            .icmp_code = quote.code,
                            .packet_too_big = quote.packet_too_big};
  const bool told = push_unreachable(quote.message, what, ours);
  if (ours && quote.packet_too_big) {
    context_.next_hops->path_mtus().learn(local.realm, quote.remote.address, quote.mtu, now_ns);
  }
  if (told) return accounts_.to_sip(packet);
  accounts_.drop(packet, ours ? DropReason::shard_ring_full : DropReason::icmp_unrelated);
}

void SipInbound::tell_unreachable(std::string_view message, const Endpoint& remote) {
  bool ours = false;
  (void)push_unreachable(message, SipUnreachable{.remote = remote}, ours);
}

}  // namespace sallyport::dp
