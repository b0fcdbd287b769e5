// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_session.h"

#include <gtest/gtest.h>

#include <variant>

namespace sallyport::media {
namespace {

using Sent = std::variant<dp::FlowInstall, dp::FlowUpdate, dp::FlowRemove, dp::FlowMirror, dp::FlowReport>;

struct RecordingSink : FlowCommandSink {
  void send(std::uint8_t, const dp::FlowInstall& c) override { sent.push_back(c); }
  void send(std::uint8_t, const dp::FlowUpdate& c) override { sent.push_back(c); }
  void send(std::uint8_t, const dp::FlowRemove& c) override { sent.push_back(c); }
  void send(std::uint8_t, const dp::FlowMirror& c) override { sent.push_back(c); }
  void send(std::uint8_t, const dp::FlowReport& c) override { sent.push_back(c); }
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

TEST_F(MediaSessionTest, Mirrors_what_it_has_and_what_comes_while_it_does) {
  ASSERT_TRUE(session.open(0, 0));
  session.set_remote(Leg::a, 0, remote("198.51.100.20:4000"));
  session.commit();
  session.set_mirror(false);
  EXPECT_TRUE(sink.of<dp::FlowMirror>().empty()) << "nothing has changed";
  session.set_mirror(true);
  session.set_mirror(true);
  auto mirrors = sink.of<dp::FlowMirror>();
  ASSERT_EQ(mirrors.size(), 4u);
  const auto installs = sink.of<dp::FlowInstall>();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(mirrors[i].flow, installs[i].spec.self);
    EXPECT_EQ(mirrors[i].on, 1);
  }
  sink.sent.clear();
  ASSERT_TRUE(session.open(1, 0));
  session.set_remote(Leg::a, 1, remote("198.51.100.20:4002"));
  session.commit();
  ASSERT_EQ(sink.of<dp::FlowMirror>().size(), 4u);
  EXPECT_TRUE(std::holds_alternative<dp::FlowInstall>(sink.sent.front()))
      << "a flow is there before it is mirrored";
  sink.sent.clear();
  session.set_mirror(false);
  mirrors = sink.of<dp::FlowMirror>();
  ASSERT_EQ(mirrors.size(), 8u);
  EXPECT_EQ(mirrors[0].on, 0);
}

TEST_F(MediaSessionTest, Asks_for_the_counters_of_each_flow_and_knows_when_all_are_told) {
  session.ask_counters();
  EXPECT_TRUE(session.are_counters_told()) << "there is nothing to ask";
  ASSERT_TRUE(session.open(0, 0));
  session.ask_counters();
  EXPECT_TRUE(sink.of<dp::FlowReport>().empty()) << "not installed yet";
  session.set_remote(Leg::a, 0, remote("198.51.100.20:4000"));
  session.commit();
  session.ask_counters();
  const auto asked = sink.of<dp::FlowReport>();
  ASSERT_EQ(asked.size(), 4u);
  const auto installs = sink.of<dp::FlowInstall>();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FALSE(session.are_counters_told());
    dp::FlowReported answer{asked[i].flow, installs[i].spec.owner, {}};
    EXPECT_EQ(asked[i].flow, installs[i].spec.self);
    answer.counters.packets = 10 + i;
    session.on_reported(answer);
  }
  EXPECT_TRUE(session.are_counters_told());
  EXPECT_EQ(session.totals(0).rtp[0].packets, 10u);
  EXPECT_EQ(session.totals(0).rtcp[0].packets, 11u);
  EXPECT_EQ(session.totals(0).rtp[1].packets, 12u);
  EXPECT_EQ(session.totals(0).rtcp[1].packets, 13u);
}

TEST_F(MediaSessionTest, Counters_of_a_stream_that_has_ended_meanwhile_are_its_last_ones) {
  ASSERT_TRUE(session.open(0, 0));
  session.commit();
  session.ask_counters();
  const auto asked = sink.of<dp::FlowReport>();
  const auto owner = sink.of<dp::FlowInstall>()[0].spec.owner;
  session.close(0);
  for (const dp::FlowReport& one : asked) session.on_reported({one.flow, owner, {.packets = 999}});
  EXPECT_TRUE(session.are_counters_told());
  EXPECT_EQ(session.totals(0).rtp[0].packets, 0u);
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

TEST_F(MediaSessionTest, Lets_a_latch_open_when_the_other_leg_has_said_where_it_is) {
  ASSERT_TRUE(session.open(0, 0));
  RemoteMedia caller = remote("10.0.0.1:4000");
  caller.latch = dp::LatchMode::once;
  session.set_remote(Leg::a, 0, caller);
  session.commit();
  EXPECT_FALSE(sink.of<dp::FlowInstall>()[0].spec.may_latch);
  sink.sent.clear();
  session.set_remote(Leg::b, 0, remote("[2001:db8::9]:5000"));
  session.commit();
  const auto updates = sink.of<dp::FlowUpdate>();
  ASSERT_EQ(updates.size(), 4u) << "the caller's flows too";
  EXPECT_TRUE(updates[0].spec.may_latch);
  EXPECT_EQ(updates[0].reopen_latch, 0);
  EXPECT_EQ(updates[0].spec.remote, *Endpoint::parse("10.0.0.1:4000"));
}

TEST_F(MediaSessionTest, Polices_RTP_as_agreed_and_RTCP_to_a_part_of_it) {
  LegMedia facts = session.leg(Leg::b);
  facts.police = false;
  facts.any_payload_type = true;
  session.set_leg(Leg::b, facts);
  ASSERT_TRUE(session.open(0, 0));
  RemoteMedia video = remote("198.51.100.20:4000");
  video.police_pps = 2'000'000;
  video.police_bytes_per_s = 400'000;
  video.payload_types = {1, 0};
  session.set_remote(Leg::a, 0, video);
  session.set_remote(Leg::b, 0, video);
  session.commit();
  const auto installs = sink.of<dp::FlowInstall>();
  EXPECT_EQ(installs[0].spec.police_pps, 65'535u);
  EXPECT_EQ(installs[0].spec.police_bytes_per_s, 400'000u);
  EXPECT_EQ(installs[1].spec.police_bytes_per_s, 100'000u);
  EXPECT_EQ(installs[0].spec.payload_types[0], 1u);
  EXPECT_EQ(installs[2].spec.police_pps + installs[2].spec.police_bytes_per_s, 0u) << "off at this leg";
  EXPECT_EQ(installs[3].spec.police_pps, 0u);
  EXPECT_EQ(installs[2].spec.payload_types[0], 0u) << "any";
  RemoteMedia audio = remote("198.51.100.20:4000");
  audio.police_pps = 200;
  audio.police_bytes_per_s = 25'600;
  session.set_remote(Leg::a, 0, audio);
  session.commit();
  EXPECT_EQ(sink.of<dp::FlowUpdate>()[1].spec.police_pps, 100u) << "RTCP's least";
  EXPECT_EQ(sink.of<dp::FlowUpdate>()[1].spec.police_bytes_per_s, 20'000u);
}

TEST_F(MediaSessionTest, Lets_only_a_same_address_latch_move) {
  LegMedia facts = session.leg(Leg::a);
  facts.relatch_after_ms = 2000;
  session.set_leg(Leg::a, facts);
  ASSERT_TRUE(session.open(0, 0));
  for (const auto& [mode, wanted] :
       {std::pair{dp::LatchMode::once, 0u}, {dp::LatchMode::same_address, 2000u}}) {
    RemoteMedia caller = remote("198.51.100.20:4000");
    caller.latch = mode;
    session.set_remote(Leg::a, 0, caller);
    sink.sent.clear();
    session.commit();
    const auto installs = sink.of<dp::FlowInstall>();
    const auto updates = sink.of<dp::FlowUpdate>();
    EXPECT_EQ((installs.empty() ? updates[0].spec : installs[0].spec).relatch_after_ms, wanted);
  }
}

TEST_F(MediaSessionTest, Knows_of_the_silence_that_the_worker_tells) {
  LegMedia facts = session.leg(Leg::a);
  facts.idle_timeout_ms = 90'000;
  facts.one_way_timeout_ms = 10'000;
  facts.hold_timeout_ms = 500'000;
  session.set_leg(Leg::a, facts);
  ASSERT_TRUE(session.open(0, 0));
  session.commit();
  const auto installs = sink.of<dp::FlowInstall>();
  EXPECT_EQ(installs[0].spec.idle_timeout_ms, 10'000u) << "the first that may matter";
  EXPECT_EQ(installs[2].spec.idle_timeout_ms, 60'000u);
  const SilenceLimits limits = session.silence_limits();
  EXPECT_EQ(limits.idle_ns, 60 * kSecond) << "the shorter of both legs'";
  EXPECT_EQ(limits.hold_ns, 500 * kSecond);
  EXPECT_EQ(limits.one_way_ns[0], 10 * kSecond);
  EXPECT_EQ(limits.one_way_ns[1], 0);

  dp::FlowRef flow = installs[0].spec.self;
  session.on_idle({flow, installs[0].spec.owner, 7 * kSecond});
  EXPECT_EQ(session.silence().at(0)[0].since_ns, 7 * kSecond);
  session.on_active({flow, installs[0].spec.owner});
  EXPECT_EQ(session.silence().at(0)[0].since_ns, 0);
  ++flow.generation;
  session.on_idle({flow, installs[0].spec.owner, 7 * kSecond});
  session.on_idle({installs[1].spec.self, installs[1].spec.owner, 7 * kSecond});
  EXPECT_EQ(session.silence().at(0)[0].since_ns, 0) << "of an earlier call, of RTCP";
  session.on_idle({installs[0].spec.self, installs[0].spec.owner, 0});
  EXPECT_NE(session.silence().at(0)[0].since_ns, 0);
  RemoteMedia resumed = remote("198.51.100.20:4000");
  session.set_remote(Leg::a, 0, resumed);
  session.commit();
  EXPECT_EQ(session.silence().at(0)[0].since_ns, 0) << "the worker waits anew";
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
  EXPECT_EQ(session.totals(0).rtcp[1].packets, slot_b + 1);
}

TEST_F(MediaSessionTest, Refuses_a_stream_when_one_realm_has_no_port_and_takes_nothing_from_the_other) {
  for (std::size_t i = 0; i < 4; ++i) ASSERT_TRUE(session.open(i, 0));
  EXPECT_FALSE(session.open(4, 0));
  EXPECT_EQ(ports.level(0).used, 4u);
}

TEST(MediaSession, Goes_to_another_worker_when_its_own_has_no_ports_but_only_as_a_whole) {
  const std::vector<dp::MediaRange> layout{{0, *IpAddress::parse("192.0.2.1"), 20000, 20007, 0},
                                           {1, *IpAddress::parse("198.51.100.1"), 30000, 30003, 8}};
  PortAllocator ports{layout,
                      {.workers = 2}};  // pairs 0 and 2 of worker 0, 1 and 3 of worker 1; then one each
  RecordingSink sink;
  LegMedia a, b;
  a.family = b.family = Family::v4;
  b.realm = 1;
  MediaSession first{ports, sink, {}, 0}, second{ports, sink, {}, 0}, third{ports, sink, {}, 0};
  for (MediaSession* session : {&first, &second, &third}) {
    session->set_leg(Leg::a, a);
    session->set_leg(Leg::b, b);
  }
  ASSERT_TRUE(first.open(0, 0));
  EXPECT_EQ(first.worker(), 0);
  EXPECT_FALSE(first.open(1, 0)) << "its flows are on worker 0";
  ASSERT_TRUE(second.open(0, 0));
  EXPECT_EQ(second.worker(), 1);
  EXPECT_FALSE(third.open(0, 0));
  EXPECT_EQ(ports.level(0).cooling, 0u) << "what was tried in vain need not cool down";
  EXPECT_EQ(ports.level(0).used, 2u);
  for (MediaSession* session : {&first, &second}) session->close_all();
  for (const auto& remove : sink.of<dp::FlowRemove>()) {
    for (MediaSession* session : {&first, &second}) session->on_removed({remove.flow, {}, {}}, 0);
  }
  EXPECT_EQ(ports.level(0).cooling, 2u);
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
