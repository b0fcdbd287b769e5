// SPDX-License-Identifier: Apache-2.0
// A worker over ring vdevs: media from wire to wire. The rig's end checks the conservation law and the pool.
#include <gmock/gmock.h>

#include <array>
#include <thread>

#include "dataplane/latch.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr auto kUa = "198.51.100.20:4000";
constexpr auto kCarrier = "192.0.2.10:7000";
constexpr auto kLocalA = "198.51.100.1:20000";
constexpr auto kLocalC = "192.0.2.1:20000";

class Relaying : public WorkerTest {
 protected:
  // A strict flow on each side.
  static void open(Rig& rig) {
    rig.install(rig.flow(0, kLocalA, kLocalC, kUa));
    rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
    rig.turn();
  }
  static Bytes from_ua(std::uint16_t sequence, std::string source = kUa) {
    return frame_of({.source = std::move(source), .destination = kLocalA, .payload = rtp(sequence)});
  }
};

TEST_F(Relaying, carries_both_ways_with_the_other_sides_addresses) {
  Rig rig;
  open(rig);
  rig.put(kAccess, from_ua(1));
  rig.put(kCore, frame_of({.source = kCarrier, .destination = kLocalC, .payload = rtp(9)}));
  rig.turn();
  const auto core = rig.sent(kCore);
  ASSERT_THAT(core, SizeIs(1));
  const auto out = read_frame(core[0]);
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->source.to_text(), kLocalC);
  EXPECT_EQ(out->destination.to_text(), kCarrier);
  EXPECT_EQ(out->payload, rtp(1));
  EXPECT_TRUE(out->ip_checksum_right && out->udp_checksum_right);
  EXPECT_EQ(out->ttl, 64);
  EXPECT_EQ(out->destination_mac, Bytes(Rig::kPeerMac.begin(), Rig::kPeerMac.end()));
  const auto access = rig.sent(kAccess);
  ASSERT_THAT(access, SizeIs(1));
  EXPECT_EQ(read_frame(access[0])->destination.to_text(), kUa);
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 1u);
}

TEST_F(Relaying, copies_what_a_mirrored_flow_relays_and_counts_what_finds_no_room) {
  Rig rig;
  open(rig);
  const FlowSpec spec = rig.flow(0, kLocalA, kLocalC, kUa);
  const auto say = [&](std::uint16_t sequence) {
    rig.put(kAccess, from_ua(sequence));
    rig.turn();
  };
  say(1);
  EXPECT_TRUE(rig.mirrors[0]->empty()) << "nobody has asked";
  rig.mirror({spec.self.slot, spec.self.generation + 1}, true);
  rig.turn();
  say(2);
  EXPECT_TRUE(rig.mirrors[0]->empty()) << "another flow's generation";
  rig.mirror(spec.self, true);
  rig.update(spec);  // which a re-INVITE brings
  rig.turn();
  say(3);
  const auto record = rig.mirrors[0]->front();
  ASSERT_EQ(record.kind, static_cast<std::uint16_t>(Mirror::packet));
  MirroredPacket head;
  std::memcpy(static_cast<void*>(&head), record.bytes.data(), sizeof(head));
  EXPECT_EQ(head.source.to_text(), kUa);
  EXPECT_EQ(head.local.to_text(), kLocalA);
  EXPECT_EQ(head.pair_local.to_text(), kLocalC);
  EXPECT_EQ(head.pair_target.to_text(), kCarrier);
  EXPECT_EQ(head.relayed_ns, rig.now);
  const auto* payload = reinterpret_cast<const std::uint8_t*>(record.bytes.data()) + sizeof(head);
  EXPECT_EQ(Bytes(payload, payload + head.payload_bytes), rtp(3));
  for (std::uint16_t sequence = 4; sequence < 40; ++sequence) say(sequence);
  const WorkerCounters& counters = *rig.counters[0];
  EXPECT_GT(counters.mirror_ring_full.get(), 0u);
  EXPECT_EQ(counters.mirrored.get() + counters.mirror_ring_full.get(), 37u);
  rig.mirror(spec.self, false);
  rig.turn();
  say(40);
  EXPECT_EQ(counters.mirrored.get() + counters.mirror_ring_full.get(), 37u);
  EXPECT_THAT(rig.sent(kCore), SizeIs(40)) << "each was relayed all the same";
}

