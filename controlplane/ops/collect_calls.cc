// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>
#include <string>
#include <utility>

#include "controlplane/ops/collectors.h"
#include "controlplane/ops/family.h"
#include "controlplane/response_map/local_error.h"

namespace sallyport::ops {
namespace {

using stats::PairStatistics;
using stats::PeerStatistics;

// A code's label: itself, or `other`.
std::string code_text(stats::CodeSlot slot) {
  return slot == stats::kOtherCode ? "other" : std::to_string(stats::slot_code(slot));
}

// What responses_mapped_total says was received: a code, a local error's name, or that it was a refusal of
// our own.
std::string received_text(std::uint16_t received) {
  if ((received & stats::MappedTable::kLocalBit) == 0)
    return code_text(static_cast<stats::CodeSlot>(received));
  const auto error = static_cast<response_map::LocalError>(received & 0xff);
  const std::string_view name = response_map::local_error_name(error);
  return name.empty() ? "own" : std::string(name);
}

// The pair's numbers over all shards.
struct Pair {
  std::int64_t active = 0;
  std::uint64_t attempts = 0;
  std::uint64_t answered = 0;
  std::array<std::uint64_t, stats::kCodeSlots> failed{};
  std::map<std::pair<std::uint16_t, stats::CodeSlot>, std::uint64_t> mapped;

  void add(const PairStatistics& part) {
    active += part.active.get();
    attempts += part.attempts.get();
    answered += part.answered.get();
    for (std::size_t i = 0; i < failed.size(); ++i) failed[i] += part.failed[i].get();
    for (const auto& entry : part.mapped.read()) mapped[{entry.received, entry.sent}] += entry.count;
  }
};

std::map<std::pair<std::uint16_t, std::uint16_t>, Pair> pairs_of(const Sources& sources) {
  std::map<std::pair<std::uint16_t, std::uint16_t>, Pair> pairs;
  for (const stats::ShardStatistics* shard : sources.shards) {
    for (const PairStatistics* pair : shard->pairs()) pairs[{pair->from, pair->to}].add(*pair);
  }
  return pairs;
}

std::string_view peer_name(const Labels& labels, std::uint16_t index) {
  return index < labels.peers.size() ? std::string_view(labels.peers[index].name) : "none";
}

void collect_pairs(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  Family active("calls_active");
  Family attempts("call_attempts_total");
  Family answered("calls_answered_total");
  Family failed("calls_failed_total");
  Family mapped("responses_mapped_total");
  for (const auto& [key, pair] : pairs_of(sources)) {
    const std::string_view from = peer_name(labels, key.first);
    const std::string_view to = peer_name(labels, key.second);
    active.gauge({{"from", from}, {"to", to}}, static_cast<double>(pair.active));
    attempts.counter({{"from", from}, {"to", to}}, pair.attempts);
    answered.counter({{"from", from}, {"to", to}}, pair.answered);
    for (std::size_t i = 0; i < pair.failed.size(); ++i) {
      if (pair.failed[i] == 0) continue;
      failed.counter({{"from", from}, {"to", to}, {"code", code_text(static_cast<stats::CodeSlot>(i))}},
                     pair.failed[i]);
    }
    for (const auto& [codes, count] : pair.mapped) {
      const std::string received = received_text(codes.first);
      mapped.counter({{"from", from}, {"to", to}, {"received", received}, {"sent", code_text(codes.second)}},
                     count);
    }
  }
  for (Family* family : {&active, &attempts, &answered, &failed, &mapped}) out.push_back(family->take());
}

void collect_rule_hits(const Sources& sources, MetricFamilies& out) {
  std::map<std::pair<std::string_view, std::string_view>, std::uint64_t> rules;
  for (const stats::ShardStatistics* shard : sources.shards) {
    for (const auto& entry : shard->rule_hits.read())
      rules[{entry.map.empty() ? "none" : entry.map, entry.rule}] += entry.count;
  }
  Family hits("response_map_rule_hits_total");
  for (const auto& [rule, count] : rules) hits.counter({{"map", rule.first}, {"rule", rule.second}}, count);
  out.push_back(hits.take());
}

// A peer's blocks on the shards where it has one.
std::vector<const PeerStatistics*> blocks_of(const Sources& sources, std::size_t peer) {
  std::vector<const PeerStatistics*> blocks;
  for (const stats::ShardStatistics* shard : sources.shards) {
    const PeerStatistics* block =
        peer < shard->peers() ? shard->find_peer(static_cast<std::uint16_t>(peer)) : nullptr;
    if (block != nullptr) blocks.push_back(block);
  }
  return blocks;
}

std::vector<const stats::Histogram*> histograms(const std::vector<const PeerStatistics*>& blocks,
                                                stats::Histogram PeerStatistics::* member) {
  std::vector<const stats::Histogram*> parts;
  for (const PeerStatistics* block : blocks) parts.push_back(&(block->*member));
  return parts;
}

void collect_peers(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  Family setup("call_setup_seconds");
  Family delay("post_dial_delay_seconds");
  Family duration("call_duration_seconds");
  Family media("private_media_total");
  for (std::size_t i = 0; i < labels.peers.size(); ++i) {
    const auto blocks = blocks_of(sources, i);
    const std::string& peer = labels.peers[i].name;
    setup.histogram({{"peer", peer}}, histograms(blocks, &PeerStatistics::call_setup));
    delay.histogram({{"peer", peer}}, histograms(blocks, &PeerStatistics::post_dial_delay));
    duration.histogram({{"peer", peer}}, histograms(blocks, &PeerStatistics::call_duration));
    for (std::size_t action = 0; action < stats::kPrivateActionNames.size(); ++action) {
      std::uint64_t count = 0;
      for (const PeerStatistics* block : blocks) count += block->private_media[action].get();
      media.counter({{"peer", peer}, {"action", stats::kPrivateActionNames[action]}}, count);
    }
  }
  for (Family* family : {&setup, &delay, &duration, &media}) out.push_back(family->take());
}

// ---- SIP
// -----------------------------------------------------------------------------------------------------------

struct SipFamilies {
  Family requests{"sip_requests_total"};
  Family responses{"sip_responses_total"};

