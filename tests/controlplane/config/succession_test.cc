// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/succession.h"
#include "controlplane/config/without_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/config/load.h"

namespace sallyport::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kHead =
    "dataplane: {cores: [1], ports: {p: {device: net_null0}, q: {device: net_null1}}}\n";
constexpr std::string_view kRealms =
    "realms:\n"
    "  in: {port: p, addresses: [192.0.2.1/24], sip: {udp: 5060}}\n"
    "  out: {port: q, addresses: [198.51.100.1/24], sip: {udp: 5060}}\n";
constexpr std::string_view kPeers =
    "peers:\n"
    "  a: {realm: in, targets: ['sip:192.0.2.10'], response_map: {receive: m}}\n"
    "  b: {realm: out, targets: ['sip:198.51.100.10'], response_map: {receive: m}}\n"
    "routes:\n"
    "  - {from: a, to: [b]}\n"
    "  - {from: b, to: [a]}\n"
    "response_maps: {m: {rules: [{code: 503, send: 480}]}}\n";

Config read(const std::string& text) {
  auto config = load(text);
  if (config) return *config;
  ADD_FAILURE() << format_faults("f", config.error());
  return {};
}

std::string file(std::string_view peers = kPeers, std::string_view realms = kRealms,
                 std::string_view head = kHead) {
  return std::string(head) + std::string(realms) + std::string(peers);
}

Succession follow(const Config& running, const std::string& text) {
  auto next = succeed(running, read(text));
  if (next) return std::move(*next);
  ADD_FAILURE() << format_faults("f", next.error());
  return {};
}

std::string refusal(const Config& running, const std::string& text) {
  const auto next = succeed(running, read(text));
  return next ? "" : format_faults("f", next.error());
}

TEST(Succession, Of_the_same_file_changes_nothing_wherever_it_stands_in_it) {
  const Config running = read(file());
  const Succession next = follow(running, "# a line more\n\n" + file());
  EXPECT_THAT(next.changed, IsEmpty());
  EXPECT_THAT(next.waiting, IsEmpty());
  EXPECT_EQ(next.config.generation, 1u);
  EXPECT_EQ(next.config.peers.size(), 2u);
  EXPECT_EQ(next.config.routes.size(), 2u);
  EXPECT_EQ(walked_routes(next.config), (std::vector<std::uint16_t>{0, 1}));
}

TEST(Succession, Keeps_the_places_of_peers_by_their_names) {
  const Config running = read(file());
  const Succession next =
      follow(running, file("peers:\n"
                           "  c: {realm: out, targets: ['sip:198.51.100.12']}\n"
                           "  b: {realm: out, targets: ['sip:198.51.100.11']}\n"
                           "  a: {realm: in, targets: ['sip:192.0.2.10'], response_map: {receive: m}}\n"
                           "routes: [{from: c, to: [a, c]}]\n"
                           "response_maps: {m: {rules: [{code: 503, send: 480}]}}\n"));
  ASSERT_EQ(next.config.peers.size(), 3u);
  EXPECT_EQ(next.config.peers[0].name, "a");
  EXPECT_EQ(next.config.peers[1].name, "b");
  EXPECT_EQ(next.config.peers[1].targets[0].uri, "sip:198.51.100.11");
  EXPECT_EQ(next.config.peers[2].name, "c");
  EXPECT_EQ(next.config.peers[2].realm, running.find_realm("out"));
  const auto walked = walked_routes(next.config);
  ASSERT_EQ(walked.size(), 1u);
  const Route& route = next.config.routes[walked[0]];
  EXPECT_THAT(route.from, ElementsAre(2));
  EXPECT_EQ(route.to[0].peer, 0);
  EXPECT_EQ(route.to[1].peer, 2);
  EXPECT_THAT(next.changed, ElementsAre("peer c: added", "peer b: changed", "routes"));
}

