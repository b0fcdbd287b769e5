// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/router.h"

#include <gtest/gtest.h>

#include <map>

#include "controlplane/routing/dry_run.h"
#include "tests/controlplane/routing/routing_support.h"

namespace sallyport::routing {
namespace {

constexpr const char* kPeers =
    "{office: {realm: in, match: [198.51.100.0/24]}, guest: {realm: in, match: [198.51.0.0/16]}, "
    "a: {realm: out, targets: [sip:192.0.2.10, sip:192.0.2.110]}, b: {realm: out, targets: "
    "[sip:192.0.2.11]}, "
    "c: {realm: out, targets: [sip:192.0.2.12]}}";
constexpr Nanoseconds kNow = 5000 * kSecond;

class RouterTest : public testing::Test {
 protected:
  void routes(const std::string& yaml) {
    config_ = configured(kPeers, yaml);
    health_.emplace(config_, 0);
  }
  [[nodiscard]] RouteChoice choose(const char* from, std::string_view user, std::uint64_t random = 0) const {
    return Router(config_).route(config_.find_peer(from), user, random, *health_, kNow);
  }
  [[nodiscard]] std::string candidates(const char* from, std::string_view user,
                                       std::uint64_t random = 0) const {
    return names(config_, choose(from, user, random).candidates);
  }
  [[nodiscard]] TargetId id(const char* peer, std::uint16_t target = 0) const {
    return {config_.find_peer(peer), target};
  }
  [[nodiscard]] std::string text_of(const char* from, std::string_view uri) const {
    const auto run = dry_run(config_, from, uri, 0);
    return run ? render(config_, *run) : run.error();
  }
  config::Config config_;
  std::optional<PeerHealth> health_;
};

TEST_F(RouterTest, The_first_route_that_fits_decides) {
  routes(
      "[{from: office, user: \"+44*\", to: [a, b]}, {from: office, to: [b]}, {from: [guest, c], to: [c]}]");
  EXPECT_EQ(candidates("office", "+4420"), "a0 a1 b0");
  EXPECT_EQ(choose("office", "+4420").route, 0u);
  EXPECT_EQ(candidates("office", "+4920"), "b0");
  EXPECT_EQ(candidates("office", ""), "b0");
  EXPECT_EQ(candidates("guest", "+4420"), "c0");
  EXPECT_EQ(candidates("c", "x"), "c0");
}

TEST_F(RouterTest, Without_a_fitting_route_there_is_none) {
  routes("[{from: office, user: \"1*\", to: [a]}]");
  EXPECT_EQ(choose("office", "2").route, std::nullopt);
  EXPECT_EQ(choose("guest", "1").route, std::nullopt);
  EXPECT_TRUE(choose("guest", "1").candidates.empty());
}

TEST_F(RouterTest, A_route_without_from_fits_every_peer) {
  routes("[{to: c}]");
  for (const char* from : {"office", "guest", "a", "b"}) EXPECT_EQ(candidates(from, "1"), "c0");
}

TEST_F(RouterTest, The_user_is_compared_unescaped_and_without_its_parameters) {
  routes("[{user: \"+44??\", to: [a]}, {user: \"*\", to: [b]}]");
  EXPECT_EQ(candidates("office", "%2b4420"), "a0 a1");
  EXPECT_EQ(candidates("office", "+4420;phone-context=example.com"), "a0 a1");
  EXPECT_EQ(candidates("office", "+44201"), "b0");
}

TEST_F(RouterTest, Targets_out_of_use_are_left_out) {
  routes("[{to: [a, b]}]");
  health_->failed(id("a", 0), kNow);
  EXPECT_EQ(candidates("office", "1"), "a1 b0");
  health_->retry_after(id("a", 1), 60 * kSecond, kNow);
  EXPECT_EQ(candidates("office", "1"), "b0");
  EXPECT_FALSE(choose("office", "1").last_resort);
}

TEST_F(RouterTest, When_all_are_out_of_use_all_are_tried_in_order) {
  routes("[{to: [b, a]}]");
  for (const TargetId target : {id("a", 0), id("a", 1), id("b")}) health_->failed(target, kNow);
  EXPECT_EQ(candidates("office", "1"), "b0 a0 a1");
  EXPECT_TRUE(choose("office", "1").last_resort);
}

TEST_F(RouterTest, Weights_share_out_the_first_place_and_the_rest_follow_by_weight) {
  routes("[{to: {b: 1, a: 6, c: 3}}]");
  std::map<std::string, unsigned> seen;
  for (std::uint64_t random = 0; random < 1000; ++random) ++seen[candidates("office", "1", random)];
  const std::map<std::string, unsigned> wanted{
      {"b0 a0 a1 c0", 100}, {"a0 a1 c0 b0", 600}, {"c0 a0 a1 b0", 300}};
  EXPECT_EQ(seen, wanted);
}

TEST_F(RouterTest, The_weight_of_a_peer_out_of_use_goes_to_the_others) {
  routes("[{to: {b: 1, a: 6, c: 3}}]");
  health_->failed(id("a", 0), kNow);
  health_->failed(id("a", 1), kNow);
  std::map<std::string, unsigned> seen;
  for (std::uint64_t random = 0; random < 1000; ++random) ++seen[candidates("office", "1", random)];
  const std::map<std::string, unsigned> wanted{{"b0 c0", 250}, {"c0 b0", 750}};
  EXPECT_EQ(seen, wanted);
}

TEST_F(RouterTest, The_report_says_why_for_each_target) {
  routes("[{to: {a: 6, c: 3}}]");
  health_->failed(id("a", 1), kNow - 10 * kSecond);
  health_->probe_result(id("c"), false);
  health_->probe_result(id("c"), false);
  const auto report = Router(config_).explain(config_.find_peer("office"), "1", 0, *health_, kNow);
  ASSERT_EQ(report.steps.size(), 3u);
  EXPECT_EQ(report.steps[0].id, id("a", 0));
  EXPECT_EQ(report.steps[0].why, "weight 6, up");
  EXPECT_FALSE(report.steps[1].tried);
  EXPECT_EQ(report.steps[1].why, "resting for 20 s more");
  EXPECT_EQ(report.steps[2].why, "down: its probes were not answered");
}

TEST_F(RouterTest, The_dry_run_prints_the_route_and_its_targets) {
  routes("\n  - {from: [office, guest], user: \"+44*\", to: [a, b]}\n  - {to: {c: 2}}");
  EXPECT_EQ(text_of("office", "sip:+442079460000@198.51.100.1;user=phone"),
            "route 1 (line 7): from office, guest, user \"+44*\", in order\n"
            "  1. a sip:192.0.2.10 (up) as +442079460000\n  2. a sip:192.0.2.110 (up) as +442079460000\n"
            "  3. b sip:192.0.2.11 (up) as +442079460000\n");
  EXPECT_EQ(
      text_of("a", "tel:+1555"),
      "route 2 (line 8): from any, user any, by weight\n  1. c sip:192.0.2.12 (weight 2, up) as +1555\n");
}

TEST_F(RouterTest, The_dry_run_shows_what_becomes_of_the_number) {
  config_ = configured(
      "{office: {realm: in, targets: [sip:198.51.100.20], numbers: {plan: {country: 44}, in: {form: e164}}}, "
      "a: {realm: out, targets: [sip:192.0.2.10], numbers: {out: {tech_prefix: 77#}}}}",
      "[{user: '+44*', to: a, numbers: {out: [{match: '+*', strip: 1}]}}]");
  EXPECT_EQ(text_of("office", "sip:02079460000@h"),
            "number 02079460000 becomes +442079460000 (numbers.in, rule 1)\n"
            "route 1 (line 6): from any, user \"+44*\", in order\n"
            "  1. a sip:192.0.2.10 (up) as 77%23442079460000\n");
  EXPECT_EQ(text_of("office", "sip:112@h"), "no route: local error no-route\n");
}

TEST_F(RouterTest, The_dry_run_says_that_a_number_of_another_context_is_left_alone) {
  config_ = configured(
      "{office: {realm: in, targets: [sip:198.51.100.20], numbers: {plan: {country: 44}, in: {form: e164}}}, "
      "a: {realm: out, targets: [sip:192.0.2.10], numbers: {out: {tech_prefix: 77#}}}, "
      "b: {realm: out, targets: [sip:192.0.2.11]}}",
      "[{to: [a, b]}]");
  EXPECT_EQ(text_of("office", "sip:02079460000;phone-context=+1@h"),
            "number 02079460000;phone-context=+1 stays: phone-context +1 is not of this plan (numbers.in)\n"
            "route 1 (line 6): from any, user any, in order\n"
            "  1. a sip:192.0.2.10 (up) as 02079460000;phone-context=+1, of phone-context +1\n"
            "  2. b sip:192.0.2.11 (up) as 02079460000;phone-context=+1\n");
  EXPECT_EQ(text_of("office", "tel:02079460000;phone-context=+44"),
            "number 02079460000 becomes +442079460000 (numbers.in, rule 1)\n"
            "route 1 (line 6): from any, user any, in order\n"
            "  1. a sip:192.0.2.10 (up) as 77#442079460000\n"
            "  2. b sip:192.0.2.11 (up) as +442079460000\n");
}

TEST_F(RouterTest, The_dry_run_shows_a_name_as_one_target) {
  config_ = configured(
      "{office: {realm: in, targets: [sip:198.51.100.20]}, "
      "a: {realm: out, targets: ['sip:carrier.example;transport=tcp', sip:192.0.2.10]}}",
      "[{to: a}]");
  EXPECT_EQ(text_of("office", "sip:100@h"),
            "route 1 (line 6): from any, user any, in order\n"
            "  1. a sip:carrier.example;transport=tcp (up, looked up while running) as 100\n"
            "  2. a sip:192.0.2.10 (up) as 100\n");
}

// RFC 3261 19.1.4: '%23' and '#' are the same, in the URI and in what it is held against.
TEST_F(RouterTest, An_escaped_hash_is_a_hash_in_numbers_and_routes_and_is_written_escaped) {
  for (const char* pattern : {"*21*#", "*21*%23"}) {
    for (const char* match : {"#31#*", "%2331%23*"}) {
      config_ = configured(
          std::string("{office: {realm: in, targets: [sip:198.51.100.20], numbers: {in: {match: '") + match +
              "', strip: 4}}}, a: {realm: out, targets: [sip:192.0.2.10]}, "
              "b: {realm: out, targets: [sip:192.0.2.11], numbers: {out: {prefix: '1#'}}}}",
          std::string("[{user: '") + pattern + "', to: a}, {to: b}]");
      health_.emplace(config_, 0);
      for (const char* user : {"*21*030#", "*21*030%23", "%2a21*030%23"}) {
        EXPECT_EQ(choose("office", user).route, std::optional<std::size_t>(0)) << pattern << " " << user;
      }
      EXPECT_EQ(choose("office", "*21*030").route, std::optional<std::size_t>(1)) << pattern;
      for (const char* user : {"#31#4930", "%2331%234930", "#31%234930"}) {
        EXPECT_EQ(
            text_of("office", std::string("sip:") + user + "@h"),
            "number " + std::string(user) +
                " becomes 4930 (numbers.in, rule 1)\n"
                "route 2 (line 6): from any, user any, in order\n  1. b sip:192.0.2.11 (up) as 1%234930\n");
      }
    }
  }
}

TEST_F(RouterTest, The_dry_run_says_what_it_cannot_answer) {
  routes("[{from: office, to: [a]}]");
  EXPECT_EQ(dry_run(config_, "nobody", "sip:1@h", 0).error(), "no peer 'nobody' in the configuration");
  EXPECT_EQ(dry_run(config_, "office", "1234", 0).error(), "'1234' is not a sip, sips or tel URI");
  EXPECT_EQ(text_of("guest", "sip:1@h"), "no route: local error no-route\n");
}

TEST(PatternMatches, knows_stars_and_question_marks) {
  struct Case {
    const char* pattern;
    const char* text;
    bool fits;
  };
  const Case kCases[] = {{"", "", true},           {"", "a", false},        {"*", "", true},
                         {"*", "abc", true},       {"+44*", "+44", true},   {"+44*", "+4", false},
                         {"+44*", "x+44", false},  {"*00", "100", true},    {"*00", "1001", false},
                         {"a*b*c", "aXbYc", true}, {"a*b*c", "abbc", true}, {"a*b*c", "acb", false},
                         {"?", "", false},         {"?", "a", true},        {"1??", "12", false},
                         {"1??", "123", true},     {"**", "x", true},       {"A", "a", false},
                         {"*a?", "aab", true},     {"*aab", "aaab", true},  {"a", "aa", false}};
  for (const Case& c : kCases)
    EXPECT_EQ(pattern_matches(c.pattern, c.text), c.fits) << c.pattern << " " << c.text;
}

TEST(PatternMatches, is_not_slow_for_hostile_users) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "a*";
  EXPECT_FALSE(pattern_matches(pattern + "b", std::string(60'000, 'a')));
}

}  // namespace
}  // namespace sallyport::routing
