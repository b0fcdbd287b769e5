// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/framer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::stream {
namespace {

std::string message(std::string_view name, std::string_view body) {
  return "OPTIONS sip:" + std::string(name) +
         " SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

// What a stream amounts to: each message as it is, "PING", "BROKEN <fault>".
void take_all(Framer& framer, std::vector<std::string>& out) {
  for (;;) {
    const Framer::Item item = framer.next();
    if (item.kind == Framer::Kind::none) return;
    if (item.kind == Framer::Kind::broken) {
      out.push_back("BROKEN " + std::string(sip::fault_name(item.fault)));
      return;
    }
    out.push_back(item.kind == Framer::Kind::ping ? "PING" : std::string(item.octets));
    framer.take();
  }
}

struct Case {
  const char* name;
  std::string octets;
  std::vector<std::string> items;
};

const std::string kA = message("a", "");
const std::string kB = message("b", "v=0\r\n\r\nwith an empty line\r\n\r\n");

const std::vector<Case> kCases{
    {"one", kA, {kA}},
    {"one_with_a_body_that_has_empty_lines", kB, {kB}},
    {"several", kA + kB + kA, {kA, kB, kA}},
    {"a_ping_before_between_and_behind",
     "\r\n\r\n" + kA + "\r\n\r\n" + kB + "\r\n\r\n",
     {"PING", kA, "PING", kB, "PING"}},
    {"a_single_empty_line_before_a_start_line", "\r\n" + kA + "\r\n" + kB, {kA, kB}},
    {"three_empty_lines_are_a_ping_and_one", "\r\n\r\n\r\n" + kA, {"PING", kA}},
    {"an_empty_line_and_then_nonsense", "\r\n\rX", {"BROKEN not_sip"}},
    {"no_content_length", "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n", {"BROKEN bad_content_length"}},
    {"two_content_lengths",
     "OPTIONS sip:a SIP/2.0\r\nl: 0\r\nContent-Length: 0\r\n\r\n",
     {"BROKEN duplicate_content_length"}},
    {"negative_content_length",
     "OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
     {"BROKEN bad_content_length"}},
    {"content_length_over_the_limit",
     "OPTIONS sip:a SIP/2.0\r\nContent-Length: 65535\r\n\r\n",
     {"BROKEN message_too_large"}},
    {"binary", std::string("\x16\x03\x01\x02", 4), {"BROKEN not_sip"}},
    {"a_message_and_then_binary", kA + std::string("\0\0", 2), {kA, "BROKEN not_sip"}},
    {"compact_content_length",
     "OPTIONS sip:a SIP/2.0\r\nl:3\r\n\r\nabc",
     {"OPTIONS sip:a SIP/2.0\r\nl:3\r\n\r\nabc"}},
};

class Framing : public testing::TestWithParam<Case> {};

TEST_P(Framing, is_the_same_in_one_segment_in_two_at_every_octet_and_octet_by_octet) {
  const Case& c = GetParam();
  for (std::size_t cut = 0; cut <= c.octets.size(); ++cut) {
    Framer framer(65'535);
    std::vector<std::string> items;
    framer.append(std::string_view(c.octets).substr(0, cut));
    take_all(framer, items);
    if (items.empty() || !items.back().starts_with("BROKEN")) {
      framer.append(std::string_view(c.octets).substr(cut));
      take_all(framer, items);
    }
    EXPECT_EQ(items, c.items) << "cut at " << cut;
  }
  Framer framer(65'535);
  std::vector<std::string> items;
  for (const char octet : c.octets) {
    framer.append({&octet, 1});
    take_all(framer, items);
    if (!items.empty() && items.back().starts_with("BROKEN")) break;
  }
  EXPECT_EQ(items, c.items);
}

INSTANTIATE_TEST_SUITE_P(Streams, Framing, testing::ValuesIn(kCases),
                         [](const auto& each) { return each.param.name; });

TEST(Framer, A_header_section_without_an_end_is_broken_at_the_limit) {
  Framer framer(1000);
  const std::string line = "OPTIONS sip:a SIP/2.0\r\nX: " + std::string(973, 'x');
  framer.append(std::string_view(line).substr(0, 999));
  EXPECT_EQ(framer.next().kind, Framer::Kind::none);
  EXPECT_TRUE(framer.in_message());
  framer.append("x");
  const Framer::Item item = framer.next();
  EXPECT_EQ(item.kind, Framer::Kind::broken);
  EXPECT_EQ(item.fault, sip::Fault::message_too_large);
}

TEST(Framer, What_is_next_stays_until_it_is_taken) {
  Framer framer(65'535);
  framer.append(kA + kB);
  EXPECT_EQ(framer.next().octets, kA);
  EXPECT_EQ(framer.next().octets, kA);
  framer.take();
  EXPECT_EQ(framer.next().octets, kB);
}

TEST(Framer, A_pong_alone_is_no_message_that_was_begun) {
  Framer framer(65'535);
  framer.append("\r\n");
  EXPECT_EQ(framer.next().kind, Framer::Kind::none);
  EXPECT_FALSE(framer.in_message());
  framer.append("O");
  EXPECT_EQ(framer.next().kind, Framer::Kind::none);
  EXPECT_TRUE(framer.in_message());
}

TEST(Framer, The_header_section_of_a_broken_message_is_there_for_its_answer) {
  Framer framer(65'535);
  const std::string header = "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n";
  framer.append(header + "whatever follows");
  EXPECT_EQ(framer.next().octets, header);
}

}  // namespace
}  // namespace sallyport::stream
