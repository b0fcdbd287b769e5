// SPDX-License-Identifier: Apache-2.0
#include "dataplane/base/ascii.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace sallyport {
namespace {

// Every octet at every place of the word: only the letter that stands there, in either case, leaves it the
// same.
void expect_exact(const std::string& word) {
  EXPECT_TRUE(is_word(word, word));
  EXPECT_FALSE(is_word(word + "x", word));
  EXPECT_FALSE(is_word(word.substr(1), word));
  for (std::size_t at = 0; at < word.size(); ++at) {
    for (int code = 0; code < 0x100; ++code) {
      std::string changed = word;
      changed[at] = static_cast<char>(code);
      const bool same =
          code < 0x80 && std::tolower(code) == std::tolower(static_cast<unsigned char>(word[at]));
      EXPECT_EQ(is_word(changed, word), same) << word << ", " << code << " at " << at;
    }
  }
}

TEST(Ascii, A_word_is_itself_in_any_case_and_nothing_else) {
  expect_exact("to");
  expect_exact("tag");
  expect_exact("sips");
  expect_exact("Rport");
  expect_exact("branch");
  expect_exact("maxptim");
  expect_exact("received");
  expect_exact("fingerprint");
  expect_exact("telephoneeventexpress");
}

}  // namespace
}  // namespace sallyport
