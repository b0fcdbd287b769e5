// SPDX-License-Identifier: Apache-2.0
// Full tables, pools and rings: what is refused, and that what is up goes on.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

// The default configuration with some of its text replaced.
std::string edited(std::initializer_list<std::pair<std::string_view, std::string_view>> edits) {
  std::string yaml(Bench::default_config());
  for (const auto& [from, to] : edits) {
    const auto at = yaml.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) yaml.replace(at, from.size(), to);
  }
  return yaml;
}

std::string numbered_invite(int n) {
  return make_invite({.call_id = "n" + std::to_string(n), .branch = "z9hG4bKn" + std::to_string(n)});
}

class Capacity : public CallTest {
 protected:
  explicit Capacity(const std::string& yaml, std::size_t command_bytes = 1 << 20)
      : CallTest(yaml, command_bytes) {}
  // A further call attempt that must be refused so; the first call goes on.
  Sent refused(int n, std::string_view status) {
    bench.receive("access", kCaller, numbered_invite(n));
    const Sent answer = bench.take_one(status);
    EXPECT_EQ(count(bench.take(), "INVITE "), 0);
    return answer;
  }
};

struct MaxCalls : Capacity {
  MaxCalls() : Capacity(edited({{"controlplane: {shards: 1}", "controlplane: {shards: 1, max_calls: 1}"}})) {}
};
TEST_F(MaxCalls, Are_all_there_are_and_the_next_gets_503_with_Retry_After) {
  establish();
  EXPECT_FALSE(refused(1, "SIP/2.0 503").header("Retry-After").empty());
  EXPECT_EQ(bench.flows.size(), 4u);
  caller_hangs_up();
  bench.turn();
  bench.take();
  bench.receive("access", kCaller, numbered_invite(2));
  bench.receive("core", kCarrierA, make_response(bench.take_one("INVITE "), "486 Busy Here", "x"));
  bench.expect_nothing_left();
}

struct PeerCalls : Capacity {
  PeerCalls()
      : Capacity(edited({{"response_map: {send: to-office}",
                          "response_map: {send: to-office}\n    limits: {calls: 1}"}})) {}
};
TEST_F(PeerCalls, Of_the_caller_are_limited) {
  establish();
  EXPECT_FALSE(refused(1, "SIP/2.0 503").header("Retry-After").empty());
  caller_hangs_up();
  bench.expect_nothing_left();
}

struct TargetCalls : Capacity {
  TargetCalls()
      : Capacity(
            edited({{"limits: {setup: 10s, ring: 60s, duration: 1h}", "limits: {calls: 1, setup: 10s}"},
                    {"limits: {setup: 10s, ring: 60s, duration: 1h}", "limits: {calls: 1, setup: 10s}"}})) {}
};
TEST_F(TargetCalls, Send_the_next_call_to_the_next_target_and_the_one_after_home) {
  establish();
  bench.receive("access", kCaller, numbered_invite(1));
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(second.remote, *Endpoint::parse(kCarrierB));
  bench.take();
  EXPECT_FALSE(refused(2, "SIP/2.0 503").header("Retry-After").empty());
  bench.receive("core", kCarrierB, make_response(second, "486 Busy Here", "x"));
  caller_hangs_up();
  bench.expect_nothing_left();
}

struct PeerRate : Capacity {
  PeerRate()
      : Capacity(edited({{"response_map: {send: to-office}",
                          "response_map: {send: to-office}\n    limits: {rate: 2}"}})) {}
};
TEST_F(PeerRate, Is_held_and_forgives) {
  for (int n = 0; n < 2; ++n) {
    bench.receive("access", kCaller, numbered_invite(n));
    bench.receive("core", kCarrierA, make_response(bench.take_one("INVITE "), "486 Busy Here", "x"));
    bench.take();
  }
  EXPECT_FALSE(refused(3, "SIP/2.0 503").header("Retry-After").empty());
  bench.advance(kSecond);
  bench.take();
  bench.receive("access", kCaller, numbered_invite(4));
  bench.receive("core", kCarrierA, make_response(bench.take_one("INVITE "), "486 Busy Here", "x"));
  bench.expect_nothing_left();
}

