// SPDX-License-Identifier: Apache-2.0
// Media to hosts that nobody has spoken to: the neighbour is asked for with the flow, first packets wait for
// it, and it stays known while the flow lives.
#include <gmock/gmock.h>

#include <string>

#include "dataplane/media_wait.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr auto kUa = "198.51.100.20:4000";
constexpr auto kCarrier = "192.0.2.20:7000";  // not the host that signalling goes to
constexpr auto kLocalA = "198.51.100.1:20000";
constexpr auto kLocalC = "192.0.2.1:20000";
constexpr MacAddress kMac{2, 7, 7, 7, 7, 7};

class NewNeighbour : public WorkerTest {
 protected:
  // Of realm n, whose link is n.
  static void routes(Rig& rig) {
    rig.next_hops->set_routes({{.destination = *Prefix::parse("198.51.100.0/24"), .link = 0},
                               {.destination = *Prefix::parse("192.0.2.0/24"), .link = 1}});
  }
  static void open(Rig& rig) {
    routes(rig);
    rig.turn();  // the scan of this moment is over: what is asked for now is asked for by the commands
    rig.install(rig.flow(0, kLocalA, kLocalC, kUa));
    rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
    rig.turn();
  }
  static std::vector<std::string> asked(Rig& rig) {
    std::vector<std::string> out;
    rig.next_hops->drain_requests(
        [&](const NextHopTable::Request& request) { out.push_back(request.neighbour.to_text()); });
    return out;
  }
  static std::vector<std::string> used(Rig& rig) {
    std::vector<std::string> out;
    rig.next_hops->for_each_used(rig.now - 2 * kSecond, [&](const NextHopTable::Request& request) {
      out.push_back(request.neighbour.to_text());
    });
    return out;
  }
  static void know(Rig& rig, const char* address, std::uint8_t link = 1) {
    rig.next_hops->set_neighbour(link, *IpAddress::parse(address), kMac);
  }
  static void from_ua(Rig& rig, std::uint16_t sequence) {
    rig.put(kAccess, frame_of({.source = kUa, .destination = kLocalA, .payload = rtp(sequence)}));
    rig.turn();
  }
  static std::vector<std::uint16_t> sequences(Rig& rig) {
    std::vector<std::uint16_t> out;
    for (const Bytes& frame : rig.sent(kCore)) {
      const auto read = read_frame(frame);
      EXPECT_TRUE(read.has_value() && read->udp_checksum_right);
      EXPECT_EQ(read->destination_mac, Bytes(kMac.begin(), kMac.end()));
      out.push_back(static_cast<std::uint16_t>(read->payload[2] << 8 | read->payload[3]));
    }
    return out;
  }
};

TEST_F(NewNeighbour, is_asked_for_when_the_flow_is_installed) {
  Rig rig({.neighbours = false});
  open(rig);
  EXPECT_THAT(asked(rig), UnorderedElementsAre("198.51.100.20", "192.0.2.20"));
}

TEST_F(NewNeighbour, is_asked_for_when_signalling_or_a_latch_names_another) {
  Rig rig({.neighbours = false});
  open(rig);
  (void)asked(rig);
  rig.update(rig.flow(1, kLocalC, kLocalA, "192.0.2.21:7000"));
  rig.turn();
  EXPECT_THAT(asked(rig), ElementsAre("192.0.2.21"));
  FlowSpec latched = rig.flow(0, kLocalA, kLocalC, "10.20.0.10:4000");
  latched.signalling_source = *IpAddress::parse("198.51.100.2");
  latched.latch = LatchMode::once;
  rig.update(latched);
  rig.turn();
  EXPECT_THAT(asked(rig), IsEmpty()) << "nobody is verified yet";
  for (std::uint16_t i = 0; i < 3; ++i)
    rig.put(kAccess, frame_of({.source = "198.51.100.2:31000", .destination = kLocalA, .payload = rtp(i)}));
  rig.turn();
  EXPECT_THAT(asked(rig), testing::Contains("198.51.100.2"));
}

TEST_F(NewNeighbour, gets_the_first_packets_in_order_when_it_answers) {
  Rig rig({.neighbours = false});
  open(rig);
  for (std::uint16_t i = 1; i <= 4; ++i) from_ua(rig, i);
  EXPECT_THAT(sequences(rig), IsEmpty());
  EXPECT_GT(rig.in_use(), 0u);
  rig.now += 5 * kMillisecond;
  know(rig, "192.0.2.20");
  from_ua(rig, 5);  // comes in the very turn in which the others can leave
  EXPECT_THAT(sequences(rig), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(rig.drops(kAccess, DropReason::no_neighbour), 0u);
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 5u);
}

TEST_F(NewNeighbour, another_ones_answer_lets_nothing_go) {
  Rig rig({.neighbours = false});
  open(rig);
  from_ua(rig, 1);
  know(rig, "192.0.2.99");
  rig.turn();
  EXPECT_THAT(sequences(rig), IsEmpty());
  know(rig, "192.0.2.20");
  rig.turn();
  EXPECT_THAT(sequences(rig), ElementsAre(1));
}

