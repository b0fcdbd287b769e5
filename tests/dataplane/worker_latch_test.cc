// SPDX-License-Identifier: Apache-2.0
// Latching on the wire (RFC 7362): who is believed, what is relayed, what is sent to whom.
#include <gmock/gmock.h>

#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr auto kCarrier = "192.0.2.10:7000";
constexpr auto kLocalA = "198.51.100.1:20000";
constexpr auto kLocalC = "192.0.2.1:20000";
constexpr auto kNat = "198.51.100.2:31000";

class Latching : public WorkerTest {
 protected:
  // A caller behind a NAT: the SDP says 10.20.0.10, signalling came from 198.51.100.2.
  static FlowSpec behind_nat(const Rig& rig, LatchMode mode = LatchMode::once) {
    FlowSpec spec = rig.flow(0, kLocalA, kLocalC, "10.20.0.10:4000");
    spec.signalling_source = *IpAddress::parse("198.51.100.2");
    spec.latch = mode;
    spec.payload_types[0] = 1 | 1 << 8;
    return spec;
  }
  static void open(Rig& rig, const FlowSpec& access) {
    rig.install(access);
    rig.install(rig.flow(1, kLocalC, kLocalA, kCarrier));
    rig.turn();
  }
  static void from(Rig& rig, std::string source, Bytes payload, UdpChecksum checksum = UdpChecksum::right) {
    rig.put(kAccess, frame_of({.source = std::move(source),
                               .destination = kLocalA,
                               .payload = std::move(payload),
                               .checksum = checksum}));
    rig.turn();
    rig.now += 20 * kMillisecond;
  }
  static void from_carrier(Rig& rig) {
    rig.put(kCore, frame_of({.source = kCarrier, .destination = kLocalC, .payload = rtp(500)}));
    rig.turn();
  }
};

TEST_F(Latching, locks_after_three_in_sequence_and_relays_the_proof_too) {
  Rig rig;
  open(rig, behind_nat(rig));
  from_carrier(rig);
  EXPECT_EQ(rig.drops(kCore, DropReason::flow_no_remote), 1u) << "nobody verified to send to";
  from(rig, kNat, rtp(1));
  from(rig, kNat, rtp(2));
  EXPECT_THAT(rig.sent(kCore), SizeIs(0));
  EXPECT_THAT(rig.events<FlowLatched>(Event::flow_latched), SizeIs(0));
  from(rig, kNat, rtp(3));
  const auto sent = rig.sent(kCore);
  ASSERT_THAT(sent, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(read_frame(sent[i])->payload, rtp(static_cast<std::uint16_t>(i + 1)));
  const auto latched = rig.events<FlowLatched>(Event::flow_latched);
  ASSERT_THAT(latched, SizeIs(1));
  EXPECT_EQ(latched[0].source.to_text(), kNat);
  from_carrier(rig);
  const auto back = rig.sent(kAccess);
  ASSERT_THAT(back, SizeIs(1));
  EXPECT_EQ(read_frame(back[0])->destination.to_text(), kNat);
  EXPECT_TRUE(read_frame(back[0])->udp_checksum_right);
  EXPECT_EQ(rig.counters[0]->latches.get(), 1u);
}

TEST_F(Latching, believes_no_stranger_before_or_after_the_lock) {
  Rig rig;
  open(rig, behind_nat(rig));
  for (std::uint16_t i = 0; i < 5; ++i) from(rig, "198.51.100.66:31000", rtp(i));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), 5u);
  for (std::uint16_t i = 0; i < 3; ++i) from(rig, kNat, rtp(i));
  EXPECT_THAT(rig.sent(kCore), SizeIs(3));
  from(rig, "198.51.100.66:31000", rtp(3));
  from(rig, "198.51.100.2:31001", rtp(3));  // the NAT's address, another port, the right SSRC and sequence
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), 7u);
  EXPECT_THAT(rig.sent(kCore), SizeIs(0));
  from_carrier(rig);
  EXPECT_EQ(read_frame(rig.sent(kAccess).at(0))->destination.to_text(), kNat);
}

