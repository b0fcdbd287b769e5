// SPDX-License-Identifier: Apache-2.0
// Dialogs named in Replaces fields and in the headers of URIs, and session descriptions that change calls.
#include "controlplane/b2bua/replaces.h"

#include <gtest/gtest.h>

#include "controlplane/b2bua/session_text.h"

namespace sallyport::b2bua {
namespace {

TEST(Replaces, Are_read_in_any_order_and_written_back) {
  const auto id = parse_replaces(" 98732@sip.example.com ;from-tag=r33th4x0r; early-only ;to-tag=ff87ff");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->call_id, "98732@sip.example.com");
  EXPECT_EQ(id->from_tag, "r33th4x0r");
  EXPECT_EQ(id->to_tag, "ff87ff");
  EXPECT_TRUE(id->early_only);
  EXPECT_EQ(parse_replaces(replaces_value(*id)), id);
}

TEST(Replaces, Without_one_of_their_three_names_are_none) {
  for (const char* value : {"", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2",
                            "a;to-tag=;from-tag=2", "a;to-tag=1;from-tag=2;=3"}) {
    EXPECT_FALSE(parse_replaces(value)) << value;
  }
}

TEST(Replaces, Stand_escaped_among_the_headers_of_a_URI) {
  const std::string value = "a%b@[::1];to-tag=x;from-tag=y";
  const std::string header = make_uri_header("Replaces", value);
  EXPECT_EQ(header, "Replaces=a%25b%40%5B%3A%3A1%5D%3Bto-tag%3Dx%3Bfrom-tag%3Dy");
  EXPECT_EQ(uri_header("Subject=b%26c&" + header + "&X=", "replaces"), value);
  EXPECT_EQ(uri_header("Subject=b%26c&" + header, "subject"), "b&c");
  EXPECT_EQ(uri_header(header, "X"), std::nullopt);
  EXPECT_EQ(uri_header("", "X"), std::nullopt);
  EXPECT_EQ(uri_header("X", "X"), "");
}

TEST(SessionText, Nobody_is_on_hold_in_another_call) {
  EXPECT_EQ(without_hold("v=0\r\na=sendonly\r\nm=audio 1 RTP/AVP 8\na=inactive\r\na=recvonly\r\na=ptime:20"),
            "v=0\r\nm=audio 1 RTP/AVP 8\r\na=ptime:20\r\n");
}

TEST(SessionText, An_offer_has_no_fewer_streams_than_its_reader_knows) {
  const std::string told =
      "v=0\r\nm=audio 1 RTP/AVP 8\r\nm=video 3 RTP/AVP 96 97\r\na=x\r\nm=image 5 udptl t38\r\n";
  EXPECT_EQ(stream_count(told), 3u);
  const std::string one = "v=0\r\nm=audio 9 RTP/AVP 0\r\n";
  EXPECT_EQ(with_streams_of(one, told), one + "m=video 0 RTP/AVP 96 97\r\nm=image 0 udptl t38\r\n");
  EXPECT_EQ(with_streams_of(told, one), told);
}

}  // namespace
}  // namespace sallyport::b2bua
