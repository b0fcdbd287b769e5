// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/message_index.h"

#include "tests/dataplane/sip/text_support.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::sip {
namespace {

const std::string kHead = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\n";

TEST(StreamFraming, A_message_ends_where_its_content_length_says) {
  const std::string first = kHead + "Content-Length : \r\n 5\r\nX: 1\r\n\r\nab\r\nc";
  const std::string stream = first + kHead;
  for (std::size_t size = 0; size < first.size(); ++size) {
    EXPECT_EQ(find_message_end(std::string_view(stream).substr(0, size), 4096).value_or(1), 0u) << size;
  }
  for (std::size_t size = first.size(); size <= stream.size(); ++size) {
    EXPECT_EQ(find_message_end(std::string_view(stream).substr(0, size), 4096).value_or(0), first.size())
        << size;
  }
}

TEST(StreamFraming, What_makes_a_stream_unusable_is_named) {
  const struct {
    std::string fields;
    Fault fault;
  } rows[] = {
      {"", Fault::bad_content_length},
      {"l: -999\r\n", Fault::bad_content_length},
      {"l: 1 2\r\n", Fault::bad_content_length},
      {"l:\r\n", Fault::bad_content_length},
      {"l: 65536\r\n", Fault::bad_content_length},
      {"l: 99999999999999999999999\r\n", Fault::bad_content_length},
      {"Content-Length: 3\r\nL: 3\r\n", Fault::duplicate_content_length},
      {"l: 3\nX: y\r\n", Fault::bad_header},
      {"Content\rLength: 3\r\nl: 4\r\n", Fault::bad_header},
      {"l: 4000\r\n", Fault::message_too_large},
  };
  for (const auto& row : rows) {
    const auto end = find_message_end(kHead + row.fields + "\r\nabc", 4000);
    ASSERT_FALSE(end.has_value()) << row.fields;
    EXPECT_EQ(fault_name(end.error()), fault_name(row.fault)) << row.fields;
  }
}

TEST(StreamFraming, A_header_section_that_does_not_end_is_given_up_at_the_limit) {
  const std::string endless = kHead + "X: " + std::string(1000, 'x');
  EXPECT_EQ(find_message_end(endless, endless.size() + 1).value_or(1), 0u);
  EXPECT_EQ(fault_of(find_message_end(endless, endless.size())), Fault::message_too_large);
}

TEST(StreamFraming, A_content_length_in_a_fold_or_in_the_body_is_none) {
  const std::string message = kHead + "Subject: a\r\n l: 9\r\nl: 10\r\n\r\nl: 3\r\n1234";
  EXPECT_EQ(find_message_end(message, 4096).value_or(0), message.size());
}

}  // namespace
}  // namespace sallyport::sip