TEST_F(Latching, counts_only_good_packets_as_proof) {
  struct Case {
    const char* description;
    std::vector<Bytes> packets;
    UdpChecksum checksum;
    DropReason reason;
    std::uint64_t dropped;
  };
  const std::vector<Bytes> good{rtp(1), rtp(2), rtp(3)};
  const Case cases[] = {
      {"payload types that were not negotiated",
       {rtp(1, 96), rtp(2, 96), rtp(3, 96)},
       UdpChecksum::right,
       DropReason::flow_payload_type,
       3},
      {"wrong checksums", good, UdpChecksum::wrong, DropReason::udp_checksum, 3},
      {"STUN",
       {hex("000100002112a442000000000000000000000000")},
       UdpChecksum::right,
       DropReason::flow_not_rtp,
       1},
      {"keep-alives", {{}, {}, {}}, UdpChecksum::right, DropReason::flow_keep_alive, 3},
      {"gaps: the earlier packets are dropped, the last is held",
       {rtp(1), rtp(3), rtp(5)},
       UdpChecksum::right,
       DropReason::flow_latching,
       2},
      {"another SSRC each",
       {rtp(1, 0, 1), rtp(2, 0, 2), rtp(3, 0, 3)},
       UdpChecksum::right,
       DropReason::flow_latching,
       2},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    open(rig, behind_nat(rig));
    for (const Bytes& packet : c.packets) from(rig, kNat, packet, c.checksum);
    EXPECT_THAT(rig.sent(kCore), SizeIs(0));
    EXPECT_EQ(rig.drops(kAccess, c.reason), c.dropped);
  }
}

TEST_F(Latching, gives_a_rival_its_chance_only_when_the_candidate_is_silent) {
  Rig rig;
  open(rig, behind_nat(rig));
  from(rig, kNat, rtp(1));
  from(rig, "198.51.100.2:31001", rtp(100));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), 1u);
  rig.now += 200 * kMillisecond;
  for (const std::uint16_t sequence : std::initializer_list<std::uint16_t>{101, 102, 103}) {
    from(rig, "198.51.100.2:31001", rtp(sequence));
  }
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_latching), 1u);
  EXPECT_THAT(rig.sent(kCore), SizeIs(3));
}

TEST_F(Latching, forgets_a_candidate_that_fell_silent) {
  Rig rig;
  open(rig, behind_nat(rig));
  from(rig, kNat, rtp(1));
  from(rig, kNat, rtp(2));
  EXPECT_EQ(rig.in_use(), 2u);
  rig.turn_for(kSecond);
  EXPECT_EQ(rig.in_use(), 0u);
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_latching), 2u);
  rig.check_law();
}

TEST_F(Latching, opens_again_only_when_signalling_says_so) {
  Rig rig;
  const FlowSpec access = behind_nat(rig);
  open(rig, access);
  for (std::uint16_t i = 0; i < 3; ++i) from(rig, kNat, rtp(i));
  rig.update(access);
  rig.turn();
  from(rig, "198.51.100.2:31009", rtp(50));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), 1u);
  rig.update(access, true);
  rig.turn();
  from_carrier(rig);
  EXPECT_EQ(rig.drops(kCore, DropReason::flow_no_remote), 1u);
  for (std::uint16_t i = 51; i < 54; ++i) from(rig, "198.51.100.2:31009", rtp(i));
  EXPECT_THAT(rig.sent(kCore), SizeIs(6));
  EXPECT_THAT(rig.events<FlowLatched>(Event::flow_latched), SizeIs(2));
}

