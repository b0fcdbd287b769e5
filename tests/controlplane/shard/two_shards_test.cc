// SPDX-License-Identifier: Apache-2.0
// Two shards behind one steering function: each call lives on one of them, whatever belongs to it finds it
// there, and their ports never meet.
#include <algorithm>
#include <set>
#include <utility>

#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

std::string two_shards() {
  std::string yaml(Bench::default_config());
  yaml.replace(yaml.find("shards: 1"), 9, "shards: 2");
  return yaml;
}

struct Pair {
  std::string invite;
  Sent out;
  Sent ok;
};

class TwoShards : public CallTest {
 protected:
  TwoShards() : CallTest(two_shards()) {}
  Pair answered(int n) {
    Pair call;
    call.invite = make_invite({.call_id = "c" + std::to_string(n), .branch = "z9hG4bKc" + std::to_string(n)});
    bench.receive("access", kCaller, call.invite);
    call.out = bench.take_one("INVITE ");
    bench.receive(
        "core", kCarrierA,
        make_response(call.out, "200 OK", "t" + std::to_string(n), kContactA, sdp("192.0.2.10", 6000)));
    bench.take_one("SIP/2.0 100");
    call.ok = bench.take_one("SIP/2.0 200");
    bench.take_one("ACK ");
    bench.receive("access", kCaller,
                  make_in_dialog("ACK", call.invite, call.ok, 1, "z9hG4bKa" + std::to_string(n)));
    return call;
  }
};

TEST_F(TwoShards, Share_the_calls_and_each_message_finds_its_own) {
  std::vector<Pair> calls;
  for (int n = 0; n < 20; ++n) calls.push_back(answered(n));
  EXPECT_GT(bench.shard(0).manager().calls(), 3u);
  EXPECT_GT(bench.shard(1).manager().calls(), 3u);
  EXPECT_EQ(bench.shard(0).manager().calls() + bench.shard(1).manager().calls(), 20u);
  std::set<std::uint16_t> ports;
  for (const auto& [slot, spec] : bench.flows) {
    if (spec.owner.leg == 0) ports.insert(spec.local.port);
  }
  EXPECT_EQ(ports.size(), 40u) << "no port is given out twice";
  for (std::size_t n = 0; n < calls.size(); ++n) {
    const Pair& call = calls[n];
    if (n % 2 == 0) {
      bench.receive("access", kCaller,
                    make_in_dialog("BYE", call.invite, call.ok, 2, "z9hG4bKb" + std::to_string(n)));
      bench.receive("core", kCarrierA, make_response(bench.take_one("BYE "), "200 OK", ""));
    } else {
      bench.receive("core", kCarrierA,
                    make_uas_request("BYE", call.out, "t" + std::to_string(n), "192.0.2.10:5060", 1,
                                     "z9hG4bKb" + std::to_string(n)));
      bench.receive("access", kCaller, make_response(bench.take_one("BYE "), "200 OK", ""));
    }
    bench.take();
  }
  EXPECT_EQ(bench.shard(0).manager().calls() + bench.shard(1).manager().calls(), 0u);
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.size(), 20u);
}

TEST_F(TwoShards, A_CANCEL_a_retransmission_and_a_merged_copy_meet_their_INVITE) {
  for (int n = 0; n < 8; ++n) {
    const std::string id = "x" + std::to_string(n);
    const std::string first = make_invite({.call_id = id, .branch = "z9hG4bK" + id});
    bench.receive("access", kCaller, first);
    const Sent sent = bench.take_one("INVITE ");
    bench.take();
    bench.receive("access", kCaller, first);
    EXPECT_EQ(count(bench.take(), "INVITE "), 0);
    bench.receive("access", kCaller, make_invite({.call_id = id, .branch = "z9hG4bKmerged" + id}));
    bench.take_one("SIP/2.0 482");
    bench.receive("core", kCarrierA, make_response(sent, "180 Ringing", "t", kContactA));
    bench.receive("access", kCaller, make_cancel(first));
    bench.take_one("SIP/2.0 487");
    bench.take_one("CANCEL ");
    bench.receive("core", kCarrierA, make_response(sent, "487 Request Terminated", "t"));
    bench.take();
  }
  bench.expect_nothing_left();
}

// ---- what one has seen of a target the other knows

class TwoShardsTargets : public TwoShards {
 protected:
  int calls_ = 0;
  // A new call: which shard has it, and what is sent.
  std::pair<std::size_t, Sent> called() {
    const std::string id = "h" + std::to_string(calls_++);
    const std::uint64_t before = bench.shard(0).manager().calls();
    bench.receive("access", kCaller, make_invite({.call_id = id, .branch = "z9hG4bK" + id}));
    Sent sent = bench.take_one("INVITE ");
    return {bench.shard(0).manager().calls() > before ? 0 : 1, std::move(sent)};
  }
  void refuse(const Sent& sent, std::string_view status, std::string_view more = {}) {
    bench.receive("core", sent.remote.to_text(), make_response(sent, status, "t", {}, {}, more));
  }
  static std::string shown(Bench& of, std::size_t shard) {
    std::string text;
    EXPECT_TRUE(of.shard(shard).post([&](stats::ShardView& view) {
      for (const stats::PeerRow& row : view.peers()) {
        if (row.name == "carrier-a") text = row.targets.at(0);
      }
    }));
    of.turn();
    return text;
  }
};

