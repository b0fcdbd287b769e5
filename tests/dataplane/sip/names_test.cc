// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/names.h"

#include "dataplane/sip/name_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>

namespace sallyport::sip {
namespace {

TEST(HeaderNames, Every_long_name_is_found_in_any_case) {
  for (std::size_t i = 1; i < static_cast<std::size_t>(HeaderId::kCount); ++i) {
    const auto id = static_cast<HeaderId>(i);
    std::string name(header_name(id));
    ASSERT_FALSE(name.empty()) << i;
    EXPECT_EQ(header_from(name), id) << name;
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    EXPECT_EQ(header_from(name), id) << name;
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    EXPECT_EQ(header_from(name), id) << name;
  }
}

TEST(HeaderNames, A_name_with_one_character_more_less_or_changed_is_another) {
  for (std::size_t i = 1; i < static_cast<std::size_t>(HeaderId::kCount); ++i) {
    const std::string name(header_name(static_cast<HeaderId>(i)));
    EXPECT_EQ(header_from(name + "x"), HeaderId::other) << name;
    EXPECT_EQ(header_from("x" + name), HeaderId::other) << name;
    for (std::size_t at = 0; at < name.size(); ++at) {
      std::string changed = name;
      changed[at] = '_';
      EXPECT_EQ(header_from(changed), HeaderId::other) << changed;
    }
  }
}

TEST(HeaderNames, The_start_of_a_name_is_not_the_name) {
  for (std::size_t i = 1; i < static_cast<std::size_t>(HeaderId::kCount); ++i) {
    const std::string name(header_name(static_cast<HeaderId>(i)));
    for (std::size_t length = 2; length < name.size(); ++length) {
      const HeaderId id = header_from(name.substr(0, length));
      EXPECT_TRUE(id == HeaderId::other || header_name(id) == name.substr(0, length))
          << name << ' ' << length;
    }
    EXPECT_EQ(header_from(name + std::string(1, '\0')), HeaderId::other) << name;
    EXPECT_EQ(header_from(name + std::string(30, ' ')), HeaderId::other) << name;
  }
  EXPECT_EQ(header_from(""), HeaderId::other);
}

#if defined(__SSSE3__)
TEST(HeaderNames, By_one_load_are_found_as_without) {
  for (std::size_t i = 1; i < static_cast<std::size_t>(HeaderId::kCount); ++i) {
    const std::string name(header_name(static_cast<HeaderId>(i)));
    for (std::size_t length = 0; length <= name.size(); ++length) {
      const std::string line = name.substr(0, length) + ":" + std::string(16, 'x');
      const auto found = detail::name_at_colon(line.data());
      ASSERT_EQ(found.size, std::min<std::size_t>(length, 16)) << line;
      if (length > 0 && length < 16) {
        EXPECT_EQ(found.id, header_from(name.substr(0, length))) << line;
      }
    }
  }
}
#endif

TEST(HeaderNames, Every_compact_form_is_found_in_both_cases) {
  const struct {
    char compact;
    HeaderId id;
  } rows[] = {{'a', HeaderId::accept_contact},
              {'b', HeaderId::referred_by},
              {'c', HeaderId::content_type},
              {'d', HeaderId::request_disposition},
              {'e', HeaderId::content_encoding},
              {'f', HeaderId::from},
              {'i', HeaderId::call_id},
              {'j', HeaderId::reject_contact},
              {'k', HeaderId::supported},
              {'l', HeaderId::content_length},
              {'m', HeaderId::contact},
              {'o', HeaderId::event},
              {'r', HeaderId::refer_to},
              {'s', HeaderId::subject},
              {'t', HeaderId::to},
              {'u', HeaderId::allow_events},
              {'v', HeaderId::via},
              {'x', HeaderId::session_expires},
              {'y', HeaderId::identity}};
  std::string known;
  for (const auto& row : rows) {
    known.push_back(row.compact);
    EXPECT_EQ(header_from(std::string(1, row.compact)), row.id);
    EXPECT_EQ(header_from(std::string(1, static_cast<char>(row.compact - 0x20))), row.id);
  }
  for (int c = 0; c < 256; ++c) {
    const char one = static_cast<char>(c);
    const bool letter =
        known.find(static_cast<char>(std::tolower(c))) != std::string::npos && std::isalpha(c) != 0;
    EXPECT_EQ(header_from({&one, 1}) != HeaderId::other, letter) << c;
  }
}

TEST(HeaderNames, Nothing_is_no_name) {
  EXPECT_EQ(header_from(""), HeaderId::other);
  EXPECT_EQ(header_name(HeaderId::other), "");
  EXPECT_EQ(header_name(HeaderId::kCount), "");
}

TEST(Methods, Each_is_found_by_its_name_and_only_in_capitals) {
  for (std::size_t i = 2; i < static_cast<std::size_t>(Method::kCount); ++i) {
    const auto method = static_cast<Method>(i);
    std::string name(method_name(method));
    EXPECT_EQ(method_from(name), method) << name;
    EXPECT_EQ(method_from(name + "X"), Method::other) << name;
    name[0] = static_cast<char>(name[0] | 0x20);
    EXPECT_EQ(method_from(name), Method::other) << name;
  }
  EXPECT_EQ(method_from(""), Method::other);
  EXPECT_EQ(method_name(Method::none), "");
  EXPECT_EQ(method_name(Method::other), "OTHER");
}

TEST(Iequals, Ignores_the_case_of_letters_only) {
  EXPECT_TRUE(iequals("Tag-1", "tAG-1"));
  EXPECT_FALSE(iequals("tag", "tags"));
  EXPECT_FALSE(iequals("[", "{"));
  EXPECT_FALSE(iequals("@", "`"));
  EXPECT_TRUE(iequals("", ""));
}

}  // namespace
}  // namespace sallyport::sip
