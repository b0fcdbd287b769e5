// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/redirect.h"

#include <gtest/gtest.h>

#include "tests/controlplane/routing/routing_support.h"

namespace sallyport::routing {
namespace {

std::string uris(const std::vector<RedirectContact>& contacts) {
  std::string text;
  for (const RedirectContact& contact : contacts) text += (text.empty() ? "" : " ") + contact.uri;
  return text;
}

TEST(RedirectContacts, Stand_by_falling_q_and_equal_ones_as_they_came) {
  struct Case {
    std::vector<std::string> fields;
    const char* order;
  };
  const Case cases[]{{{"<sip:a@h>;q=0.5, <sip:b@h>;q=0.7", "sip:c@h", "<sip:d@h>;q=1.000"},
                      "sip:c@h sip:d@h sip:b@h sip:a@h"},
                     {{"<sip:a@h>;q=0, <sip:b@h>;q=0.001"}, "sip:b@h sip:a@h"},
                     {{"<sip:a@h>;q=0.9, <sip:b@h>;q=9, <sip:c@h>;q=1.5, <sip:d@h>;q=0.1234"},
                      "sip:b@h sip:c@h sip:d@h sip:a@h"},
                     {{"<sip:a@h>;expires=0, <sip:b@h>;expires=60"}, "sip:b@h"},
                     {{"*, <mailto:a@h>, <broken, <sip:b@h>"}, ""},
                     {{"\"A, B\" <sip:a@h;x=1>;q=0.2, <tel:+1>"}, "tel:+1 sip:a@h;x=1"},
                     {{""}, ""},
                     {{}, ""}};
  for (const Case& c : cases) EXPECT_EQ(uris(redirect_contacts(c.fields)), c.order);
}

TEST(RedirectContacts, Are_not_read_without_end) {
  std::string many = "<sip:a@h>";
  for (int i = 0; i < 100; ++i) many += ", <sip:a@h>";
  EXPECT_EQ(redirect_contacts({many}).size(), 16u);
}

class RedirectTrailTest : public testing::Test {
 protected:
  void mode(const std::string& redirects) {
    config_ =
        configured("{a: {realm: out, targets: [sip:192.0.2.10], redirects: " + redirects +
                   "}, b: {realm: out, targets: ['sip:192.0.2.11:5070', 'sip:192.0.2.12;transport=tcp', "
                   "'sips:192.0.2.13:5071'], "
                   "match: [192.0.2.64/26]}, c: {realm: out, match: [192.0.2.65]}, "
                   "d: {realm: out, targets: [sip:peer.example, sip:pending.example]}, "
                   "e: {realm: out, match: ['tls:proof.example'], targets: [sips:192.0.2.15]}, "
                   "inside: {realm: in, targets: [sip:198.51.100.20, sip:inner.example]}}");
    trail_ = {};
    went_to(config::Transport::udp);
  }
  void went_to(config::Transport transport) {
    trail_.went_to(config_.peers[0].targets[0].endpoint, transport, "sip:100@192.0.2.10");
  }
  RedirectDecision decide(const std::string& contacts, std::uint16_t status = 302) {
    PeerHealth health(config_, 0);
    const config::PeerIndex d = config_.find_peer("d"), inside = config_.find_peer("inside");
    ResolvedNames names{{d,
                         0,
                         NameState::resolved,
                         {{*Endpoint::parse("192.0.2.30:5060"), config::Transport::udp, 0},
                          {*Endpoint::parse("192.0.2.31:5070"), config::Transport::tcp, 1}}},
                        {d, 1, NameState::pending, {}},
                        {inside, 1, NameState::resolved, {{*Endpoint::parse("198.51.100.30:5060")}}}};
    if (!config_.peers[0].redirects.allow_names.empty())
      names.push_back({0, kFirstAllowedName, NameState::resolved, {{*Endpoint::parse("203.0.113.30:5080")}}});
    health.learn(names, 0);
    return trail_.decide(config_, health, 0, status, {contacts});
  }
  // "follow b 192.0.2.11:5070 sip:..."
  std::string text(const std::string& contacts, std::uint16_t status = 302) {
    constexpr const char* kNames[]{"pass", "refuse", "follow", "too deep", "loop", "nowhere"};
    const RedirectDecision decision = decide(contacts, status);
    std::string out = kNames[static_cast<int>(decision.outcome)];
    for (const RedirectTarget& target : decision.targets) {
      out += " " + config_.peers[target.id.peer].name + " " + target.endpoint.to_text();
    }
    return out;
  }
  config::Config config_;
  RedirectTrail trail_;
};

TEST_F(RedirectTrailTest, Goes_only_where_calls_may_go) {
  mode("{mode: follow, depth: 16, allow: [203.0.113.0/24]}");
  struct Case {
    const char* contact;
    const char* decision;
  };
  const Case cases[]{{"<sip:1@192.0.2.11:5070>", "follow b 192.0.2.11:5070"},
                     {"<sip:1@192.0.2.11>", "nowhere"},  // another port than b's target, and no source of b's
                     {"<sip:1@192.0.2.12;transport=TCP>", "follow b 192.0.2.12:5060"},
                     {"<sip:1@192.0.2.12>", "nowhere"},
                     {"<sip:1@192.0.2.66:5080>", "follow b 192.0.2.66:5080"},
                     {"<sip:1@192.0.2.65>", "follow c 192.0.2.65:5060"},
                     {"<sip:1@203.0.113.7>", "follow a 203.0.113.7:5060"},
                     {"<sip:1@203.0.114.7>", "nowhere"},
                     {"<sip:1@198.51.100.20>", "nowhere"},  // a peer of another realm
                     {"<sip:1@192.0.2.1>", "nowhere"},      // ourselves
                     {"<sip:1@carrier.example>", "nowhere"},
                     {"<sips:1@192.0.2.10>", "follow a 192.0.2.10:5061"},  // a calls from there
                     {"<sips:1@192.0.2.13:5071>", "follow b 192.0.2.13:5071"},
                     {"<sip:1@192.0.2.13:5071;transport=tls>", "follow b 192.0.2.13:5071"},
                     {"<sip:1@192.0.2.13:5071>", "nowhere"},
                     {"<sip:1@192.0.2.10;transport=sctp>", "nowhere"},
                     {"<tel:+1>", "nowhere"},
                     {"", "nowhere"}};
  for (const Case& c : cases) EXPECT_EQ(text(c.contact), c.decision) << c.contact;
}

TEST_F(RedirectTrailTest, Follows_names_of_peers_and_allowed_ones_to_where_they_are_known_to_lead) {
  mode("{mode: follow, depth: 16, allow: allowed.example}");
  struct Case {
    const char* contact;
    const char* decision;
  };
  const Case cases[]{{"<sip:1@PEER.example.>", "follow d 192.0.2.30:5060 d 192.0.2.31:5070"},
                     {"<sip:1@peer.example;transport=tcp>", "follow d 192.0.2.31:5070"},
                     {"<sip:1@peer.example:5060>", "follow d 192.0.2.30:5060"},
                     {"<sip:1@peer.example:5999>", "nowhere"},
                     {"<sip:1@peer.example;transport=sctp>", "nowhere"},
                     {"<sips:1@peer.example>", "nowhere"},
                     {"<sip:1@pending.example>", "nowhere"},
                     {"<sip:1@inner.example>", "nowhere"},  // a peer's of another realm
                     {"<sip:1@stranger.example>", "nowhere"},
                     {"<sips:1@proof.example>", "follow e 192.0.2.15:5061"},
                     {"<sip:1@proof.example>", "follow e 192.0.2.15:5061"},
                     {"<sip:1@proof.example;transport=udp>", "nowhere"},
                     {"<sip:1@www.proof.example>", "nowhere"},
                     {"<sip:1@allowed.example>", "follow a 203.0.113.30:5080"},
                     {"<sip:1@allowed.example:5080;transport=udp>", "follow a 203.0.113.30:5080"},
                     {"<sip:1@allowed.example;transport=tcp>", "nowhere"},
                     {"<sip:1@203.0.113.30:5080>", "nowhere"}};  // the name is allowed, not the address
  for (const Case& c : cases) EXPECT_EQ(text(c.contact), c.decision) << c.contact;
}

TEST_F(RedirectTrailTest, Takes_the_good_ones_of_several_by_q) {
  mode("follow");
  EXPECT_EQ(
      text("<sip:1@192.0.2.65>;q=0.1, <sip:1@nowhere>, <sip:1@192.0.2.11:5070>;q=0.2, <sip:1@192.0.2.65>"),
      "follow c 192.0.2.65:5060 b 192.0.2.11:5070");
}

TEST_F(RedirectTrailTest, Does_not_go_twice_to_one_user_at_one_place) {
  mode("follow");
  EXPECT_EQ(text("<sip:100@192.0.2.10>"), "loop");
  EXPECT_EQ(text("<sip:%3100@192.0.2.10:5060>"), "loop");
  EXPECT_EQ(text("<sip:101@192.0.2.10>"), "follow a 192.0.2.10:5060");
}

TEST_F(RedirectTrailTest, Goes_to_one_place_by_each_transport_once) {
  mode("follow");
  const std::string by_tcp = "<sip:100@192.0.2.10;transport=tcp>";
  EXPECT_EQ(text(by_tcp), "follow a 192.0.2.10:5060");
  went_to(config::Transport::tcp);
  EXPECT_EQ(text(by_tcp), "loop");
  EXPECT_EQ(text("<sip:100@192.0.2.10>"), "loop");
}

TEST_F(RedirectTrailTest, Ends_at_its_depth) {
  mode("{mode: follow, depth: 2}");
  EXPECT_EQ(text("<sip:101@192.0.2.10>"), "follow a 192.0.2.10:5060");
  EXPECT_EQ(text("<sip:1@nowhere>"), "nowhere");
  EXPECT_EQ(text("<sip:102@192.0.2.10>"), "follow a 192.0.2.10:5060");
  EXPECT_EQ(text("<sip:103@192.0.2.10>"), "too deep");
}

TEST_F(RedirectTrailTest, Follows_by_policy_and_by_code) {
  const std::string good = "<sip:101@192.0.2.10>";
  mode("follow");
  EXPECT_EQ(text(good, 305), "pass");
  EXPECT_EQ(text(good, 380), "pass");
  EXPECT_EQ(text(good, 300), "follow a 192.0.2.10:5060");
  EXPECT_EQ(text(good, 301), "follow a 192.0.2.10:5060");
  mode("pass");
  EXPECT_EQ(text(good), "pass");
  mode("refuse");
  EXPECT_EQ(text(good), "refuse");
}

TEST_F(RedirectTrailTest, Gives_the_uri_to_call_there) {
  mode("follow");
  EXPECT_EQ(decide("\"B\" <sip:+4420@192.0.2.65;user=phone>;q=0.3").targets[0].uri,
            "sip:+4420@192.0.2.65;user=phone");
}

TEST(RedirectPlace, By_name_is_called_by_that_name) {
  const Endpoint endpoint = *Endpoint::parse("192.0.2.31:5070");
  const config::Target named =
      place_of({{}, endpoint, config::Transport::tcp, "sip:1@Peer.example:5070;transport=tcp"});
  EXPECT_EQ(named.endpoint, endpoint);
  EXPECT_EQ(named.transport, config::Transport::tcp);
  EXPECT_EQ(named.host, "peer.example");
  EXPECT_EQ(named.host_port, 5070);
  EXPECT_TRUE(named.transport_given);
  const config::Target plain = place_of({{}, endpoint, config::Transport::tcp, "sip:1@peer.example"});
  EXPECT_EQ(plain.host_port, 0);
  EXPECT_FALSE(plain.transport_given);
  EXPECT_TRUE(place_of({{}, endpoint, config::Transport::udp, "sip:1@192.0.2.31:5070"}).host.empty());
}

}  // namespace
}  // namespace sallyport::routing