TEST_F(Relaying, reports_what_a_live_flow_has_counted_and_always_before_its_removal) {
  Rig rig;
  open(rig);
  const FlowSpec spec = rig.flow(0, kLocalA, kLocalC, kUa);
  for (std::uint16_t sequence = 1; sequence < 4; ++sequence) {
    rig.put(kAccess, from_ua(sequence));
    rig.put(kCore, frame_of({.source = kCarrier, .destination = kLocalC, .payload = rtp(sequence)}));
    rig.turn();
  }
  rig.report({spec.self.slot, spec.self.generation + 1});
  rig.report(spec.self);
  rig.turn();
  auto told = rig.events<FlowReported>(Event::flow_reported);
  ASSERT_THAT(told, SizeIs(1)) << "another generation's is nobody's";
  EXPECT_EQ(told[0].flow, spec.self);
  EXPECT_EQ(told[0].counters.packets, 3u);
  EXPECT_EQ(told[0].counters.sent_packets, 3u) << "what its pair relayed, linked or not";
  rig.put(kAccess, from_ua(4));
  rig.turn();
  rig.report(spec.self);
  rig.remove(spec.self);
  rig.turn();
  std::vector<std::uint16_t> kinds;
  for (auto record = rig.event_rings[0]->front(); record.kind != 0; record = rig.event_rings[0]->front()) {
    kinds.push_back(record.kind);
    rig.event_rings[0]->pop();
  }
  EXPECT_EQ(kinds, (std::vector{static_cast<std::uint16_t>(Event::flow_reported),
                                static_cast<std::uint16_t>(Event::flow_removed)}));
  rig.report(spec.self);
  rig.turn();
  EXPECT_THAT(rig.events<FlowReported>(Event::flow_reported), SizeIs(0)) << "it is no more";
  EXPECT_THAT(rig.sent(kCore), SizeIs(4));
  EXPECT_THAT(rig.sent(kAccess), SizeIs(3));
}

TEST_F(Relaying, joins_every_pair_of_families) {
  struct Case {
    const char* a_local;
    const char* a_remote;
    const char* c_local;
    const char* c_remote;
  };
  const Case cases[] = {
      {"198.51.100.1:20000", "198.51.100.20:4000", "192.0.2.1:20000", "192.0.2.10:7000"},
      {"198.51.100.1:20000", "198.51.100.20:4000", "[2001:db8:2::1]:20000", "[2001:db8:2::10]:7000"},
      {"[2001:db8:1::1]:20000", "[2001:db8:1::20]:4000", "192.0.2.1:20000", "192.0.2.10:7000"},
      {"[2001:db8:1::1]:20000", "[2001:db8:1::20]:4000", "[2001:db8:2::1]:20000", "[2001:db8:2::10]:7000"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.a_local) + " to " + c.c_local);
    Rig rig;
    rig.install(rig.flow(0, c.a_local, c.c_local, c.a_remote));
    rig.install(rig.flow(1, c.c_local, c.a_local, c.c_remote));
    rig.turn();
    rig.put(kAccess, frame_of({.source = c.a_remote, .destination = c.a_local, .payload = rtp(7)}));
    rig.turn();
    const auto sent = rig.sent(kCore);
    ASSERT_THAT(sent, SizeIs(1));
    const auto out = read_frame(sent[0]);
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(out->source.to_text(), c.c_local);
    EXPECT_EQ(out->destination.to_text(), c.c_remote);
    EXPECT_EQ(out->payload, rtp(7));
    EXPECT_TRUE(out->ip_checksum_right);
    EXPECT_TRUE(out->udp_checksum_right);
  }
}

