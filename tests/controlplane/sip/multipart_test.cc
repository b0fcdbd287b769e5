// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/multipart.h"

#include <gtest/gtest.h>

namespace sallyport::sip {
namespace {

const std::string kSdp = "v=0\r\no=- 1 1 IN IP4 198.51.100.20\r\ns=-\r\n";
const std::string kIsup("\x01\x11\x48\x00\x0d\x0a\x0d\x0a--\x00", 11);

std::string mixed(const std::string& sdp,
                  const std::string& sdp_headers = "Content-Type: application/sdp\r\n") {
  return "preamble\r\n--b1\r\nContent-Type: application/ISUP;version=nxv3\r\nContent-Disposition: "
         "signal;handling=optional"
         "\r\n\r\n" +
         kIsup + "\r\n--b1\r\n" + sdp_headers + "\r\n" + sdp + "\r\n--b1--\r\nepilogue";
}

constexpr std::string_view kMixed = "multipart/mixed;boundary=b1";

TEST(Multipart, Takes_a_body_apart_octet_by_octet) {
  const std::string body = mixed(kSdp);
  const auto parts = parse_multipart("Multipart/Mixed ; charset=x; boundary=\"b1\"", body);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].content, kIsup);
  EXPECT_EQ(part_header((*parts)[0], "content-type"), "application/ISUP;version=nxv3");
  EXPECT_EQ(part_header((*parts)[0], "Content-Length"), "");
  EXPECT_EQ((*parts)[1].content, kSdp);
}

TEST(Multipart, Replaces_the_description_and_keeps_every_other_octet) {
  const std::string body = mixed(kSdp);
  const auto part = find_session_description(kMixed, body);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->content, kSdp);
  EXPECT_EQ(replace_content(body, *part, "v=0\r\nnew\r\n"), mixed("v=0\r\nnew\r\n"));
  EXPECT_EQ(replace_content(body, *part, kSdp), body);
}

TEST(Multipart, Without_the_description_every_other_octet_stays) {
  const std::string one = "--b\r\nContent-Type: text/a\r\n\r\na\r\n";
  const std::string two = "--b\r\nContent-Type: text/c\r\n\r\nc\r\n";
  const std::string description = "--b\r\nContent-Type: application/sdp\r\n\r\n" + kSdp + "\r\n";
  const std::string end = "--b--\r\nepilogue";
  const auto without = [](const std::string& body) {
    constexpr std::string_view kType = "multipart/mixed;boundary=b";
    return without_part(kType, body, find_session_description(kType, body).value());
  };
  EXPECT_EQ(without(description + one + two + end), one + two + end);
  EXPECT_EQ(without(one + description + two + end), one + two + end);
  EXPECT_EQ(without(one + two + description + end), one + two + end);
  EXPECT_EQ(without(description + end), "") << "nothing is left";
  const auto nested = [](const std::string& content) {
    return "--b\r\nContent-Type: multipart/related;boundary=n\r\nContent-Length: " +
           std::to_string(content.size()) + "\r\n\r\n" + content + "\r\n";
  };
  const std::string inner = "--n\r\nContent-Type: text/d\r\n\r\nd\r\n--n--";
  const std::string inner_sdp = "--n\r\nContent-Type: application/sdp\r\n\r\n" + kSdp + "\r\n";
  EXPECT_EQ(without(one + nested(inner_sdp + inner) + end), one + nested(inner) + end);
  EXPECT_EQ(without(one + nested(inner_sdp + "--n--") + end), one + end) << "nor an empty one";
}

TEST(Multipart, A_length_of_the_part_follows_its_content) {
  const std::string before = "Content-Length: 44\r\nContent-Type: application/sdp\r\n";
  const std::string after = "Content-Length: 3\r\nContent-Type: application/sdp\r\n";
  const std::string body = mixed(kSdp, before);
  EXPECT_EQ(replace_content(body, find_session_description(kMixed, body).value(), "abc"),
            mixed("abc", after));
}

TEST(Multipart, A_body_that_is_only_a_description_is_replaced_whole) {
  const auto part = find_session_description("application/SDP ; charset=utf-8", kSdp);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->content, kSdp);
  EXPECT_EQ(replace_content(kSdp, *part, "new"), "new");
}

struct FindCase {
  const char* name;
  std::string content_type;
  std::string body;
  std::string found;  // "none"
};

class FindDescription : public testing::TestWithParam<FindCase> {};

TEST_P(FindDescription, finds) {
  const auto part = find_session_description(GetParam().content_type, GetParam().body);
  EXPECT_EQ(part ? std::string(part->content) : "none", GetParam().found);
}

std::string part(const std::string& headers, const std::string& content) {
  return "--b\r\n" + headers + "\r\n" + content + "\r\n";
}
const std::string kType = "Content-Type: application/sdp\r\n";

