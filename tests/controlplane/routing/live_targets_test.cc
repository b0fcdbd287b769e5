// SPDX-License-Identifier: Apache-2.0
// Targets that are names: what PeerHealth and PeerTable make of what the names lead to.
#include <gtest/gtest.h>

#include "controlplane/routing/peer_health.h"
#include "controlplane/routing/peer_table.h"
#include "tests/controlplane/routing/routing_support.h"

namespace sallyport::routing {
namespace {

using config::Transport;

constexpr Nanoseconds kStart = 1000 * kSecond;

ResolvedPlace place(const char* endpoint, std::uint16_t rank = 0, std::uint16_t entry = 0,
                    std::uint16_t weight = 0, Transport transport = Transport::udp) {
  return {*Endpoint::parse(endpoint), transport, rank, entry, weight};
}

class LiveTargetsTest : public testing::Test {
 protected:
  // a: a name between two addresses; b: known by its sources only.
  const config::Config config_ = configured(
      "{a: {realm: out, probe: 30s, targets: ['sip:192.0.2.8', 'sip:x.test', 'sip:192.0.2.9']}, "
      "b: {realm: out, match: [192.0.2.64/26], targets: ['sip:y.test;transport=tcp']}, "
      "c: {realm: out, targets: ['sip:z.test']}, in: {realm: in, match: [198.51.100.2]}}",
      "[{from: in, to: [a, b]}]");
  PeerHealth health_{config_, kStart};

