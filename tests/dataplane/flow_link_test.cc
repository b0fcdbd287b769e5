// SPDX-License-Identifier: Apache-2.0
// A flow's first packet asks the pair how to leave, the next ones know: what they do has to be the same, and
// has to follow every change.
#include "dataplane/flow_link.h"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr auto kUa = "198.51.100.20:4000";
constexpr auto kSecondUa = "198.51.100.21:4000";
constexpr auto kCarrier = "192.0.2.10:7000";
constexpr auto kLocalA = "198.51.100.1:20000";
constexpr auto kSecondLocalA = "198.51.100.1:20002";
constexpr auto kLocalC = "192.0.2.1:20000";

class Linked : public WorkerTest {
 protected:
  // A strict flow on each side.
  static void open(Rig& rig, const char* local_a = kLocalA, const char* ua = kUa,
                   const char* local_c = kLocalC, const char* carrier = kCarrier) {
    rig.install(rig.flow(0, local_a, local_c, ua));
    rig.install(rig.flow(1, local_c, local_a, carrier));
    rig.turn();
  }
  // What leaves at the core when the UA has sent that.
  static std::vector<Bytes> send(Rig& rig, std::uint16_t sequence, const char* source = kUa,
                                 const char* to = kLocalA, std::size_t octets = 160,
                                 UdpChecksum checksum = UdpChecksum::right) {
    rig.put(kAccess, frame_of({.source = source,
                               .destination = to,
                               .payload = rtp(sequence, 0, 0x11223344, octets),
                               .checksum = checksum}));
    rig.turn();
    return rig.sent(kCore);
  }
  static bool is_linked(Rig& rig, const char* local) {
    return (*rig.flows)[rig.slot(local)].out_family != Family::none;
  }
  static FlowCounters removed(Rig& rig, const char* local) {
    rig.remove({rig.slot(local), 1});
    rig.turn();
    const auto events = rig.events<FlowRemoved>(Event::flow_removed);
    EXPECT_THAT(events, SizeIs(1));
    return events.empty() ? FlowCounters{} : events[0].counters;
  }
};

TEST_F(Linked, packets_leave_octet_for_octet_as_the_first_one) {
  struct Case {
    const char* description;
    const char* local_a;
    const char* ua;
    const char* local_c;
    const char* carrier;
    std::uint16_t vlan = 0;
    UdpChecksum checksum = UdpChecksum::right;
  };
  const char* const local_6a = "[2001:db8:1::1]:20000";
  const char* const ua_6 = "[2001:db8:1::20]:4000";
  const char* const local_6c = "[2001:db8:2::1]:20000";
  const char* const carrier_6 = "[2001:db8:2::10]:7000";
  const Case cases[] = {
      {"IPv4 to IPv4", kLocalA, kUa, kLocalC, kCarrier},
      {"IPv4 to IPv4, tagged", kLocalA, kUa, kLocalC, kCarrier, 100},
      {"IPv4 to IPv4, no checksum", kLocalA, kUa, kLocalC, kCarrier, 0, UdpChecksum::none},
      {"IPv4 to IPv4, a wrong checksum", kLocalA, kUa, kLocalC, kCarrier, 0, UdpChecksum::wrong},
      {"IPv4 to IPv6", kLocalA, kUa, local_6c, carrier_6},
      {"IPv4 to IPv6, tagged", kLocalA, kUa, local_6c, carrier_6, 100},
      {"IPv4 to IPv6, no checksum", kLocalA, kUa, local_6c, carrier_6, 0, UdpChecksum::none},
      {"IPv6 to IPv4", local_6a, ua_6, kLocalC, kCarrier},
      {"IPv6 to IPv6", local_6a, ua_6, local_6c, carrier_6},
      {"IPv6 to IPv6, a wrong checksum", local_6a, ua_6, local_6c, carrier_6, 0, UdpChecksum::wrong},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig({.core_vlan = c.vlan});
    rig.install(rig.flow(0, c.local_a, c.local_c, c.ua));
    FlowSpec core = rig.flow(1, c.local_c, c.local_a, c.carrier);
    core.dscp = 46;
    rig.install(core);
    rig.turn();
    const auto first = send(rig, 7, c.ua, c.local_a, 161, c.checksum);
    EXPECT_TRUE(is_linked(rig, c.local_a));
    const auto second = send(rig, 7, c.ua, c.local_a, 161, c.checksum);
    ASSERT_THAT(first, SizeIs(1));
    EXPECT_EQ(second, first);
    EXPECT_EQ(read_frame(second[0])->tos, 46 << 2);
  }
}

