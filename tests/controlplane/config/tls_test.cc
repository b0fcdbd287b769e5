// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "controlplane/config/load.h"

namespace sallyport::config {
namespace {

// Any file that can be read will do here: what is in it is OpenSSL's to say.
constexpr std::string_view kFile = "/dev/null";

std::string text(const std::string& realm, const std::string& peers) {
  std::string yaml =
      "dataplane: {ports: {p: {device: net_null}}}\n"
      "realms: {r: {port: p, addresses: [192.0.2.1/24], " +
      realm + "}}\npeers: {" + peers + "}\n";
  for (auto at = yaml.find("FILE"); at != std::string::npos; at = yaml.find("FILE"))
    yaml.replace(at, 4, kFile);
  return yaml;
}

const std::string kRealm = "sip: {udp: 5060, tls: 5061}, tls: {certificate: FILE, key: FILE, ca: FILE}";

Config good(const std::string& realm, const std::string& peers) {
  auto config = load(text(realm, peers));
  if (config) return *config;
  ADD_FAILURE() << format_faults("text", config.error());
  return {};
}

std::string fault_of(const std::string& realm, const std::string& peers) {
  const auto config = load(text(realm, peers));
  if (config) return "";
  return config.error().size() == 1 ? config.error().front().message : format_faults("f", config.error());
}

TEST(Tls, A_realm_has_a_port_files_and_certificates_by_name) {
  const Config c = good(
      "sip: {tls: 5071}, tls: {certificate: FILE, key: FILE, ca: FILE, verify: yes, "
      "sni: [{certificate: FILE, key: FILE}]}",
      "");
  const Realm& realm = c.realms.at(0);
  EXPECT_EQ(realm.sip_tls, 5071);
  EXPECT_EQ(realm.sip_port(Transport::tls), 5071);
  EXPECT_EQ(realm.tls.own.certificate, kFile);
  EXPECT_EQ(realm.tls.own.key, kFile);
  EXPECT_EQ(realm.tls.ca, kFile);
  EXPECT_EQ(realm.tls.verify, TlsVerify::yes);
  ASSERT_EQ(realm.tls.sni.size(), 1u);
  EXPECT_EQ(realm.tls.at.line, 2u);
  EXPECT_EQ(good(kRealm, "").realms.at(0).tls.verify, TlsVerify::optional);
}

TEST(Tls, A_peer_has_its_realm_s_files_unless_it_has_its_own_and_is_verified) {
  const Config c = good(kRealm,
                        "a: {realm: r, match: [192.0.2.10]}, "
                        "b: {realm: r, match: [192.0.2.11], tls: {certificate: /dev/zero, key: /dev/zero, "
                        "name: SIP.b.example, verify: no}}");
  EXPECT_EQ(c.peers[0].tls.own.certificate, kFile);
  EXPECT_EQ(c.peers[0].tls.ca, kFile);
  EXPECT_EQ(c.peers[0].tls.verify, TlsVerify::yes);
  EXPECT_EQ(c.peers[0].tls.name, "");
  EXPECT_EQ(c.peers[1].tls.own.certificate, "/dev/zero");
  EXPECT_EQ(c.peers[1].tls.ca, kFile);
  EXPECT_EQ(c.peers[1].tls.verify, TlsVerify::no);
  EXPECT_EQ(c.peers[1].tls.name, "SIP.b.example");
}

TEST(Tls, Targets_are_sips_or_by_transport_at_the_port_of_TLS) {
  const Config c = good(kRealm,
                        "a: {realm: r, targets: [\"sips:192.0.2.10\", \"sip:192.0.2.11;transport=tls\", "
                        "\"sips:192.0.2.12:5081;transport=tcp\"]}");
  const auto& targets = c.peers[0].targets;
  for (const Target& target : targets) EXPECT_EQ(target.transport, Transport::tls) << target.uri;
  EXPECT_EQ(targets[0].endpoint.port, 5061);
  EXPECT_EQ(targets[1].endpoint.port, 5061);
  EXPECT_EQ(targets[2].endpoint.port, 5081);
}

TEST(Tls, A_peer_is_matched_by_the_name_in_its_certificate) {
  const Config c = good(kRealm, "a: {realm: r, match: [\"tls:A.example\", 192.0.2.10]}");
  EXPECT_EQ(c.peers[0].match_names, std::vector<std::string>{"a.example"});
  ASSERT_EQ(c.peers[0].match.size(), 1u);
}

TEST(Tls, Faults_are_told) {
  EXPECT_EQ(fault_of("sip: {tls: 5061}", ""), "realms.r: sip.tls needs tls.certificate and tls.key");
  EXPECT_EQ(fault_of("sip: {tls: 5061, tcp: 5061}, tls: {certificate: FILE, key: FILE}", ""),
            "realms.r: sip.tcp and sip.tls have the same port");
  EXPECT_EQ(fault_of("sip: {tls: 5061}, tls: {certificate: FILE}", ""),
            "realms.r.tls: needs 'certificate' and 'key' together");
  EXPECT_EQ(fault_of("sip: {tls: 5061}, tls: {certificate: FILE, key: FILE, ca: /nowhere/ca.pem}", ""),
            "realms.r.tls.ca: '/nowhere/ca.pem' cannot be read: No such file or directory");
  EXPECT_EQ(fault_of("sip: {tls: 5061}, tls: {certificate: FILE, key: FILE, sni: [{key: FILE}]}", ""),
            "realms.r.tls.sni[1]: needs 'certificate' and 'key' together");
  EXPECT_EQ(fault_of("sip: {tls: 5061}, tls: {certificate: FILE, key: FILE, sni: [{}]}", ""),
            "realms.r.tls.sni[1]: needs 'certificate'");
  EXPECT_EQ(fault_of(kRealm, "a: {realm: r, match: [\"tls:not a name\"]}"),
            "peers.a.match[1]: 'tls:not a name' names no domain");
  EXPECT_EQ(fault_of(kRealm,
                     "a: {realm: r, match: [\"tls:a.example\"]}, b: {realm: r, match: [\"tls:A.EXAMPLE\"]}"),
            "peers.b.match: tls:a.example stands in peer 'a' already");
  EXPECT_EQ(fault_of("sip: {udp: 5060}", "a: {realm: r, match: [\"tls:a.example\"]}"),
            "peers.a.match: tls:a.example needs sip.tls and tls.ca of realm 'r', and its tls.verify yes or "
            "optional");
  EXPECT_EQ(fault_of(kRealm, "a: {realm: r, match: [192.0.2.10], tls: {name: \"a b\"}}"),
            "peers.a.tls.name: 'a b' is no domain");
  EXPECT_EQ(fault_of(kRealm, "a: {realm: r, match: [192.0.2.10], tls: {verify: optional}}"),
            "peers.a.tls.verify: must be yes or no, not 'optional'");
  EXPECT_EQ(fault_of("sip: {udp: 5060}", "a: {realm: r, targets: [\"sips:192.0.2.10\"]}"),
            "peers.a.targets: realm 'r' has no sip.tls to reach it from");
}

}  // namespace
}  // namespace sallyport::config