struct FewPorts : Capacity {
  FewPorts() : Capacity(edited({{"media: {ports: 30000-30999}", "media: {ports: 30000-30001}"}})) {}
};
TEST_F(FewPorts, Give_503_and_leave_the_call_that_has_them) {
  establish();
  const auto before = bench.flows;
  const Sent answer = refused(1, "SIP/2.0 503");
  EXPECT_FALSE(answer.header("Retry-After").empty());
  EXPECT_EQ(bench.flows.size(), before.size());
  for (const auto& [slot, spec] : before) EXPECT_EQ(bench.flows.at(slot).remote, spec.remote);
  caller_hangs_up();
  bench.turn();
  // Its ports cool down before they are given out again.
  refused(2, "SIP/2.0 503");
  bench.advance(6 * kSecond);
  bench.take();
  bench.receive("access", kCaller, numbered_invite(3));
  bench.receive("core", kCarrierA, make_response(bench.take_one("INVITE "), "486 Busy Here", "x"));
  bench.expect_nothing_left();
  ASSERT_GE(bench.records.records.size(), 2u);
  EXPECT_EQ(bench.records.records[0].local_error, "no-ports");
}

TEST_F(FewPorts, Refuse_a_second_stream_of_a_re_INVITE_and_the_call_goes_on) {
  establish();
  bench.receive("access", kCaller,
                make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKre",
                               sdp("198.51.100.20", 4000) + "m=video 4002 RTP/AVP 96\r\n"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 503").is("SIP/2.0 503"));
  EXPECT_EQ(bench.flows.size(), 4u);
  bench.take();
  caller_hangs_up(3);
  bench.expect_nothing_left();
}

struct FullRing : Capacity {
  FullRing() : Capacity(std::string(Bench::default_config()), 4096) {}
};
TEST_F(FullRing, Loses_no_flow_command_and_keeps_their_order) {
  bench.worker_stopped = true;
  // A ring of 4 KiB takes the flows of a few calls; those behind wait, and an INVITE must not overtake them.
  for (int n = 0; n < 8; ++n) bench.receive("access", kCaller, numbered_invite(n));
  EXPECT_TRUE(bench.shard().link().has_backlog());
  EXPECT_GT(bench.shard().statistics().totals.commands_ring_full.get(), 0u);
  bench.worker_stopped = false;
  for (int i = 0; i < 50; ++i) bench.turn();
  EXPECT_FALSE(bench.shard().link().has_backlog());
  // The bench fails on an update or removal of no flow, and on a slot that is installed twice: order was
  // kept.
  EXPECT_EQ(bench.flows.size(), 2 * bench.ports_in_use());
  const std::vector<Sent> sent = bench.take();
  for (const Sent& message : sent) {
    if (message.is("INVITE "))
      bench.receive("core", message.remote.to_text(), make_response(message, "486 Busy Here", "x"));
  }
  bench.expect_nothing_left();
}

TEST_F(FullRing, Holds_requests_while_the_worker_stands_still_and_fails_no_call) {
  establish();
  bench.worker_stopped = true;
  for (int n = 0; n < 8; ++n) bench.receive("access", kCaller, numbered_invite(n));
  bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, 2, "z9hG4bKbye1"));
  bench.worker_stopped = false;
  for (int i = 0; i < 50; ++i) bench.turn();
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "INVITE "), 8);
  EXPECT_EQ(count(sent, "SIP/2.0 100"), 8);
  EXPECT_EQ(count(sent, "SIP/2.0 5"), 0);
  for (const Sent& message : sent) {
    if (message.is("INVITE ")) {
      EXPECT_EQ(message.remote.to_text(), kCarrierA) << "the first choice: nothing was heard of it";
      bench.receive("core", message.remote.to_text(), make_response(message, "486 Busy Here", "x"));
    } else if (message.is("BYE ")) {
      bench.receive("core", message.remote.to_text(), make_response(message, "200 OK", "x"));
    }
  }
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.size(), 9u);
}

