// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/text.h"

#include <gtest/gtest.h>

#include <array>

#include "controlplane/config/check.h"
#include "controlplane/config/load.h"

namespace sallyport::config {
namespace {

TEST(ParseDuration, reads_units_and_their_sums) {
  const std::array<std::pair<std::string_view, Nanoseconds>, 9> kGood{{{"250ms", 250 * kMillisecond},
                                                                       {"10s", 10 * kSecond},
                                                                       {"5m", 300 * kSecond},
                                                                       {"4h", 14'400 * kSecond},
                                                                       {"1d", 86'400 * kSecond},
                                                                       {"20us", 20 * kMicrosecond},
                                                                       {"1h30m", 5400 * kSecond},
                                                                       {"0", 0},
                                                                       {"0s", 0}}};
  for (const auto& [text, ns] : kGood) EXPECT_EQ(parse_duration(text), ns) << text;
}

TEST(ParseDuration, refuses_all_else) {
  for (const std::string_view text :
       {"", "10", "s", "-1s", "+1s", "1.5s", "10 s", "10s ", "10S", "10sec", "1h30", "99999999999999999999s",
        "9223372036854775807s", "11000d", "3660d1d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(ParseCodeSpan, knows_exact_range_and_class) {
  const auto exact = parse_code_span("503");
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->kind, CodeSpan::Kind::exact);
  EXPECT_TRUE(exact->holds(503) && !exact->holds(502) && !exact->holds(504));
  const auto range = parse_code_span("500-599");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->kind, CodeSpan::Kind::range);
  EXPECT_TRUE(range->holds(500) && range->holds(599) && !range->holds(600));
  const auto status_class = parse_code_span("4xx");
  ASSERT_TRUE(status_class);
  EXPECT_EQ(status_class->kind, CodeSpan::Kind::status_class);
  EXPECT_TRUE(status_class->holds(400) && status_class->holds(499) && !status_class->holds(500));
}

TEST(ParseCodeSpan, refuses_all_else) {
  for (const std::string_view text : {"", "5", "50", "5033", "099", "0xx", "xxx", "4XX", "4x", "599-500",
                                      "500-", "-500", "500-5x", "500 -599", "5xx-6xx", "+50"}) {
    EXPECT_FALSE(parse_code_span(text)) << text;
  }
}

TEST(Nearest, finds_a_slip_and_not_a_stranger) {
  static constexpr std::array<std::string_view, 5> kWords{"addresses", "port", "unknown_source", "to",
                                                          "media"};
  const std::array<std::pair<std::string_view, std::string_view>, 8> kCases{
      {{"adresses", "addresses"},
       {"unknown_sources", "unknown_source"},
       {"prot", "port"},
       {"ports", "port"},
       {"medium", "media"},
       {"x", ""},
       {"codecs", ""},
       {"zz", ""}}};
  for (const auto& [text, wanted] : kCases) EXPECT_EQ(nearest(text, kWords), wanted) << text;
}

TEST(IsName, allows_what_labels_can_hold) {
  EXPECT_TRUE(is_name("carrier-a.2_x"));
  EXPECT_TRUE(is_name(std::string(63, 'a')));
  for (const std::string& text : {std::string(), std::string(64, 'a'), std::string("a b"),
                                  std::string("a\"b"), std::string("\xc3\xa9"), std::string("a\0b", 3)}) {
    EXPECT_FALSE(is_name(text)) << text;
  }
}

TEST(InQuotes, is_short_and_harmless) {
  EXPECT_EQ(in_quotes("a'b\n\x7f"), "'a.b..'");
  EXPECT_EQ(in_quotes(std::string(50, 'x')), "'" + std::string(40, 'x') + "...'");
}

TEST(MergeFaults, sorts_and_keeps_each_once) {
  const std::vector<Fault> other{{{2, 1}, "b"}, {{1, 9}, "a"}};
  const auto all = merge_faults({{{3, 1}, "c"}, {{2, 1}, "b"}}, other);
  EXPECT_EQ(format_faults("f", all), "f:1:9: a\nf:2:1: b\nf:3:1: c\n");
}

TEST(Summary, counts_what_there_is) {
  Config config;
  config.realms.resize(1);
  config.peers.resize(2);
  EXPECT_EQ(summary("f.yaml", config), "f.yaml: no fault (1 realm, 2 peers, 0 routes, 0 response maps)\n");
}

}  // namespace
}  // namespace sallyport::config
