// SPDX-License-Identifier: Apache-2.0
// Two shards over two workers, each with its share of the media ports: calls that live apart in both become
// one, and the media goes through the workers themselves (tests/dataplane: ring vdevs), which are told what
// the shards say.
#include <cstring>

#include "tests/controlplane/shard/joining_fixture.h"
#include "tests/dataplane/eal_support.h"
#include "tests/dataplane/worker_rig_support.h"

namespace sallyport::shard {
namespace {

namespace rig = dp::test;

// The rig's addresses and media ports.
std::string two_workers() {
  std::string yaml = transfer_config("follow", 2);
  const auto put = [&](std::string_view before, std::string_view after) {
    yaml.replace(yaml.find(before), before.size(), after);
  };
  put("cores: [1]", "cores: [1, 2]");
  for (const char* ports : {"20000-20999", "30000-30999"}) put(ports, "20000-20099");
  return yaml;
}

class OnTwoWorkers : public JoiningAcross {
 protected:
  OnTwoWorkers() : JoiningAcross(two_workers()) {}
  void SetUp() override {
    if (!rig::eal_problem().empty()) GTEST_SKIP() << rig::eal_problem();
    workers = std::make_unique<rig::Rig>(rig::RigOptions{.workers = 2, .shards = 2});
    bench.on_flow_command = [this](unsigned worker, unsigned shard, const dp::RecordRing::Record& record) {
      dp::RecordRing& ring = *workers->command_rings[worker * 2 + shard];
      std::byte* to = ring.reserve(record.kind, record.bytes.size());
      ASSERT_NE(to, nullptr);
      std::memcpy(to, record.bytes.data(), record.bytes.size());
      ring.publish();
      workers->turn();
    };
  }
  [[nodiscard]] bool is_apart() override {
    const Home first = home_of(line1);
    const Home second = home_of(line2);
    return first.shard != second.shard && first.worker != second.worker;
  }
  static std::uint8_t port_of(const Phone& phone) {
    return phone.realm == "access" ? rig::kAccess : rig::kCore;
  }
  // One packet, put where the phone sends to: what leaves on the other's wire.
  std::vector<rig::Bytes> said(const Phone& one, const Endpoint& to, std::uint8_t wire) {
    const std::string from = one.ip + ":" + std::to_string(one.media_port);
    const rig::Bytes frame =
        rig::frame_of({.source = from, .destination = to.to_text(), .payload = rig::rtp(++sequence, 8)});
    const std::uint8_t at = port_of(one);
    for (const std::uint8_t port : {rig::kAccess, rig::kCore}) (void)workers->sent(port);
    workers->put(at, frame, sequence % 2);  // whichever worker the device gives it to
    for (int turns = 0; turns < 3; ++turns) workers->turn();
    return workers->sent(wire);
  }
  void expect_relayed(const Phone& one, const Phone& other) {
    const dp::FlowSpec* here = flow_towards(one);
    const dp::FlowSpec* there = flow_towards(other);
    ASSERT_TRUE(here != nullptr && there != nullptr) << one.ip << " " << other.ip;
    const auto frames = said(one, here->local, port_of(other));
    ASSERT_EQ(frames.size(), 1u) << one.ip << " to " << other.ip;
    const auto out = rig::read_frame(frames[0]);
    ASSERT_TRUE(out);
    EXPECT_EQ(out->source, there->local);
    EXPECT_EQ(out->destination.to_text(), other.ip + ":" + std::to_string(other.media_port));
    EXPECT_EQ(out->payload, rig::rtp(sequence, 8));
    EXPECT_TRUE(out->ip_checksum_right && out->udp_checksum_right);
  }
  void hear_each_other(const Phone& one, const Phone& other) {
    expect_relayed(one, other);
    expect_relayed(other, one);
  }
  // What worker `index` has relayed, on both ports.
  [[nodiscard]] std::uint64_t relayed(unsigned index) const {
    const auto& ports = workers->counters[index]->ports;
    return ports[rig::kAccess].relayed.get() + ports[rig::kCore].relayed.get();
  }

  std::unique_ptr<rig::Rig> workers;
  std::uint16_t sequence = 0;
};
INSTANTIATE_TEST_SUITE_P(Ways, OnTwoWorkers, ::testing::Bool(), transfer_name);

TEST_P(OnTwoWorkers, A_REFER_with_Replaces_joins_the_calls_and_anchors_their_media_anew) {
  connect_lines();
  ASSERT_TRUE(is_apart());
  hear_each_other(line1, transferee);
  hear_each_other(line2, target);
  EXPECT_EQ(relayed(0), 2u);
  EXPECT_EQ(relayed(1), 2u);
  const Endpoint before = flow_towards(target)->local;
  const Endpoint left = flow_towards(line1)->local;
  refer(referred_dialog());
  rejoin(target);
  const std::string told = last_offer;
  rejoin(transferee);
  EXPECT_EQ(notified("terminated"), "SIP/2.0 200 OK\r\n");
  hung_up(line1);
  hung_up(line2);
  expect_media(transferee, target);
  EXPECT_EQ(home_of(transferee), home_of(target));
  EXPECT_NE(told.find("m=audio " + std::to_string(flow_towards(target)->local.port) + " "),
            std::string::npos);
  EXPECT_NE(flow_towards(target)->local, before);
  hear_each_other(transferee, target);
  for (const std::uint8_t wire : {rig::kAccess, rig::kCore}) {
    EXPECT_TRUE(said(target, before, wire).empty()) << "where he was before";
    EXPECT_TRUE(said(line1, left, wire).empty()) << "who has left";
  }
  hang_up(target, transferee);
  nothing_left();
}

// Where his call lives falls with its Call-ID: he calls until it is on another shard and another worker.
TEST_P(OnTwoWorkers, An_INVITE_with_Replaces_brings_the_media_to_the_worker_of_its_own_call) {
  // Each shard deals its calls to the workers in turn: one more on either, or pairs of calls never come
  // apart.
  connect(line1, transferee, "4930123", "first");
  hang_up(line1, transferee);
  bool apart = false;
  for (int n = 0; n < 32 && !apart; ++n) {
    const std::string number = std::to_string(n);
    connect(line2, target, "0555", "second-" + number);
    const Home before = home_of(target);
    hear_each_other(line2, target);
    send_replacing(dialog(), {}, {}, "third-" + number);
    rejoin(target);
    newcomer_is_up();
    hung_up(line2);
    expect_media(newcomer, target);
    hear_each_other(newcomer, target);
    const Home after = home_of(target);
    apart = after.shard != before.shard && after.worker != before.worker;
    EXPECT_EQ(home_of(newcomer), after);
    hang_up(newcomer, target);
    bench.advance(6 * kSecond);  // the ports cool down
    phones.forget();
  }
  EXPECT_TRUE(apart) << "32 calls in a row beside the ones that they replace";
  nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