  void learn(std::vector<ResolvedPlace> places, NameState state = NameState::resolved) {
    health_.learn({{0, 1, state, std::move(places)}}, kStart);
  }
  std::string order(config::PeerIndex peer = 0, std::uint64_t random = 1) {
    std::string text;
    for (const TargetId id : health_.in_order(peer, random))
      text += (text.empty() ? "" : " ") + health_.place(id)->endpoint.to_text();
    return text;
  }
  TargetId find(const char* endpoint, Transport transport = Transport::udp) {
    const auto id = health_.find(0, *Endpoint::parse(endpoint), transport);
    EXPECT_TRUE(id) << endpoint;
    return id.value_or(TargetId{0, kNoTarget});
  }
};

TEST_F(LiveTargetsTest, A_name_is_nothing_before_it_was_looked_up) {
  EXPECT_EQ(health_.name_state(0, 1), NameState::pending);
  EXPECT_EQ(order(), "192.0.2.8:5060 192.0.2.9:5060");
  EXPECT_FALSE(health_.peer_usable(1, kStart));
  EXPECT_EQ(health_.targets_of(1), 0u);
}

TEST_F(LiveTargetsTest, Its_places_stand_where_the_name_stands) {
  learn({place("192.0.2.10:5060", 0, 0, 5), place("192.0.2.11:5070", 1, 1, 5)});
  EXPECT_EQ(order(), "192.0.2.8:5060 192.0.2.10:5060 192.0.2.11:5070 192.0.2.9:5060");
  EXPECT_EQ(health_.place(find("192.0.2.11:5070"))->host, "x.test");
  learn({}, NameState::no_such_name);
  EXPECT_EQ(order(), "192.0.2.8:5060 192.0.2.9:5060");
  EXPECT_EQ(health_.name_state(0, 1), NameState::no_such_name);
}

TEST_F(LiveTargetsTest, A_place_that_stays_keeps_its_identity_and_its_health) {
  learn({place("192.0.2.10:5060"), place("192.0.2.11:5060", 0, 1)});
  const TargetId stays = find("192.0.2.10:5060");
  health_.failed(stays, kStart);
  learn({place("192.0.2.12:5060", 0, 0), place("192.0.2.10:5060", 1, 1)});
  EXPECT_EQ(find("192.0.2.10:5060"), stays);
  EXPECT_EQ(health_.state(stays, kStart), TargetState::resting);
  EXPECT_EQ(health_.state(find("192.0.2.12:5060"), kStart), TargetState::up);
  learn({place("192.0.2.10:5060", 0, 0, 0, Transport::tcp)});
  EXPECT_NE(find("192.0.2.10:5060", Transport::tcp), stays) << "another transport is another place";
}

TEST_F(LiveTargetsTest, What_is_said_of_a_place_that_is_gone_harms_no_other) {
  learn({place("192.0.2.10:5060")});
  const TargetId gone = find("192.0.2.10:5060");
  learn({place("192.0.2.11:5060")});
  health_.failed(gone, kStart);
  health_.retry_after(gone, 60 * kSecond, kStart);
  health_.probe_result(gone, false);
  health_.probe_result(gone, false);
  health_.answered(gone);
  EXPECT_EQ(health_.place(gone), nullptr);
  EXPECT_EQ(health_.state(gone, kStart), TargetState::down);
  EXPECT_EQ(health_.rests_until(gone, kStart), 0);
  for (const TargetId id : health_.in_order(0, 1)) EXPECT_TRUE(health_.usable(id, kStart));
  learn({place("192.0.2.10:5060")});
  EXPECT_NE(find("192.0.2.10:5060"), gone) << "what comes back is judged anew";
}

TEST_F(LiveTargetsTest, Numbers_stay_apart_when_they_have_come_round) {
  learn({place("192.0.2.10:5060")});
  const TargetId stays = find("192.0.2.10:5060");
  for (int i = 0; i < 66'000; ++i) {
    learn({place("192.0.2.10:5060"), place(i % 2 == 0 ? "192.0.2.11:5060" : "192.0.2.12:5060", 1, 1)});
    const TargetId fresh = health_.in_order(0, 1)[2];
    ASSERT_NE(fresh, stays);
    ASSERT_GE(fresh.target, kFirstResolved);
    ASSERT_NE(fresh.target, kNoTarget);
  }
  EXPECT_EQ(find("192.0.2.10:5060"), stays);
}

TEST_F(LiveTargetsTest, New_places_are_probed_the_first_at_once) {
  (void)health_.take_due_probe(kStart);
  learn({place("192.0.2.10:5060"), place("192.0.2.11:5060", 0, 1)});
  const auto due = health_.take_due_probe(kStart);
  ASSERT_TRUE(due);
  EXPECT_EQ(health_.place(*due)->endpoint.to_text(), "192.0.2.10:5060");
  EXPECT_FALSE(health_.take_due_probe(kStart));
}

TEST_F(LiveTargetsTest, The_router_leaves_out_what_is_down_and_a_peer_whose_names_lead_nowhere) {
  health_.learn({{0, 1, NameState::resolved, {place("192.0.2.10:5060"), place("192.0.2.11:5060", 1, 1)}},
                 {1, 0, NameState::server_failure, {}}},
                kStart);
  health_.failed(find("192.0.2.10:5060"), kStart);
  const RouteChoice choice = Router(config_).route(3, "1", 1, health_, kStart);
  std::string text;
  for (const TargetId id : choice.candidates) text += health_.place(id)->endpoint.to_text() + " ";
  EXPECT_EQ(text, "192.0.2.8:5060 192.0.2.11:5060 192.0.2.9:5060 ");
}

TEST_F(LiveTargetsTest, Sources_are_the_resolved_addresses_where_match_is_not_given) {
  const PeerTable shared(config_);
  PeerTable mine = shared;
  const ResolvedNames names{{0, 1, NameState::resolved, {place("192.0.2.70:5060"), place("192.0.2.8:5070")}},
                            {1, 0, NameState::resolved, {place("192.0.2.20:5060", 0, 0, 0, Transport::tcp)}},
                            {2, 0, NameState::stale, {place("192.0.2.70:5060"), place("192.0.2.30:5060")}}};
  mine.learn(names);
  const config::RealmIndex out = config_.find_realm("out");
  const auto peer = [&](const PeerTable& table, const char* source) {
    return table.find(out, *IpAddress::parse(source));
  };
  EXPECT_EQ(peer(mine, "192.0.2.70"), 0u) << "a whole address before b's network, the first of two peers";
  EXPECT_EQ(peer(mine, "192.0.2.71"), 1u);
  EXPECT_EQ(peer(mine, "192.0.2.30"), 2u) << "a stale place is still theirs";
  EXPECT_EQ(peer(mine, "192.0.2.20"), std::nullopt) << "b has a match, and that is all";
  EXPECT_EQ(peer(mine, "192.0.2.8"), 0u);
  EXPECT_EQ(mine.find(config_.find_realm("in"), *IpAddress::parse("192.0.2.70")), std::nullopt);
  EXPECT_EQ(peer(shared, "192.0.2.30"), std::nullopt) << "what one copy learns is its own";
  mine.learn({});
  EXPECT_EQ(peer(mine, "192.0.2.30"), std::nullopt);
}

TEST(PeerTable, A_match_of_a_whole_address_comes_before_a_resolved_one) {
  const auto config =
      configured("{a: {realm: out, targets: ['sip:x.test']}, b: {realm: out, match: [192.0.2.30]}}");
  PeerTable table(config);
  table.learn({{0, 0, NameState::resolved, {place("192.0.2.30:5060")}}});
  EXPECT_EQ(table.find(config.find_realm("out"), *IpAddress::parse("192.0.2.30")), 1u);
}

TEST(AllowedNames, Are_places_of_redirects_and_no_sources_and_forgotten_with_their_redirects) {
  auto config = configured(
      "{a: {realm: out, targets: ['sip:x.test'], redirects: {mode: follow, allow: [y.test, z.test]}}}");
  const ResolvedNames names{{0, kFirstAllowedName + 1, NameState::resolved, {place("192.0.2.30:5070")}}};
  PeerTable table(config);
  table.learn(names);
  EXPECT_EQ(table.find(config.find_realm("out"), *IpAddress::parse("192.0.2.30")), std::nullopt);
  PeerHealth health(config, kStart);
  EXPECT_TRUE(health.allowed_places(0, 1).empty());
  health.learn(names, kStart);
  EXPECT_TRUE(health.allowed_places(0, 0).empty());
  ASSERT_EQ(health.allowed_places(0, 1).size(), 1u);
  EXPECT_EQ(health.allowed_places(0, 1)[0].endpoint.to_text(), "192.0.2.30:5070");
  EXPECT_EQ(health.targets_of(0), 0u);
  const config::Config before = config;
  health.succeed(before, kStart);
  EXPECT_EQ(health.allowed_places(0, 1).size(), 1u) << "its redirects are what they were";
  config.peers[0].redirects.allow_names = {"y.test"};
  health.succeed(before, kStart);
  EXPECT_TRUE(health.allowed_places(0, 1).empty());
}

TEST(Latest, Hands_over_the_newest_once) {
  Latest<int> latest;
  EXPECT_EQ(latest.take(), nullptr);
  latest.put(1);
  latest.put(2);
  EXPECT_TRUE(latest.waiting());
  EXPECT_EQ(*latest.take(), 2);
  EXPECT_FALSE(latest.waiting());
  latest.put(3);  // goes with it
}

}  // namespace
}  // namespace sallyport::routing