TEST_F(Latching, modes_differ_in_whom_they_believe_and_where_they_send) {
  struct Case {
    const char* description;
    LatchMode mode;
    const char* remote;
    const char* source;
    bool relayed;
    const char* sent_to;  // after the source's packets; empty: nowhere
  };
  const Case cases[] = {
      {"off believes the SDP alone", LatchMode::off, "198.51.100.20:4000", "198.51.100.20:4000", true,
       "198.51.100.20:4000"},
      {"off, another port", LatchMode::off, "198.51.100.20:4000", "198.51.100.20:4001", false,
       "198.51.100.20:4000"},
      {"once believes the signalling source", LatchMode::once, "10.20.0.10:4000", "198.51.100.2:9999", true,
       "198.51.100.2:9999"},
      {"once believes the SDP's address", LatchMode::once, "198.51.100.20:4000", "198.51.100.20:4002", true,
       "198.51.100.20:4002"},
      {"same address learns the port", LatchMode::same_address, "198.51.100.20:4000", "198.51.100.20:4002",
       true, "198.51.100.20:4002"},
      {"same address, before anybody came", LatchMode::same_address, "198.51.100.20:4000",
       "198.51.100.21:4000", false, "198.51.100.20:4000"},
      {"asymmetric sends to the SDP address", LatchMode::asymmetric, "198.51.100.20:4000",
       "198.51.100.2:4010", true, "198.51.100.20:4000"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    Rig rig;
    FlowSpec access = behind_nat(rig, c.mode);
    access.remote = *Endpoint::parse(c.remote);
    open(rig, access);
    for (std::uint16_t i = 0; i < 3; ++i) from(rig, c.source, rtp(i));
    EXPECT_THAT(rig.sent(kCore), SizeIs(c.relayed ? 3 : 0));
    from_carrier(rig);
    const auto back = rig.sent(kAccess);
    ASSERT_THAT(back, SizeIs(1));
    EXPECT_EQ(read_frame(back[0])->destination.to_text(), c.sent_to);
  }
}

TEST_F(Latching, UDPTL_proves_itself_by_its_sequence) {
  Rig rig;
  FlowSpec access = behind_nat(rig);
  access.kind = FlowKind::udptl;
  open(rig, access);
  for (const char* packet : {"000001aa", "000102bb", "000203cc"}) from(rig, kNat, hex(packet));
  EXPECT_THAT(rig.sent(kCore), SizeIs(3));
}

TEST_F(Latching, DTLS_proves_itself_by_its_first_flight_and_the_repetition) {
  Rig rig;
  FlowSpec access = behind_nat(rig);
  access.kind = FlowKind::opaque;
  open(rig, access);
  const Bytes hello = hex("16feff00000000000000000004deadbeef");
  from(rig, kNat, hello);
  EXPECT_THAT(rig.sent(kCore), SizeIs(0));
  rig.turn_for(kSecond);  // RFC 6347 4.2.4.1
  from(rig, kNat, hello);
  EXPECT_THAT(rig.sent(kCore), SizeIs(2));
}

TEST_F(Latching, takes_no_proof_before_the_other_leg_has_said_where_it_is) {
  Rig rig;
  FlowSpec access = behind_nat(rig);
  access.may_latch = false;
  open(rig, access);
  for (std::uint16_t i = 0; i < 9; ++i) from(rig, "198.51.100.2:40000", rtp(i));  // who sprays while it rings
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_no_remote), 9u);
  from_carrier(rig);
  EXPECT_THAT(rig.sent(kAccess), SizeIs(0));
  access.may_latch = true;
  rig.update(access);
  for (std::uint16_t i = 20; i < 23; ++i) from(rig, kNat, rtp(i));
  EXPECT_THAT(rig.sent(kCore), SizeIs(3));
  from_carrier(rig);
  EXPECT_EQ(read_frame(rig.sent(kAccess).at(0))->destination.to_text(), kNat);
}

TEST_F(Latching, who_only_receives_is_found_by_what_keeps_its_NAT_open) {
  for (const Bytes& keep_alive : {Bytes{}, rtcp_receiver_report(), rtp(1, 127)}) {
    SCOPED_TRACE(to_hex(keep_alive));
    Rig rig;
    FlowSpec access = behind_nat(rig);
    access.may_send = false;
    access.rtcp_mux = true;
    open(rig, access);
    from(rig, "198.51.100.66:31000", keep_alive);
    from_carrier(rig);
    EXPECT_THAT(rig.sent(kAccess), SizeIs(0));
    from(rig, kNat, keep_alive);
    from_carrier(rig);
    EXPECT_EQ(read_frame(rig.sent(kAccess).at(0))->destination.to_text(), kNat);
    // Resumed, it sends: then RTP has to prove it.
    (void)rig.sent(kCore);
    access.may_send = true;
    rig.update(access);
    from(rig, "198.51.100.2:31001", rtp(1));
    from(rig, "198.51.100.2:31001", rtp(2));
    EXPECT_THAT(rig.sent(kCore), SizeIs(0));
    from(rig, "198.51.100.2:31001", rtp(3));
    EXPECT_THAT(rig.sent(kCore), SizeIs(3));
  }
}

