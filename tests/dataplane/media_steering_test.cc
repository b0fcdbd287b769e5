// SPDX-License-Identifier: Apache-2.0
// What is tried of a device to bring media to its worker, in which order, and what is left when it refuses.
#include "dataplane/media_steering.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "dataplane/flow_rule.h"
#include "dataplane/steering_plan.h"
#include "tests/dataplane/fake_device_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kUdp = RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;
constexpr std::uint64_t kDestination = RTE_ETH_RSS_L3_DST_ONLY | RTE_ETH_RSS_L4_DST_ONLY;

SteeredMedia media(unsigned workers) {
  SteeredMedia out{.port = "access", .workers = workers, .shards = 2};
  out.ranges = {{.address = *IpAddress::parse("198.51.100.1"), .first = 20000, .last = 59999},
                {.address = *IpAddress::parse("2001:db8:1::1"), .first = 20000, .last = 59999}};
  out.vlans = {0, 100};
  return out;
}

// Everything, and no room for rules.
struct HashingDevice : FakeDevice {
  HashingDevice() {
    most_rules = 0;
    claims.flow_type_rss_offloads = kUdp | RTE_ETH_RSS_IPV4 | kDestination;
    claims.hash_key_size = 40;
    claims.reta_size = 128;
  }
};

TEST(Steering, is_no_question_with_one_worker) {
  FakeDevice device;
  const MediaSteering steering = steer_media(device, media(1));
  EXPECT_EQ(steering.by, Steering::one_worker);
  EXPECT_THAT(device.rules, IsEmpty());
  EXPECT_THAT(steering.notices, IsEmpty());
  EXPECT_THAT(steering.owners, IsEmpty());
}

TEST(Steering, is_by_rules_where_the_device_takes_them) {
  FakeDevice device;
  const SteeredMedia wanted = media(3);
  const MediaSteering steering = steer_media(device, wanted);
  EXPECT_EQ(steering.by, Steering::flow_rules);
  EXPECT_EQ(steering.rules.size(), device.rules.size());
  EXPECT_THAT(device.fields_asked, IsEmpty()) << "SIP is spread as it was";
  ASSERT_THAT(steering.owners, SizeIs(2));
  for (std::size_t i = 0; i < wanted.ranges.size(); ++i) {
    const MediaRange& range = wanted.ranges[i];
    for (unsigned port = range.first; port <= range.last; ++port) {
      const auto meets = [&](const MediaRule& rule) {
        return rule.address == range.address && (port & rule.mask) == rule.port;
      };
      const auto rule = std::ranges::find_if(device.rules, meets);
      ASSERT_NE(rule, device.rules.end()) << port;
      ASSERT_EQ(rule->vlan, wanted.vlans[i]);
      ASSERT_EQ(rule->queue, steering.owners[i][(port - range.first) / 2].worker) << port;
    }
  }
}

TEST(Steering, by_rules_is_all_or_nothing) {
  FakeDevice device;
  device.most_rules = 7;
  const MediaSteering steering = steer_media(device, media(2));
  EXPECT_EQ(steering.by, Steering::none);
  EXPECT_THAT(device.rules, IsEmpty());
  EXPECT_THAT(steering.rules, IsEmpty());
  EXPECT_THAT(steering.owners, IsEmpty());
  ASSERT_THAT(steering.notices, SizeIs(2));
  EXPECT_THAT(steering.notices[0],
              HasSubstr("port access: no rules that bring media to its worker: the device "
                        "refuses them (no room, after 7 were taken)"));
}

TEST(Steering, is_by_the_destination_s_hash_where_rules_are_refused) {
  HashingDevice device;
  const SteeredMedia wanted = media(4);
  const MediaSteering steering = steer_media(device, wanted);
  EXPECT_EQ(steering.by, Steering::destination_hash);
  EXPECT_THAT(steering.notices, SizeIs(1)) << "the rules";
  EXPECT_EQ(device.fields & kDestination, kDestination);
  ASSERT_THAT(steering.owners, SizeIs(2));
  for (std::size_t i = 0; i < wanted.ranges.size(); ++i) {
    const MediaRange& range = wanted.ranges[i];
    for (unsigned port = range.first; port <= range.last; ++port) {
      const auto hash = destination_hash(device.key, range.address, static_cast<std::uint16_t>(port));
      ASSERT_EQ(device.queues[hash % device.queues.size()],
                steering.owners[i][(port - range.first) / 2].worker);
    }
  }
}

TEST(Steering, takes_the_table_that_a_device_keeps) {
  HashingDevice device;
  device.keeps_own_table = true;
  for (std::uint16_t i = 0; i < 128; ++i) device.queues.push_back(i % 4);
  const MediaSteering steering = steer_media(device, media(4));
  EXPECT_EQ(steering.by, Steering::destination_hash);
  const auto hash = destination_hash(device.key, *IpAddress::parse("198.51.100.1"), 20000);
  EXPECT_EQ(steering.owners[0][0].worker, hash % 128 % 4);
}

