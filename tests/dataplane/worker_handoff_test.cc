// SPDX-License-Identifier: Apache-2.0
// Two workers: what one receives for the other, and what is in hand when they stop.
#include <gmock/gmock.h>

#include <algorithm>

#include "dataplane/packet_view.h"
#include "dataplane/reassembler.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::dp::test {
namespace {

using ::testing::SizeIs;

constexpr auto kUa = "198.51.100.20:4000";
constexpr auto kCarrier = "192.0.2.10:7000";

class Workers : public WorkerTest {};

// Pair p of one shard belongs to worker p % 2.
TEST_F(Workers, hand_media_to_the_flows_owner) {
  Rig rig({.workers = 2});
  for (const char* port : {"20000", "20002"}) {
    const std::string a = std::string("198.51.100.1:") + port;
    const std::string c = std::string("192.0.2.1:") + port;
    rig.install(rig.flow(0, a, c, kUa));
    rig.install(rig.flow(1, c, a, kCarrier));
  }
  rig.turn();
  for (unsigned queue = 0; queue < 2; ++queue) {
    for (const char* port : {"20000", "20002"}) {
      rig.put(
          kAccess,
          frame_of({.source = kUa, .destination = std::string("198.51.100.1:") + port, .payload = rtp(1)}),
          queue);
    }
  }
  rig.turn();
  rig.turn();
  EXPECT_THAT(rig.sent(kCore), SizeIs(4));
  for (unsigned worker = 0; worker < 2; ++worker) {
    EXPECT_EQ(rig.counters[worker]->ports[kAccess].received_packets.get(), 2u);
    EXPECT_EQ(rig.counters[worker]->ports[kAccess].relayed.get(), 2u);
  }
}

TEST_F(Workers, meet_the_fragments_of_a_datagram_on_one_of_them) {
  Rig rig({.workers = 2});
  const std::string message =
      "OPTIONS sip:198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bK1\r\n"
      "Max-Forwards: 70\r\nTo: <sip:a@b>\r\nFrom: <sip:a@b>;tag=1\r\nCall-ID: 1\r\n"
      "CSeq: 1 OPTIONS\r\nContent-Length: 3000\r\n\r\n" +
      std::string(3000, 'x');
  for (std::uint16_t id = 1; id <= 8; ++id) {
    const auto pieces = fragments_of({.source = "198.51.100.20:5060",
                                      .destination = "198.51.100.1:5060",
                                      .payload = text(message),
                                      .id = id},
                                     1000);
    for (std::size_t i = 0; i < pieces.size(); ++i) rig.put(kAccess, pieces[i], i % 2);
  }
  for (int i = 0; i < 3; ++i) rig.turn();
  EXPECT_THAT(rig.events<SipReceived>(Event::sip_received), SizeIs(8));
  for (const std::string& octets : rig.octets) EXPECT_EQ(octets, message);
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::sip), 32u);
}

TEST_F(Workers, hand_on_media_that_was_put_together_elsewhere) {
  Rig rig({.workers = 2});
  rig.install(rig.flow(0, "198.51.100.1:20000", "192.0.2.1:20000", kUa));
  rig.install(rig.flow(1, "192.0.2.1:20000", "198.51.100.1:20000", kCarrier));
  rig.turn();
  for (std::uint16_t id = 1; id <= 8; ++id) {
    for (const Bytes& piece : fragments_of(
             {.source = kUa, .destination = "198.51.100.1:20000", .payload = rtp(id, 0, 5, 4000), .id = id},
             1400)) {
      rig.put(kAccess, piece, id % 2);
    }
  }
  for (int i = 0; i < 6; ++i) rig.turn();
  EXPECT_EQ(rig.sum(kAccess, &PortCounters::relayed), 24u);
  EXPECT_THAT(rig.sent(kCore), SizeIs(24));
}

TEST_F(Workers, go_from_flow_to_flow_across_workers) {
  Rig rig({.workers = 2});
  rig.install(rig.flow(0, "198.51.100.1:20000", "192.0.2.1:20000", kUa));
  rig.install(rig.flow(1, "192.0.2.1:20000", "198.51.100.1:20000", "192.0.2.1:20002"));
  rig.install(rig.flow(1, "192.0.2.1:20002", "192.0.2.1:20006", "192.0.2.1:20000"));
  rig.install(rig.flow(1, "192.0.2.1:20006", "192.0.2.1:20002", kCarrier));
  rig.turn();
  rig.put(kAccess, frame_of({.source = kUa, .destination = "198.51.100.1:20000", .payload = rtp(1)}));
  rig.turn();
  rig.turn();
  const auto sent = rig.sent(kCore);
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(read_frame(sent[0])->source.to_text(), "192.0.2.1:20006");
  EXPECT_EQ(rig.counters[0]->ports[kAccess].received_packets.get(), 1u);
  EXPECT_EQ(rig.counters[1]->ports[kAccess].relayed.get(), 1u);
}

TEST_F(Workers, drop_by_name_when_the_other_does_not_keep_up) {
  Rig rig({.workers = 2});
  for (std::uint16_t i = 0; i < 400; ++i) {
    rig.put(kAccess, frame_of({.source = kUa, .destination = "198.51.100.1:20002", .payload = rtp(i)}));
  }
  for (int i = 0; i < 13; ++i) rig.workers[0]->poll_once(rig.now);
  EXPECT_EQ(rig.drops(kAccess, DropReason::handoff_full), 400u - 255);
}

TEST_F(Workers, count_what_is_in_hand_when_they_stop_as_shutdown) {
  auto rig = std::make_unique<Rig>(RigOptions{.workers = 2, .tx_ring = 64});
  rig->install(rig->flow(0, "198.51.100.1:20000", "192.0.2.1:20000", kUa));
  rig->install(rig->flow(1, "192.0.2.1:20000", "198.51.100.1:20000", kCarrier));
  FlowSpec latching = rig->flow(0, "198.51.100.1:20004", "", "");
  latching.signalling_source = *IpAddress::parse("198.51.100.20");
  latching.latch = LatchMode::once;
  rig->install(latching);
  rig->turn();
  for (std::uint16_t i = 0; i < 70; ++i) {  // 63 fit the wire, 7 wait
    rig->put(kAccess, frame_of({.source = kUa, .destination = "198.51.100.1:20000", .payload = rtp(i)}));
  }
  rig->put(kAccess, frame_of({.source = kUa, .destination = "198.51.100.1:20004", .payload = rtp(1)}));
  rig->put(kAccess, fragment_of({.source = kUa, .destination = "198.51.100.1:5060"}, 0, true, Bytes(64, 'a')),
           0);
  for (int i = 0; i < 4; ++i) rig->turn();
  rig->put(kAccess, frame_of({.source = kUa, .destination = "198.51.100.1:20002", .payload = rtp(1)}));
  rig->workers[0]->poll_once(rig->now);  // lies in the hand-off ring of worker 1
  rig->workers.clear();
  EXPECT_EQ(rig->drops(kAccess, DropReason::shutdown), 7u + 1 + 1 + 1);
  rig->check_law();
}

}  // namespace
}  // namespace sallyport::dp::test
