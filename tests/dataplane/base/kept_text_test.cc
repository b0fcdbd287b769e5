// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/kept_text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace sallyport {
namespace {

TEST(KeptText, An_empty_one_owns_nothing_and_is_as_small_as_a_pointer) {
  const KeptText text;
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text.size(), 0u);
  EXPECT_EQ(text.view(), "");
  EXPECT_EQ(KeptText(""), text);
  EXPECT_EQ(sizeof(KeptText), sizeof(void*));
}

TEST(KeptText, Keeps_the_octets_that_it_was_given_zeros_and_all) {
  const std::string octets("a\0b\r\n", 5);
  const KeptText text(octets);
  EXPECT_EQ(text.view(), octets);
  EXPECT_EQ(text.size(), 5u);
  EXPECT_EQ(std::string(text), octets);
  EXPECT_FALSE(text == "a");
}

TEST(KeptText, A_copy_has_octets_of_its_own_and_a_move_takes_them) {
  KeptText first("tag");
  KeptText second = first;
  EXPECT_NE(first.view().data(), second.view().data());
  first = "another";
  EXPECT_EQ(second, "tag");
  const KeptText third = std::move(second);
  EXPECT_EQ(third, "tag");
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move): it says so
  first.clear();
  EXPECT_TRUE(first.empty());
}

TEST(KeptText, May_be_given_a_part_of_itself) {
  KeptText text("sip:alice@host");
  text = text.view().substr(4, 5);
  EXPECT_EQ(text, "alice");
  const KeptText& same = text;
  text = same;
  EXPECT_EQ(text, "alice");
}

}  // namespace
}  // namespace sallyport