TEST(Succession, Keeps_realms_in_their_places_whatever_their_order_in_the_file) {
  const Config running = read(file());
  const Succession next = follow(
      running, file(kPeers,
                    "realms:\n"
                    "  out: {port: q, addresses: [198.51.100.1/24], sip: {udp: 5060}}\n"
                    "  in: {port: p, addresses: [192.0.2.1/24], sip: {udp: 5060, police: 70}}\n",
                    "dataplane: {cores: [1], ports: {q: {device: net_null1}, p: {device: net_null0}}}\n"));
  EXPECT_EQ(next.config.realms[0].name, "in");
  EXPECT_EQ(next.config.realms[0].sip_police, 70u);
  EXPECT_EQ(next.config.realms[1].name, "out");
  EXPECT_EQ(next.config.peers[0].realm, 0);
  EXPECT_EQ(next.config.peers[1].realm, 1);
  EXPECT_THAT(next.changed, ElementsAre("realm in: changed"));
  // Another order of the ports is another device by index: that waits.
  EXPECT_THAT(next.waiting, ElementsAre("dataplane.ports"));
  EXPECT_EQ(next.config.dataplane.ports[0].name, "p");
}

// Its calls go on by what was said of it, its response map among it, though another has that name now.
TEST(Succession, A_removed_peer_stays_as_it_was_for_its_calls) {
  const Config running = read(file());
  const Succession next =
      follow(running, file("peers:\n"
                           "  a: {realm: in, targets: ['sip:192.0.2.10'], response_map: {receive: m}}\n"
                           "response_maps: {m: {rules: [{code: 503, send: 486}]}}\n"));
  ASSERT_EQ(next.config.peers.size(), 2u);
  const Peer& b = next.config.peers[1];
  EXPECT_TRUE(b.retired);
  EXPECT_FALSE(next.config.peers[0].retired);
  EXPECT_EQ(b.targets[0].uri, "sip:198.51.100.10");
  EXPECT_EQ(next.config.response_maps.at(next.config.peers[0].map_receive).rules[0].send, 486);
  EXPECT_EQ(next.config.response_maps.at(b.map_receive).rules[0].send, 480);
  EXPECT_THAT(walked_routes(next.config), IsEmpty());
  EXPECT_THAT(next.changed, ElementsAre("response map m: changed", "peer b: removed", "routes"));

  const Succession again = follow(next.config, file("peers:\n"
                                                    "  a: {realm: in, targets: ['sip:192.0.2.10']}\n"));
  EXPECT_EQ(again.config.response_maps.at(again.config.peers[1].map_receive).rules[0].send, 480);
  EXPECT_EQ(again.config.response_maps.size(), 1u) << "the map of nobody's is forgotten";
  const Succession once_more = follow(again.config, file("peers:\n"
                                                         "  a: {realm: in, targets: ['sip:192.0.2.10']}\n"));
  EXPECT_THAT(once_more.changed, IsEmpty()) << "what is kept for retired peers is no news";
  EXPECT_THAT(again.changed, ElementsAre("response map m: removed", "peer a: changed"));
}

TEST(Succession, A_peer_that_comes_back_has_its_old_place) {
  const Config running = read(file());
  const Config without =
      follow(running, file("peers: {a: {realm: in, targets: ['sip:192.0.2.10']}}\n")).config;
  const Succession back = follow(without, file());
  EXPECT_EQ(back.config.peers.size(), 2u);
  EXPECT_FALSE(back.config.peers[1].retired);
  EXPECT_EQ(back.config.generation, 2u);
  EXPECT_THAT(back.changed,
              ElementsAre("response map m: added", "peer a: changed", "peer b: added", "routes"));
}

TEST(Succession, Refuses_more_peers_than_can_be_told_apart) {
  Config running = read(file());
  Peer gone = running.peers[0];
  gone.retired = true;
  while (running.peers.size() < kMostPeers) {
    gone.name = "gone-" + std::to_string(running.peers.size());
    running.peers.push_back(gone);
  }
  EXPECT_EQ(refusal(running, file()), "");
  EXPECT_EQ(refusal(running, file("peers: {new: {realm: in, targets: ['sip:192.0.2.10']}}\n")),
            "f: peers: more than 20000 with those that earlier reloads have removed: only a restart forgets "
            "them\n");
}

// ---- routes