TEST_F(Relaying, treats_checksums_as_the_house_says) {
  struct Case {
    const char* description;
    UdpChecksum in;
    bool to_v6;
    bool right;
    bool zero;
  };
  const Case cases[] = {
      {"a right one is updated", UdpChecksum::right, false, true, false},
      {"a right one is updated towards IPv6", UdpChecksum::right, true, true, false},
      {"an error stays visible", UdpChecksum::wrong, false, false, false},
      {"an error stays visible towards IPv6", UdpChecksum::wrong, true, false, false},
      {"none stays none towards IPv4", UdpChecksum::none, false, false, true},
      {"none is computed in full towards IPv6", UdpChecksum::none, true, true, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    const char* local = c.to_v6 ? "[2001:db8:2::1]:20000" : kLocalC;
    rig.install(rig.flow(0, kLocalA, local, kUa));
    rig.install(rig.flow(1, local, kLocalA, c.to_v6 ? "[2001:db8:2::10]:7000" : kCarrier));
    rig.turn();
    rig.put(
        kAccess,
        frame_of({.source = kUa, .destination = kLocalA, .payload = rtp(1, 0, 5, 161), .checksum = c.in}));
    rig.turn();
    const auto sent = rig.sent(kCore);
    ASSERT_THAT(sent, SizeIs(1));
    const auto out = read_frame(sent[0]);
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(out->udp_checksum == 0, c.zero);
    EXPECT_EQ(out->udp_checksum_right, c.right);
  }
}

TEST_F(Relaying, strips_padding_and_options_and_puts_on_tag_and_dscp) {
  Rig rig({.core_vlan = 100});
  rig.install(rig.flow(0, kLocalA, kLocalC, kUa));
  FlowSpec core = rig.flow(1, kLocalC, kLocalA, kCarrier);
  core.dscp = 46;
  rig.install(core);
  rig.turn();
  rig.put(kAccess, frame_of({.source = kUa,
                             .destination = kLocalA,
                             .payload = rtp(1),
                             .tos = 0xff,
                             .ip_options = hex("01010100"),
                             .padding = 9}));
  rig.turn();
  const auto sent = rig.sent(kCore);
  ASSERT_THAT(sent, SizeIs(1));
  const auto out = read_frame(sent[0]);
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->vlan, 100);
  EXPECT_EQ(out->tos, 46 << 2);
  EXPECT_EQ(sent[0].size(), 18u + 20 + 8 + 172);
  EXPECT_TRUE(out->udp_checksum_right);
  rig.put(kCore, frame_of({.source = kCarrier, .destination = kLocalC, .payload = rtp(1), .vlan = 100}));
  rig.put(kCore, frame_of({.source = kCarrier, .destination = kLocalC, .payload = rtp(2)}));
  rig.turn();
  EXPECT_THAT(rig.sent(kAccess), SizeIs(1));
  EXPECT_EQ(rig.drops(kCore, DropReason::wrong_vlan), 1u);
}