TEST_F(Latching, opens_again_when_signalling_comes_from_elsewhere) {
  Rig rig;
  FlowSpec access = behind_nat(rig);
  open(rig, access);
  for (std::uint16_t i = 0; i < 3; ++i) from(rig, kNat, rtp(i));
  (void)rig.sent(kCore);
  access.signalling_source = *IpAddress::parse("198.51.100.77");  // another network, the same private address
  rig.update(access);
  for (std::uint16_t i = 3; i < 6; ++i) from(rig, kNat, rtp(i));
  EXPECT_THAT(rig.sent(kCore), SizeIs(0));
  for (std::uint16_t i = 3; i < 6; ++i) from(rig, "198.51.100.77:2000", rtp(i));
  EXPECT_THAT(rig.sent(kCore), SizeIs(3));
}

// ---- relatch_after

class Moving : public Latching {
 protected:
  static constexpr auto kNewPort = "198.51.100.2:45000";
  Moving() {
    FlowSpec access = behind_nat(rig, LatchMode::same_address);
    access.relatch_after_ms = 2000;
    open(rig, access);
    for (std::uint16_t i = 1; i < 4; ++i) from(rig, kNat, rtp(i));
    EXPECT_THAT(rig.sent(kCore), SizeIs(3));
    (void)rig.events<FlowLatched>(Event::flow_latched);
  }
  std::string goes_to() {
    from_carrier(rig);
    const auto back = rig.sent(kAccess);
    return back.empty() ? "nowhere" : read_frame(back[0])->destination.to_text();
  }
  Rig rig;
};

TEST_F(Moving, a_silent_source_gives_way_to_its_SSRC_from_another_port) {
  rig.turn_for(2 * kSecond);
  for (std::uint16_t i = 4; i < 7; ++i) {
    EXPECT_EQ(goes_to(), kNat);
    from(rig, kNewPort, rtp(i));
  }
  EXPECT_THAT(rig.sent(kCore), SizeIs(3)) << "what proves the move is relayed too";
  EXPECT_EQ(goes_to(), kNewPort);
  const auto told = rig.events<FlowLatched>(Event::flow_latched);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].source.to_text(), kNewPort);
}

TEST_F(Moving, nothing_else_gives_way) {
  struct Case {
    const char* description;
    Nanoseconds silent;
    const char* source;
    std::uint32_t ssrc;
  };
  for (const Case& c : {Case{"not silent for long enough", 1900 * kMillisecond, kNewPort, 0x11223344},
                        Case{"another SSRC", 3 * kSecond, kNewPort, 0x11223345},
                        Case{"another address", 3 * kSecond, "198.51.100.3:31000", 0x11223344}}) {
    SCOPED_TRACE(c.description);
    from(rig, kNat, rtp(10));
    (void)rig.sent(kCore);
    const auto before = rig.drops(kAccess, DropReason::flow_source);
    rig.now += c.silent - 20 * kMillisecond;
    for (std::uint16_t i = 11; i < 14; ++i) {
      from(rig, c.source, rtp(i, 0, c.ssrc));
      rig.now -= 20 * kMillisecond;
    }
    EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), before + 3);
    EXPECT_THAT(rig.sent(kCore), SizeIs(0));
    EXPECT_EQ(goes_to(), kNat);
  }
}

TEST_F(Moving, the_old_source_that_comes_back_keeps_the_lock) {
  rig.turn_for(2 * kSecond);
  from(rig, kNewPort, rtp(4));
  from(rig, kNewPort, rtp(5));
  from(rig, kNat, rtp(4));
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_latching), 2u);
  from(rig, kNewPort, rtp(6));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_source), 1u);
  EXPECT_EQ(goes_to(), kNat);
}

TEST_F(Latching, holds_no_more_than_it_may) {
  Rig rig;
  for (std::uint16_t port = 20000; port < 20100; ++port) {
    FlowSpec spec = behind_nat(rig);
    spec.local.port = port;
    spec.self.slot = rig.slot(spec.local.to_text());
    rig.install(spec);
  }
  for (int i = 0; i < 4; ++i) rig.turn();
  for (std::uint16_t port = 20000; port < 20100; ++port) {
    for (std::uint16_t sequence : std::initializer_list<std::uint16_t>{1, 2}) {
      rig.put(kAccess, frame_of({.source = kNat,
                                 .destination = "198.51.100.1:" + std::to_string(port),
                                 .payload = rtp(sequence)}));
    }
  }
  for (int i = 0; i < 20; ++i) rig.turn();
  EXPECT_EQ(rig.in_use(), 200u);
  rig.turn_for(2 * kSecond);
  EXPECT_EQ(rig.in_use(), 0u);
}

}  // namespace
}  // namespace sallyport::dp::test