TEST(Succession, Numbers_of_a_route_stay_for_the_calls_that_went_by_it) {
  const std::string peers =
      "peers:\n"
      "  a: {realm: in, targets: ['sip:192.0.2.10']}\n"
      "  b: {realm: out, targets: ['sip:198.51.100.10']}\n";
  const auto route = [](const std::string& prefix) {
    return "routes: [{from: a, to: [b], numbers: {out: [{prefix: '" + prefix + "'}]}}, {from: b, to: [a]}]\n";
  };
  const Config running = read(file(peers + route("1")));
  const Config next = follow(running, file(peers + route("2"))).config;
  EXPECT_EQ(next.routes.at(0).numbers.out[0].prefix, "1");
  EXPECT_EQ(walked_routes(next), (std::vector<std::uint16_t>{2, 1}));
  EXPECT_EQ(next.routes.at(2).numbers.out[0].prefix, "2");
  // And there and back does not make it grow.
  const Config back = follow(next, file(peers + route("1"))).config;
  EXPECT_EQ(walked_routes(back), (std::vector<std::uint16_t>{0, 1}));
  EXPECT_EQ(back.routes.size(), 3u);
}

TEST(Succession, Routes_without_numbers_take_the_places_of_others) {
  const Config running = read(file());
  Config next = running;
  for (const char* order : {"[{user: '1*', to: [b]}, {user: '2*', to: [a]}]\n", "[{user: '3*', to: [b]}]\n",
                            "[{user: '3*', to: [b]}, {from: a, to: [b]}]\n"}) {
    const std::string text = file(kPeers).replace(file().find("routes:\n"),
                                                  file().find("response_maps") - file().find("routes:\n"),
                                                  std::string("routes: ") + order);
    next = follow(next, text).config;
    EXPECT_EQ(next.routes.size(), 2u);
  }
  const auto walked = walked_routes(next);
  ASSERT_EQ(walked.size(), 2u);
  EXPECT_EQ(next.routes[walked[0]].user, "3*");
  EXPECT_THAT(next.routes[walked[1]].from, ElementsAre(0));
}

// ---- what waits for a restart

TEST(Succession, What_was_laid_out_at_the_start_stays_and_is_named) {
  const Config running = read(file());
  const Succession next = follow(
      running,
      "dataplane: {cores: [2], memory: ordinary, eal: ['--no-pci'],\n"
      "            ports: {p: {device: net_null7}, q: {device: net_null1}}}\n"
      "controlplane: {shards: 2, cores: [3], max_calls: 7, max_connections: 9, drain: 5s, sip: {t1: 400ms}}\n"
      "realms:\n"
      "  in: {port: q, vlan: 7, addresses: [192.0.2.2/24], gateways: [192.0.2.254], media: {ports: "
      "30000-30099},\n"
      "       sip: {udp: 5070, tcp: 5060, police: 99}}\n"
      "  out: {port: p, vlan: 8, addresses: [198.51.100.1/24], sip: {udp: 5060}}\n" +
          std::string(kPeers) +
          "trace: {ring: 1MiB, media: off}\n");
  EXPECT_THAT(
      next.waiting,
      ElementsAre("dataplane.cores", "dataplane.memory", "dataplane.eal", "dataplane.ports",
                  "controlplane.shards", "controlplane.cores", "controlplane.max_calls", "realms.in.port",
                  "realms.in.vlan", "realms.in.addresses", "realms.in.gateways", "realms.in.sip.udp",
                  "realms.in.sip.tcp", "realms.in.media.ports", "realms.out.port", "realms.out.vlan",
                  "trace.ring", "trace.media"));
  EXPECT_THAT(next.changed, ElementsAre("controlplane.drain", "controlplane.max_connections",
                                        "controlplane.sip", "realm in: changed"));
  const Config& c = next.config;
  EXPECT_EQ(c.dataplane, running.dataplane);
  EXPECT_EQ(c.controlplane.shards, 1u);
  EXPECT_EQ(c.controlplane.max_calls, running.controlplane.max_calls);
  EXPECT_EQ(c.controlplane.drain_ns, 5 * kSecond);
  EXPECT_EQ(c.controlplane.sip.t1_ns, 400 * kMillisecond);
  EXPECT_EQ(c.realms[0].addresses, running.realms[0].addresses);
  EXPECT_EQ(c.realms[0].media_first, running.realms[0].media_first);
  EXPECT_EQ(c.realms[0].sip_udp, 5060);
  EXPECT_EQ(c.realms[0].sip_police, 99u);
  EXPECT_EQ(c.realms[0].gateways, running.realms[0].gateways) << "they are in networks that wait";
}

