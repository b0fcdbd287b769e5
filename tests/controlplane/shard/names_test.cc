// SPDX-License-Identifier: Apache-2.0
// Calls to targets that are names.
#include <map>

#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

// carrier-a is a name and has no `match`; calls go to it alone.
std::string named_config() {
  std::string yaml(Bench::default_config());
  const auto swap = [&](std::string_view old, std::string_view fresh) {
    yaml.replace(yaml.find(old), old.size(), fresh);
  };
  swap("    match: [\"192.0.2.10\"]\n", "");
  swap("to: [carrier-a, carrier-b]}", "to: [carrier-a]}");
  swap("targets: [\"sip:192.0.2.10:5060\"]\n", "targets: [\"sip:carrier.example\"]\n");
  swap("targets: [\"sip:192.0.2.11:5060\"]\n", "targets: [\"sip:192.0.2.11:5060\"]\n    redirects: follow\n");
  return yaml;
}

routing::ResolvedPlace place_at(std::string_view endpoint, std::uint16_t rank = 0, std::uint16_t entry = 0,
                                std::uint16_t weight = 0) {
  return {*Endpoint::parse(endpoint), config::Transport::udp, rank, entry, weight};
}

class Names : public CallTest {
 protected:
  Names() : CallTest(named_config()) {}
  void learn(std::vector<routing::ResolvedPlace> places,
             routing::NameState state = routing::NameState::resolved) {
    const config::PeerIndex peer = bench.config().find_peer("carrier-a");
    bench.shard().learn(std::make_shared<const routing::ResolvedNames>(
        routing::ResolvedNames{{peer, 0, state, std::move(places)}}));
    bench.turn();
  }
  Sent place_again(const std::string& name) {
    bench.receive("access", kCaller, make_invite({.call_id = name, .branch = "z9hG4bK" + name}));
    return bench.take_one("INVITE ");
  }
  void refuse(const Sent& request, std::string_view status) {
    bench.receive("core", request.remote.to_text(), make_response(request, status, "t"));
  }
  std::string shown() {
    std::string text;
    const auto read = [](stats::ShardView& view) { return view.peers(); };
    EXPECT_TRUE(bench.shard().post([&](stats::ShardView& view) {
      for (const stats::PeerRow& row : read(view)) {
        if (row.name != "carrier-a") continue;
        text = row.usable ? "usable" : "down";
        for (const std::string& target : row.targets) text += "; " + target;
      }
    }));
    bench.turn();
    return text;
  }
};

TEST_F(Names, The_INVITE_goes_to_the_address_and_its_URI_keeps_the_name) {
  learn({place_at("192.0.2.30:5070")});
  const Sent invited = place();
  EXPECT_EQ(invited.remote.to_text(), "192.0.2.30:5070");
  EXPECT_TRUE(invited.is("INVITE sip:4930123@carrier.example SIP/2.0\r\n")) << invited.text;
  EXPECT_EQ(invited.header("To"), "<sip:4930123@carrier.example>");
  refuse(invited, "486 Busy Here");
  bench.take();
  bench.expect_nothing_left();
}

TEST_F(Names, A_call_from_a_resolved_address_is_the_peer_s) {
  bench.receive("core", "192.0.2.30:5060", make_invite({.via = "192.0.2.30:5060"}));
  EXPECT_TRUE(bench.take_one("SIP/2.0 403").is("SIP/2.0 403"));
  learn({place_at("192.0.2.30:5070")});
  bench.receive("core", "192.0.2.30:5060",
                make_invite({.call_id = "c2",
                             .via = "192.0.2.30:5060",
                             .body = sdp("192.0.2.30", 6000),
                             .branch = "z9hG4bKc2"}));
  const Sent invited = bench.take_one("INVITE ");
  EXPECT_EQ(invited.remote.to_text(), "198.51.100.20:5060");
  bench.receive("access", kCaller, make_response(invited, "486 Busy Here", "t"));
  bench.take();
  bench.expect_nothing_left();
}

TEST_F(Names, Without_a_place_the_caller_hears_that_the_peer_is_down) {
  for (const auto state : {routing::NameState::pending, routing::NameState::no_such_name}) {
    if (state != routing::NameState::pending) learn({}, state);
    const std::string id = "n" + std::to_string(static_cast<int>(state));
    bench.receive("access", kCaller, make_invite({.call_id = id, .branch = "z9hG4bK" + id}));
    const Sent refused = bench.take_one("SIP/2.0 503");
    EXPECT_NE(refused.header("Retry-After"), "");
    bench.receive("access", kCaller,
                  make_in_dialog("ACK", make_invite({.call_id = id}), refused, 1, "z9hG4bK" + id));
  }
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "peer-down");
  EXPECT_EQ(shown(), "down; carrier.example: no such name");
}

