// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "controlplane/config/load.h"

namespace sallyport::config {
namespace {

// A configuration with one peer that says `more` beside its realm and targets.
std::string with_peer(const std::string& more, const std::string& route = "to: p") {
  return "dataplane: {ports: {p: {device: net_null}}}\n"
         "realms: {r: {port: p, addresses: [192.0.2.1/24]}}\n"
         "peers: {p: {realm: r, targets: [sip:192.0.2.10], " +
         more +
         "}}\n"
         "routes: [{" +
         route + "}]\n";
}

Peer peer(const std::string& more) {
  auto config = load(with_peer(more));
  if (config) return config->peers[0];
  ADD_FAILURE() << format_faults("text", config.error());
  return {};
}

std::string faults_of(const std::string& yaml) {
  const auto config = load(yaml);
  return config ? "" : format_faults("f", config.error());
}

TEST(Policies, Say_nothing_by_default) {
  const Peer p = peer("probe: 30s");
  EXPECT_FALSE(p.trusted);
  EXPECT_TRUE(p.numbers.empty());
  EXPECT_TRUE(p.credentials.empty());
  EXPECT_EQ(p.redirects.mode, RedirectMode::pass);
  EXPECT_TRUE(p.codecs.allow.empty() && p.codecs.remove.empty() && p.codecs.order.empty());
  EXPECT_TRUE(p.headers.pass.empty() && p.headers.remove.empty() && p.headers.set.empty());
}

TEST(Policies, Numbers_of_a_peer_and_of_a_route_are_read) {
  const auto config =
      load(with_peer("numbers: {plan: {country: 44}, in: {form: e164}, out: [{match: '+44*', apply: calling, "
                     "form: national}, "
                     "{strip: 1, prefix: '00', tech_prefix: '77#'}]}",
                     "to: p, numbers: {plan: {country: 1, national: none, international: '011'}, in: {form: "
                     "international}}"));
  ASSERT_TRUE(config) << format_faults("f", config.error());
  const Numbers& n = config->peers[0].numbers;
  EXPECT_EQ(n.plan.country, "44");
  EXPECT_EQ(n.plan.national, "0");
  EXPECT_EQ(n.plan.international, "00");
  ASSERT_EQ(n.in.size(), 1u);
  EXPECT_EQ(n.in[0].form, NumberForm::e164);
  ASSERT_EQ(n.out.size(), 2u);
  EXPECT_EQ(n.out[0].match, "+44*");
  EXPECT_EQ(n.out[0].apply, NumberParty::calling);
  EXPECT_EQ(n.out[0].form, NumberForm::national);
  EXPECT_EQ(n.out[1].strip, 1);
  EXPECT_EQ(n.out[1].prefix, "00");
  EXPECT_EQ(n.out[1].tech_prefix, "77#");
  const Numbers& route = config->routes[0].numbers;
  EXPECT_EQ(route.plan.national, "");
  EXPECT_EQ(route.plan.international, "011");
  EXPECT_EQ(route.in[0].form, NumberForm::international);
}

TEST(Policies, Codecs_headers_and_redirects_are_read) {
  const Peer p = peer(
      "trusted: yes, codecs: {allow: [PCMA, opus/48000], remove: G729, order: [opus, PCMA]}, "
      "headers: {pass: [X-Account, Call-Info], remove: Subject, set: {X-Trunk: a b, X-New: {from: X-Old}}}, "
      "redirects: {mode: follow, depth: 5, allow: [203.0.113.0/24, Partner.example.]}");
  EXPECT_TRUE(p.trusted);
  EXPECT_EQ(p.codecs.allow, (std::vector<std::string>{"PCMA", "opus/48000"}));
  EXPECT_EQ(p.codecs.remove, (std::vector<std::string>{"G729"}));
  EXPECT_EQ(p.codecs.order, (std::vector<std::string>{"opus", "PCMA"}));
  EXPECT_EQ(p.headers.pass, (std::vector<std::string>{"X-Account", "Call-Info"}));
  EXPECT_EQ(p.headers.remove, (std::vector<std::string>{"Subject"}));
  ASSERT_EQ(p.headers.set.size(), 2u);
  EXPECT_EQ(p.headers.set[0].name, "X-Trunk");
  EXPECT_EQ(p.headers.set[0].value, "a b");
  EXPECT_EQ(p.headers.set[1].from, "X-Old");
  EXPECT_EQ(p.redirects.mode, RedirectMode::follow);
  EXPECT_EQ(p.redirects.depth, 5);
  EXPECT_EQ(p.redirects.allow.size(), 1u);
  EXPECT_EQ(p.redirects.allow_names, (std::vector<std::string>{"partner.example"}));
  EXPECT_EQ(peer("redirects: refuse").redirects.mode, RedirectMode::refuse);
}

TEST(Policies, What_becomes_of_other_requests_is_read) {
  EXPECT_EQ(peer("probe: 30s").refer, ReferMode::pass);
  EXPECT_EQ(peer("refer: follow").refer, ReferMode::follow);
  EXPECT_EQ(peer("refer: refuse").refer, ReferMode::refuse);
  EXPECT_EQ(peer("probe: 30s").unknown_methods, UnknownMethods::refuse);
  EXPECT_EQ(peer("unknown_methods: pass").unknown_methods, UnknownMethods::pass);
}

TEST(Policies, A_password_comes_from_the_file_or_from_its_first_line_elsewhere) {
  EXPECT_EQ(peer("credentials: {user: u, password: 'p w', realm: r}").credentials.password, "p w");
  const std::string path = testing::TempDir() + "sallyport_password_test";
  std::ofstream(path) << "s3cret\nsecond line\n";
  const Peer p = peer("credentials: {user: u, password_file: " + path + "}");
  std::remove(path.c_str());
  EXPECT_EQ(p.credentials.password, "s3cret");
  EXPECT_EQ(p.credentials.user, "u");
  EXPECT_EQ(p.credentials.realm, "");
}

TEST(Policies, Each_fault_has_its_name) {
  struct Case {
    const char* peer;
    const char* fault;  // behind "peers.p."
  };
  const Case cases[]{
      {"trusted: perhaps", "trusted: must be yes, no, true or false, not 'perhaps'"},
      {"numbers: {}", "numbers: needs 'in' or 'out'"},
      {"numbers: {in: {form: e164}}", "numbers.in.form: needs the plan of the numbers: {country: ...}"},
      {"numbers: {in: [{match: '0*'}]}",
       "numbers.in[1]: does nothing: needs form, strip, prefix or tech_prefix"},
      {"numbers: {in: {prefix: 'a'}}",
       "numbers.in.prefix: must be digits, '*' and '#', perhaps after a '+', not 'a'"},
      {"numbers: {in: {apply: calling, tech_prefix: 7}}", "numbers.in: a tech_prefix is for called numbers"},
      {"numbers: {in: {strip: 99}}", "numbers.in.strip: must be a number from 0 to 32, not '99'"},
      {"numbers: {plan: {country: '+44'}, in: {form: e164}}",
       "numbers.plan.country: must be digits, not '+44'"},
      {"numbers: {plan: {country: 44, national: x}, in: {form: e164}}",
       "numbers.plan.national: must be digits or none, not 'x'"},
      {"numbers: {plan: {national: 0}, in: {strip: 1}}", "numbers.plan: needs 'country'"},
      {"codecs: {allow: [\"PCM A\"]}",
       "codecs.allow[1]: must be a codec such as PCMA or opus/48000, not 'PCM A'"},
      {"codecs: {allow: []}", "codecs.allow: is empty"},
      {"codecs: {allow: [PCMA], remove: [PCMA]}", "codecs: 'PCMA' is both allowed and removed"},
      {"codecs: {sort: [PCMA]}", "codecs: unknown key 'sort'"},
      {"headers: {pass: [via]}", "headers.pass[1]: 'via' is Sallyport's own on each leg"},
      {"headers: {remove: m}", "headers.remove: 'm' is Sallyport's own on each leg"},
      {"headers: {set: {Content-Length: 1}}", "headers.set.Content-Length: is Sallyport's own on each leg"},
      {"headers: {set: {X-A: {from: Call-ID}}}",
       "headers.set.X-A.from: 'Call-ID' is Sallyport's own on each leg"},
      {"headers: {pass: [Diversion]}", "headers.pass[1]: 'Diversion' is governed by 'trusted'"},
      {"headers: {set: {Reason: x}}", "headers.set.Reason: is governed by the response map"},
      {"headers: {pass: [\"X A\"]}", "headers.pass[1]: 'X A' is not the name of a header field"},
      {"credentials: {user: u}", "credentials: needs 'password' or 'password_file'"},
      {"credentials: {password: u}", "credentials: needs 'user'"},
      {"credentials: {user: u, password: a, password_file: /b}",
       "credentials.password_file: stands beside 'password': one of them"},
      {"credentials: {user: u, password_file: /nowhere/at/all}",
       "credentials.password_file: cannot be read: '/nowhere/at/all'"},
      {"redirects: maybe", "redirects: must be pass, follow or refuse, not 'maybe'"},
      {"redirects: {mode: follow, depth: 0}", "redirects.depth: must be a number from 1 to 16, not '0'"},
      {"redirects: {depth: 2}", "redirects: needs 'mode'"},
      {"redirects: {mode: follow, allow: ['a_b']}",
       "redirects.allow[1]: must be an IP address, alone or with a prefix length, or a host name, not 'a_b'"},
      {"refer: maybe", "refer: must be pass, follow or refuse, not 'maybe'"},
      {"unknown_methods: maybe", "unknown_methods: must be refuse or pass, not 'maybe'"}};
  for (const Case& c : cases) {
    const std::string faults = faults_of(with_peer(c.peer));
    EXPECT_NE(faults.find(std::string("peers.p.") + c.fault + "\n"), std::string::npos) << c.peer << ":\n"
                                                                                        << faults;
    EXPECT_EQ(std::ranges::count(faults, '\n'), 1) << faults;
  }
}

TEST(Policies, No_fault_shows_a_password) {
  for (const char* more :
       {"credentials: {user: u, password: hush, passwort: hush2}", "credentials: {user: u, password: [hush]}",
        "credentials: {user: u, password: \"hush\\n\"}", "credentials: {user: [u], password: hush}"}) {
    const std::string faults = faults_of(with_peer(more));
    EXPECT_FALSE(faults.empty()) << more;
    EXPECT_EQ(faults.find("hush"), std::string::npos) << faults;
  }
}

}  // namespace
}  // namespace sallyport::config