// In each case packets are still spread over source and destination, and handed over.
TEST(Steering, falls_back_to_a_hash_of_everything_and_says_why) {
  struct Case {
    const char* says;
    void (*spoil)(FakeDevice&);
  };
  const Case cases[] = {
      {"the device has none",
       [](FakeDevice& d) { d.claims.flow_type_rss_offloads &= ~RTE_ETH_RSS_L4_DST_ONLY; }},
      {"does not hash UDP ports of 2001:db8:1::1",
       [](FakeDevice& d) { d.claims.flow_type_rss_offloads &= ~RTE_ETH_RSS_NONFRAG_IPV6_UDP; }},
      {"shows neither its key nor its table", [](FakeDevice& d) { d.claims.hash_key_size = 0; }},
      {"shows neither its key nor its table", [](FakeDevice& d) { d.claims.reta_size = 0; }},
      {"the device refuses it", [](FakeDevice& d) { d.hash_error = -ENOTSUP; }},
      {"its key cannot be read back", [](FakeDevice& d) { d.read_hash_error = -ENOTSUP; }},
      {"keeps a key of its own", [](FakeDevice& d) { d.keeps_own_key = true; }},
      {"hashes the source as well", [](FakeDevice& d) { d.ignores_destination_only = true; }},
      {"its table cannot be read back", [](FakeDevice& d) { d.read_table_error = -ENOTSUP; }},
      {"too few to give each worker a share",  // all to one queue
       [](FakeDevice& d) {
         d.keeps_own_table = true;
         d.queues.assign(128, 0);
       }},
  };
  for (const Case& c : cases) {
    HashingDevice device;
    c.spoil(device);
    const MediaSteering steering = steer_media(device, media(2));
    EXPECT_EQ(steering.by, Steering::hash) << c.says;
    EXPECT_THAT(steering.owners, IsEmpty()) << c.says;
    ASSERT_THAT(steering.notices, SizeIs(2)) << c.says;
    EXPECT_THAT(steering.notices[1], HasSubstr(c.says));
    if (!device.fields_asked.empty()) {
      EXPECT_EQ(device.fields_asked.back() & kDestination, 0u) << c.says << ": SIP is spread again";
    }
  }
}

TEST(Steering, of_a_device_without_any_means_is_hand_off) {
  FakeDevice device;
  device.most_rules = 0;
  const MediaSteering steering = steer_media(device, media(2));
  EXPECT_EQ(steering.by, Steering::none);
  EXPECT_THAT(steering.notices, SizeIs(2));
  EXPECT_THAT(steering.owners, IsEmpty());
}

TEST(Steering, of_ranges_too_small_for_slices_is_not_tried) {
  FakeDevice device;
  SteeredMedia few = media(4);
  for (MediaRange& range : few.ranges) range.last = 20007;
  const MediaSteering steering = steer_media(device, few);
  EXPECT_EQ(steering.by, Steering::none);
  EXPECT_THAT(device.rules, IsEmpty());
  EXPECT_THAT(steering.notices[0], HasSubstr("too few to give each worker a share"));
}

TEST(Steering, of_a_port_without_media_asks_nothing) {
  FakeDevice device;
  SteeredMedia none{.port = "core", .workers = 2};
  EXPECT_THAT(steer_media(device, none).notices, IsEmpty());
  EXPECT_THAT(device.rules, IsEmpty());
}

TEST(FlowRule, matches_destination_and_masked_port_to_a_queue) {
  const FlowRule four({*IpAddress::parse("192.0.2.1"), 0, 20032, 0xffc0, 3});
  const rte_flow_item* item = four.pattern();
  ASSERT_EQ(item[0].type, RTE_FLOW_ITEM_TYPE_ETH);
  ASSERT_EQ(item[1].type, RTE_FLOW_ITEM_TYPE_IPV4);
  ASSERT_EQ(item[2].type, RTE_FLOW_ITEM_TYPE_UDP);
  ASSERT_EQ(item[3].type, RTE_FLOW_ITEM_TYPE_END);
  const auto* ip = static_cast<const rte_flow_item_ipv4*>(item[1].spec);
  EXPECT_EQ(std::memcmp(&ip->hdr.dst_addr, "\xc0\x00\x02\x01", 4), 0);
  EXPECT_EQ(static_cast<const rte_flow_item_ipv4*>(item[1].mask)->hdr.src_addr, 0u);
  const auto* udp = static_cast<const rte_flow_item_udp*>(item[2].spec);
  EXPECT_EQ(std::memcmp(&udp->hdr.dst_port, "\x4e\x40", 2), 0);
  EXPECT_EQ(std::memcmp(&static_cast<const rte_flow_item_udp*>(item[2].mask)->hdr.dst_port, "\xff\xc0", 2),
            0);
  EXPECT_EQ(static_cast<const rte_flow_action_queue*>(four.actions()[0].conf)->index, 3);
  EXPECT_EQ(four.actions()[1].type, RTE_FLOW_ACTION_TYPE_END);
  EXPECT_EQ(four.attributes().ingress, 1u);
}

TEST(FlowRule, matches_the_realm_s_vlan_and_ipv6) {
  const FlowRule six({*IpAddress::parse("2001:db8::5"), 100, 20000, 0xfffe, 1});
  const rte_flow_item* item = six.pattern();
  ASSERT_EQ(item[1].type, RTE_FLOW_ITEM_TYPE_VLAN);
  EXPECT_EQ(std::memcmp(&static_cast<const rte_flow_item_vlan*>(item[1].spec)->tci, "\x00\x64", 2), 0);
  ASSERT_EQ(item[2].type, RTE_FLOW_ITEM_TYPE_IPV6);
  const auto* ip = static_cast<const rte_flow_item_ipv6*>(item[2].spec);
  EXPECT_EQ(ip->hdr.dst_addr[0], 0x20);
  EXPECT_EQ(ip->hdr.dst_addr[15], 5);
  ASSERT_EQ(item[4].type, RTE_FLOW_ITEM_TYPE_END);
}

}  // namespace
}  // namespace sallyport::dp::test