TEST_F(Names, The_next_rank_is_tried_when_the_first_place_is_silent_and_the_first_rests) {
  learn({place_at("192.0.2.30:5060"), place_at("192.0.2.31:5060", 1, 1)});
  const Sent first = place();
  EXPECT_EQ(first.remote.to_text(), "192.0.2.30:5060");
  bench.advance(11 * kSecond);
  Sent second;
  for (const Sent& sent : bench.take()) {
    if (sent.is("INVITE ") && sent.remote != first.remote) second = sent;
  }
  EXPECT_EQ(second.remote.to_text(), "192.0.2.31:5060");
  EXPECT_TRUE(second.is("INVITE sip:4930123@carrier.example SIP/2.0\r\n"));
  refuse(second, "486 Busy Here");
  bench.advance(kSecond);
  const std::string peer = shown();
  EXPECT_TRUE(peer.starts_with("usable; carrier.example: UDP 192.0.2.30:5060 out of use for ")) << peer;
  EXPECT_TRUE(peer.ends_with("; carrier.example: UDP 192.0.2.31:5060 up")) << peer;
  bench.take();
  const Sent next = place_again("next");
  EXPECT_EQ(next.remote.to_text(), "192.0.2.31:5060");
  refuse(next, "486 Busy Here");
  bench.advance(40 * kSecond);
  bench.take();
  bench.expect_nothing_left();
}

TEST_F(Names, Weights_are_drawn_for_each_call) {
  learn({place_at("192.0.2.30:5060", 0, 0, 80), place_at("192.0.2.31:5060", 0, 1, 20)});
  std::map<std::string, int> calls;
  for (int i = 0; i < 400; ++i) {
    const Sent invited = place_again("w" + std::to_string(i));
    ++calls[invited.remote.to_text()];
    refuse(invited, "486 Busy Here");
    bench.take();
  }
  EXPECT_NEAR(calls["192.0.2.30:5060"], 320, 40);
  EXPECT_NEAR(calls["192.0.2.31:5060"], 80, 40);
}

TEST_F(Names, A_name_that_moves_on_takes_new_calls_along_and_leaves_the_old_ones) {
  learn({place_at("192.0.2.10:5060")});
  establish();
  learn({place_at("192.0.2.31:5060")});
  const Sent moved = place_again("moved");
  EXPECT_EQ(moved.remote.to_text(), "192.0.2.31:5060");
  refuse(moved, "486 Busy Here");
  bench.take();
  caller_hangs_up();
  bench.expect_nothing_left();
}

TEST_F(Names, Who_began_a_call_ends_it_from_an_address_that_the_name_has_left) {
  learn({place_at("192.0.2.10:5060")});
  establish();
  learn({place_at("192.0.2.31:5060")});
  const auto bye_from = [&](std::string_view source, std::string_view branch) {
    bench.receive("core", source, make_uas_request("BYE", out, "ct1", source, 1, branch));
  };
  bye_from("192.0.2.12:5060", "z9hG4bKstranger");
  EXPECT_TRUE(bench.take_one("SIP/2.0 ").is("SIP/2.0 403")) << "the tag alone opens nothing";
  bye_from(kCarrierA, "z9hG4bKtheirs");
  EXPECT_TRUE(bench.take_one("SIP/2.0 ").is("SIP/2.0 200"));
}

TEST_F(Names, A_place_that_goes_while_its_call_waits_for_it_is_passed_over) {
  learn({place_at("192.0.2.30:5060"), place_at("192.0.2.31:5060", 1, 1), place_at("192.0.2.32:5060", 2, 2)});
  const Sent first = place();
  learn({place_at("192.0.2.30:5060"), place_at("192.0.2.32:5060", 2, 2)});
  bench.report_unreachable(first);
  const Sent next = bench.take_one("INVITE ");
  EXPECT_EQ(next.remote.to_text(), "192.0.2.32:5060");
  refuse(next, "486 Busy Here");
  bench.take();
  bench.expect_nothing_left();
}

TEST_F(Names, A_redirect_to_the_name_goes_where_the_name_leads_and_its_URI_keeps_it) {
  learn({place_at("192.0.2.30:5070")});
  bench.receive("access", kCaller, make_invite({.user = "0123"}));
  const Sent first = bench.take_one("INVITE ");
  EXPECT_EQ(first.remote.to_text(), kCarrierB);
  bench.receive("core", kCarrierB,
                make_response(first, "302 Moved Temporarily", "t", "<sip:777@Carrier.example>"));
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(second.remote.to_text(), "192.0.2.30:5070");
  EXPECT_TRUE(second.is("INVITE sip:777@carrier.example SIP/2.0\r\n")) << second.text;
  refuse(second, "486 Busy Here");
  bench.take();
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).to_peer, "carrier-a");
}

TEST_F(Names, A_redirect_to_a_name_of_nobodys_is_not_followed) {
  bench.receive("access", kCaller, make_invite({.user = "0123"}));
  const Sent first = bench.take_one("INVITE ");
  bench.receive("core", kCarrierB,
                make_response(first, "302 Moved Temporarily", "t", "<sip:777@stranger.example>"));
  (void)bench.take_one("SIP/2.0 480");
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).local_error, "redirect-refused");
}

TEST_F(Names, Stale_places_are_called_and_shown_as_such) {
  learn({place_at("192.0.2.30:5060")}, routing::NameState::stale);
  EXPECT_EQ(shown(), "usable; carrier.example (stale): UDP 192.0.2.30:5060 up");
  const Sent invited = place();
  EXPECT_EQ(invited.remote.to_text(), "192.0.2.30:5060");
  refuse(invited, "486 Busy Here");
}

}  // namespace
}  // namespace sallyport::shard