TEST(Succession, Gateways_idle_and_the_servers_follow) {
  const Config running = read(file());
  const Succession next = follow(
      running,
      file(kPeers,
           "realms:\n"
           "  in: {port: p, addresses: [192.0.2.1/24], gateways: [192.0.2.254], sip: {udp: 5060}}\n"
           "  out: {port: q, addresses: [198.51.100.1/24], sip: {udp: 5060}}\n",
           "dataplane: {cores: [1], idle: busy, ports: {p: {device: net_null0}, q: {device: net_null1}}}\n") +
          "metrics: {listen: '127.0.0.1:9000'}\nstatus: {listen: '127.0.0.1:9001'}\nadmin: {socket: /x}\n");
  EXPECT_THAT(next.waiting, IsEmpty());
  EXPECT_THAT(next.changed, ElementsAre("dataplane.idle", "realm in: changed", "metrics.listen",
                                        "status.listen", "admin.socket"));
  EXPECT_EQ(next.config.dataplane.idle, Idle::busy);
  EXPECT_EQ(next.config.realms[0].gateways.at(0).to_text(), "192.0.2.254");
  EXPECT_EQ(next.config.metrics.listen->port, 9000);
  EXPECT_EQ(next.config.status.listen->port, 9001);
  EXPECT_EQ(next.config.admin.socket, "/x");
  const Succession back = follow(next.config, file());
  EXPECT_TRUE(back.config.realms[0].gateways.empty());
  EXPECT_FALSE(back.config.status.listen.has_value());
}

TEST(Succession, A_Homer_server_comes_changes_and_goes_where_there_is_a_ring) {
  const auto with = [](std::string_view trace) { return file() + "trace: {" + std::string(trace) + "}\n"; };
  const Config without = read(file());
  const Succession on = follow(without, with("hep: {server: '192.0.2.50:9060', id: 7}"));
  EXPECT_THAT(on.changed, ElementsAre("trace.hep"));
  EXPECT_TRUE(on.waiting.empty());
  ASSERT_TRUE(on.config.trace.hep.has_value());
  EXPECT_EQ(on.config.trace.hep->id, 7u);
  const Succession other = follow(on.config, with("failed: off, hep: {server: '192.0.2.51:9060', id: 7}"));
  EXPECT_THAT(other.changed, ElementsAre("trace.hep"));
  EXPECT_THAT(other.waiting, ElementsAre("trace.failed"));
  EXPECT_EQ(other.config.trace.hep->server.to_text(), "192.0.2.51:9060");
  EXPECT_EQ(other.config.trace.failed_bytes, without.trace.failed_bytes);
  EXPECT_FALSE(follow(other.config, file()).config.trace.hep.has_value());
  // Where the process keeps no messages there is nothing to send before a restart.
  const Succession waits =
      follow(read(with("ring: off")), with("ring: 1MiB, hep: {server: '192.0.2.50:9060'}"));
  EXPECT_THAT(waits.waiting, ElementsAre("trace.ring", "trace.hep"));
  EXPECT_FALSE(waits.config.trace.hep.has_value());
}

constexpr std::string_view kNewRealm =
    "  new: {port: p, vlan: 9, addresses: [203.0.113.1/24], sip: {udp: 5060}}\n";

