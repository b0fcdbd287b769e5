// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_session.h"

#include <gtest/gtest.h>

#include <variant>

namespace sallyport::media {
namespace {

using Sent = std::variant<dp::FlowInstall, dp::FlowUpdate, dp::FlowRemove>;

struct RecordingSink : FlowCommandSink {
  void send(std::uint8_t, const dp::FlowInstall& c) override { sent.push_back(c); }
  void send(std::uint8_t, const dp::FlowUpdate& c) override { sent.push_back(c); }
  void send(std::uint8_t, const dp::FlowRemove& c) override { sent.push_back(c); }
  template <typename T>
  std::vector<T> of() const {
    std::vector<T> out;
    for (const auto& s : sent)
      if (const T* t = std::get_if<T>(&s)) out.push_back(*t);
    return out;
  }
  std::vector<Sent> sent;
};

class MediaSessionTest : public ::testing::Test {
 protected:
  MediaSessionTest() {
    LegMedia a, b;
    a.family = Family::v4;
    a.signalling_source = *IpAddress::parse("198.51.100.2");
    b.realm = 1;
    b.family = Family::v6;
    b.idle_timeout_ms = 60'000;
    session.set_leg(Leg::a, a);
    session.set_leg(Leg::b, b);
  }
  ~MediaSessionTest() override {
    session.close_all();
    confirm_removals();
    EXPECT_TRUE(session.is_closed());
    EXPECT_EQ(ports.level(0).used + ports.level(1).used, 0u);
  }
  void confirm_removals() {
    for (const auto& remove : sink.of<dp::FlowRemove>()) {
      dp::FlowRemoved event{remove.flow, {}, {}};
      event.counters.packets = remove.flow.slot;
      session.on_removed(event, 0);
    }
  }
  static RemoteMedia remote(const char* endpoint) {
    RemoteMedia remote;
    remote.rtp = *Endpoint::parse(endpoint);
    return remote;
  }