TEST_F(Linked, packets_go_where_signalling_says_from_then_on) {
  Rig rig;
  open(rig);
  (void)send(rig, 1);
  rig.update(rig.flow(1, kLocalC, kLocalA, "192.0.2.11:7100"));
  for (std::uint16_t sequence = 2; sequence <= 3; ++sequence) {
    const auto sent = send(rig, sequence);
    ASSERT_THAT(sent, SizeIs(1));
    const auto out = read_frame(sent[0]);
    EXPECT_EQ(out->destination.to_text(), "192.0.2.11:7100");
    EXPECT_TRUE(out->udp_checksum_right);
  }
}

TEST_F(Linked, packets_of_a_source_that_has_moved_keep_a_right_checksum) {
  Rig rig;
  open(rig);
  (void)send(rig, 1);
  rig.update(rig.flow(0, kLocalA, kLocalC, kSecondUa));
  for (std::uint16_t sequence = 2; sequence <= 3; ++sequence) {
    const auto sent = send(rig, sequence, kSecondUa);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_TRUE(read_frame(sent[0])->udp_checksum_right);
  }
  EXPECT_THAT(send(rig, 4), SizeIs(0));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), 1u);
}

TEST_F(Linked, packets_stop_and_go_on_with_the_pairs_direction) {
  Rig rig;
  open(rig);
  (void)send(rig, 1);
  FlowSpec held = rig.flow(1, kLocalC, kLocalA, kCarrier);
  held.may_receive = false;
  rig.update(held);
  EXPECT_THAT(send(rig, 2), SizeIs(0));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_direction), 1u);
  rig.update(rig.flow(1, kLocalC, kLocalA, kCarrier));
  EXPECT_THAT(send(rig, 3), SizeIs(1));
}

TEST_F(Linked, packets_go_to_the_neighbour_that_the_kernel_knows_now) {
  Rig rig;
  open(rig);
  (void)send(rig, 1);
  (void)send(rig, 2);
  const MacAddress other{2, 0, 0, 0, 7, 7};
  for (std::uint8_t link = 0; link < 2; ++link) rig.next_hops->set_fixed(link, other);
  for (std::uint16_t sequence = 3; sequence <= 4; ++sequence) {
    const auto sent = send(rig, sequence);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(read_frame(sent[0])->destination_mac, Bytes(other.begin(), other.end()));
  }
}

TEST_F(Linked, packets_beyond_the_egress_MTU_are_still_cut) {
  Rig rig({.mtu = 600});
  open(rig);
  (void)send(rig, 1);
  EXPECT_THAT(send(rig, 2, kUa, kLocalA, 1000), SizeIs(2));
  EXPECT_THAT(send(rig, 3), SizeIs(1));
  EXPECT_EQ(removed(rig, kLocalC).sent_packets, 3u);
}

TEST_F(Linked, flows_tell_the_pair_what_they_have_sent) {
  Rig rig;
  open(rig);
  for (std::uint16_t sequence = 1; sequence <= 5; ++sequence) (void)send(rig, sequence);
  std::vector<FlowRow> rows;
  std::atomic<bool> done{false};
  std::thread ops([&] {
    rows = rig.workers[0]->flows(10, kSecond);
    done = true;
  });
  while (!done) rig.turn();
  ops.join();
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[1].counters.sent_packets, 5u) << "while they live";
  (void)send(rig, 6);
  const FlowCounters core = removed(rig, kLocalC);
  EXPECT_EQ(core.sent_packets, 6u);
  EXPECT_EQ(core.sent_bytes, 6 * rtp(1).size());
  EXPECT_THAT(send(rig, 7), SizeIs(0)) << "the pair is gone";
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_no_pair), 1u);
  const FlowCounters access = removed(rig, kLocalA);
  EXPECT_EQ(access.packets, 6u);
  EXPECT_EQ(access.dropped, 1u);
}