TEST_F(Relaying, names_every_drop_of_the_media_path) {
  struct Case {
    const char* description;
    DropReason reason;
    void (*change)(FlowSpec& access, FlowSpec& core);
    Bytes frame;
  };
  const auto frame = [](Bytes payload, const char* source = kUa) {
    return frame_of({.source = source, .destination = kLocalA, .payload = std::move(payload)});
  };
  const auto as_it_is = [](FlowSpec&, FlowSpec&) {};
  const Case cases[] = {
      {"no flow", DropReason::port_closed, as_it_is,
       frame_of({.source = kUa, .destination = "198.51.100.1:20002", .payload = rtp(1)})},
      {"another port of the same source", DropReason::flow_source, as_it_is,
       frame(rtp(1), "198.51.100.20:4001")},
      {"another source", DropReason::flow_source, as_it_is, frame(rtp(1), "198.51.100.21:4000")},
      {"a held stream", DropReason::flow_direction, [](FlowSpec& a, FlowSpec&) { a.may_send = false; },
       frame(rtp(1))},
      {"an endpoint that must not hear", DropReason::flow_direction,
       [](FlowSpec&, FlowSpec& c) { c.may_receive = false; }, frame(rtp(1))},
      {"a payload type that was not negotiated", DropReason::flow_payload_type,
       [](FlowSpec& a, FlowSpec&) { a.payload_types[0] = 1 << 8; }, frame(rtp(1))},
      {"STUN", DropReason::flow_not_rtp, as_it_is, frame(hex("000100002112a442000000000000000000000000"))},
      {"DTLS", DropReason::flow_not_rtp, as_it_is, frame(hex("16fefd0000000000000000"))},
      {"RTCP without mux", DropReason::flow_not_rtp, as_it_is, frame(rtcp_receiver_report())},
      {"an RTP header cut short", DropReason::flow_rtp_malformed, as_it_is, frame(hex("8000000100000000"))},
      {"more CSRCs than octets", DropReason::flow_rtp_malformed, as_it_is,
       frame(hex("8f0000010000000000000001"))},
      {"an empty datagram", DropReason::flow_keep_alive, as_it_is, frame({})},
      {"no pair", DropReason::flow_no_pair, [](FlowSpec& a, FlowSpec&) { a.pair = {}; }, frame(rtp(1))},
      {"a pair of another generation", DropReason::flow_no_pair,
       [](FlowSpec& a, FlowSpec&) { a.pair.generation = 2; }, frame(rtp(1))},
      {"nobody to send to", DropReason::flow_no_remote, [](FlowSpec&, FlowSpec& c) { c.remote = {}; },
       frame(rtp(1))},
      {"RTCP whose lengths do not add up", DropReason::flow_rtp_malformed,
       [](FlowSpec& a, FlowSpec&) { a.rtcp_mux = true; }, frame(hex("80c90002112233440000"))},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    FlowSpec access = rig.flow(0, kLocalA, kLocalC, kUa);
    FlowSpec core = rig.flow(1, kLocalC, kLocalA, kCarrier);
    c.change(access, core);
    rig.install(access);
    rig.install(core);
    rig.turn();
    rig.put(kAccess, c.frame);
    rig.turn();
    EXPECT_EQ(rig.drops(kAccess, c.reason), 1u);
    EXPECT_THAT(rig.sent(kCore), SizeIs(0));
  }
}

TEST_F(Relaying, lets_RTCP_through_hold_and_mux) {
  Rig rig;
  FlowSpec access = rig.flow(0, kLocalA, kLocalC, kUa);
  access.rtcp_mux = true;
  access.may_send = false;
  rig.install(access);
  rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
  rig.turn();
  rig.put(kAccess, frame_of({.source = kUa, .destination = kLocalA, .payload = rtcp_receiver_report()}));
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));
}

TEST_F(Relaying, polices_to_the_negotiated_rate_with_a_second_of_tolerance) {
  Rig rig;
  FlowSpec access = rig.flow(0, kLocalA, kLocalC, kUa);
  access.police_pps = 50;
  rig.install(access);
  rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
  rig.turn();
  for (std::uint16_t i = 0; i < 80; ++i) rig.put(kAccess, from_ua(i));
  for (int i = 0; i < 4; ++i) rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(51));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_police), 29u);
  rig.now += kSecond;
  for (std::uint16_t i = 80; i < 130; ++i) rig.put(kAccess, from_ua(i));
  for (int i = 0; i < 4; ++i) rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(50));
}

TEST_F(Relaying, counts_what_the_egress_refuses_as_a_drop_where_it_came_in) {
  Rig rig({.tx_ring = 64});
  open(rig);
  for (std::uint16_t i = 0; i < 800; ++i) rig.put(kAccess, from_ua(i));
  for (int i = 0; i < 30; ++i) rig.turn();
  // 63 in the ring, 256 wait in the worker's queue.
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 63u);
  EXPECT_EQ(rig.drops(kAccess, DropReason::tx_full), 800u - 63 - 256);
  rig.remove({rig.slot(kLocalA), 1});
  for (int i = 0; i < 20; ++i) {
    (void)rig.sent(kCore);
    rig.turn();
  }
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 63u + 256);
  const auto removed = rig.events<FlowRemoved>(Event::flow_removed);
  ASSERT_THAT(removed, SizeIs(1));
  EXPECT_EQ(removed[0].counters.packets, 63u + 256);
  EXPECT_EQ(removed[0].counters.dropped, 800u - 63 - 256);
}