  std::vector<dp::MediaRange> layout{{0, *IpAddress::parse("192.0.2.1"), 20000, 20007, 0},
                                     {1, *IpAddress::parse("2001:db8::1"), 30000, 30007, 8}};
  PortAllocator ports{layout, {}};
  RecordingSink sink;
  MediaSession session{ports, sink, {.call_slot = 9, .shard = 3}, 0};
};

TEST_F(MediaSessionTest, Installs_four_flows_a_stream_each_paired_with_the_other_leg) {
  ASSERT_TRUE(session.open(0, 0));
  session.set_remote(Leg::a, 0, remote("198.51.100.20:4000"));
  session.commit();
  const auto installs = sink.of<dp::FlowInstall>();
  ASSERT_EQ(installs.size(), 4u);
  EXPECT_EQ(installs[0].spec.pair, installs[2].spec.self);
  EXPECT_EQ(installs[2].spec.pair, installs[0].spec.self);
  EXPECT_EQ(installs[1].spec.pair, installs[3].spec.self);
  EXPECT_EQ(installs[0].spec.remote, *Endpoint::parse("198.51.100.20:4000"));
  EXPECT_EQ(installs[1].spec.remote, *Endpoint::parse("198.51.100.20:4001"));
  EXPECT_EQ(installs[1].spec.kind, dp::FlowKind::rtcp);
  EXPECT_EQ(installs[0].spec.signalling_source, *IpAddress::parse("198.51.100.2"));
  EXPECT_EQ(installs[2].spec.remote.port, 0);
  EXPECT_EQ(installs[2].spec.local.address, *IpAddress::parse("2001:db8::1"));
  EXPECT_EQ(installs[2].spec.idle_timeout_ms, 60'000u);
  EXPECT_EQ(installs[2].spec.owner.call_slot, 9u);
  EXPECT_EQ(installs[2].spec.owner.leg, 1);
}

TEST_F(MediaSessionTest, Updates_only_the_leg_that_changed_and_reopens_its_latch) {
  ASSERT_TRUE(session.open(0, 0));
  session.set_remote(Leg::a, 0, remote("198.51.100.20:4000"));
  session.commit();
  sink.sent.clear();
  session.set_remote(Leg::b, 0, remote("[2001:db8::9]:5000"));
  session.commit();
  const auto updates = sink.of<dp::FlowUpdate>();
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_EQ(updates[0].spec.remote, *Endpoint::parse("[2001:db8::9]:5000"));
  EXPECT_EQ(updates[0].reopen_latch, 1);
  sink.sent.clear();
  session.set_remote(Leg::b, 0, remote("[2001:db8::9]:5000"));
  session.commit();
  EXPECT_TRUE(sink.sent.empty());
}

TEST_F(MediaSessionTest, Changes_the_direction_without_reopening_the_latch) {
  ASSERT_TRUE(session.open(0, 0));
  session.set_remote(Leg::a, 0, remote("198.51.100.20:4000"));
  session.commit();
  sink.sent.clear();
  RemoteMedia hold = remote("198.51.100.20:4000");
  hold.may_receive = false;
  session.set_remote(Leg::a, 0, hold);
  session.commit();
  const auto updates = sink.of<dp::FlowUpdate>();
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_FALSE(updates[0].spec.may_receive);
  EXPECT_TRUE(updates[1].spec.may_receive) << "RTCP goes on during hold";
  EXPECT_EQ(updates[0].reopen_latch, 0);
}

TEST_F(MediaSessionTest, Gives_ports_back_only_after_both_flows_of_a_pair_are_confirmed) {
  ASSERT_TRUE(session.open(0, 0));
  session.commit();
  session.close(0);
  const auto removes = sink.of<dp::FlowRemove>();
  ASSERT_EQ(removes.size(), 4u);
  EXPECT_FALSE(session.is_closed());
  EXPECT_EQ(ports.level(0).used, 1u);
  session.on_removed({removes[0].flow, {}, {}}, 0);
  EXPECT_EQ(ports.level(0).used, 1u);
  session.on_removed({removes[1].flow, {}, {}}, 0);
  EXPECT_EQ(ports.level(0).used, 0u);
  session.on_removed({removes[2].flow, {}, {}}, 0);
  session.on_removed({removes[3].flow, {}, {}}, 0);
  EXPECT_TRUE(session.is_closed());
}

TEST_F(MediaSessionTest, Keeps_the_final_counters_of_each_direction) {
  ASSERT_TRUE(session.open(0, 0));
  const auto slot_a = ports.in_use(session.local_rtp(Leg::a, 0))->slot;
  const auto slot_b = ports.in_use(session.local_rtp(Leg::b, 0))->slot;
  session.commit();
  session.close(0);
  confirm_removals();
  EXPECT_EQ(session.totals(0).rtp[0].packets, slot_a);
  EXPECT_EQ(session.totals(0).rtp[1].packets, slot_b);
}

TEST_F(MediaSessionTest, Refuses_a_stream_when_one_realm_has_no_port_and_takes_nothing_from_the_other) {
  for (std::size_t i = 0; i < 4; ++i) ASSERT_TRUE(session.open(i, 0));
  EXPECT_FALSE(session.open(4, 0));
  EXPECT_EQ(ports.level(0).used, 4u);
}

TEST_F(MediaSessionTest, Closes_a_stream_that_was_never_committed_by_the_same_road) {
  ASSERT_TRUE(session.open(0, 0));
  session.close(0);
  EXPECT_EQ(sink.of<dp::FlowInstall>().size(), 4u);
  EXPECT_EQ(sink.of<dp::FlowRemove>().size(), 4u);
}

TEST_F(MediaSessionTest, Ignores_an_event_of_another_generation) {
  ASSERT_TRUE(session.open(0, 0));
  session.commit();
  session.close(0);
  auto flow = sink.of<dp::FlowRemove>()[0].flow;
  ++flow.generation;
  session.on_removed({flow, {}, {}}, 0);
  EXPECT_EQ(ports.level(0).used, 1u);
}

}  // namespace
}  // namespace sallyport::media
