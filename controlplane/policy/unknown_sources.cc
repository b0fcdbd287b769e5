// SPDX-License-Identifier: Apache-2.0
#include "controlplane/policy/unknown_sources.h"

#include <algorithm>
#include <bit>

namespace sallyport::policy {
namespace {

// A host has a whole /64 to send from.
IpAddress counted(const IpAddress& source) {
  return source.is_v6() ? Prefix{source, 64}.network() : source;
}

std::uint64_t hash_of(const IpAddress& address, SipHashKey key) {
  const auto& bytes = address.bytes();
  return siphash(key, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

UnknownSources::UnknownSources(const config::Config& config, unsigned shard, unsigned shards, SipHashKey key,
                               std::size_t sources)
    : table_(std::bit_ceil(std::max<std::size_t>(sources, kWays))),
      key_(key),
      shard_(shard),
      shards_(shards) {
  succeed(config);
}

void UnknownSources::succeed(const config::Config& config) {
  realms_.clear();
  for (const config::Realm& realm : config.realms) realms_.push_back(realm.unknown_source);
}

// This shard's part of the ten for that source: the shards' parts add up to ten exactly.
unsigned UnknownSources::allowance(std::uint64_t hash) const {
  const auto turn = static_cast<unsigned>((shard_ + (hash >> 32)) % shards_);
  return kAnswersPerSecond / shards_ + (turn < kAnswersPerSecond % shards_ ? 1 : 0);
}

// The entry of that source, one made for it, or nullptr when all ways were answered within the last second.
UnknownSources::Entry* UnknownSources::entry_for(const IpAddress& source, std::uint64_t hash,
                                                 Nanoseconds now_ns) {
  const std::size_t set = (hash & (table_.size() / kWays - 1)) * kWays;
  Entry* free = nullptr;
  for (std::size_t i = set; i < set + kWays; ++i) {
    Entry& entry = table_[i];
    if (entry.source == source) return &entry;
    const Nanoseconds newest = *std::max_element(entry.answers.begin(), entry.answers.end());
    if (free == nullptr && newest <= now_ns - kSecond) free = &entry;
  }
  if (free == nullptr) return nullptr;
  *free = Entry{};
  free->source = source;
  return free;
}

UnknownAnswer UnknownSources::judge(config::RealmIndex realm, const IpAddress& source, bool is_ack,
                                    Nanoseconds now_ns) {
  if (is_ack || realms_[realm] == config::UnknownSource::drop) return UnknownAnswer::silence;
  const IpAddress whom = counted(source);
  const std::uint64_t hash = hash_of(whom, key_);
  const unsigned most = allowance(hash);
  if (most == 0) return UnknownAnswer::silence;
  Entry* entry = entry_for(whom, hash, now_ns);
  if (entry == nullptr) return UnknownAnswer::silence;
  // The ring holds as many answers as are allowed, so its oldest must be a second old.
  Nanoseconds& oldest = entry->answers[entry->oldest];
  if (oldest > now_ns - kSecond) return UnknownAnswer::silence;
  oldest = now_ns;
  entry->oldest = static_cast<std::uint8_t>((entry->oldest + 1) % most);
  return UnknownAnswer::reject;
}

}  // namespace sallyport::policy