TEST_F(Relaying, sends_a_datagram_beyond_the_egress_MTU_in_fragments) {
  Rig rig({.mtu = 576});
  open(rig);
  const Bytes large = rtp(1, 0, 5, 1200);
  rig.put(kAccess, frame_of({.source = kUa, .destination = kLocalA, .payload = large}));
  rig.turn();
  const auto sent = rig.sent(kCore);
  ASSERT_THAT(sent, SizeIs(3));
  const auto out = join_fragments(sent);
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->payload, large);
  EXPECT_TRUE(out->udp_checksum_right);
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 1u);
}

TEST_F(Relaying, relays_media_that_came_in_fragments) {
  Rig rig;
  open(rig);
  const Bytes large = rtp(1, 0, 5, 2600);
  for (const Bytes& piece : fragments_of({.source = kUa, .destination = kLocalA, .payload = large}, 1000)) {
    rig.put(kAccess, piece);
  }
  rig.turn();
  const auto out = join_fragments(rig.sent(kCore));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->payload, large);
  EXPECT_TRUE(out->udp_checksum_right);
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 3u);  // each fragment where its datagram ends
}

// Out to a switch that sends it back: the media of the two legs meet inside.
TEST_F(Relaying, goes_from_flow_to_flow_inside) {
  Rig rig;
  rig.install(rig.flow(0, kLocalA, kLocalC, kUa));
  rig.install(rig.flow(1, kLocalC, kLocalA, "192.0.2.1:20010"));
  rig.install(rig.flow(1, "192.0.2.1:20010", "192.0.2.1:20012", kLocalC));
  rig.install(rig.flow(1, "192.0.2.1:20012", "192.0.2.1:20010", kCarrier));
  rig.turn();
  rig.put(kAccess, from_ua(1));
  rig.put(kCore, frame_of({.source = kCarrier, .destination = "192.0.2.1:20012", .payload = rtp(2)}));
  rig.turn();
  const auto core = rig.sent(kCore);
  ASSERT_THAT(core, SizeIs(1));
  EXPECT_EQ(read_frame(core[0])->source.to_text(), "192.0.2.1:20012");
  EXPECT_EQ(read_frame(core[0])->destination.to_text(), kCarrier);
  EXPECT_TRUE(read_frame(core[0])->udp_checksum_right);
  const auto access = rig.sent(kAccess);
  ASSERT_THAT(access, SizeIs(1));
  EXPECT_EQ(read_frame(access[0])->destination.to_text(), kUa);
}

TEST_F(Relaying, ends_a_ring_of_flows_after_four_hops) {
  Rig rig;
  rig.install(rig.flow(0, kLocalA, kLocalC, kUa));
  rig.install(rig.flow(1, kLocalC, "192.0.2.1:20010", "192.0.2.1:20010"));
  rig.install(rig.flow(1, "192.0.2.1:20010", kLocalC, kLocalC));
  rig.turn();
  rig.put(kAccess, from_ua(1));
  rig.turn();
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_hops), 1u);
}

TEST_F(Relaying, tells_final_counters_and_frees_the_slot) {
  Rig rig;
  open(rig);
  for (const std::uint16_t sequence : std::initializer_list<std::uint16_t>{10, 11, 14, 15}) {
    rig.put(kAccess, from_ua(sequence));
    rig.turn();
    rig.now += 20 * kMillisecond;
  }
  (void)rig.sent(kCore);
  rig.remove({rig.slot(kLocalA), 1});
  rig.turn();
  const auto removed = rig.events<FlowRemoved>(Event::flow_removed);
  ASSERT_THAT(removed, SizeIs(1));
  EXPECT_EQ(removed[0].flow, (FlowRef{rig.slot(kLocalA), 1}));
  EXPECT_EQ(removed[0].counters.packets, 4u);
  EXPECT_EQ(removed[0].counters.bytes, 4u * 172);
  EXPECT_EQ(removed[0].counters.lost, 2u);
  EXPECT_EQ(removed[0].counters.ssrc, 0x11223344u);
  rig.put(kAccess, from_ua(16));
  rig.turn();
  EXPECT_EQ(rig.drops(kAccess, DropReason::port_closed), 1u);
  FlowSpec again = rig.flow(0, kLocalA, kLocalC, kUa);
  again.self.generation = 2;
  rig.install(again);
  rig.turn();
  rig.put(kAccess, from_ua(1));
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));
}

