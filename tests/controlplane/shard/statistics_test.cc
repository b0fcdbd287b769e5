// SPDX-License-Identifier: Apache-2.0
// What a shard counts of its calls: rules of the response maps, attempts by peer, round trips.
#include <map>

#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

using Hits = std::map<std::string, std::uint64_t>;  // "carrier-in rule 1", " rfc3398 base"

Hits hits_of(Bench& bench) {
  Hits hits;
  for (const stats::RuleHits::Entry& entry : bench.shard().statistics().rule_hits.read())
    hits[std::string(entry.map) + " " + std::string(entry.rule)] = entry.count;
  return hits;
}

std::string with_other(std::string text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

class RuleHitsOfCalls : public CallTest {
 protected:
  explicit RuleHitsOfCalls(std::string_view yaml = Bench::default_config()) : CallTest(yaml) {}
  void carrier(const Sent& request, std::string_view status) {
    bench.receive("core", request.remote.to_text(), make_response(request, status, "ct1", kContactA));
  }
};

TEST_F(RuleHitsOfCalls, Responses_of_a_call_that_works_are_the_bases) {
  establish();
  EXPECT_EQ(hits_of(bench), (Hits{{" rfc3398 base", 2}})) << "the 180 and the 200";
  caller_hangs_up();
}

TEST_F(RuleHitsOfCalls, Each_attempt_counts_the_rule_that_decided_of_it) {
  out = place();
  carrier(out, "503 Service Unavailable");
  bench.take_one("ACK ");
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(hits_of(bench), (Hits{{"carrier-in rule 1", 1}}));
  carrier(second, "499 Codec Mismatch");
  EXPECT_EQ(hits_of(bench),
            (Hits{{"carrier-in rule 1", 1}, {"carrier-in vendor row 499 Codec Mismatch", 1}}));
  bench.take_one("SIP/2.0 488");
  bench.expect_nothing_left();
}

TEST_F(RuleHitsOfCalls, Local_errors_count_the_rule_or_the_default) {
  bench.receive("access", kCaller, make_invite({.body = sdp("10.9.9.9", 4000)}));
  bench.take_one("SIP/2.0 488");
  bench.receive("access", kCaller,
                make_invite({.call_id = "far", .branch = "z9hG4bKfar", .max_forwards = 0}));
  bench.take_one("SIP/2.0 483");
  EXPECT_EQ(hits_of(bench), (Hits{{"to-office rule 1", 1}, {" default of too-many-hops", 1}}));
  bench.expect_nothing_left();
}

TEST_F(RuleHitsOfCalls, Requests_inside_and_outside_of_a_call_count_too) {
  establish();
  const Hits before = hits_of(bench);
  bench.receive("access", kCaller, make_in_dialog("INFO", invite, ok, 2, "z9hG4bKinfo"));
  carrier(bench.take_one("INFO "), "499 Codec Mismatch");
  bench.take_one("SIP/2.0 488");
  Hits after = hits_of(bench);
  EXPECT_EQ(after["carrier-in vendor row 499 Codec Mismatch"], 1u);
  bench.receive(
      "access", kCaller,
      "MESSAGE sip:4930123@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKm1"
      "\r\nFrom: <sip:me@x>;tag=mine\r\nTo: <sip:4930123@198.51.100.1>\r\nCall-ID: m1\r\n"
      "CSeq: 7 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
  carrier(bench.take_one("MESSAGE "), "404 Not Found");
  bench.take_one("SIP/2.0 404");
  after = hits_of(bench);
  EXPECT_EQ(after[" rfc3398 base"], before.at(" rfc3398 base") + 1);
  EXPECT_EQ(after["carrier-in vendor row 499 Codec Mismatch"], 1u);
  caller_hangs_up(3);
  bench.expect_nothing_left();
}

const std::string& provisional_config() {
  static const std::string text = with_other(std::string(Bench::default_config()), "      - {code: 503,",
                                             "      - {code: 183, send: 180}\n      - {code: 503,");
  return text;
}

class RuleHitsOfProvisionals : public RuleHitsOfCalls {
 protected:
  RuleHitsOfProvisionals() : RuleHitsOfCalls(provisional_config()) {}
};

TEST_F(RuleHitsOfProvisionals, Go_on_through_a_reload_that_moves_the_maps) {
  out = place();
  carrier(out, "183 Session Progress");
  bench.take_one("SIP/2.0 180");
  EXPECT_EQ(hits_of(bench), (Hits{{"carrier-in rule 1", 1}}));
  // A map that stands before it gives it another index and other lines.
  bench.reload(with_other(provisional_config(), "response_maps:\n",
                          "response_maps:\n  first:\n    rules: [{code: 486, send: 600}]\n"));
  carrier(out, "183 Session Progress");
  bench.take_one("SIP/2.0 180");
  EXPECT_EQ(hits_of(bench), (Hits{{"carrier-in rule 1", 2}}));
  carrier(out, "486 Busy Here");
  bench.take_one("SIP/2.0 486");
  bench.expect_nothing_left();
}

// ---- attempts

struct Seized {
  std::uint64_t attempts = 0;
  std::uint64_t failed = 0;
  std::size_t mapped = 0;
};

Seized seized(Bench& bench, std::uint16_t to) {
  Seized out;
  for (const stats::PairStatistics* pair : bench.shard().statistics().pairs()) {
    if (pair->to != to || pair->from == stats::kNone) continue;
    out.attempts += pair->attempts.get();
    for (const stats::Counter& counter : pair->failed) out.failed += counter.get();
    out.mapped += pair->mapped.read().size();
  }
  return out;
}

TEST_F(RuleHitsOfCalls, What_no_INVITE_was_sent_for_counts_to_no_peer) {
  bench.receive("access", kCaller, make_invite({.body = sdp("10.9.9.9", 4000)}));
  bench.take_one("SIP/2.0 488");
  for (const char* name : {"carrier-a", "carrier-b"}) {
    const Seized peer = seized(bench, bench.config().find_peer(name));
    EXPECT_EQ(peer.attempts + peer.failed + peer.mapped, 0u) << name;
  }
  const Seized none = seized(bench, stats::kNone);
  EXPECT_EQ(none.attempts, 1u);
  EXPECT_EQ(none.failed, 1u);
  EXPECT_EQ(none.mapped, 1u);
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(bench.records.records[0].to_peer, "");
  EXPECT_TRUE(bench.records.records[0].attempts.empty());
  bench.expect_nothing_left();
}

const std::string& picky_config() {
  static const std::string text =
      with_other(std::string(Bench::default_config()), "targets: [\"sip:192.0.2.11:5060\"]\n",
                 "targets: [\"sip:192.0.2.11:5060\"]\n    codecs: {allow: [G722]}\n");
  return text;
}

class Attempts : public RuleHitsOfCalls {
 protected:
  Attempts() : RuleHitsOfCalls(picky_config()) {}
};

TEST_F(Attempts, A_second_target_that_heard_nothing_is_not_to_blame) {
  out = place();
  carrier(out, "503 Service Unavailable");
  bench.take_one("SIP/2.0 ");  // carrier-b takes none of the codecs, so it was not asked
  const Seized first = seized(bench, bench.config().find_peer("carrier-a"));
  EXPECT_EQ(first.attempts, 1u);
  EXPECT_EQ(first.failed, 1u);
  EXPECT_EQ(seized(bench, bench.config().find_peer("carrier-b")).attempts, 0u);
  EXPECT_EQ(seized(bench, stats::kNone).attempts, 0u) << "a call that was tried was not refused before";
  EXPECT_EQ(hits_of(bench), (Hits{{"carrier-in rule 1", 1}, {" default of no-common-codec", 1}}))
      << "each verdict once";
  bench.expect_nothing_left();
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(bench.records.records[0].attempts.size(), 1u);
}

// ---- media

TEST_F(CallTest, The_round_trip_of_a_flow_that_ends_is_of_its_realm) {
  establish();
  bool told = false;
  for (const auto& [slot, spec] : bench.flows) {
    if (told || spec.realm != bench.config().find_realm("access")) continue;
    bench.counters[slot].rtt_us = 42'000;
    told = true;
  }
  ASSERT_TRUE(told);
  caller_hangs_up();
  bench.expect_nothing_left();
  const auto count = [&](const char* realm) {
    std::uint64_t sum = 0;
    const auto* block = bench.shard().statistics().find_realm(bench.config().find_realm(realm));
    if (block == nullptr) return sum;
    for (const stats::Counter& bucket : block->rtt.buckets()) sum += bucket.get();
    return sum;
  };
  EXPECT_EQ(count("access"), 1u);
  EXPECT_EQ(count("core"), 0u) << "no report, no round trip";
  const auto* access = bench.shard().statistics().find_realm(bench.config().find_realm("access"));
  EXPECT_EQ(access->rtt.sum_ns(), static_cast<std::uint64_t>(42 * kMillisecond));
}

}  // namespace
}  // namespace sallyport::shard
