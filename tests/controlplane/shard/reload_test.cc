// SPDX-License-Identifier: Apache-2.0
// A configuration follows another one while calls are in hand.
#include <future>

#include "controlplane/config/load.h"
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kStranger = "192.0.2.99:5060";

std::string swapped(std::string yaml, std::string_view old, std::string_view fresh) {
  const auto at = yaml.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return at == std::string::npos ? yaml : yaml.replace(at, old.size(), fresh);
}
std::string with(std::string_view old, std::string_view fresh) {
  return swapped(std::string(Bench::default_config()), old, fresh);
}
// carrier-a and all that leads there is gone.
std::string without_carrier_a() {
  std::string yaml(Bench::default_config());
  const auto begin = yaml.find("  carrier-a:\n");
  yaml.erase(begin, yaml.find("  carrier-b:\n") - begin);
  yaml = swapped(std::move(yaml), "to: [carrier-a, carrier-b]", "to: [carrier-b]");
  return swapped(std::move(yaml), "from: [carrier-a, carrier-b]", "from: [carrier-b]");
}
// The same, and its address is another peer's.
std::string renamed_carrier_a() {
  std::string yaml(Bench::default_config());
  for (int i = 0; i < 3; ++i) yaml = swapped(std::move(yaml), "carrier-a", "carrier-n");
  return yaml;
}

class Reload : public CallTest {
 protected:
  // A further call; its INVITE to whichever carrier.
  Sent place_again(const std::string& name, const std::string& user = "4930123") {
    invite = make_invite({.user = user, .call_id = name, .branch = "z9hG4bK" + name});
    bench.receive("access", kCaller, invite);
    return bench.take_one("INVITE ");
  }
  void end_attempt(const Sent& request) {
    bench.receive("core", request.remote.to_text(), make_response(request, "486 Busy Here", "t"));
    EXPECT_TRUE(bench.take_one("SIP/2.0 486").is("SIP/2.0 486"));
  }
  void carrier_hangs_up() {
    bench.receive("core", kCarrierA, make_uas_request("BYE", out, "ct1", "192.0.2.10:5060", 1, "z9hG4bKcb1"));
    EXPECT_TRUE(bench.take_one("SIP/2.0 200").is("SIP/2.0 200"));
    const Sent bye = bench.take_one("BYE ");
    bench.receive("access", kCaller, make_response(bye, "200 OK", ""));
  }
  stats::PeerRow shown(std::string_view name) {
    stats::PeerRow found;
    EXPECT_TRUE(bench.shard().post([&](stats::ShardView& view) {
      for (const stats::PeerRow& row : view.peers()) {
        if (row.name == name) found = row;
      }
    }));
    bench.turn();
    return found;
  }
};