struct StillRing : Capacity {
  StillRing() : Capacity(std::string(Bench::default_config()), 1 << 18) {}
  static constexpr std::size_t kLarge = 50'000;
};
TEST_F(StillRing, Loses_what_is_too_much_to_hold_and_timers_send_it_again) {
  bench.worker_stopped = true;
  constexpr int kCalls = 30;
  for (int n = 0; n < kCalls; ++n) {
    bench.receive("access", kCaller,
                  make_invite({.call_id = "n" + std::to_string(n),
                               .more = "Subject: " + std::string(kLarge, 's') + "\r\n",
                               .branch = "z9hG4bKn" + std::to_string(n)}));
    bench.advance(10 * kMillisecond, 10 * kMillisecond);
  }
  bench.worker_stopped = false;
  for (int i = 0; i < 100; ++i) bench.turn();
  std::vector<Sent> sent = bench.take();
  EXPECT_LT(count(sent, "INVITE "), kCalls);
  EXPECT_EQ(count(sent, "SIP/2.0 5"), 0);
  bench.advance(600 * kMillisecond, 10 * kMillisecond);  // timer A
  for (Sent& more : bench.take()) sent.push_back(std::move(more));
  std::map<std::string, Sent> invites;
  for (const Sent& message : sent) {
    if (message.is("INVITE ")) invites.emplace(message.header("Call-ID"), message);
  }
  EXPECT_EQ(invites.size(), kCalls);
  for (const auto& [name, message] : invites)
    bench.receive("core", message.remote.to_text(), make_response(message, "486 Busy Here", "x"));
  bench.expect_nothing_left();
}

struct ManyCalls : Capacity {
  ManyCalls() : Capacity(std::string(Bench::default_config())) {}
};
TEST_F(ManyCalls, Draining_refuses_new_ones_and_keeps_what_is_up) {
  establish();
  bench.shard().set_phase(Phase::draining);
  bench.turn();
  EXPECT_FALSE(refused(1, "SIP/2.0 503").header("Retry-After").empty());
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  bench.receive("access", kCaller, make_in_dialog("OPTIONS", invite, ok, 2, "z9hG4bKopt"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 200").is("SIP/2.0 200"));
  caller_hangs_up(3);
  bench.expect_nothing_left();
}

TEST_F(ManyCalls, A_shard_that_is_behind_refuses_new_ones_for_a_while) {
  establish();
  bench.fall_behind(2 * kSecond);
  const Sent answer = refused(1, "SIP/2.0 503");
  EXPECT_EQ(answer.header("Retry-After"), "5");
  bench.advance(2 * kSecond);
  bench.take();
  bench.receive("access", kCaller, numbered_invite(2));
  bench.receive("core", kCarrierA, make_response(bench.take_one("INVITE "), "486 Busy Here", "x"));
  bench.take();
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(ManyCalls, Three_hundred_at_once_leave_nothing) {
  for (int n = 0; n < 300; ++n) bench.receive("access", kCaller, numbered_invite(n));
  EXPECT_EQ(bench.shard().manager().calls(), 300u);
  EXPECT_EQ(bench.flows.size(), 1200u);
  int n = 0;
  for (const Sent& message : bench.take()) {
    if (!message.is("INVITE ")) continue;
    const std::string_view status = ++n % 3 == 0 ? "486 Busy Here" : "200 OK";
    const std::string body = n % 3 == 0 ? "" : sdp("192.0.2.10", 6000);
    bench.receive("core", message.remote.to_text(),
                  make_response(message, status, "t" + std::to_string(n), kContactA, body));
  }
  bench.take();
  bench.shard().set_phase(Phase::ending);
  bench.turn();
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.size(), 300u);
}

}  // namespace
}  // namespace sallyport::shard
