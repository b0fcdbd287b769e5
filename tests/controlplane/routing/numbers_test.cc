// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/numbers.h"

#include <gtest/gtest.h>

#include "tests/controlplane/routing/routing_support.h"

namespace sallyport::routing {
namespace {

// One peer with those numbers, as YAML.
config::Config with_numbers(const std::string& numbers) {
  return configured("{p: {realm: in, targets: [sip:198.51.100.20], numbers: " + numbers + "}}");
}

const std::string kBritish = "plan: {country: 44}";

struct NumberCase {
  const char* name;
  std::string numbers;
  Way way;
  Party party;
  const char* before;
  const char* after;
};

class ApplyNumbers : public testing::TestWithParam<NumberCase> {};

TEST_P(ApplyNumbers, gives) {
  const NumberCase& c = GetParam();
  const config::Config config = with_numbers(c.numbers);
  const NumberStep step = apply_numbers(config.peers[0].numbers, c.way, c.party, c.before);
  EXPECT_EQ(step.number, c.after);
  EXPECT_EQ(step.rule.has_value(), std::string_view(c.before) != c.after);
}

const std::string kE164 = "{" + kBritish + ", in: {form: e164}}";
const std::string kNational = "{" + kBritish + ", out: {form: national}}";
const std::string kInternational = "{" + kBritish + ", out: {form: international}}";
const std::string kAmerican = "plan: {country: 1, national: none, international: \"011\"}";
const std::string kTech =
    "{in: {tech_prefix: \"77#\"}, out: {tech_prefix: \"88#\", strip: 1, prefix: \"9\"}}";

INSTANTIATE_TEST_SUITE_P(
    Table, ApplyNumbers,
    testing::Values(
        NumberCase{"a_national_number_to_e164", kE164, Way::in, Party::called, "02079460018",
                   "+442079460018"},
        NumberCase{"an_international_number_to_e164", kE164, Way::in, Party::calling, "004930123",
                   "+4930123"},
        NumberCase{"e164_stays", kE164, Way::in, Party::called, "+4930123", "+4930123"},
        NumberCase{"a_short_code_stays", kE164, Way::in, Party::called, "112", "112"},
        NumberCase{"a_service_code_stays", kE164, Way::in, Party::called, "0*21#", "0*21#"},
        NumberCase{"the_international_prefix_alone_is_no_number", kE164, Way::in, Party::called, "00", "00"},
        NumberCase{"a_closed_plan_takes_all_digits", "{" + kAmerican + ", in: {form: e164}}", Way::in,
                   Party::called, "2125550100", "+12125550100"},
        NumberCase{"a_closed_plan_knows_its_international_prefix", "{" + kAmerican + ", in: {form: e164}}",
                   Way::in, Party::called, "011442079460018", "+442079460018"},
        NumberCase{"e164_to_national", kNational, Way::out, Party::called, "+442079460018", "02079460018"},
        NumberCase{"another_country_has_no_national_form", kNational, Way::out, Party::called, "+4930123",
                   "004930123"},
        NumberCase{"international_to_national_of_the_same_country", kNational, Way::out, Party::called,
                   "00442079460018", "02079460018"},
        NumberCase{"a_closed_plan_has_no_national_prefix", "{" + kAmerican + ", out: {form: national}}",
                   Way::out, Party::called, "+12125550100", "2125550100"},
        NumberCase{"e164_to_international", kInternational, Way::out, Party::called, "+442079460018",
                   "00442079460018"},
        NumberCase{"national_to_international", kInternational, Way::out, Party::called, "02079460018",
                   "00442079460018"},
        NumberCase{"strip_and_prefix", "{in: {strip: 2, prefix: \"+\"}}", Way::in, Party::called, "994930",
                   "+4930"},
        NumberCase{"strip_counts_the_plus", "{out: {strip: 1}}", Way::out, Party::called, "+4930", "4930"},
        NumberCase{"a_form_comes_after_strip_inwards", "{" + kBritish + ", in: {strip: 1, form: e164}}",
                   Way::in, Party::called, "902079460018", "+442079460018"},
        NumberCase{"a_form_comes_before_strip_outwards", "{" + kBritish + ", out: {strip: 1, form: e164}}",
                   Way::out, Party::called, "02079460018", "442079460018"},
        NumberCase{"nothing_is_stripped_to_nothing", "{in: {strip: 3}}", Way::in, Party::called, "112",
                   "112"},
        NumberCase{"a_tech_prefix_comes_off", kTech, Way::in, Party::called, "77#4930", "4930"},
        NumberCase{"without_the_tech_prefix_the_rule_does_not_fit", kTech, Way::in, Party::called, "4930",
                   "4930"},
        NumberCase{"a_tech_prefix_goes_on_outermost", kTech, Way::out, Party::called, "+4930", "88#94930"},
        NumberCase{"callers_have_no_tech_prefix", kTech, Way::out, Party::calling, "+4930", "94930"},
        NumberCase{"the_first_rule_that_fits_decides",
                   "{in: [{match: \"0*\", prefix: \"1\"}, {match: \"0?\", prefix: \"2\"}, {prefix: \"3\"}]}",
                   Way::in, Party::called, "05", "105"},
        NumberCase{"a_rule_for_the_called_leaves_callers", "{in: {apply: called, strip: 1}}", Way::in,
                   Party::calling, "4930", "4930"},
        NumberCase{"a_rule_for_callers_leaves_the_called", "{in: {apply: calling, strip: 1}}", Way::in,
                   Party::called, "4930", "4930"},
        NumberCase{"in_says_nothing_of_out", "{in: {strip: 1}}", Way::out, Party::called, "4930", "4930"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(NumberOfUser, Knows_numbers_from_names) {
  struct Case {
    const char* user;
    const char* number;  // nullptr: a name
  };
  const Case cases[]{{"+44-20.7946(0018)", "+442079460018"},
                     {"1234%23", "1234#"},
                     {"%2B4930", "+4930"},
                     {"*21*030%23", "*21*030#"},
                     {"+4930;isub=alice;phone-context=+44", "+4930"},
                     {"4930%3Bx", nullptr},
                     {"alice", nullptr},
                     {"49+30", nullptr},
                     {"+", nullptr},
                     {"-.", nullptr},
                     {"", nullptr},
                     {"anonymous", nullptr},
                     {"12%00", nullptr}};
  for (const Case& c : cases) {
    const auto number = number_of_user(c.user);
    EXPECT_EQ(number.has_value(), c.number != nullptr) << c.user;
    if (c.number != nullptr) {
      EXPECT_EQ(number, c.number);
    }
  }
}

class NumberPathTest : public testing::Test {
 protected:
  [[nodiscard]] NumberPath in() const { return {config_, 0, std::nullopt, config::kNoIndex}; }
  [[nodiscard]] NumberPath out() const { return {config_, config::kNoIndex, std::nullopt, 0}; }
  config::Config config_ = with_numbers(
      "{" + kBritish + ", in: {form: e164}, out: [{match: \"+*\", form: national, tech_prefix: \"7#\"}]}");
};

TEST_F(NumberPathTest, Changes_the_user_part_and_nothing_else) {
  struct Case {
    const char* before;
    const char* after;
  };
  const Case cases[]{{"sip:02079460018@198.51.100.1:5070;user=phone;x=0207?subject=02079460018",
                      "sip:+442079460018@198.51.100.1:5070;user=phone;x=0207?subject=02079460018"},
                     {"sips:020-7946-0018@h", "sips:+442079460018@h"},
                     {"sip:02079460018:02079460018@h", "sip:+442079460018:02079460018@h"},
                     {"sip:02079460018;isub=5;phone-context=+44;npdi@h;user=phone",
                      "sip:+442079460018;isub=5;npdi@h;user=phone"},
                     {"tel:020-7946-0018;phone-context=+44;isub=5", "tel:+442079460018;isub=5"},
                     {"sip:%30%32079460018@h", "sip:+442079460018@h"},
                     {"sip:+44-2079460018@h", "sip:+44-2079460018@h"},  // in form already: as it stands
                     {"sip:alice@02079460018", "sip:alice@02079460018"},
                     {"sip:198.51.100.1", "sip:198.51.100.1"},
                     {"mailto:02079460018@h", "mailto:02079460018@h"},
                     {"not a uri", "not a uri"},
                     {"", ""}};
  for (const Case& c : cases) EXPECT_EQ(in().uri(Party::called, c.before), c.after);
}

TEST_F(NumberPathTest, Escapes_what_a_user_part_may_not_hold) {
  EXPECT_EQ(out().uri(Party::called, "sip:+442079460018@h"), "sip:7%2302079460018@h");
  EXPECT_EQ(out().uri(Party::calling, "sip:+442079460018@h"), "sip:02079460018@h");
}

TEST_F(NumberPathTest, A_tel_uri_that_becomes_local_gets_a_context) {
  EXPECT_EQ(out().uri(Party::calling, "tel:+442079460018;ext=3"), "tel:02079460018;ext=3;phone-context=+44");
}

TEST(NumberPathOfACall, A_tel_identity_stays_global_where_no_plan_has_a_context_for_it) {
  const config::Config config = configured(
      "{a: {realm: in, targets: [sip:198.51.100.20], numbers: {plan: {country: 44}, in: {form: e164}}}, "
      "b: {realm: out, targets: [sip:192.0.2.10], numbers: {out: {strip: 1}}}, "
      "c: {realm: out, targets: [sip:192.0.2.11], numbers: {out: {prefix: '9'}}}}",
      "[{to: b}]");
  const NumberPath there(config, 0, 0, 1);
  EXPECT_EQ(there.uri(Party::calling, "tel:+44-207;ext=3"), "tel:+44-207;ext=3") << "as it stands";
  EXPECT_EQ(there.uri(Party::calling, "tel:0207"), "tel:+44207") << "the last global form";
  EXPECT_EQ(there.value(Party::calling, "\"A\" <tel:+44207>"), "\"A\" <tel:+44207>");
  EXPECT_EQ(there.uri(Party::calling, "sip:0207@h"), "sip:44207@h");
  EXPECT_EQ(there.uri(Party::called, "tel:+44207"), "tel:44207") << "goes out as a SIP URI";
  const NumberPath bare(config, config::kNoIndex, std::nullopt, 2);
  EXPECT_EQ(bare.uri(Party::calling, "tel:+44207"), "tel:+44207");
  EXPECT_EQ(bare.uri(Party::calling, "tel:0207"), "tel:90207") << "it had no context before";
}

// RFC 3966 5.1.4, 5.1.5
TEST_F(NumberPathTest, Leaves_local_numbers_of_another_context_alone) {
  for (const char* uri : {"tel:0207-946-0018;phone-context=+1;isub=5", "tel:0207;phone-context=example.com",
                          "tel:0207;phone-context=44", "tel:0207;Phone-Context=+44-20",
                          "sip:0207;phone-context=+1@h;user=phone", "sip:0207;isub=5;phone-context=%2B1@h",
                          "sips:004930;phone-context=pbx.example.com@h"}) {
    EXPECT_EQ(in().uri(Party::called, uri), uri);
    EXPECT_TRUE(in().passes_over(Party::called, uri)) << uri;
  }
}

TEST_F(NumberPathTest, Takes_its_own_context_with_separators_and_escapes) {
  for (const char* uri :
       {"tel:0207;phone-context=+44", "tel:0207;phone-context=+4-4", "tel:0207;PHONE-CONTEXT=+44"}) {
    EXPECT_EQ(in().uri(Party::called, uri), "tel:+44207") << uri;
    EXPECT_FALSE(in().passes_over(Party::called, uri)) << uri;
  }
  EXPECT_EQ(in().uri(Party::called, "sip:0207;phone-context=%2b44@h"), "sip:+44207@h");
}

TEST_F(NumberPathTest, A_context_says_nothing_of_a_global_number_or_a_name) {
  EXPECT_EQ(out().uri(Party::calling, "tel:+44207;phone-context=+1"), "tel:0207;phone-context=+44");
  EXPECT_FALSE(out().passes_over(Party::calling, "tel:+44207;phone-context=+1"));
  EXPECT_FALSE(in().passes_over(Party::called, "sip:alice;phone-context=+1@h"));
  EXPECT_FALSE(in().passes_over(Party::called, "not a uri"));
}

TEST(NumberPathOfACall, Each_step_judges_the_context_by_its_own_plan) {
  const config::Config config = configured(
      "{a: {realm: in, targets: [sip:198.51.100.20], numbers: {plan: {country: 44}, in: {form: e164}}}, "
      "b: {realm: out, targets: [sip:192.0.2.10], numbers: {" +
          kAmerican + ", out: {form: e164}}}, " +
          "c: {realm: out, targets: [sip:192.0.2.11], numbers: {out: {prefix: '9'}}}}",
      "[{to: b}]");
  const NumberPath there(config, 0, 0, 1);
  EXPECT_EQ(there.uri(Party::called, "tel:2125550100;phone-context=+1"), "tel:+12125550100");
  EXPECT_TRUE(there.passes_over(Party::called, "tel:2125550100;phone-context=+1"));  // by a
  EXPECT_EQ(there.uri(Party::called, "tel:0207;phone-context=+44"), "tel:+44207");
  EXPECT_FALSE(there.passes_over(Party::called, "tel:0207;phone-context=+44"));
  // A rule without a plan knows no context at all.
  const NumberPath bare(config, config::kNoIndex, std::nullopt, 2);
  EXPECT_EQ(bare.uri(Party::called, "sip:0207;phone-context=+44@h"), "sip:0207;phone-context=+44@h");
  EXPECT_EQ(bare.uri(Party::called, "sip:0207@h"), "sip:90207@h");
}

TEST(PhoneContext, Is_read_of_tel_uris_and_of_user_parts) {
  struct Case {
    const char* uri;
    const char* context;
  };
  const Case cases[]{{"tel:7042;isub=1;phone-context=example.com", "example.com"},
                     {"tel:863-1234;phone-context=+1-914-555", "+1914555"},
                     {"sip:7042;phone-context=%2B44@h;user=phone", "+44"},
                     {"sip:7042@h;phone-context=+44", ""},  // of the URI, not of the number
                     {"tel:7042;phone-context", ""},
                     {"tel:+44207", ""},
                     {"sip:h", ""}};
  for (const Case& c : cases) EXPECT_EQ(phone_context(sip::parse_uri(c.uri).value()), c.context) << c.uri;
}

TEST_F(NumberPathTest, Keeps_the_rest_of_a_header_value) {
  EXPECT_EQ(in().value(Party::calling, "\"0207 <x>\" <sip:0207946@h;user=phone> ;tag=0207"),
            "\"0207 <x>\" <sip:+44207946@h;user=phone> ;tag=0207");
  EXPECT_EQ(in().value(Party::calling, "sip:0207946@h;tag=a"), "<sip:+44207946@h>;tag=a");
  EXPECT_EQ(in().value(Party::calling, "sip:alice@h;tag=a"), "sip:alice@h;tag=a");
  EXPECT_EQ(in().value(Party::calling, "<broken"), "<broken");
}

TEST(NumberPathOfACall, Goes_through_peer_route_and_peer_and_back) {
  const config::Config config = configured(
      "{a: {realm: in, targets: [sip:198.51.100.20], numbers: {plan: {country: 44}, in: {form: e164}, "
      "out: {form: national}}}, "
      "b: {realm: out, targets: [sip:192.0.2.10], numbers: {in: {prefix: '+'}, out: {strip: 1}}}}",
      "[{to: b, numbers: {in: {match: '+999*', strip: 4, prefix: '+'}, "
      "out: {apply: called, strip: 1, prefix: '+999'}}}]");
  const NumberPath there(config, 0, 0, 1);
  EXPECT_EQ(there.uri(Party::called, "sip:0207@h"), "sip:99944207@h");
  EXPECT_EQ(there.uri(Party::calling, "sip:0207@h"), "sip:44207@h");
  const NumberPath back(config, 1, 0, 0, false);
  EXPECT_EQ(back.uri(Party::calling, "sip:99944207@h"), "sip:0207@h");
  EXPECT_EQ(back.uri(Party::calling, "sip:44207@h"), "sip:0207@h");
  EXPECT_TRUE(NumberPath(config, config::kNoIndex, std::nullopt, config::kNoIndex).empty());
}

}  // namespace
}  // namespace sallyport::routing