INSTANTIATE_TEST_SUITE_P(
    Table, FindDescription,
    testing::Values(
        FindCase{"none_of_several", "multipart/mixed;boundary=b",
                 part(kType, "1") + part(kType, "2") + "--b--", "none"},
        FindCase{"none_of_alternatives", "multipart/alternative;boundary=b",
                 part(kType, "1") + part(kType, "2") + "--b--\r\n", "none"},
        FindCase{"the_only_one_of_alternatives", "multipart/alternative;boundary=b",
                 part("Content-Type: text/plain\r\n", "1") + part(kType, "2") + "--b--\r\n", "2"},
        FindCase{"none_beside_one_for_another_purpose", "multipart/mixed;boundary=b",
                 part(kType + "Content-Disposition: early-session\r\n", "1") +
                     part(kType + "Content-Disposition: session;handling=required\r\n", "2") + "--b--",
                 "none"},
        FindCase{"none_for_another_purpose", "multipart/mixed;boundary=b",
                 part(kType + "Content-Disposition: early-session\r\n", "1") + "--b--", "none"},
        FindCase{"none_beside_an_encoded_one", "multipart/mixed;boundary=b",
                 part(kType, "1") + part(kType + "Content-Transfer-Encoding: base64\r\n", "dj0w") + "--b--",
                 "none"},
        FindCase{"none_beside_one_in_a_nested_multipart", "multipart/mixed;boundary=b",
                 part(kType, "1") +
                     part("Content-Type: multipart/related;boundary=bb\r\n",
                          "--bb\r\n" + kType + "\r\n2\r\n--bb--") +
                     "--b--",
                 "none"},
        FindCase{"none_beside_a_broken_multipart", "multipart/mixed;boundary=b",
                 part(kType, "1") + part("Content-Type: multipart/related\r\n", "x") + "--b--", "none"},
        FindCase{"one_for_the_session", "multipart/mixed;boundary=b",
                 part(kType + "Content-Disposition: session;handling=required\r\n", "2") + "--b--", "2"},
        FindCase{"not_an_encoded_one", "multipart/mixed;boundary=b",
                 part(kType + "Content-Transfer-Encoding: base64\r\n", "dj0w") + "--b--", "none"},
        FindCase{"a_plainly_encoded_one", "multipart/mixed;boundary=b",
                 part(kType + "Content-Transfer-Encoding: 8bit\r\n", "1") + "--b--", "1"},
        FindCase{"one_inside_a_nested_multipart", "multipart/mixed;boundary=b",
                 part("Content-Type: multipart/related;\r\n boundary=bb\r\n",
                      "--bb\r\n" + kType + "\r\n1\r\n--bb--") +
                     "--b--",
                 "1"},
        FindCase{"none_without_content_type", "multipart/mixed;boundary=b", part("", "1") + "--b--", "none"},
        FindCase{"none_in_a_part_that_ends_with_its_header", "multipart/mixed;boundary=b",
                 "--b\r\nX:3\r\n" + kType + "--b--", "none"},
        FindCase{"none_in_another_type", "application/isup", "x", "none"},
        FindCase{"none_without_boundary", "multipart/mixed", part(kType, "1") + "--b--", "none"},
        FindCase{"none_with_an_empty_boundary", "multipart/mixed;boundary=\"\"", part(kType, "1") + "--b--",
                 "none"},
        FindCase{"none_when_not_terminated", "multipart/mixed;boundary=b", part(kType, "1"), "none"},
        FindCase{"none_when_another_boundary_starts_the_same", "multipart/mixed;boundary=b",
                 "--bc\r\n" + kType + "\r\n1\r\n--bc--", "none"},
        FindCase{"none_when_the_header_is_broken", "multipart/mixed;boundary=b",
                 part("nonsense\r\n", "1") + "--b--", "none"},
        FindCase{"one_with_bare_line_feeds", "multipart/mixed;boundary=b",
                 "--b\nContent-Type: application/sdp\n\nv=0\ns=-\n--b--\n", "v=0\ns=-"},
        FindCase{"an_empty_one", "multipart/mixed;boundary=b", "--b\r\n" + kType + "\r\n\r\n--b--", ""},
        FindCase{"a_boundary_only_at_the_start_of_a_line", "multipart/mixed;boundary=b",
                 part(kType, "a--b\r\nx") + "--b--", "a--b\r\nx"},
        FindCase{"blanks_behind_a_delimiter", "multipart/mixed;boundary=b",
                 "--b \t\r\n" + kType + "\r\n1\r\n--b--  ", "1"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Multipart, Does_not_look_deeper_than_three) {
  std::string type = "multipart/mixed;boundary=b0";
  std::string body = "--b0\r\n" + kType + "\r\n1\r\n--b0--";
  for (int depth = 1; depth <= 3; ++depth) {
    EXPECT_EQ(find_session_description(type, body).has_value(), depth <= 3) << depth;
    const std::string boundary = "b" + std::to_string(depth);
    body = "--" + boundary + "\r\nContent-Type: " + type + "\r\n\r\n" + body + "\r\n--" + boundary + "--";
    type = "multipart/mixed;boundary=" + boundary;
  }
  EXPECT_FALSE(find_session_description(type, body));
}

TEST(Multipart, Says_what_is_wrong) {
  EXPECT_EQ(parse_multipart("text/plain;boundary=b", "").error(), MultipartFault::no_boundary);
  EXPECT_EQ(parse_multipart("multipart/mixed;boundary=b", "--b--").error(), MultipartFault::no_part);
  EXPECT_EQ(parse_multipart("multipart/mixed;boundary=b", "--b\r\n\r\n").error(),
            MultipartFault::unterminated);
  std::string many;
  for (std::size_t i = 0; i <= kMaxBodyParts; ++i) many += part(kType, "1");
  EXPECT_EQ(parse_multipart("multipart/mixed;boundary=b", many + "--b--").error(),
            MultipartFault::too_many_parts);
}

}  // namespace
}  // namespace sallyport::sip
