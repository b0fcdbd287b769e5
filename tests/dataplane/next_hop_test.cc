// SPDX-License-Identifier: Apache-2.0
#include "dataplane/next_hop.h"

#include <gtest/gtest.h>

#include <thread>

namespace sallyport::dp {
namespace {

constexpr MacAddress kMacA{2, 0, 0, 0, 0, 0xa};
constexpr MacAddress kMacB{2, 0, 0, 0, 0, 0xb};

IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}
Route route(std::uint8_t link, std::string_view destination, std::string_view gateway = {},
            std::uint32_t metric = 0) {
  return {*Prefix::parse(destination), gateway.empty() ? IpAddress{} : ip(gateway), metric, link};
}

// Realms 0 and 2 are on link 0, realm 1 on link 1.
struct NextHops : ::testing::Test {
  NextHopTable table{{0, 1, 0}, 2};
};

TEST_F(NextHops, lookup_follows_the_longest_route_of_the_realms_own_link) {
  table.set_routes({route(0, "0.0.0.0/0", "192.0.2.254"), route(0, "192.0.2.0/24"),
                    route(0, "192.0.2.128/25", "192.0.2.7"), route(1, "198.51.100.0/24"),
                    route(0, "::/0", "2001:db8::fe"), route(0, "2001:db8::/64"),
                    route(0, "2001:db8:0:0:8000::/65", "2001:db8::7"),
                    route(0, "2001:db8::99/128", "2001:db8::8")});
  struct Case {
    const char* description;
    std::uint16_t realm;
    const char* destination;
    const char* neighbour;  // empty: no route
  };
  const Case cases[] = {
      {"on the link", 0, "192.0.2.5", "192.0.2.5"},
      {"a longer prefix has a gateway", 0, "192.0.2.130", "192.0.2.7"},
      {"the default route", 0, "203.0.113.1", "192.0.2.254"},
      {"another realm of the link", 2, "203.0.113.1", "192.0.2.254"},
      {"the other link has no default route", 1, "203.0.113.1", ""},
      {"the other link's network", 1, "198.51.100.9", "198.51.100.9"},
      {"no IPv6 there", 1, "2001:db8::1", ""},
      {"IPv6 on the link", 0, "2001:db8::5", "2001:db8::5"},
      {"IPv6 /65", 0, "2001:db8::8000:0:0:1", "2001:db8::7"},
      {"IPv6 host route", 0, "2001:db8::99", "2001:db8::8"},
      {"IPv6 default", 0, "2001:db8:1::1", "2001:db8::fe"},
      {"a realm that is none", 9, "192.0.2.5", ""},
  };
  for (const Case& c : cases) {
    const NextHop hop = table.lookup(c.realm, ip(c.destination), 0);
    if (*c.neighbour == 0) {
      EXPECT_EQ(hop.state, NextHopState::no_route) << c.description;
    } else {
      EXPECT_EQ(hop.state, NextHopState::unresolved) << c.description;
      EXPECT_EQ(hop.neighbour.to_text(), c.neighbour) << c.description;
    }
  }
}

TEST_F(NextHops, the_lower_metric_wins_and_new_routes_replace_the_old) {
  table.set_routes({route(0, "0.0.0.0/0", "192.0.2.2", 20), route(0, "0.0.0.0/0", "192.0.2.1", 10)});
  EXPECT_EQ(table.lookup(0, ip("203.0.113.1"), 0).neighbour, ip("192.0.2.1"));
  table.set_routes({route(0, "0.0.0.0/0", "192.0.2.3")});
  EXPECT_EQ(table.lookup(0, ip("203.0.113.1"), 0).neighbour, ip("192.0.2.3"));
  table.set_routes({});
  EXPECT_EQ(table.lookup(0, ip("203.0.113.1"), 0).state, NextHopState::no_route);
}

TEST_F(NextHops, a_neighbour_is_ready_from_set_to_remove_on_its_link_only) {
  table.set_routes({route(0, "192.0.2.0/24"), route(1, "192.0.2.0/24"), route(0, "2001:db8::/64")});
  const auto before = table.version();
  table.set_neighbour(0, ip("192.0.2.5"), kMacA);
  EXPECT_NE(table.version(), before);
  EXPECT_EQ(table.lookup(0, ip("192.0.2.5"), 0).state, NextHopState::ready);
  EXPECT_EQ(table.lookup(0, ip("192.0.2.5"), 0).mac, kMacA);
  EXPECT_EQ(table.lookup(1, ip("192.0.2.5"), 0).state, NextHopState::unresolved);
  EXPECT_EQ(table.lookup(0, ip("192.0.2.6"), 0).state, NextHopState::unresolved);
  table.set_neighbour(0, ip("192.0.2.5"), kMacB);
  EXPECT_EQ(table.lookup(0, ip("192.0.2.5"), 0).mac, kMacB);
  EXPECT_EQ(table.neighbours(), 1u);
  table.set_neighbour(0, ip("2001:db8::5"), kMacA);
  EXPECT_EQ(table.lookup(0, ip("2001:db8::5"), 0).mac, kMacA);
  table.remove_neighbour(0, ip("192.0.2.5"));
  EXPECT_EQ(table.lookup(0, ip("192.0.2.5"), 0).state, NextHopState::unresolved);
  EXPECT_EQ(table.neighbours(), 1u);
}

TEST_F(NextHops, a_gateways_mac_serves_all_behind_it) {
  table.set_routes({route(0, "0.0.0.0/0", "192.0.2.254"), route(0, "192.0.2.0/24")});
  table.set_neighbour(0, ip("192.0.2.254"), kMacA);
  EXPECT_EQ(table.lookup(0, ip("203.0.113.77"), 0).mac, kMacA);
}

TEST_F(NextHops, a_repeated_mac_changes_no_version) {
  table.set_neighbour(0, ip("192.0.2.5"), kMacA);
  const auto before = table.version();
  table.set_neighbour(0, ip("192.0.2.5"), kMacA);
  EXPECT_EQ(table.version(), before);
}

TEST_F(NextHops, only_what_workers_used_lately_is_listed_for_probing) {
  table.set_routes({route(0, "192.0.2.0/24")});
  table.set_neighbour(0, ip("192.0.2.5"), kMacA);
  table.set_neighbour(0, ip("192.0.2.6"), kMacA);
  (void)table.lookup(0, ip("192.0.2.5"), 100 * kSecond);
  std::vector<std::string> used;
  const auto collect = [&](const NextHopTable::Request& r) { used.push_back(r.neighbour.to_text()); };
  table.for_each_used(95 * kSecond, collect);
  EXPECT_EQ(used, std::vector<std::string>{"192.0.2.5"});
  used.clear();
  table.for_each_used(110 * kSecond, collect);
  EXPECT_TRUE(used.empty());
  table.touch(table.lookup(0, ip("192.0.2.5"), 100 * kSecond).entry, 120 * kSecond);
  table.for_each_used(115 * kSecond, collect);
  EXPECT_EQ(used.size(), 1u);
}

TEST_F(NextHops, requests_of_every_worker_arrive_and_a_full_ring_forgets) {
  table.request(0, 0, ip("192.0.2.5"));
  table.request(1, 1, ip("2001:db8::5"));
  table.request(7, 0, ip("192.0.2.9"));  // no such worker
  std::vector<std::string> asked;
  table.drain_requests([&](const NextHopTable::Request& r) {
    asked.push_back(std::to_string(r.link) + " " + r.neighbour.to_text());
  });
  EXPECT_EQ(asked, (std::vector<std::string>{"0 192.0.2.5", "1 2001:db8::5"}));
  for (int i = 0; i < 100'000; ++i) table.request(0, 0, ip("192.0.2.5"));
  std::size_t count = 0;
  table.drain_requests([&](const NextHopTable::Request&) { ++count; });
  EXPECT_GT(count, 10u);
  EXPECT_LT(count, 1000u);
}

TEST_F(NextHops, a_full_bucket_gives_up_the_one_unused_longest) {
  table.set_routes({route(0, "10.0.0.0/8")});
  for (std::uint32_t i = 0; i < 3 * NextHopTable::kNeighbours; ++i) {
    const IpAddress address = IpAddress::v4(0x0a000000 + i);
    table.set_neighbour(0, address, kMacA);
    ASSERT_EQ(table.lookup(0, address, i * kSecond * 2).state, NextHopState::ready);
  }
  EXPECT_LE(table.neighbours(), NextHopTable::kNeighbours);
  std::size_t ready = 0;
  for (std::uint32_t i = 0; i < 3 * NextHopTable::kNeighbours; ++i) {
    ready += table.lookup(0, IpAddress::v4(0x0a000000 + i), 0).state == NextHopState::ready ? 1 : 0;
  }
  EXPECT_EQ(ready, table.neighbours());
}

TEST_F(NextHops, too_many_routes_keep_the_short_prefixes_and_say_so) {
  std::vector<Route> routes{route(0, "0.0.0.0/0", "192.0.2.254")};
  for (std::uint32_t i = 0; i < 400; ++i) routes.push_back({{IpAddress::v4(0x0a000000 + i), 32}, {}, 0, 0});
  EXPECT_FALSE(table.set_routes(routes));
  EXPECT_EQ(table.lookup(0, ip("203.0.113.1"), 0).neighbour, ip("192.0.2.254"));
}

TEST_F(NextHops, a_link_without_a_kernel_has_one_mac_for_all) {
  table.set_fixed(1, kMacB);
  EXPECT_EQ(table.lookup(1, ip("203.0.113.1"), 0).mac, kMacB);
  EXPECT_EQ(table.lookup(1, ip("2001:db8::1"), 0).state, NextHopState::ready);
  EXPECT_EQ(table.lookup(0, ip("203.0.113.1"), 0).state, NextHopState::no_route);
}

// A reader sees one of the two states, never a mixture, however the writer is timed. (TSan watches this one.)
TEST_F(NextHops, readers_never_see_half_an_update) {
  table.set_routes({route(0, "0.0.0.0/0", "192.0.2.1")});
  table.set_neighbour(0, ip("192.0.2.1"), kMacA);
  table.set_neighbour(0, ip("192.0.2.2"), kMacB);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop.load(); ++i) {
      if (i % 2 == 0) {
        table.set_routes({route(0, "0.0.0.0/0", "192.0.2.2"), route(0, "198.51.100.0/24", "192.0.2.9")});
      } else {
        table.set_routes({route(0, "0.0.0.0/0", "192.0.2.1")});
      }
    }
  });
  const IpAddress first = ip("192.0.2.1");
  const IpAddress second = ip("192.0.2.2");
  for (int i = 0; i < 50'000; ++i) {
    const NextHop hop = table.lookup(0, ip("203.0.113.1"), 0);
    ASSERT_EQ(hop.state, NextHopState::ready);
    ASSERT_TRUE((hop.neighbour == first && hop.mac == kMacA) ||
                (hop.neighbour == second && hop.mac == kMacB));
  }
  stop.store(true);
  writer.join();
}

}  // namespace
}  // namespace sallyport::dp