TEST(Succession, A_new_realm_waits_and_the_rest_is_taken) {
  const Config running = read(file());
  const Succession next =
      follow(running, file("peers: {c: {realm: out, targets: ['sip:198.51.100.12']}}\n",
                           // before the others: their places in the file are other ones
                           "realms:\n" + std::string(kNewRealm) + std::string(kRealms.substr(8))));
  EXPECT_THAT(next.waiting, ElementsAre("realms.new"));
  ASSERT_EQ(next.config.realms.size(), 2u);
  EXPECT_EQ(next.config.realms[0].name, "in");
  EXPECT_THAT(next.changed, ElementsAre("response map m: removed", "peer c: added", "peer a: removed",
                                        "peer b: removed", "routes"));
  EXPECT_EQ(next.config.peers.at(2).realm, 1);
}

TEST(Succession, A_removed_realm_stays_until_a_restart) {
  const Config running = read(file());
  const Succession next =
      follow(running, file("peers: {a: {realm: in, targets: ['sip:192.0.2.10']}}\n",
                           "realms: {in: {port: p, addresses: [192.0.2.1/24], sip: {udp: 5060}}}\n"));
  ASSERT_EQ(next.config.realms.size(), running.realms.size());
  for (std::size_t i = 0; i < running.realms.size(); ++i)
    EXPECT_EQ(without_places(next.config.realms[i]), without_places(running.realms[i])) << i;
  EXPECT_THAT(next.waiting, ElementsAre("realms.out"));
  EXPECT_TRUE(next.config.peers[1].retired);
}

TEST(Succession, A_certificate_goes_with_the_port_that_it_is_for) {
  const std::string tls =
      "realms:\n"
      "  in: {port: p, addresses: [192.0.2.1/24], sip: {udp: 5060, tls: 5061}, tls: {certificate: /dev/null, "
      "key: /dev/null}}\n"
      "  out: {port: q, addresses: [198.51.100.1/24], sip: {udp: 5060}}\n";
  const Config running = read(file(kPeers, tls));
  const Succession next = follow(running, file());
  EXPECT_THAT(next.waiting, ElementsAre("realms.in.sip.tls"));
  EXPECT_EQ(next.config.realms[0].tls.own.certificate, "/dev/null");
  EXPECT_THAT(next.changed, IsEmpty());
}

// ---- what is refused

TEST(Succession, Refuses_peers_of_a_new_realm_and_says_its_name) {
  const Config running = read(file());
  EXPECT_EQ(refusal(running, file("peers:\n"
                                  "  a: {realm: in, targets: ['sip:192.0.2.10']}\n"
                                  "  c: {realm: new, targets: ['sip:203.0.113.9']}\n",
                                  std::string(kRealms) + std::string(kNewRealm))),
            "f:8:3: peers.c.realm: 'new' is a new realm, which needs a restart\n");
}

TEST(Succession, Refuses_peers_that_are_reached_only_after_a_restart) {
  const Config running = read(file());
  const std::string realms =
      "realms:\n"
      "  in: {port: p, addresses: [192.0.2.2/24, '2001:db8::1/64'], sip: {udp: 5060, tcp: 5060}}\n"
      "  out: {port: q, addresses: [198.51.100.1/24], sip: {udp: 5060}}\n";
  const auto with = [&](const std::string& target) {
    return file("peers: {a: {realm: in, targets: ['" + target + "']}}\n", realms);
  };
  EXPECT_EQ(refusal(running, with("sip:192.0.2.10")), "");
  const std::string head = "f:5:9: peers.a.targets: ";
  EXPECT_EQ(refusal(running, with("sip:[2001:db8::9]")),
            head + "sip:[2001:db8::9]: realm 'in' has no address of its family before a restart\n");
  EXPECT_EQ(
      refusal(running, with("sip:192.0.2.10;transport=tcp")),
      head + "sip:192.0.2.10;transport=tcp: realm 'in' does not speak its transport before a restart\n");
  EXPECT_EQ(refusal(running, with("sip:192.0.2.1")),
            head + "sip:192.0.2.1: realm 'in' still is that address itself before a restart\n");
  EXPECT_EQ(
      refusal(running, with("sip:carrier.example;transport=tcp")),
      head + "sip:carrier.example;transport=tcp: realm 'in' speaks no transport of it before a restart\n");
  EXPECT_EQ(refusal(running, with("sip:carrier.example")), "");
}

}  // namespace
}  // namespace sallyport::config