TEST_F(Reload, Is_told_once_it_is_taken) {
  auto loaded = config::load(Bench::default_config());
  ASSERT_TRUE(loaded);
  auto maps = response_map::Maps::compile(loaded->response_maps);
  ASSERT_TRUE(maps);
  const auto rules = std::make_shared<Rules>(std::move(*loaded), std::move(*maps));
  auto taken = rules->taken.get_future();
  bench.shard().succeed(rules);
  EXPECT_NE(taken.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  bench.turn();
  EXPECT_EQ(taken.wait_for(std::chrono::seconds(0)), std::future_status::ready);
}

TEST_F(Reload, New_calls_go_by_the_new_route_and_a_call_in_hand_goes_on) {
  establish();
  bench.reload(with("user: \"0*\", to: [carrier-b]", "user: \"4*\", to: [carrier-b]"));
  EXPECT_TRUE(bench.take().empty()) << "nobody hears of it";
  EXPECT_EQ(bench.flows.size(), 4u);
  const std::string first = invite;
  const Sent next = place_again("next");
  EXPECT_EQ(next.remote.to_text(), kCarrierB);
  end_attempt(next);
  invite = first;
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(Reload, A_response_that_comes_after_it_goes_by_the_new_map) {
  const Sent before = place();
  bench.reload(with("{code: 503, send: 480, send_phrase: \"Temporarily Unavailable\", failover: yes}",
                    "{code: 486, send: 600, send_phrase: \"Nowhere\"}"));
  bench.receive("core", kCarrierA, make_response(before, "486 Busy Here", "t"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 600").is("SIP/2.0 600 Nowhere"));
}

TEST_F(Reload, A_new_peer_is_known_and_called) {
  bench.receive("core", kStranger, make_invite({.call_id = "s1", .branch = "z9hG4bKs1"}));
  EXPECT_TRUE(bench.take_one("SIP/2.0 403").is("SIP/2.0 403"));
  std::string yaml = with("routes:\n",
                          "  newcomer: {realm: core, match: [192.0.2.99], targets: [\"sip:192.0.2.99\"]}\n"
                          "routes:\n  - {from: newcomer, to: [office]}\n"
                          "  - {from: office, user: \"7*\", to: [newcomer]}\n");
  bench.reload(yaml);
  bench.receive("core", kStranger, make_invite({.call_id = "s2", .branch = "z9hG4bKs2"}));
  EXPECT_EQ(bench.take_one("INVITE ").remote.to_text(), kCaller);
  EXPECT_EQ(place_again("seven", "77").remote.to_text(), kStranger);
  EXPECT_EQ(shown("newcomer").calls, 2u);
  const auto pairs = bench.shard().statistics().pairs();
  const auto from_it = [](const stats::PairStatistics* pair) { return pair->from == 3 && pair->to == 0; };
  EXPECT_EQ(std::ranges::count_if(pairs, from_it), 1) << "counted by its own place";
}

// ---- a peer is removed

TEST_F(Reload, A_removed_peer_is_nobody_and_its_calls_go_on) {
  establish();
  bench.reload(without_carrier_a());
  const stats::PeerRow row = shown("carrier-a");
  EXPECT_TRUE(row.removed);
  EXPECT_EQ(row.calls, 1u);
  EXPECT_EQ(place_again("next").remote.to_text(), kCarrierB);
  bench.receive("core", kCarrierA, make_invite({.call_id = "s1", .branch = "z9hG4bKs1"}));
  EXPECT_TRUE(bench.take_one("SIP/2.0 403").is("SIP/2.0 403"));
  carrier_hangs_up();
  EXPECT_EQ(shown("carrier-a").name, "") << "without calls it is not shown";
}

TEST_F(Reload, A_removed_peer_that_rings_can_still_answer_and_its_phrase_goes_by_its_old_map) {
  out = place();
  bench.reload(without_carrier_a());
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  EXPECT_TRUE(bench.take_one("SIP/2.0 180").is("SIP/2.0 180"));
  bench.receive("core", kCarrierA, make_response(out, "503 Later", "ct1"));
  // 503 is a reason for failover in its map, and the candidates are those of the call's route.
  EXPECT_EQ(bench.take_one("INVITE ").remote.to_text(), kCarrierB);
}

TEST_F(Reload, A_removed_caller_may_cancel_and_repeat_what_he_began) {
  const std::string call = make_invite({.user = "7", .call_id = "in", .branch = "z9hG4bKin"});
  bench.receive("core", kCarrierA, call);
  const Sent inside = bench.take_one("INVITE ");
  (void)bench.take();
  bench.reload(without_carrier_a());
  bench.receive("core", kCarrierA, call);
  EXPECT_TRUE(bench.take_one("SIP/2.0 100").is("SIP/2.0 100"))
      << "a repeated INVITE hears the last response again";
  bench.receive("core", kStranger, make_cancel(call));
  EXPECT_EQ(count(bench.take(), "SIP/2.0 200"), 0) << "not from anywhere";
  bench.receive("access", kCaller, make_response(inside, "180 Ringing", "c", "<sip:a@198.51.100.20>"));
  bench.take();
  bench.receive("core", kCarrierA, make_cancel(call));
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "SIP/2.0 200"), 1);
  EXPECT_EQ(count(sent, "SIP/2.0 487"), 1);
  EXPECT_EQ(count(sent, "CANCEL "), 1);
}

TEST_F(Reload, The_address_may_be_another_peers_meanwhile) {
  establish();
  bench.reload(renamed_carrier_a());
  carrier_hangs_up();
  bench.expect_nothing_left();
  EXPECT_EQ(place_again("next").remote.to_text(), kCarrierA);
}

TEST_F(Reload, After_it_the_address_of_another_peer_speaks_for_no_new_call) {
  bench.reload(with("match: [\"192.0.2.10\"]", "match: [\"192.0.2.9\"]"));
  bench.advance(kSecond);
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  bench.take();
  bench.receive("core", kCarrierB, make_uas_request("BYE", out, "ct1", "192.0.2.11:5060", 1, "z9hG4bKcb1"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 481").is("SIP/2.0 481"));
}

// ---- what a call keeps

TEST_F(Reload, A_call_keeps_the_codecs_that_it_began_with) {
  const std::string body = swapped(sdp("198.51.100.20", 4000), "RTP/AVP 8 101", "RTP/AVP 0 8 101");
  out = place({.body = body});
  EXPECT_NE(out.body().find("PCMA"), std::string::npos);
  bench.reload(with("    response_map: {send: to-office}\n",
                    "    response_map: {send: to-office}\n    codecs: {remove: [PCMA]}\n"));
  bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
  EXPECT_NE(bench.take_one("SIP/2.0 200").body().find("PCMA"), std::string::npos);
  bench.receive("access", kCaller, make_invite({.call_id = "next", .body = body, .branch = "z9hG4bKnext"}));
  EXPECT_EQ(bench.take_one("INVITE ").body().find("PCMA"), std::string::npos);
}

TEST_F(Reload, A_call_keeps_the_numbers_of_its_route) {
  const auto numbers = [](std::string_view prefix) {
    return swapped(
        with("{from: [carrier-a, carrier-b], to: [office]}",
             "{from: [carrier-a, carrier-b], to: [office], numbers: {out: [{apply: calling, prefix: \"" +
                 std::string(prefix) + "\"}]}}"),
        "[\"sip:198.51.100.20:5060\"]", "[\"sip:198.51.100.20:5060\", \"sip:198.51.100.21:5060\"]");
  };
  const auto call = [&](const std::string& name) {
    bench.receive("core", kCarrierA,
                  swapped(make_invite({.user = "7", .call_id = name, .branch = "z9hG4bK" + name}),
                          "sip:alice@", "sip:55@"));
    return bench.take_one("INVITE ");
  };
  bench.reload(numbers("1"));
  const Sent first = call("before");
  EXPECT_NE(first.header("From").find("sip:155@"), std::string::npos) << first.text;
  bench.reload(numbers("2"));
  bench.report_unreachable(first);
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(second.remote.to_text(), "198.51.100.21:5060");
  EXPECT_NE(second.header("From").find("sip:155@"), std::string::npos) << second.text;
  EXPECT_NE(call("after").header("From").find("sip:255@"), std::string::npos);
}

// ---- limits, health, workers

TEST_F(Reload, A_lower_limit_ends_no_call_and_holds_for_new_ones) {
  establish();
  bench.reload(with("    targets: [\"sip:198.51.100.20:5060\"]\n",
                    "    targets: [\"sip:198.51.100.20:5060\"]\n    limits: {calls: 1}\n"));
  bench.receive("access", kCaller, make_invite({.call_id = "next", .branch = "z9hG4bKnext"}));
  EXPECT_TRUE(bench.take_one("SIP/2.0 503").is("SIP/2.0 503"));
  caller_hangs_up();
  EXPECT_TRUE(place_again("last").is("INVITE "));
}

TEST_F(Reload, A_target_that_stays_keeps_its_health) {
  const Sent first = place();
  bench.report_unreachable(first);
  EXPECT_EQ(bench.take_one("INVITE ").remote.to_text(), kCarrierB);
  bench.reload(with("targets: [\"sip:192.0.2.10:5060\"]",
                    "targets: [\"sip:192.0.2.12:5060\", \"sip:192.0.2.10:5060\"]"));
  const stats::PeerRow row = shown("carrier-a");
  ASSERT_EQ(row.targets.size(), 2u);
  EXPECT_EQ(row.targets[0], "192.0.2.12:5060 up");
  EXPECT_TRUE(row.targets[1].starts_with("192.0.2.10:5060 out of use for")) << row.targets[1];
  EXPECT_EQ(place_again("next").remote.to_text(), "192.0.2.12:5060");
}

TEST_F(Reload, Workers_are_told_what_SIP_they_take_and_how_it_is_marked) {
  bench.reload(with("    sip: {udp: 5060}\n    media: {ports: 20000-20999}\n",
                    "    sip: {udp: 5060, police: 77, dscp: 40}\n    media: {ports: 20000-20999}\n"));
  ASSERT_EQ(bench.realm_settings.size(), 2u);
  EXPECT_EQ(bench.realm_settings[0].sip_police_pps, 77u);
  EXPECT_EQ(bench.realm_settings[0].sip_dscp, 40);
  EXPECT_EQ(bench.realm_settings[1].sip_police_pps, 4000u);
}

TEST_F(Reload, Timers_of_SIP_hold_for_what_begins_after_it) {
  bench.reload(with("controlplane: {shards: 1}", "controlplane: {shards: 1, sip: {t1: 100ms}}"));
  (void)place();
  bench.advance(120 * kMillisecond, 10 * kMillisecond);
  EXPECT_EQ(count(bench.take(), "INVITE "), 1) << "the INVITE again after 100 ms";
}

// ---- names

TEST_F(Reload, Names_of_a_configuration_to_come_wait_and_those_of_an_older_one_are_nothing) {
  const std::string named = with("targets: [\"sip:192.0.2.10:5060\"]", "targets: [\"sip:carrier.example\"]");
  const auto names = [](std::uint32_t generation, const char* place) {
    routing::ResolvedNames found{{1, 0, routing::NameState::resolved, {{*Endpoint::parse(place)}}}};
    found.generation = generation;
    return std::make_shared<const routing::ResolvedNames>(std::move(found));
  };
  bench.shard().learn(names(1, "192.0.2.40:5060"));
  bench.turn();
  bench.reload(named);
  EXPECT_EQ(shown("carrier-a").targets.at(0), "carrier.example: UDP 192.0.2.40:5060 up");
  bench.shard().learn(names(0, "192.0.2.41:5060"));
  bench.turn();
  EXPECT_EQ(shown("carrier-a").targets.at(0), "carrier.example: UDP 192.0.2.40:5060 up");
  bench.reload(swapped(named, "limits: {setup: 10s", "limits: {setup: 9s"));
  EXPECT_EQ(shown("carrier-a").targets.at(0), "carrier.example: UDP 192.0.2.40:5060 up")
      << "until it is looked up again";
}

}  // namespace
}  // namespace sallyport::shard