  void add(std::string_view peer, std::string_view realm,
           const std::vector<const stats::SipCounters*>& parts) {
    for (std::size_t d = 0; d < stats::kDirectionNames.size(); ++d) {
      add_requests(peer, realm, parts, d);
      add_responses(peer, realm, parts, d);
    }
  }

 private:
  void add_requests(std::string_view peer, std::string_view realm,
                    const std::vector<const stats::SipCounters*>& parts, std::size_t direction) {
    std::map<std::string_view, std::uint64_t> by_method;  // two values of sip::Method share `other`
    for (const stats::SipCounters* part : parts) {
      for (std::size_t m = 0; m < stats::kMethodNames.size(); ++m) {
        by_method[stats::kMethodNames[m]] += part->requests[direction][m].get();
      }
    }
    for (const auto& [method, count] : by_method) {
      if (count == 0) continue;
      requests.counter({{"peer", peer},
                        {"realm", realm},
                        {"direction", stats::kDirectionNames[direction]},
                        {"method", method}},
                       count);
    }
  }
  void add_responses(std::string_view peer, std::string_view realm,
                     const std::vector<const stats::SipCounters*>& parts, std::size_t direction) {
    for (std::size_t slot = 0; slot < stats::kCodeSlots; ++slot) {
      std::uint64_t count = 0;
      for (const stats::SipCounters* part : parts) count += part->responses[direction][slot].get();
      if (count == 0) continue;
      responses.counter({{"peer", peer},
                         {"realm", realm},
                         {"direction", stats::kDirectionNames[direction]},
                         {"code", code_text(static_cast<stats::CodeSlot>(slot))}},
                        count);
    }
  }
};

}  // namespace

void collect_calls(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  collect_pairs(labels, sources, out);
  collect_rule_hits(sources, out);
  collect_peers(labels, sources, out);
}

void collect_sip(const Labels& labels, const Sources& sources, MetricFamilies& out) {
  SipFamilies families;
  for (std::size_t i = 0; i < labels.peers.size(); ++i) {
    std::vector<const stats::SipCounters*> parts;
    for (const PeerStatistics* block : blocks_of(sources, i)) parts.push_back(&block->sip);
    families.add(labels.peers[i].name, labels.peers[i].realm, parts);
  }
  for (std::size_t i = 0; i < labels.realms.size(); ++i) {
    std::vector<const stats::SipCounters*> parts;
    for (const stats::ShardStatistics* shard : sources.shards) {
      const auto* block = i < shard->realms() ? shard->find_realm(static_cast<std::uint16_t>(i)) : nullptr;
      if (block != nullptr) parts.push_back(&block->unknown_sources);
    }
    families.add("none", labels.realms[i], parts);
  }
  out.push_back(families.requests.take());
  out.push_back(families.responses.take());
}

}  // namespace sallyport::ops
