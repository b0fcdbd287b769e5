// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/seldom.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

TEST(Seldom, Reads_as_an_empty_one_until_it_is_made_and_again_once_it_is_reset) {
  Seldom<std::string> text;
  EXPECT_FALSE(text);
  EXPECT_TRUE(text->empty());
  text.make() = "here";
  EXPECT_TRUE(text);
  EXPECT_EQ(*text, "here");
  text.make().append(" it is");
  EXPECT_EQ(*text, "here it is");
  text.reset();
  EXPECT_FALSE(text);
  EXPECT_EQ(*text, "");
}

TEST(Seldom, One_that_is_made_is_nobody_elses) {
  Seldom<int> one, other;
  one.make() = 1;
  EXPECT_EQ(*other, 0);
  other.make() = 2;
  EXPECT_EQ(*one, 1);
}

}  // namespace
}  // namespace sallyport
