// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel_gate.h"

#include <gtest/gtest.h>

namespace sallyport::dp {
namespace {

constexpr std::uint8_t kFin = 0x11;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kSynAck = 0x12;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kAck = 0x10;

Endpoint endpoint(std::string_view text) {
  return *Endpoint::parse(text);
}

struct Gate : ::testing::Test {
  std::shared_ptr<KernelConnections> connections = std::make_shared<KernelConnections>(SipHashKey{1, 2});
  Endpoint ours = endpoint("192.0.2.1:40000");
  Endpoint theirs = endpoint("192.0.2.10:5060");
  Nanoseconds now = 1000 * kSecond;

  KernelGate gate(unsigned workers = 1) {
    return KernelGate(connections, {endpoint("192.0.2.1:5060"), endpoint("[2001:db8::1]:5061")},
                      {.neighbour_pps = 100, .icmp_pps = 100, .tcp_pps = 1'000'000}, workers);
  }
  std::optional<DropReason> tcp(const Endpoint& local, const Endpoint& remote, Nanoseconds at) {
    return gate().tcp(0, local, remote, at);
  }
};

TEST_F(Gate, tcp_passes_to_listeners_only) {
  struct Case {
    const char* local;
    bool passes;
  };
  const Case cases[] = {{"192.0.2.1:5060", true},  {"192.0.2.1:5061", false},
                        {"192.0.2.2:5060", false}, {"[2001:db8::1]:5061", true},
                        {"192.0.2.1:22", false},   {"[2001:db8::1]:5060", false},
                        {"192.0.2.1:40000", false}};
  for (const Case& c : cases) {
    const auto verdict = tcp(endpoint(c.local), theirs, now);
    EXPECT_EQ(verdict.has_value(), !c.passes) << c.local;
    if (!c.passes) {
      EXPECT_EQ(*verdict, DropReason::tcp_port) << c.local;
    }
  }
}

TEST_F(Gate, answers_pass_only_to_the_four_tuple_that_the_kernel_opened) {
  connections->sent(ours, theirs, kSyn, now);
  EXPECT_FALSE(tcp(ours, theirs, now).has_value());
  EXPECT_TRUE(tcp(ours, endpoint("192.0.2.10:5061"), now).has_value());
  EXPECT_TRUE(tcp(ours, endpoint("192.0.2.11:5060"), now).has_value());
  EXPECT_TRUE(tcp(endpoint("192.0.2.1:40001"), theirs, now).has_value());
}

TEST_F(Gate, segments_of_accepted_connections_open_nothing) {
  connections->sent(ours, theirs, kSynAck, now);
  connections->sent(ours, theirs, kAck, now);
  EXPECT_EQ(tcp(ours, theirs, now), DropReason::tcp_port);
}

TEST_F(Gate, a_connection_ends_by_reset_at_once_by_fin_after_minutes_and_by_silence_after_hours) {
  const auto open = [&] { connections->sent(ours, theirs, kSyn, now); };
  open();
  connections->sent(ours, theirs, kRst, now);
  EXPECT_TRUE(tcp(ours, theirs, now).has_value());
  open();
  connections->sent(ours, theirs, kFin, now);
  EXPECT_FALSE(tcp(ours, theirs, now + 200 * kSecond).has_value());
  EXPECT_TRUE(tcp(ours, theirs, now + (200 + 241) * kSecond).has_value());
  open();
  EXPECT_FALSE(tcp(ours, theirs, now + 7'440 * kSecond).has_value()) << "and what arrives keeps it open";
  EXPECT_FALSE(tcp(ours, theirs, now + 2 * 7'440 * kSecond).has_value());
  EXPECT_TRUE(tcp(ours, theirs, now + (3 * 7'440 + 1) * kSecond).has_value());
}

TEST_F(Gate, the_connection_set_is_bounded_and_keeps_the_newest) {
  for (std::uint32_t i = 0; i < 3 * KernelConnections::kConnections; ++i) {
    const Endpoint remote{IpAddress::v4(0x0a000000 + i), 5060};
    connections->sent(ours, remote, kSyn, now + i * kSecond);
    EXPECT_TRUE(connections->holds(ours, remote, now + i * kSecond));
  }
}

TEST_F(Gate, rates_hold_per_class_and_port_and_are_shared_by_workers) {
  for (const unsigned workers : {1u, 4u}) {
    KernelGate g = gate(workers);
    int passed = 0;
    for (int i = 0; i < 10'000; ++i)
      passed += g.icmp(0, now + i * kMillisecond) ? 0 : 1;  // 10 s at 1,000 a second
    EXPECT_NEAR(passed, 1'000 / static_cast<int>(workers) + 25 / static_cast<int>(workers), 3) << workers;
    EXPECT_FALSE(g.neighbour(0, now + 10 * kSecond).has_value()) << "an ICMP flood starves no ARP";
    EXPECT_FALSE(g.icmp(1, now + 10 * kSecond).has_value()) << "nor another port";
    EXPECT_EQ(g.icmp(0, now + 9'999 * kMillisecond), DropReason::kernel_rate);
  }
}

}  // namespace
}  // namespace sallyport::dp