TEST_F(Linked, flows_that_leave_by_one_pair_take_turns) {
  Rig rig;
  open(rig);
  rig.install(rig.flow(0, kSecondLocalA, kLocalC, kSecondUa));
  rig.turn();
  for (std::uint16_t sequence = 1; sequence <= 3; ++sequence) {
    EXPECT_THAT(send(rig, sequence), SizeIs(1));
    EXPECT_THAT(send(rig, sequence, kSecondUa, kSecondLocalA), SizeIs(1));
    EXPECT_TRUE(is_linked(rig, kSecondLocalA));
    EXPECT_FALSE(is_linked(rig, kLocalA));
  }
  EXPECT_EQ(removed(rig, kSecondLocalA).packets, 3u);
  EXPECT_EQ(removed(rig, kLocalC).sent_packets, 6u);
}

TEST_F(Linked, flows_take_back_what_the_egress_refuses) {
  Rig rig({.tx_ring = 64});
  open(rig);
  for (std::uint16_t i = 0; i < 500; ++i) {
    rig.put(kAccess, frame_of({.source = kUa, .destination = kLocalA, .payload = rtp(i)}));
  }
  for (int i = 0; i < 20; ++i) rig.turn();
  EXPECT_TRUE(is_linked(rig, kLocalA));
  const FlowCounters core = removed(rig, kLocalC);
  EXPECT_EQ(core.sent_packets, 63u + 256);
  EXPECT_EQ(core.sent_bytes, (63u + 256) * rtp(1).size());
  for (int i = 0; i < 20; ++i) {
    (void)rig.sent(kCore);
    rig.turn();
  }
  EXPECT_EQ(removed(rig, kLocalA).packets, 63u + 256);
}

TEST(FlowLink, settles_before_its_32_bits_are_used_up) {
  FlowTable flows(4);
  Flow& flow = flows[0];
  Flow& pair = flows[2];
  for (Flow* one : {&flow, &pair}) flows.more(*one).linked_from = kNoSlot;
  flows.more(flow).spec.pair = {2, 0};
  flows.more(pair).out.family = Family::v4;
  link(flows, 0, pair);
  std::uint64_t sent = 0;
  for (int step = 0; step < 40; ++step) {
    flow.bytes += 500'000'000;
    flow.packets += 1'000;
    sent += 500'000'000;
    if (is_settling_due(flows, flow)) settle(flows, flow);
  }
  EXPECT_EQ(counters_of(flows, 2).sent_bytes, sent);
  EXPECT_EQ(counters_of(flows, 2).sent_packets, 40'000u);
  EXPECT_FALSE(is_settling_due(flows, flow));
}

TEST(FlowTable, gives_each_slot_memory_of_its_own_with_RTP_side_by_side) {
  for (const std::size_t slots : {std::size_t{7}, std::size_t{8}}) {
    FlowTable flows(slots);
    std::set<const Flow*> places;
    std::set<const FlowMore*> more;
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      places.insert(&flows[slot]);
      more.insert(&flows.more(flows[slot]));
    }
    EXPECT_THAT(places, SizeIs(slots));
    EXPECT_THAT(more, SizeIs(slots));
    EXPECT_EQ(*places.rbegin() - *places.begin(), static_cast<std::ptrdiff_t>(slots) - 1);
    EXPECT_EQ(&flows[2] - &flows[0], 1);
    EXPECT_EQ(&flows[3] - &flows[1], 1);
  }
}

}  // namespace
}  // namespace sallyport::dp::test