TEST_F(TwoShardsTargets, Retry_After_that_one_was_told_holds_for_both) {
  refuse(called().second, "503 Service Unavailable", "Retry-After: 20\r\n");
  refuse(bench.take_one("INVITE "), "486 Busy Here");
  bench.take();
  EXPECT_EQ(shown(bench, 0), "192.0.2.10:5060 out of use for 20s");
  EXPECT_EQ(shown(bench, 1), shown(bench, 0));
  std::set<std::size_t> shards;
  for (int n = 0; n < 16; ++n) {
    const auto [shard, sent] = called();
    shards.insert(shard);
    EXPECT_EQ(sent.remote, *Endpoint::parse(kCarrierB)) << n;
    refuse(sent, "486 Busy Here");
    bench.take();
  }
  EXPECT_EQ(shards.size(), 2u);
  bench.advance(21 * kSecond);
  bench.take();
  const Sent later = called().second;
  EXPECT_EQ(later.remote, *Endpoint::parse(kCarrierA));
  refuse(later, "486 Busy Here");
  bench.expect_nothing_left();
}

TEST_F(TwoShardsTargets, A_target_that_one_could_not_reach_rests_for_both_until_it_answers_one_of_them) {
  bench.report_unreachable(called().second);
  bench.report_unreachable(bench.take_one("INVITE "));
  bench.take();
  for (const std::size_t shard : {0u, 1u}) EXPECT_EQ(shown(bench, shard), "192.0.2.10:5060 out of use for 30s");
  const Sent again = called().second;
  EXPECT_EQ(again.remote, *Endpoint::parse(kCarrierA)) << "all rest, so all are tried";
  refuse(again, "486 Busy Here");
  for (const std::size_t shard : {0u, 1u}) EXPECT_EQ(shown(bench, shard), "192.0.2.10:5060 up");
  bench.take();
  bench.expect_nothing_left();
}

TEST_F(TwoShardsTargets, One_probes_and_both_know_what_came_of_it) {
  std::string yaml = two_shards();
  const std::string target = "targets: [\"sip:192.0.2.10:5060\"]\n";
  yaml.insert(yaml.find(target) + target.size(), "    probe: 30s\n");
  Bench probing(yaml);
  std::vector<Sent> probes;  // the first is somewhere within the 30 s
  for (int n = 0; n < 310 && probes.empty(); ++n) {
    probing.advance(100 * kMillisecond);
    probes = probing.take();
  }
  ASSERT_EQ(count(probes, "OPTIONS "), 1);
  probing.receive("core", kCarrierA, make_response(probes[0], "200 OK", "t"));
  probing.advance(29 * kSecond);
  EXPECT_EQ(count(probing.take(), "OPTIONS "), 0) << "one probe, not one of each";
  probing.advance(70 * kSecond);
  for (const std::size_t shard : {0u, 1u}) EXPECT_EQ(shown(probing, shard), "192.0.2.10:5060 down");
  probing.take();
  probing.advance(22 * kSecond);
  const std::vector<Sent> sent = probing.take();
  const auto last = std::ranges::find_if(sent, [](const Sent& one) { return one.is("OPTIONS "); });
  ASSERT_NE(last, sent.end());
  probing.receive("core", kCarrierA, make_response(*last, "200 OK", "t"));
  for (const std::size_t shard : {0u, 1u}) EXPECT_EQ(shown(probing, shard), "192.0.2.10:5060 up");
}

TEST_F(TwoShards, One_that_is_full_of_its_share_does_not_borrow) {
  std::string yaml = two_shards();
  yaml.replace(yaml.find("controlplane: {shards: 2"), 24, "controlplane: {shards: 2, max_calls: 4");
  Bench small(yaml);
  int placed = 0, refused = 0;
  for (int n = 0; n < 12; ++n) {
    small.receive(
        "access", kCaller,
        make_invite({.call_id = "s" + std::to_string(n), .branch = "z9hG4bKs" + std::to_string(n)}));
    const std::vector<Sent> sent = small.take();
    placed += count(sent, "INVITE ");
    refused += count(sent, "SIP/2.0 503");
  }
  EXPECT_EQ(placed, 4);
  EXPECT_EQ(refused, 8);
  for (const std::size_t shard : {0u, 1u}) EXPECT_LE(small.shard(shard).manager().calls(), 2u);
}

}  // namespace
}  // namespace sallyport::shard
