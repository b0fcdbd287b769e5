// SPDX-License-Identifier: Apache-2.0
// A million calls on the fake clock, of every kind of end, over pools that are as good as full: no port is
// lost, none is given twice, and none before it has cooled down.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "controlplane/media/media_session.h"

namespace sallyport::media {
namespace {

constexpr int kCalls = 1'000'000;
constexpr Nanoseconds kCoolDown = 5 * kSecond;

// The worker: what is installed; removals are confirmed later, in any order.
struct Flows : FlowCommandSink {
  void send(std::uint8_t, const dp::FlowInstall& c) override {
    twice += installed[c.spec.self.slot] != 0;
    too_warm += now_ns < cold_ns[c.spec.self.slot];
    installed[c.spec.self.slot] = c.spec.self.generation;
  }
  void send(std::uint8_t, const dp::FlowUpdate& c) override {
    astray += installed[c.spec.self.slot] != c.spec.self.generation;
  }
  void send(std::uint8_t, const dp::FlowRemove& c) override {
    astray += installed[c.flow.slot] != c.flow.generation;
    installed[c.flow.slot] = 0;
    removed.push_back(c.flow);
  }
  explicit Flows(std::size_t slots) : installed(slots), cold_ns(slots) {}
  std::vector<std::uint32_t> installed;  // generation, 0: free
  std::vector<Nanoseconds> cold_ns;
  std::vector<dp::FlowRef> removed;  // since it was last emptied
  Nanoseconds now_ns = 0;
  int twice = 0, too_warm = 0, astray = 0;
};

struct Call {
  std::unique_ptr<MediaSession> session;
  std::vector<dp::FlowRef> unconfirmed;
};

class PortLeak : public ::testing::Test {
 protected:
  PortLeak() { all = ports.level(0).total + ports.level(1).total; }
  void begin() {
    Call call{std::make_unique<MediaSession>(ports, flows, dp::FlowOwner{}, 0), {}};
    LegMedia leg;
    leg.family = Family::v4;
    call.session->set_leg(Leg::a, leg);
    leg.realm = 1;
    call.session->set_leg(Leg::b, leg);
    const std::size_t streams = random() % 8 == 0 ? 2 : 1;
    bool open = true;
    for (std::size_t i = 0; i < streams && open; ++i) open = call.session->open(i, flows.now_ns);
    exhausted += open ? 0 : 1;
    // Refused for want of ports, given up before its flows were installed, or on its way.
    if (open && random() % 16 != 0) call.session->commit();
    calls.push_back(std::move(call));
    if (!open || random() % 16 == 0) end(calls.size() - 1);
  }
  void change(Call& call) {
    if (!call.session->is_open(0)) return;
    RemoteMedia remote;
    remote.rtp = {IpAddress::v4(0xc0000209), static_cast<std::uint16_t>(1024 + random() % 60000)};
    call.session->set_remote(random() % 2 == 0 ? Leg::a : Leg::b, 0, remote);
    call.session->commit();
    // A stream goes, perhaps comes again with other ports.
    if (random() % 4 != 0) return;
    close(call, [&] { call.session->close(0); });
    if (random() % 2 == 0 && call.session->open(0, flows.now_ns)) call.session->commit();
  }
  template <typename Close>
  void close(Call& call, Close how) {
    flows.removed.clear();
    how();
    call.unconfirmed.insert(call.unconfirmed.end(), flows.removed.begin(), flows.removed.end());
  }
  void end(std::size_t index) {
    close(calls[index], [&] { calls[index].session->close_all(); });
    ending.push_back(std::move(calls[index]));
    calls[index] = std::move(calls.back());
    calls.pop_back();
  }
  // The worker's words of the oldest ending call, in any order; another may wait longer.
  void confirm() {
    Call call = std::move(ending.front());
    ending.pop_front();
    std::shuffle(call.unconfirmed.begin(), call.unconfirmed.end(), random);
    for (const dp::FlowRef& flow : call.unconfirmed) {
      call.session->on_removed({flow, {}, {}}, flows.now_ns);
      flows.cold_ns[flow.slot] = flows.now_ns + kCoolDown;
    }
    ASSERT_TRUE(call.session->is_closed());
  }

  std::mt19937_64 random{42};
  std::vector<dp::MediaRange> layout{{0, *IpAddress::parse("198.51.100.1"), 20000, 20127, 0},
                                     {1, *IpAddress::parse("192.0.2.1"), 30000, 30127, 128},
                                     {1, *IpAddress::parse("192.0.2.2"), 30000, 30063, 256}};
  PortAllocator ports{layout, {.cool_down_ns = kCoolDown, .seed = 7}};
  Flows flows{320};
  std::vector<Call> calls;
  std::deque<Call> ending;
  std::uint32_t all = 0;
  int exhausted = 0;
};

TEST_F(PortLeak, A_million_calls_leave_every_port_where_it_was) {
  for (int i = 0; i < kCalls; ++i) {
    flows.now_ns += static_cast<Nanoseconds>(random() % 400) * kMillisecond;
    begin();
    if (!calls.empty() && random() % 2 == 0) change(calls[random() % calls.size()]);
    while (calls.size() > 24) end(random() % calls.size());
    while (ending.size() > random() % 8) ASSERT_NO_FATAL_FAILURE(confirm());
  }
  while (!calls.empty()) end(0);
  while (!ending.empty()) ASSERT_NO_FATAL_FAILURE(confirm());
  EXPECT_EQ(flows.twice, 0) << "a port was given to two calls";
  EXPECT_EQ(flows.too_warm, 0) << "a port came back before its cool-down was over";
  EXPECT_EQ(flows.astray, 0) << "a command was for a flow of another generation";
  EXPECT_GT(exhausted, kCalls / 1000) << "the pools were never empty: the test proves little";
  EXPECT_LT(exhausted, kCalls / 2);
  std::uint32_t total = 0;
  for (const std::uint16_t realm : {std::uint16_t{0}, std::uint16_t{1}}) {
    EXPECT_EQ(ports.level(realm).used, 0u);
    total += ports.level(realm).total;
  }
  EXPECT_EQ(total, all);
  flows.now_ns += kCoolDown;
  unsigned again = 0;
  while (ports.allocate(0, Family::v4, 0, flows.now_ns)) ++again;
  EXPECT_EQ(again, 64u) << "every pair can be had again";
}

}  // namespace
}  // namespace sallyport::media
