// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/name_addr.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::sip {
namespace {

struct Row {
  std::string_view value;
  std::string_view display;
  std::string_view uri;
  std::string_view params;
  bool bracketed;
};

TEST(NameAddr, Reads_every_form) {
  using namespace std::string_view_literals;
  const Row rows[] = {
      {"<sip:a@b>", "", "sip:a@b", "", true},
      {"sip:a@b", "", "sip:a@b", "", false},
      {"sip:a@b;tag=1", "", "sip:a@b", "tag=1", false},
      {"sip:a@b ;   tag    = 1", "", "sip:a@b", "tag    = 1", false},
      {"<sip:a@b;lr>;tag=1", "", "sip:a@b;lr", "tag=1", true},
      {"<sip:a@b?Route=x>", "", "sip:a@b?Route=x", "", true},
      {"\"A, B\" <sip:a@b>;tag=1;x=\"y;z\"", "\"A, B\"", "sip:a@b", "tag=1;x=\"y;z\"", true},
      {"\"J Rosenberg \\\\\\\"\"       <sip:j@e.com>\r\n  ;\r\n  tag = 98asjd8", "\"J Rosenberg \\\\\\\"\"",
       "sip:j@e.com", "tag = 98asjd8", true},
      {"caller<sip:c@e.com>;tag=323", "caller", "sip:c@e.com", "tag=323", true},
      {"A. Bell <sip:a@b>", "A. Bell", "sip:a@b", "", true},
      {"J\xc3\xb8rn <sip:a@b>", "J\xc3\xb8rn", "sip:a@b", "", true},
      {"token1~` token2'+_ token3*%!.- <sip:m@e>;p''~+*_!.-%=\"\xd1\x80\"", "token1~` token2'+_ token3*%!.-",
       "sip:m@e", "p''~+*_!.-%=\"\xd1\x80\"", true},
      {"\"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:a@b>"sv, "\"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\""sv,
       "sip:a@b", "", true},
      {"*", "", "*", "", false},
      {"isbn:2983792873", "", "isbn:2983792873", "", false},
      {"<http://www.example.com>;tag=3", "", "http://www.example.com", "tag=3", true},
      {"\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>", "",
       "sip:services.example.com;lr;unknownwith=value;unknown-no-value", "", true},
      {"\"\" <sip:a@b>", "\"\"", "sip:a@b", "", true},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_name_addr(row.value);
    ASSERT_TRUE(parsed.has_value()) << row.value;
    EXPECT_EQ(parsed->display, row.display) << row.value;
    EXPECT_EQ(parsed->uri, row.uri) << row.value;
    EXPECT_EQ(parsed->params, row.params) << row.value;
    EXPECT_EQ(parsed->bracketed, row.bracketed) << row.value;
  }
}

TEST(NameAddr, Refuses_what_is_ambiguous_or_open) {
  for (const std::string_view value : {"",
                                       "   ",
                                       "<>",
                                       "<sip:a@b",
                                       "\"open <sip:a@b>",
                                       "\"x\"",
                                       "\"x\" sip:a@b",
                                       "Bell, A <sip:a@b>",
                                       "\"W\" < sip:t@e >",
                                       "<sip:a b>",
                                       "<sip:a@b>;;;;",
                                       "<sip:a@b>;",
                                       "<sip:a@b> x",
                                       "<sip:a@b>x",
                                       "sip:a@b?R=1",
                                       "sip:a@b,c",
                                       "sip:a@b c",
                                       "<sip:a@b><sip:c@d>",
                                       "<sip:a@b>;tag=\"open",
                                       "a\"b\" <sip:a@b>",
                                       ";tag=1"}) {
    EXPECT_FALSE(parse_name_addr(value).has_value()) << value;
  }
}

TEST(TagOf, Is_the_tag_of_the_header_field_and_not_of_the_uri) {
  EXPECT_EQ(tag_of("<sip:a@b;tag=uri>;TAG=field"), "field");
  EXPECT_EQ(tag_of("sip:a@b;x;tag=1"), "1");
  EXPECT_EQ(tag_of("\";tag=display\" <sip:a@b>"), "");
  EXPECT_EQ(tag_of("<sip:a@b"), "");
}

}  // namespace
}  // namespace sallyport::sip
