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

TEST_F(Latching, RTCP_locks_on_its_first_valid_packet_and_UDPTL_by_its_sequence) {
  Rig rig;
  FlowSpec access = behind_nat(rig);
  access.kind = FlowKind::rtcp;
  open(rig, access);
  from(rig, kNat, rtp(1));
  EXPECT_EQ(rig.drops(kAccess, DropReason::flow_not_rtp), 1u);
  rig.update([&] {
    FlowSpec core = rig.flow(1, kLocalC, kLocalA, kCarrier);
    core.kind = FlowKind::rtcp;
    return core;
  }());
  from(rig, kNat, rtcp_receiver_report());
  EXPECT_THAT(rig.sent(kCore), SizeIs(1));

  Rig fax;
  access.kind = FlowKind::udptl;
  open(fax, access);
  for (const char* packet : {"000001aa", "000102bb", "000203cc"}) from(fax, kNat, hex(packet));
  EXPECT_THAT(fax.sent(kCore), SizeIs(3));
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