TEST_F(NewNeighbour, that_is_silent_gets_nothing_after_a_second) {
  Rig rig({.neighbours = false});
  open(rig);
  from_ua(rig, 1);
  rig.turn_for(900 * kMillisecond);
  EXPECT_EQ(rig.drops(kAccess, DropReason::no_neighbour), 0u);
  rig.turn_for(200 * kMillisecond);
  EXPECT_EQ(rig.drops(kAccess, DropReason::no_neighbour), 1u);
  EXPECT_EQ(rig.in_use(), 0u);
  know(rig, "192.0.2.20");
  from_ua(rig, 2);
  EXPECT_THAT(sequences(rig), ElementsAre(2));
}

TEST_F(NewNeighbour, gets_the_newest_when_too_many_wait) {
  Rig rig({.neighbours = false});
  open(rig);
  constexpr auto kMany = static_cast<std::uint16_t>(MediaWait::kOfFlow + 3);
  for (std::uint16_t i = 1; i <= kMany; ++i) from_ua(rig, i);
  EXPECT_EQ(rig.drops(kAccess, DropReason::no_neighbour), 3u);
  know(rig, "192.0.2.20");
  rig.turn();
  const auto left = sequences(rig);
  ASSERT_THAT(left, SizeIs(MediaWait::kOfFlow));
  EXPECT_EQ(left.front(), 4);
  EXPECT_EQ(left.back(), kMany);
}

TEST_F(NewNeighbour, of_a_flow_that_has_ended_gets_nothing) {
  Rig rig({.neighbours = false});
  open(rig);
  from_ua(rig, 1);
  rig.remove({rig.slot(kLocalA), 1});
  rig.turn();
  know(rig, "192.0.2.20");
  rig.turn();
  EXPECT_THAT(sequences(rig), IsEmpty());
  EXPECT_EQ(rig.drops(kAccess, DropReason::no_neighbour), 1u);
  EXPECT_EQ(rig.in_use(), 0u);
}

TEST_F(NewNeighbour, goes_where_signalling_says_by_then) {
  Rig rig({.neighbours = false});
  open(rig);
  from_ua(rig, 1);
  rig.update(rig.flow(1, kLocalC, kLocalA, "192.0.2.21:7000"));
  know(rig, "192.0.2.21");
  rig.turn();
  const auto sent = rig.sent(kCore);
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(read_frame(sent[0])->destination.to_text(), "192.0.2.21:7000");
}

TEST_F(NewNeighbour, is_kept_known_while_the_flow_lives_also_on_hold) {
  Rig rig({.neighbours = false});
  open(rig);
  know(rig, "192.0.2.20");
  know(rig, "198.51.100.20", 0);
  rig.turn_for(30 * kSecond);  // no packet at all
  EXPECT_THAT(used(rig), UnorderedElementsAre("192.0.2.20", "198.51.100.20"));
  rig.remove({rig.slot(kLocalC), 1});
  rig.turn_for(10 * kSecond);
  EXPECT_THAT(used(rig), ElementsAre("198.51.100.20"));
}

TEST_F(NewNeighbour, holds_what_waits_until_the_worker_ends) {
  Rig rig({.neighbours = false});
  open(rig);
  from_ua(rig, 1);
  rig.workers.clear();
  EXPECT_EQ(rig.drops(kAccess, DropReason::shutdown), 1u);
}

TEST_F(NewNeighbour, without_a_route_is_a_drop_at_once) {
  Rig rig({.neighbours = false});
  rig.install(rig.flow(0, kLocalA, kLocalC, kUa));
  rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
  rig.turn();
  from_ua(rig, 1);
  EXPECT_EQ(rig.drops(kAccess, DropReason::no_route), 1u);
}

// The list itself, where other flows have filled it.
TEST(MediaWaitList, refuses_a_newcomer_when_it_is_full_of_others) {
  NextHopTable table({0}, 1);
  const Neighbours neighbours(table, 0);
  MediaWait wait(neighbours);
  for (std::uint32_t i = 0; i < MediaWait::kInAll; ++i)
    EXPECT_FALSE(wait.add({.slot = static_cast<std::uint32_t>(i / MediaWait::kOfFlow), .until_ns = i}).has_value());
  const auto refused = wait.add({.slot = 9999, .until_ns = 7});
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->slot, 9999u);
  const auto oldest = wait.add({.slot = 3, .until_ns = 8});
  ASSERT_TRUE(oldest.has_value());
  EXPECT_EQ(oldest->slot, 3u);
  EXPECT_EQ(wait.size(), MediaWait::kInAll);
}

TEST(MediaWaitList, is_due_when_neighbours_change_or_time_passes) {
  NextHopTable table({0}, 1);
  const Neighbours neighbours(table, 0);
  MediaWait wait(neighbours);
  EXPECT_FALSE(wait.is_due(kSecond)) << "nobody waits";
  (void)wait.add({.slot = 1});
  EXPECT_THAT(wait.take(kSecond), SizeIs(1));
  (void)wait.add({.slot = 1});
  EXPECT_FALSE(wait.is_due(kSecond + kMillisecond));
  table.set_neighbour(0, *IpAddress::parse("192.0.2.9"), kMac);
  EXPECT_TRUE(wait.is_due(kSecond + kMillisecond));
  (void)wait.take(kSecond + kMillisecond);
  (void)wait.add({.slot = 1});
  EXPECT_TRUE(wait.is_due(2 * kSecond));
}

}  // namespace
}  // namespace sallyport::dp::test
