// SPDX-License-Identifier: Apache-2.0
#include "dataplane/media_steering.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <expected>

#include "dataplane/steering_plan.h"

namespace sallyport::dp {
namespace {

constexpr std::uint64_t kDestinationOnly = RTE_ETH_RSS_L3_DST_ONLY | RTE_ETH_RSS_L4_DST_ONLY;
constexpr std::size_t kLeastKey = 40;  // what the hash of an IPv6 packet reads

using Refused = std::unexpected<std::string>;
using Done = std::expected<void, std::string>;

[[nodiscard]] std::string words(int error) {
  return std::strerror(error < 0 ? -error : error);
}

[[nodiscard]] std::uint64_t fields_of(Family family) {
  return family == Family::v4 ? RTE_ETH_RSS_NONFRAG_IPV4_UDP : RTE_ETH_RSS_NONFRAG_IPV6_UDP;
}

// ---- rules
// -------------------------------------------------------------------------------------------------------

[[nodiscard]] std::vector<MediaRule> rules_of(const SteeredMedia& media) {
  std::vector<MediaRule> rules;
  for (std::size_t i = 0; i < media.ranges.size(); ++i) {
    const MediaRange& range = media.ranges[i];
    for (unsigned worker = 0; worker < media.workers; ++worker) {
      const PortSlice slice = slice_of(range, worker, media.workers);
      if (slice.empty()) continue;
      for (const PortBlock& block : blocks_of(slice.first, slice.last)) {
        rules.push_back(
            {range.address, media.vlans[i], block.port, block.mask, static_cast<std::uint16_t>(worker)});
      }
    }
  }
  return rules;
}

[[nodiscard]] Done take_owners(MediaSteering& steering, const SteeredMedia& media,
                               const std::vector<PairWorkers>& pairs) {
  std::vector<std::vector<PairOwner>> owners;
  for (const PairWorkers& of_range : pairs) {
    if (!is_fair(of_range, media.workers, media.shards))
      return Refused("its media ports are too few to give each worker a share");
    owners.push_back(dealt(of_range, media.shards));
  }
  steering.owners = std::move(owners);
  return {};
}

[[nodiscard]] Done add_rules(EthDevice& device, const SteeredMedia& media, std::vector<rte_flow*>& added) {
  for (const MediaRule& rule : rules_of(media)) {
    std::string why;
    rte_flow* flow = device.add_rule(rule, why);
    if (flow == nullptr) {
      const std::string before =
          added.empty() ? "" : ", after " + std::to_string(added.size()) + " were taken";
      return Refused("the device refuses them (" + why + before + ")");
    }
    added.push_back(flow);
  }
  return {};
}

// All rules, or none is left.
[[nodiscard]] Done by_rules(EthDevice& device, const SteeredMedia& media, MediaSteering& steering) {
  std::vector<PairWorkers> pairs;
  for (const MediaRange& range : media.ranges) pairs.push_back(sliced(range, media.workers));
  if (auto fair = take_owners(steering, media, pairs); !fair) return fair;
  if (auto done = add_rules(device, media, steering.rules); !done) {
    for (rte_flow* rule : steering.rules) device.remove_rule(rule);
    steering.rules.clear();
    steering.owners.clear();
    return done;
  }
  return {};
}

// ---- hash
// --------------------------------------------------------------------------------------------------------

struct HashSetting {
  std::vector<std::uint8_t> key;
  std::vector<std::uint16_t> table;
};

[[nodiscard]] Done offers_destination_hash(const rte_eth_dev_info& info, const SteeredMedia& media) {
  if ((info.flow_type_rss_offloads & kDestinationOnly) != kDestinationOnly)
    return Refused("the device has none");
  for (const MediaRange& range : media.ranges) {
    if ((info.flow_type_rss_offloads & fields_of(range.address.family())) == 0)
      return Refused("the device does not hash UDP ports of " + range.address.to_text());
  }
  if (info.hash_key_size < kLeastKey || !std::has_single_bit(info.reta_size))
    return Refused("the device shows neither its key nor its table");
  return {};
}

// Halves, thirds ... of the table in one piece each: see pair_hash_key.
[[nodiscard]] std::vector<std::uint16_t> table_in_pieces(std::size_t entries, unsigned workers) {
  std::vector<std::uint16_t> table(entries);
  for (std::size_t i = 0; i < entries; ++i) table[i] = static_cast<std::uint16_t>(i * workers / entries);
  return table;
}

// Sets key, fields and table, and reads back what holds.
[[nodiscard]] std::expected<HashSetting, std::string> set_up_hash(EthDevice& device,
                                                                  const rte_eth_dev_info& info,
                                                                  unsigned workers) {
  HashSetting setting;
  setting.key = pair_hash_key(info.hash_key_size, info.reta_size);
  const std::uint64_t wanted = spreading_fields(info) | kDestinationOnly;
  if (const int error = device.set_hash(setting.key, wanted); error != 0)
    return Refused("the device refuses it (" + words(error) + ")");
  std::vector<std::uint8_t> key(setting.key.size());
  std::uint64_t fields = 0;
  if (const int error = device.hash(key, fields); error != 0)
    return Refused("its key cannot be read back (" + words(error) + ")");
  if (key != setting.key) return Refused("the device keeps a key of its own");
  if ((fields & kDestinationOnly) != kDestinationOnly) return Refused("the device hashes the source as well");
  // A device that keeps its own table is as good, as long as it can be read.
  (void)device.set_table(table_in_pieces(info.reta_size, workers));
  setting.table.resize(info.reta_size);
  if (const int error = device.table(setting.table); error != 0)
    return Refused("its table cannot be read back (" + words(error) + ")");
  return setting;
}

[[nodiscard]] Done by_destination(EthDevice& device, const rte_eth_dev_info& info, const SteeredMedia& media,
                                  MediaSteering& steering) {
  if (auto offered = offers_destination_hash(info, media); !offered) return offered;
  const auto setting = set_up_hash(device, info, media.workers);
  Done done = setting ? Done{} : Refused(setting.error());
  if (setting) {
    std::vector<PairWorkers> pairs;
    for (const MediaRange& range : media.ranges) pairs.push_back(hashed(range, setting->key, setting->table));
    done = take_owners(steering, media, pairs);
  }
  if (!done) (void)device.set_hash({}, spreading_fields(info));  // as it was
  return done;
}

}  // namespace

std::uint64_t spreading_fields(const rte_eth_dev_info& info) {
  return (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info.flow_type_rss_offloads;
}

MediaSteering steer_media(EthDevice& device, const SteeredMedia& media) {
  MediaSteering steering;
  if (media.workers <= 1) return steering;
  rte_eth_dev_info info{};
  if (device.info(info) != 0) info = {};
  steering.by = spreading_fields(info) != 0 ? Steering::hash : Steering::none;
  if (media.ranges.empty()) return steering;
  const auto notice = [&](const char* what, const std::string& why) {
    steering.notices.push_back("port " + media.port + ": no " + what + ": " + why);
  };
  if (const auto done = by_rules(device, media, steering)) {
    steering.by = Steering::flow_rules;
    return steering;
  } else {
    notice("rules that bring media to its worker", done.error());
  }
  if (const auto done = by_destination(device, info, media, steering)) {
    steering.by = Steering::destination_hash;
  } else {
    notice("hash of the destination alone", done.error());
  }
  return steering;
}

}  // namespace sallyport::dp
