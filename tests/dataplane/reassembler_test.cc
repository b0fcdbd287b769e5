// SPDX-License-Identifier: Apache-2.0
#include "dataplane/reassembler.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstring>
#include <utility>

#include "tests/dataplane/eal_support.h"
#include "tests/dataplane/frame_support.h"

namespace sallyport::dp::test {
namespace {

class ReassemblerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!eal_problem().empty()) GTEST_SKIP() << eal_problem();
    pool_ = rte_pktmbuf_pool_create("reassembler_test", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    ASSERT_NE(pool_, nullptr);
  }
  void TearDown() override {
    if (pool_ == nullptr) return;
    EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u);
    rte_mempool_free(pool_);
  }

  rte_mbuf* packet_of(const Bytes& frame, PacketView& view) {
    rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
    char* at = rte_pktmbuf_append(packet, static_cast<std::uint16_t>(frame.size()));
    std::memcpy(at, frame.data(), frame.size());
    accounts_.received(0, {&packet, 1});
    EXPECT_EQ(
        view_packet({reinterpret_cast<const std::uint8_t*>(at), frame.size()}, frame.size(), false, view),
        kPass);
    return packet;
  }

  WorkerCounters counters_;
  Accounts accounts_{counters_};
  rte_mempool* pool_ = nullptr;
};

TEST_F(ReassemblerTest, waits_for_nothing_when_a_half_joined_set_has_died) {
  Reassembler reassembler(accounts_, SOCKET_ID_ANY);
  const UdpFrame udp{.source = "198.51.100.20:5060", .destination = "198.51.100.1:5060"};
  constexpr std::pair<std::size_t, bool> kPieces[] = {{0, true}, {128, true}, {128, true}, {192, false}};
  for (const auto& [offset, more] : kPieces) {
    PacketView view;
    rte_mbuf* packet = packet_of(fragment_of(udp, offset, more, Bytes(64, 'a')), view);
    EXPECT_EQ(reassembler.add(packet, view, kSecond), nullptr);
  }
  EXPECT_EQ(reassembler.waiting(), 0u);
  const auto overlap = static_cast<std::size_t>(DropReason::fragment_overlap);
  EXPECT_EQ(counters_.ports[0].drops[overlap].get(), 4u);
}

}  // namespace
}  // namespace sallyport::dp::test
