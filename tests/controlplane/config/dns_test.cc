// SPDX-License-Identifier: Apache-2.0
// Targets that are names, and how they are looked up.
#include <gtest/gtest.h>

#include "controlplane/config/load.h"
#include "controlplane/config/text.h"

namespace sallyport::config {
namespace {

std::string with(const std::string& more) {
  return "dataplane: {ports: {p: {device: net_null}}}\n"
         "realms: {r: {port: p, addresses: [192.0.2.1/24, \"2001:db8::1/64\"]}}\n" +
         more;
}

Config good(const std::string& more) {
  auto config = load(with(more));
  if (config) return *config;
  ADD_FAILURE() << format_faults("f", config.error());
  return {};
}

std::string faults_of(const std::string& more) {
  const auto config = load(with(more));
  return config ? "" : format_faults("f", config.error());
}

TEST(NamedTargets, Are_read_with_what_their_URI_says) {
  const Config c =
      good("peers: {a: {realm: r, targets: ['sip:SIP.Example.COM.', 'sip:b.example:5070;transport=udp']}}\n");
  const Target& plain = c.peers[0].targets.at(0);
  EXPECT_EQ(plain.host, "sip.example.com");
  EXPECT_EQ(plain.host_port, 0);
  EXPECT_FALSE(plain.transport_given);
  EXPECT_FALSE(plain.endpoint.address);
  const Target& full = c.peers[0].targets.at(1);
  EXPECT_EQ(full.host, "b.example");
  EXPECT_EQ(full.host_port, 5070);
  EXPECT_TRUE(full.transport_given);
  EXPECT_EQ(full.uri, "sip:b.example:5070;transport=udp");
}

TEST(NamedTargets, Are_sources_where_match_is_not_given) {
  const Config c = good(
      "peers: {a: {realm: r, targets: ['sip:x.example', 'sip:192.0.2.9']}, "
      "b: {realm: r, match: 192.0.2.10, targets: 'sip:y.example'}}\n");
  EXPECT_TRUE(c.peers[0].match_targets);
  ASSERT_EQ(c.peers[0].match.size(), 1u);
  EXPECT_EQ(c.peers[0].match[0].to_text(), "192.0.2.9/32");
  EXPECT_FALSE(c.peers[1].match_targets);
}

TEST(NamedTargets, Need_a_transport_that_their_realm_speaks) {
  EXPECT_EQ(
      faults_of("peers: {a: {realm: r, targets: ['sip:x.example;transport=tcp']}}\n"),
      "f:3:33: peers.a.targets: realm 'r' speaks no transport that 'x.example' could be reached over\n");
}

TEST(HostName, Is_what_RFC_1123_says) {
  for (const char* name : {"a", "a.b", "1a.2b", "xn--bcher-kva.example", "a-b.c", "3com.com"})
    EXPECT_EQ(host_name(name), name);
  EXPECT_EQ(host_name("A.B."), "a.b");
  for (const std::string& name :
       {std::string(""), std::string("."), std::string("a..b"), std::string("-a.b"), std::string("a-.b"),
        std::string("a_b.c"), std::string("192.0.2"), std::string("a.1"), std::string(64, 'a') + ".b",
        std::string(127, 'a') + "." + std::string(127, 'b')})
    EXPECT_EQ(host_name(name), std::nullopt) << name;
}

TEST(Dns, Has_its_defaults_and_is_read_in_full) {
  const Config none = good("");
  EXPECT_TRUE(none.dns.servers.empty());
  EXPECT_EQ(none.dns.transport, DnsTransport::udp);
  const Config c = good(
      "dns: {servers: [198.51.100.53, '198.51.100.54:5353', '2001:db8:9::53', '[2001:db8:9::54]:54'], "
      "transport: tcp, timeout: 500ms, tries: 3, min_ttl: 1s, max_ttl: 10m, max_stale: off}\n");
  std::string servers;
  for (const Endpoint& server : c.dns.servers) servers += server.to_text() + " ";
  EXPECT_EQ(servers, "198.51.100.53:53 198.51.100.54:5353 [2001:db8:9::53]:53 [2001:db8:9::54]:54 ");
  EXPECT_EQ(c.dns.transport, DnsTransport::tcp);
  EXPECT_EQ(c.dns.timeout_ns, 500 * kMillisecond);
  EXPECT_EQ(c.dns.tries, 3u);
  EXPECT_EQ(c.dns.min_ttl_ns, kSecond);
  EXPECT_EQ(c.dns.max_ttl_ns, 600 * kSecond);
  EXPECT_EQ(c.dns.max_stale_ns, 0);
}

TEST(Dns, Faults_have_their_places) {
  EXPECT_EQ(
      faults_of(
          "dns: {servers: [ns.example, 198.51.100.53, 198.51.100.53], transport: quic, tries: 0, ttl: 5s}\n"),
      "f:3:17: dns.servers[1]: must be an IP address, with a port or without\n"
      "f:3:44: dns.servers[3]: 198.51.100.53:53 stands there already\n"
      "f:3:71: dns.transport: must be udp or tcp, not 'quic'\n"
      "f:3:84: dns.tries: must be a number from 1 to 10, not '0'\n"
      "f:3:87: dns: unknown key 'ttl'\n");
  EXPECT_EQ(faults_of("dns: {servers: []}\n"), "f:3:16: dns.servers: is empty\n");
  EXPECT_EQ(faults_of("dns: {min_ttl: 2m, max_ttl: 1m}\n"), "f:3:6: dns: max_ttl is below min_ttl\n");
  EXPECT_EQ(faults_of("dns: {servers: 224.0.0.251}\n"),
            "f:3:16: dns.servers: 224.0.0.251 cannot be a name server\n");
}

TEST(Dns, A_server_in_a_realm_s_network_is_reached_over_TCP_only) {
  EXPECT_EQ(faults_of("dns: {servers: 192.0.2.53}\n"),
            "f:3:16: dns.servers: 192.0.2.53 is in realm 'r', where only 'transport: tcp' reaches it\n");
  EXPECT_EQ(faults_of("dns: {servers: 192.0.2.53, transport: tcp}\n"), "");
  EXPECT_EQ(faults_of("dns: {servers: 192.0.2.1, transport: tcp}\n"),
            "f:3:16: dns.servers: 192.0.2.1 is realm 'r' itself\n");
}

}  // namespace
}  // namespace sallyport::config
