// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/params.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::sip {
namespace {

// "a=1|b|c=|!" : parameters with '|' between, '!' at the end when the list is malformed.
std::string read_all(std::string_view list) {
  ParamReader reader(list);
  std::string text;
  while (const auto param = reader.next()) {
    if (!text.empty()) text += "|";
    text += param->name;
    if (param->has_value) text += "=" + std::string(param->value);
  }
  return reader.well_formed() ? text : text + "!";
}

TEST(ParamReader, Reads_every_form) {
  const struct {
    std::string_view list;
    std::string_view expected;
  } rows[] = {
      {"", ""},
      {"a", "a"},
      {";a", "a"},
      {"a=1;b;c=x", "a=1|b|c=x"},
      {";tag=abc", "tag=abc"},
      {" a = 1 \r\n ; b\t;\r\n c =\r\n 2", "a=1|b|c=2"},
      {"a=\"x;y=\\\"z\";b", "a=\"x;y=\\\"z\"|b"},
      {"received=[2001:db8::1];x", "received=[2001:db8::1]|x"},
      {"received=2001:db8::1", "received=2001:db8::1"},
      {"+sip.instance=\"<urn:uuid:1>\";reg-id=1", "+sip.instance=\"<urn:uuid:1>\"|reg-id=1"},
      {"%6C%72;n%61me=v%61lue%25%34%31", "%6C%72|n%61me=v%61lue%25%34%31"},
      {"a=", "a="},
      {"a=b=c", "a=b=c"},
      // malformed
      {";;", "!"},
      {";", "!"},
      {"a;", "a!"},
      {"a;;b", "a!"},
      {"a b", "!"},
      {"a=1 2", "!"},
      {"a=\"open", "!"},
      {"a=\"x\"y", "!"},
      {"=1", "!"},
      {"a,b", "!"},
      {"a=<x>", "!"},
  };
  for (const auto& row : rows) EXPECT_EQ(read_all(row.list), row.expected) << row.list;
}

TEST(FindParam, Finds_the_first_in_any_case) {
  EXPECT_EQ(find_param("x;TAG=1;tag=2", "tag")->value, "1");
  EXPECT_FALSE(find_param("x;tagg=1", "tag").has_value());
  EXPECT_FALSE(find_param("lr", "lr")->has_value);
  EXPECT_TRUE(find_param("lr=", "lr")->has_value);
}

std::vector<std::string> split(std::string_view field) {
  ValueReader reader(field);
  std::vector<std::string> values;
  while (const auto value = reader.next()) values.emplace_back(*value);
  return values;
}

TEST(ValueReader, Splits_at_commas_outside_quotes_and_brackets) {
  using Values = std::vector<std::string>;
  EXPECT_EQ(split(""), Values{});
  EXPECT_EQ(split(" \r\n "), Values{});
  EXPECT_EQ(split("a"), Values{"a"});
  EXPECT_EQ(split("a ,\r\n b,c"), (Values{"a", "b", "c"}));
  EXPECT_EQ(split("\"x, \\\"y\" <sip:a,b@c>;p=\"1,2\" , <sip:d>"),
            (Values{"\"x, \\\"y\" <sip:a,b@c>;p=\"1,2\"", "<sip:d>"}));
  EXPECT_EQ(split("a,,b,"), (Values{"a", "", "b", ""}));
  EXPECT_EQ(split(","), (Values{"", ""}));
  EXPECT_EQ(split("\"open, quote"), Values{"\"open, quote"});
  EXPECT_EQ(split("<open, bracket"), Values{"<open, bracket"});
}

TEST(Trim, Takes_white_space_and_folds_off_both_ends) {
  EXPECT_EQ(trim(" \r\n\t a b \r\n "), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace sallyport::sip
