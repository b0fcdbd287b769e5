// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controlplane/response_map/maps_support.h"

namespace sallyport::response_map {
namespace {

using testing::HasSubstr;

std::vector<config::Fault> faults_of(const std::vector<RuleText>& rules,
                                     std::vector<std::string> bases = {}) {
  const std::vector<config::MapConfig> maps{map_of("m", std::move(bases), rules)};
  auto compiled = Maps::compile(maps);
  return compiled ? std::vector<config::Fault>{} : compiled.error();
}

struct Refused {
  const char* why;
  std::vector<RuleText> rules;
  std::uint32_t line;
  std::uint32_t column;
  const char* message;
};

TEST(CompileMaps, refuses_what_no_map_may_do) {
  const Refused table[] = {
      {"final to provisional", {{"486", "", 0, "", 183}}, 11, 30, "cannot become the provisional 183"},
      {"2xx to provisional", {{"200", "", 0, "", 180}}, 11, 30, "cannot become the provisional 180"},
      {"cause to provisional", {{"", "", 17, "", 183}}, 11, 30, "cannot become the provisional 183"},
      {"local to provisional", {{"", "", 0, "no-route", 183}}, 11, 30, "cannot become the provisional 183"},
      {"provisional to final", {{"183", "", 0, "", 486}}, 11, 30, "cannot become the final 486"},
      {"provisionals to final", {{"1xx", "", 0, "", 503}}, 11, 30, "cannot become the final 503"},
      {"failure to 2xx", {{"486", "", 0, "", 200}}, 11, 30, "what is not a 2xx cannot become 200"},
      {"failures to 2xx", {{"4xx", "", 0, "", 202}}, 11, 30, "what is not a 2xx cannot become 202"},
      {"provisional to 2xx", {{"183", "", 0, "", 200}}, 11, 30, "what is not a 2xx cannot become 200"},
      {"phrase to 2xx", {{"", "Fine", 0, "", 200}}, 11, 30, "what is not a 2xx cannot become 200"},
      {"local to 2xx", {{"", "", 0, "no-route", 200}}, 11, 30, "what is not a 2xx cannot become 200"},
      {"2xx to failure", {{"200", "", 0, "", 486}}, 11, 30, "a 2xx cannot become 486"},
      {"range over two kinds", {{"180-299", "", 0, "", 183}}, 11, 30, "cannot become the provisional 183"},
      {"range over two kinds, to failure", {{"200-499", "", 0, "", 480}}, 11, 30, "a 2xx cannot become 480"},
      {"487", {{"487", "", 0, "", 480}}, 11, 30, "487 answers a CANCEL or BYE"},
      {"487 as a range", {{"487-487", "", 0, "", 480}}, 11, 30, "487 answers a CANCEL or BYE"},
      {"487 by its phrase",
       {{"4xx", "request terminated ", 0, "", 480}},
       11,
       30,
       "487 answers a CANCEL or BYE"},
      {"487 with a cause", {{"487", "", 16, "", 480}}, 11, 30, "487 answers a CANCEL or BYE"},
      {"487 of our own", {{"", "", 0, "cancelled", 480}}, 11, 30, "487 answers a CANCEL or BYE"},
      {"100 mapped", {{"100", "", 0, "", 183}}, 11, 10, "100 never leaves its hop"},
      {"100 sent", {{"183", "", 0, "", 100}}, 11, 30, "100 never leaves its hop"},
      {"unknown local", {{"", "", 0, "nonsense", 480}}, 11, 10, "no local error is named 'nonsense'"},
      {"local and code", {{"503", "", 0, "no-route", 480}}, 11, 10, "never of both"},
      {"no condition", {{"", "", 0, "", 480}}, 11, 9, "needs a condition"},
      {"the same twice",
       {{"486", "", 0, "", 480}, {"486", "", 0, "", 603}},
       12,
       9,
       "rule 1 (line 11) has the same"},
      {"the same local twice",
       {{"", "", 0, "no-route", 480}, {"", "", 0, "no-route", 404}},
       12,
       9,
       "rule 1 (line 11) has the same"},
  };
  for (const Refused& c : table) {
    const auto faults = faults_of(c.rules);
    ASSERT_EQ(faults.size(), 1u) << c.why;
    EXPECT_EQ(faults[0].at.line, c.line) << c.why;
    EXPECT_EQ(faults[0].at.column, c.column) << c.why;
    EXPECT_THAT(faults[0].message, HasSubstr(c.message)) << c.why;
  }
}

TEST(CompileMaps, refuses_loops) {
  struct Case {
    const char* why;
    std::vector<RuleText> rules;
    std::vector<std::string> bases;
    std::uint32_t line;
  };
  const Case table[] = {
      {"two codes", {{"480", "", 0, "", 486}, {"486", "", 0, "", 480}}, {}, 11},
      {"three codes", {{"480", "", 0, "", 486}, {"486", "", 0, "", 603}, {"603", "", 0, "", 480}}, {}, 11},
      {"through a class", {{"4xx", "", 0, "", 480}, {"480", "", 0, "", 486}}, {}, 11},
      {"through a range", {{"500-510", "", 0, "", 480}, {"480", "", 0, "", 503}}, {}, 11},
      {"through an obsolete code", {{"400", "", 0, "", 409}}, {}, 11},
      {"entered from outside",
       {{"404", "", 0, "", 480}, {"480", "", 0, "", 486}, {"486", "", 0, "", 480}},
       {},
       12},
      {"through a cause", {{"", "", 18, "", 486}, {"486", "", 0, "", 480}}, {}, 11},
  };
  for (const Case& c : table) {
    const auto faults = faults_of(c.rules, c.bases);
    ASSERT_EQ(faults.size(), 1u) << c.why;
    EXPECT_EQ(faults[0].at.line, c.line) << c.why;
    EXPECT_THAT(faults[0].message, HasSubstr("the rules loop")) << c.why;
  }
}

TEST(CompileMaps, refuses_a_loop_through_a_vendor_row_only_where_the_base_is_listed) {
  config::MapConfig map = map_of("m", {}, {{"488", "", 0, "", 480}});
  map.rules[0].send_phrase = "Codec Mismatch";  // the vendor rows make that 488 again
  EXPECT_TRUE(Maps::compile({&map, 1}).has_value());
  map.base.push_back({"vendor", {9, 1}});
  EXPECT_FALSE(Maps::compile({&map, 1}).has_value());
}

// A rule with the phrase that it sends.
struct Saying {
  RuleText rule;
  std::string phrase{};
  std::uint8_t q850 = 0;
};
std::vector<config::Fault> faults_of_saying(const std::vector<Saying>& rules) {
  config::MapConfig map = map_of("m", {}, {});
  for (const Saying& saying : rules) {
    map.rules.push_back(rule_of(saying.rule, static_cast<std::uint32_t>(map.rules.size() + 1)));
    if (!saying.phrase.empty()) map.rules.back().send_phrase = saying.phrase;
    if (saying.q850 != 0) map.rules.back().send_q850 = saying.q850;
  }
  const auto compiled = Maps::compile({&map, 1});
  return compiled ? std::vector<config::Fault>{} : compiled.error();
}

TEST(CompileMaps, refuses_loops_of_phrases_and_causes_where_the_code_stays) {
  using Rules = std::vector<Saying>;
  const Rules loops[] = {
      {{{"486", "A", 0, "", 480}, "B"}, {{"480", "B", 0, "", 480}, "C"}, {{"480", "C", 0, "", 486}, "A"}},
      // The same without a code to send in the middle.
      {{{"486", "A", 0, "", 480}, "B"}, {{"480", "B", 0, "", 0}, "C"}, {{"480", "C", 0, "", 486}, "A"}},
      {{{"480", "A", 0, "", 0}, "B"}, {{"480", "B", 0, "", 0}, "A"}},
      {{{"4xx", "A", 0, "", 0}, "B"}, {{"", "B", 0, "", 0}, "a"}},
      {{{"480", "", 16, "", 0}, "", 17}, {{"480", "", 17, "", 0}, "", 16}},
  };
  for (const Rules& rules : loops) {
    const auto faults = faults_of_saying(rules);
    ASSERT_EQ(faults.size(), 1u) << &rules - loops;
    EXPECT_EQ(faults[0].at.line, 11u);
    EXPECT_THAT(faults[0].message, HasSubstr("the rules loop"));
  }
  const Rules rests[] = {
      {{{"486", "A", 0, "", 480}, "B"}, {{"480", "B", 0, "", 480}, "C"}, {{"480", "C", 0, "", 486}, "D"}},
      {{{"486", "", 0, "", 486}, "Busy"}, {{"486", "Busy", 0, "", 486}, "Busy"}},
      {{{"4xx", "", 0, "", 0}, "No"}, {{"", "No", 0, "", 0}, "NO"}},
      {{{"480", "", 16, "", 0}, "", 17}, {{"480", "", 17, "", 0}, "", 18}},
      // As in the interface's example: 34 is what a peer may say with its 480, not what these rules send.
      {{{"503", "", 0, "", 480}}, {{"", "", 34, "", 503}}},
  };
  for (const Rules& rules : rests) EXPECT_TRUE(faults_of_saying(rules).empty()) << &rules - rests;
}

TEST(CompileMaps, accepts_what_looks_like_a_loop_and_is_none) {
  EXPECT_TRUE(faults_of({{"486", "", 0, "", 486}, {"4xx", "", 0, "", 480}}).empty());
  EXPECT_TRUE(faults_of({{"503", "", 0, "", 480}, {"480", "No money left", 0, "", 503}}).empty());
  EXPECT_TRUE(faults_of({{"480", "", 0, "", 503}, {"", "", 0, "no-route", 480}}).empty());
}

TEST(CompileMaps, accepts_the_rules_of_every_day) {
  EXPECT_TRUE(faults_of({{"182", "", 0, "", 180}, {"202", "", 0, "", 200}}).empty());
  EXPECT_TRUE(faults_of({{"487", "", 0, "", 487}, {"4xx", "", 0, "", 480}}).empty());
  EXPECT_TRUE(faults_of({{"480-490", "", 0, "", 480}}).empty());
  EXPECT_TRUE(faults_of({{"701", "", 0, "", 480}, {"7xx", "", 0, "", 500}}, {"rfc3398", "vendor"}).empty());
}

TEST(CompileMaps, reports_all_faults_of_all_maps_in_the_order_of_the_file) {
  std::vector<config::MapConfig> maps{
      map_of("a", {"rfc3399"}, {{"486", "", 0, "", 183}, {"487", "", 0, "", 480}}),
      map_of("b", {"vendor"}, {{"", "", 0, "nowhere", 480}})};
  maps[1].rules[0].local_at = {5, 3};
  const auto result = Maps::compile(maps);
  ASSERT_FALSE(result.has_value());
  ASSERT_EQ(result.error().size(), 4u);
  EXPECT_EQ(result.error()[0].at.line, 5u);
  EXPECT_THAT(result.error()[1].message, HasSubstr("no base is named 'rfc3399'"));
  EXPECT_EQ(result.error()[2].at.line, 11u);
  EXPECT_EQ(result.error()[3].at.line, 12u);
}

TEST(CompileMaps, refuses_a_line_end_in_a_phrase_and_failover_of_an_answer) {
  config::MapConfig map = map_of("m", {}, {{"486", "", 0, "", 480}, {"200", "", 0, "", 202}});
  map.rules[0].send_phrase = "Busy\r\nVia: x";
  map.rules[1].failover = true;
  const auto result = Maps::compile({&map, 1});
  ASSERT_FALSE(result.has_value());
  ASSERT_EQ(result.error().size(), 2u);
  EXPECT_THAT(result.error()[0].message, HasSubstr("control character"));
  EXPECT_THAT(result.error()[1].message, HasSubstr("failover is for failures"));
}

}  // namespace
}  // namespace sallyport::response_map