TEST_F(Relaying, never_loses_a_removal_while_the_shard_stands_still) {
  Rig rig({.ring_bytes = 4096});
  std::vector<FlowRef> all;
  for (std::uint16_t port = 20000; port <= 20098; ++port) {
    const std::string local = "198.51.100.1:" + std::to_string(port);
    const FlowSpec spec = rig.flow(0, local, "", kUa);
    rig.install(spec);
    all.push_back(spec.self);
    if (port % 4 == 3) rig.turn();
  }
  rig.turn();
  std::size_t sent = 0;
  for (const FlowRef& flow : all) {
    rig.remove(flow);
    if (++sent % 8 == 0) rig.turn();
  }
  rig.turn();
  EXPECT_GT(rig.counters[0]->event_ring_full[0].get(), 0u);
  std::vector<FlowRef> told;
  for (int i = 0; i < 20; ++i) {
    for (const FlowRemoved& one : rig.events<FlowRemoved>(Event::flow_removed)) told.push_back(one.flow);
    rig.turn();
  }
  EXPECT_EQ(told, all);
}

TEST_F(Relaying, reports_a_silent_flow_once_until_it_speaks_again) {
  Rig rig;
  FlowSpec access = rig.flow(0, kLocalA, kLocalC, kUa);
  access.idle_timeout_ms = 2000;
  rig.install(access);
  rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
  rig.turn_for(1900 * kMillisecond);
  EXPECT_THAT(rig.events<FlowIdle>(Event::flow_idle), SizeIs(0));
  rig.turn_for(5 * kSecond);
  EXPECT_THAT(rig.events<FlowIdle>(Event::flow_idle), SizeIs(1));
  rig.put(kAccess, from_ua(1));
  rig.turn_for(kSecond);
  EXPECT_THAT(rig.events<FlowIdle>(Event::flow_idle), SizeIs(0));
  rig.turn_for(3 * kSecond);
  EXPECT_THAT(rig.events<FlowIdle>(Event::flow_idle), SizeIs(1));
}

TEST_F(Relaying, shows_its_flows_to_another_thread) {
  Rig rig;
  open(rig);
  rig.put(kAccess, from_ua(1));
  rig.turn();
  std::vector<FlowRow> rows;
  std::atomic<bool> done{false};
  std::thread ops([&] {
    rows = rig.workers[0]->flows(10, kSecond);
    done = true;
  });
  while (!done) rig.turn();
  ops.join();
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].spec.local.to_text(), kLocalA);
  EXPECT_EQ(rows[0].counters.packets, 1u);
}

TEST_F(Relaying, shows_the_flows_of_some_slots_and_never_another_workers) {
  Rig rig({.workers = 2});
  open(rig);
  const std::uint32_t slot = rig.flow(0, kLocalA, kLocalC, kUa).self.slot;
  std::array<std::vector<FlowRow>, 2> rows;
  std::atomic<bool> done{false};
  std::thread ops([&] {
    const std::array<std::uint32_t, 3> slots{slot, slot + 1, 0xffff'fff0u};
    for (std::size_t i = 0; i < 2; ++i) rows[i] = rig.workers[i]->flows_at(slots, kSecond);
    EXPECT_THAT(rig.workers[0]->flows_at({}, kSecond), SizeIs(0));
    done = true;
  });
  while (!done) rig.turn();
  ops.join();
  ASSERT_EQ(rows[0].size() + rows[1].size(), 1u) << "the RTCP port has none";
  const FlowRow& row = rows[0].empty() ? rows[1][0] : rows[0][0];
  EXPECT_EQ(row.spec.self.slot, slot);
  EXPECT_EQ(row.spec.local.to_text(), kLocalA);
}

}  // namespace
}  // namespace sallyport::dp::test
