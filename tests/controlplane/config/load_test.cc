// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/load.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "dataplane/api/contract.h"

namespace sallyport::config {
namespace {

const std::string kFolder = std::string(SALLYPORT_SOURCE_DIR) + "/tests/controlplane/config/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Config good(const std::string& yaml) {
  auto config = load(yaml);
  if (config) return *config;
  ADD_FAILURE() << format_faults("text", config.error());
  return {};
}

std::string faults_of(const std::string& yaml) {
  const auto config = load(yaml);
  return config ? "" : format_faults("f", config.error());
}

// A configuration without a fault, to which `more` is added at the end.
std::string with(const std::string& more) {
  return "dataplane: {ports: {p: {device: net_null}}}\n"
         "realms: {r: {port: p, addresses: [192.0.2.1/24, \"2001:db8::1/64\"]}}\n" +
         more;
}

// The block of INTERFACES.md's configuration, or empty where the reference is not there.
std::string reference_example() {
  std::istringstream lines(read(std::string(SALLYPORT_SOURCE_DIR) + "/../shared/reference/INTERFACES.md"));
  std::string line, text;
  bool inside = false;
  while (std::getline(lines, line)) {
    if (line == "```yaml")
      inside = true;
    else if (inside && line == "```")
      return text;
    else if (inside)
      text += line + "\n";
  }
  return "";
}

TEST(Load, A_network_s_broadcast_address_is_no_realm_s) {
  const auto realm = [](const std::string& address) {
    return "dataplane: {ports: {p: {device: net_null}}}\nrealms: {r: {port: p, addresses: [" + address +
           "]}}\n";
  };
  for (const char* good_one : {"198.51.100.254/24", "198.51.100.255/31", "198.51.100.255/32",
                               "198.51.100.255/23", "\"2001:db8::ffff/112\""}) {
    EXPECT_EQ(faults_of(realm(good_one)).find("broadcast"), std::string::npos) << good_one;
  }
  EXPECT_NE(
      faults_of(realm("198.51.100.255/24"))
          .find("198.51.100.255/24 is the network's broadcast address: an interface's address is needed, "
                "such as 198.51.100.254/24"),
      std::string::npos);
  EXPECT_NE(faults_of(realm("192.0.2.3/30")).find("such as 192.0.2.2/30"), std::string::npos);
}

TEST(Load, A_match_of_mapped_addresses_is_the_IPv4_network_inside) {
  const auto peers = [](const std::string& match) {
    return with("peers: {a: {realm: r, match: [192.0.2.10, 192.0.2.64/26]}, b: {realm: r, match: [\"" +
                match + "\"]}}\n");
  };
  for (const char* match : {"::ffff:192.0.2.10", "::ffff:192.0.2.10/128"}) {
    EXPECT_NE(faults_of(peers(match)).find("peers.b.match: 192.0.2.10/32 stands in peer 'a' already"),
              std::string::npos)
        << match;
  }
  EXPECT_NE(faults_of(peers("::ffff:192.0.2.65/122")).find("192.0.2.64/26 stands in peer 'a' already"),
            std::string::npos);
  EXPECT_EQ(faults_of(peers("::ffff:192.0.2.10/64")).find("stands in"), std::string::npos);
}

TEST(Load, The_example_of_the_reference_has_no_fault) {
  const Config c = good(read(kFolder + "example.yaml"));
  ASSERT_EQ(c.realms.size(), 2u);
  ASSERT_EQ(c.peers.size(), 3u);
  ASSERT_EQ(c.routes.size(), 3u);
  ASSERT_EQ(c.response_maps.size(), 2u);
}

TEST(Load, The_kept_example_is_the_reference_s) {
  const std::string reference = reference_example();
  if (reference.empty()) GTEST_SKIP() << "no shared folder beside the repository";
  EXPECT_EQ(read(kFolder + "example.yaml"), reference);
}

TEST(Load, The_example_s_dataplane_and_controlplane_are_read) {
  const Config c = good(read(kFolder + "example.yaml"));
  EXPECT_EQ(c.dataplane.cores, std::vector<unsigned>{1});
  EXPECT_EQ(c.dataplane.memory, Memory::automatic);
  EXPECT_EQ(c.dataplane.idle, Idle::adaptive);
  ASSERT_EQ(c.dataplane.ports.size(), 2u);
  EXPECT_EQ(c.dataplane.ports[0].name, "access");
  EXPECT_EQ(c.dataplane.ports[1].device, "net_af_xdp,iface=core0");
  EXPECT_EQ(c.controlplane.shards, 1u);
  EXPECT_EQ(c.controlplane.drain_ns, 30 * kSecond);
}

TEST(Load, The_example_s_realms_are_read) {
  const Config c = good(read(kFolder + "example.yaml"));
  const Realm& access = c.realms[c.find_realm("access")];
  EXPECT_EQ(access.port, 0);
  EXPECT_EQ(access.address(Family::v4).to_text(), "198.51.100.1");
  EXPECT_EQ(access.address(Family::v6).to_text(), "2001:db8:1::1");
  EXPECT_EQ(access.addresses[1].length, 64);
  EXPECT_EQ(access.gateways.at(0).to_text(), "198.51.100.254");
  EXPECT_EQ(access.sip_udp, 5060);
  EXPECT_EQ(access.sip_tcp, 5060);
  EXPECT_EQ(access.media_first, 20000);
  EXPECT_EQ(access.media_last, 59999);
  EXPECT_EQ(access.media.private_media, PrivateMedia::automatic);
  EXPECT_EQ(access.unknown_source, UnknownSource::reject);
  EXPECT_EQ(c.realms[c.find_realm("core")].media.private_media, PrivateMedia::reject);
}

TEST(Load, The_example_s_peers_are_read_with_their_realm_s_policy) {
  const Config c = good(read(kFolder + "example.yaml"));
  const Peer& a = c.peers[c.find_peer("carrier-a")];
  EXPECT_EQ(a.realm, c.find_realm("core"));
  EXPECT_EQ(a.match.at(0).to_text(), "192.0.2.10/32");
  EXPECT_EQ(a.targets.at(0).endpoint.to_text(), "192.0.2.10:5060");
  EXPECT_EQ(a.targets.at(0).uri, "sip:192.0.2.10:5060;transport=udp");
  EXPECT_EQ(a.probe_ns, 30 * kSecond);
  EXPECT_EQ(a.trusted_private.at(0).to_text(), "172.16.0.0/12");
  EXPECT_EQ(a.limits.setup_ns, 10 * kSecond);
  EXPECT_EQ(a.limits.duration_ns, 4 * 3600 * kSecond);
  EXPECT_EQ(c.response_maps.at(a.map_receive).name, "carrier-in");
  EXPECT_EQ(c.response_maps.at(a.map_send).name, "carrier-out");
  EXPECT_EQ(a.media.private_media, PrivateMedia::reject);  // of the realm
  EXPECT_EQ(c.peers[c.find_peer("carrier-b")].map_send, kNoIndex);
}

TEST(Load, The_example_s_routes_and_rules_are_read_with_their_places) {
  const Config c = good(read(kFolder + "example.yaml"));
  EXPECT_EQ(c.routes[0].user, "+44*");
  EXPECT_EQ(c.routes[0].to.size(), 2u);
  EXPECT_FALSE(c.routes[0].weighted);
  EXPECT_EQ(c.routes[2].from.size(), 2u);
  const MapConfig& in = c.response_maps[0];
  EXPECT_EQ(in.base.at(1).name, "vendor");
  EXPECT_EQ(in.rules.at(0).send, 480);
  EXPECT_EQ(in.rules[0].failover, true);
  EXPECT_EQ(in.rules.at(1).code->kind, CodeSpan::Kind::status_class);
  EXPECT_EQ(in.rules[1].phrase, "No money left");
  EXPECT_EQ(in.rules.at(2).retry_after_ns, 5 * kSecond);
  EXPECT_EQ(c.response_maps[1].rules.at(0).local, "private-media");
  EXPECT_GT(in.rules[1].at.line, in.rules[0].at.line);
  EXPECT_EQ(in.rules[0].code_at.column, in.rules[0].at.column + 7);
}

TEST(Load, A_file_of_faults_is_reported_in_full) {
  const auto config = load_file(kFolder + "faults.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(format_faults("faults.yaml", config.error()), read(kFolder + "faults.expected"));
}

TEST(Load, Defaults_fill_what_is_not_said) {
  const Config c = good(with(""));
  const Realm& r = c.realms[0];
  EXPECT_EQ(r.sip_udp, 5060);
  EXPECT_EQ(r.sip_tcp, 0);
  EXPECT_EQ(r.media.nat_keepalive_ns, 25 * kSecond);
  EXPECT_EQ(r.media.idle_timeout_ns, 60 * kSecond);
  EXPECT_EQ(c.controlplane.sip.t1_ns, 500 * kMillisecond);
  EXPECT_EQ(c.metrics.listen->to_text(), "127.0.0.1:9464");
  EXPECT_FALSE(c.status.listen);
  EXPECT_EQ(c.cdr.file, "");
  EXPECT_EQ(c.cdr.rotate_bytes, 0u);
  EXPECT_EQ(c.cdr.keep, 10u);
  EXPECT_EQ(c.admin.socket, "/run/sallyport/admin.sock");
}

TEST(Load, Records_are_rotated_by_size_only_where_it_is_said) {
  const Config c = good(with("cdr: {file: /a/b, rotate: 256MiB, keep: 3}\n"));
  EXPECT_EQ(c.cdr.rotate_bytes, std::size_t{256} << 20);
  EXPECT_EQ(c.cdr.keep, 3u);
  EXPECT_EQ(c.cdr.interim_ns, 15 * 60 * kSecond);
  EXPECT_EQ(good(with("cdr: {file: /a/b, rotate: off}\n")).cdr.rotate_bytes, 0u);
  EXPECT_EQ(faults_of(with("cdr: {file: /a/b, keep: 3}\n")),
            "f:3:25: cdr.keep: is how many rotated files stay: it needs 'rotate'\n");
}

TEST(Load, A_peer_overrides_its_realm_piece_by_piece) {
  const Config c = good(
      "dataplane: {ports: {p: {device: net_null}}}\n"
      "realms: {r: {port: p, addresses: [192.0.2.1/24], private_media: latch, media: {latch: once, "
      "latch_mask: 24}}}\n"
      "peers: {a: {realm: r, match: [192.0.2.2], private_media: trust, nat_keepalive: off, media: {latch: "
      "off}}}\n");
  const MediaPolicy& media = c.peers[0].media;
  EXPECT_EQ(media.private_media, PrivateMedia::trust);
  EXPECT_EQ(media.latch, Latch::off);
  EXPECT_EQ(media.latch_mask, 24);
  EXPECT_EQ(media.nat_keepalive_ns, 0);
  EXPECT_EQ(c.realms[0].media.latch, Latch::once);
}

TEST(Load, A_peer_without_match_is_known_by_its_targets) {
  const Config c = good(with("peers: {a: {realm: r, targets: [sip:192.0.2.9, sip:192.0.2.9:5070]}}"));
  ASSERT_EQ(c.peers[0].match.size(), 1u);
  EXPECT_EQ(c.peers[0].match[0].to_text(), "192.0.2.9/32");
}

TEST(Load, Weights_make_a_weighted_route_and_a_single_name_counts_as_a_list) {
  const Config c =
      good(with("peers:\n  a: {realm: r, targets: [sip:192.0.2.8]}\n  b: {realm: r, targets: sip:192.0.2.9}\n"
                "routes:\n  - {to: {a: 3, b: 1}}\n  - {from: a, to: b}\n"));
  EXPECT_TRUE(c.routes[0].weighted);
  EXPECT_TRUE(c.routes[0].from.empty());
  EXPECT_EQ(c.routes[0].to.at(0).weight, 3u);
  EXPECT_EQ(c.routes[1].to.at(0).peer, c.find_peer("b"));
}

TEST(Load, Sections_may_stand_in_any_order) {
  good(
      "routes: [{to: a}]\npeers: {a: {realm: r, targets: [sip:192.0.2.9]}}\n"
      "realms: {r: {port: p, addresses: [192.0.2.1/24]}}\ndataplane: {ports: {p: {device: net_null}}}\n");
}

TEST(Load, Anchors_and_aliases_work) {
  const Config c =
      good(with("peers:\n  a: &x {realm: r, targets: [sip:192.0.2.8], limits: &l {ring: 5s}}\n"
                "  b: {realm: r, targets: [sip:192.0.2.9], limits: *l}\n"));
  EXPECT_EQ(c.peers[1].limits.ring_ns, 5 * kSecond);
}

TEST(Load, A_port_has_the_device_s_mtu_or_one_of_its_own) {
  const auto port = [](const std::string& more) {
    return "dataplane: {ports: {p: {device: net_null" + more +
           "}}}\nrealms: {r: {port: p, addresses: [192.0.2.1/24]}}";
  };
  EXPECT_EQ(good(port("")).dataplane.ports[0].mtu, 0);
  EXPECT_EQ(good(port(", mtu: 9000")).dataplane.ports[0].mtu, 9000);
  EXPECT_NE(faults_of(port(", mtu: 1279")), "");
  EXPECT_NE(faults_of(port(", mtu: 9217")), "");
}

TEST(Load, The_limits_of_the_contract_are_the_loader_s) {
  const auto listed = [](std::size_t n, const char* entry) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += "n" + std::to_string(i) + entry + std::to_string(i) + "}, ";
    return text;
  };
  const auto ports = [&](std::size_t n) {
    return faults_of("dataplane: {ports: {" + listed(n, ": {device: d") +
                     "}}\nrealms: {r: {port: n0, addresses: [192.0.2.1/24]}}");
  };
  EXPECT_EQ(ports(dp::kMaxPorts), "");
  EXPECT_NE(ports(dp::kMaxPorts + 1), "");
  const auto shards = [](std::size_t n) {
    return faults_of(with("controlplane: {shards: " + std::to_string(n) + "}"));
  };
  EXPECT_EQ(shards(dp::kMaxShards), "");
  EXPECT_NE(shards(dp::kMaxShards + 1), "");
}

struct Case {
  std::string name;
  std::string yaml;
  std::string report;  // of the file "f"
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class LoadFault : public testing::TestWithParam<Case> {};
TEST_P(LoadFault, is_reported) {
  EXPECT_EQ(faults_of(GetParam().yaml), GetParam().report);
}

INSTANTIATE_TEST_SUITE_P(
    Of, LoadFault,
    testing::Values(
        Case{"an_empty_text", "", "f: is empty\n"}, Case{"comments_only", "# nothing\n", "f: is empty\n"},
        Case{"a_list", "- a\n", "f:1:1: must be a map, not a list\n"},
        Case{"no_sections", "log: {level: info}\n", "f:1:1: needs 'dataplane'\nf:1:1: needs 'realms'\n"},
        Case{"a_syntax_error", "dataplane: {cores: [1\nrealms: 2\n",
             "f:2:7: end of sequence flow not found\n"},
        Case{"a_nul", std::string("log: a\0b", 8), "f:1:7: a control character\n"},
        Case{"an_end_of_text_octet", "a: b\n\x04 rest", "f:2:1: a control character\n"},
        Case{"latin_1", "a: \xe9\n", "f:1:4: not UTF-8\n"},
        Case{"an_overlong_octet", "a: \xc0\xaf\n", "f:1:4: not UTF-8\n"},
        Case{"two_documents", "a: 1\n---\nb: 2\n", "f:3:1: a second document\n"},
        Case{"an_unknown_anchor", "a: *b\n", "f:1:4: the referenced anchor is not defined\n"},
        Case{"a_tag", "a: !!python/object x\n",
             "f:1:4: tags such as tag:yaml.org,2002:python/object are not used here\n"},
        Case{"a_number_in_quotes", with("controlplane: {shards: \"2\"}"),
             "f:3:24: controlplane.shards: must be a number from 1 to 64, not '2'\n"},
        Case{
            "a_target_without_its_family",
            "dataplane: {ports: {p: {device: net_null}}}\nrealms: {r: {port: p, addresses: [192.0.2.1/24]}}\n"
            "peers: {a: {realm: r, targets: [\"sip:[2001:db8::2]\"]}}\n",
            "f:3:33: peers.a.targets: realm 'r' has no IPv6 address to reach 2001:db8::2 from\n"},
        Case{"a_local_error_in_a_map_that_only_receives",
             with("response_maps:\n"
                  "  in: {rules: [{code: 404, send: 480}, {local: no-route, send: 480}]}\n"
                  "  both: {rules: [{local: no-route, send: 480}]}\n"
                  "  none: {rules: [{local: no-route, send: 480}]}\n"
                  "peers: {a: {realm: r, match: [192.0.2.8], response_map: {receive: in, send: both}},\n"
                  "  b: {realm: r, match: [192.0.2.9], response_map: {receive: both}}}"),
             "f:4:48: response_maps.in.rules[2].local: never decides: peer 'a' only receives by this map, "
             "and a "
             "local error goes by the 'send' map of the peer that hears it\n"},
        Case{"a_target_that_is_ourselves", with("peers: {a: {realm: r, targets: [sip:192.0.2.1]}}"),
             "f:3:33: peers.a.targets: 192.0.2.1 is realm 'r' itself\n"},
        Case{"equal_matches_of_one_realm",
             with("peers: {a: {realm: r, match: [192.0.2.8/29]}, b: {realm: r, match: [192.0.2.9/29]}}"),
             "f:3:69: peers.b.match: 192.0.2.8/29 stands in peer 'a' already\n"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Load, Equal_matches_of_two_realms_are_no_fault) {
  EXPECT_EQ(faults_of("dataplane: {ports: {p: {device: net_null}}}\n"
                      "realms:\n  r: {port: p, addresses: [192.0.2.1/24]}\n"
                      "  s: {port: p, vlan: 7, addresses: [192.0.2.2/24]}\n"
                      "peers: {a: {realm: r, match: [10.0.0.0/8]}, b: {realm: s, match: [10.0.0.0/8]}}\n"),
            "");
}

TEST(Load, A_bomb_of_aliases_is_refused) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) yaml += last + ", ";
    yaml += "]\n";
  }
  EXPECT_NE(faults_of(yaml).find("aliases make this too large"), std::string::npos);
}

TEST(Load, Deep_nesting_is_refused) {
  for (const char* open : {"[", "{a: ", "- ", "? "}) {
    std::string yaml;
    for (int i = 0; i < 20'000; ++i) yaml += open;
    EXPECT_NE(faults_of(yaml), "") << open;
  }
  EXPECT_NE(faults_of("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]").find("nested too deeply"),
            std::string::npos);
}

TEST(Load, A_node_cannot_hold_itself) {
  EXPECT_NE(faults_of("a: &a [*a]\n"), "");
}

TEST(Load, A_file_that_is_too_long_is_not_read) {
  EXPECT_EQ(faults_of(std::string(kMaxConfigBytes + 1, ' ')), "f: longer than 4194304 octets\n");
}

TEST(Load, The_number_of_faults_is_bounded) {
  std::string yaml = "peers:\n";
  for (int i = 0; i < 2000; ++i) yaml += "  p" + std::to_string(i) + ": 7\n";
  const auto config = load(yaml);
  ASSERT_FALSE(config);
  EXPECT_LE(config.error().size(), 500u);
}

TEST(LoadFile, A_missing_file_is_one_sentence) {
  const auto config = load_file("/nonexistent/sallyport.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(format_faults("F", config.error()), "F: cannot be opened: No such file or directory\n");
}

TEST(LoadFile, A_folder_is_one_sentence) {
  const auto config = load_file("/");
  ASSERT_FALSE(config);
  EXPECT_EQ(format_faults("/", config.error()), "/: cannot be read: Is a directory\n");
}

TEST(Load, metrics_and_status_listen_apart) {
  const auto listens = [](const std::string& metrics, const std::string& status) {
    return with("metrics: {listen: \"" + metrics + "\"}\nstatus: {listen: \"" + status + "\"}\n");
  };
  EXPECT_EQ(faults_of(listens("127.0.0.1:9470", "127.0.0.1:9470")),
            "f:4:18: status.listen: 127.0.0.1:9470 is where metrics.listen is (127.0.0.1:9470): give one of "
            "them another port\n");
  EXPECT_EQ(faults_of(with("status: {listen: \"127.0.0.1:9464\"}\n")),
            "f:3:18: status.listen: 127.0.0.1:9464 is where metrics.listen is (127.0.0.1:9464): give one of "
            "them another port\n")
      << "where metrics are by default";
  EXPECT_NE(faults_of(listens("0.0.0.0:9470", "127.0.0.1:9470")), "");
  EXPECT_EQ(faults_of(listens("127.0.0.1:9470", "127.0.0.1:9471")), "");
  EXPECT_EQ(faults_of(listens("127.0.0.1:9470", "127.0.0.2:9470")), "");
  EXPECT_EQ(faults_of(listens("off", "127.0.0.1:9464")), "");
}

TEST(Load, polices_SIP_by_default_and_as_a_realm_says) {
  const auto with_police = [](const std::string& value) {
    return "dataplane: {ports: {p: {device: net_null}}}\n"
           "realms: {r: {port: p, addresses: [192.0.2.1/24], sip: {udp: 5060, police: " +
           value + "}}}\n";
  };
  EXPECT_EQ(good(with("")).realms[0].sip_police, 4000u);
  EXPECT_EQ(good(with_police("250")).realms[0].sip_police, 250u);
  EXPECT_EQ(good(with_police("off")).realms[0].sip_police, 0u);
  for (const std::string wrong : {"0", "9", "1000001", "never"}) {
    EXPECT_EQ(
        faults_of(with_police(wrong)),
        "f:2:75: realms.r.sip.police: must be a number of datagrams a second from 10 to 1000000, or off, "
        "not '" +
            wrong + "'\n");
  }
}

}  // namespace
}  // namespace sallyport::config
