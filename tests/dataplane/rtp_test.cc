// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtp.h"

#include <gtest/gtest.h>

#include "dataplane/police.h"
#include "dataplane/rtp_statistics.h"
#include "tests/dataplane/frame_support.h"

namespace sallyport::dp::test {
namespace {

TEST(Rtp, tells_what_a_datagram_is_by_RFC_7983) {
  struct Case {
    const char* octets;
    MediaKind kind;
  };
  const Case cases[] = {
      {"", MediaKind::keep_alive}, {"00", MediaKind::stun},   {"03", MediaKind::stun},
      {"04", MediaKind::other},    {"13", MediaKind::other},  {"14", MediaKind::dtls},
      {"3f", MediaKind::dtls},     {"40", MediaKind::turn},   {"4f", MediaKind::turn},
      {"50", MediaKind::other},    {"7f", MediaKind::other},  {"80", MediaKind::rtp},
      {"80bf", MediaKind::rtp},    {"80c0", MediaKind::rtcp}, {"80df", MediaKind::rtcp},
      {"80e0", MediaKind::rtp},    {"bf00", MediaKind::rtp},  {"c000", MediaKind::other},
  };
  for (const Case& c : cases) EXPECT_EQ(media_kind(hex(c.octets)), c.kind) << c.octets;
}

TEST(Rtp, reads_a_header_only_when_all_of_it_is_there) {
  struct Case {
    const char* description;
    Bytes octets;
    bool good;
  };
  Bytes padded = rtp(1);
  padded[0] |= 0x20;
  Bytes too_padded = padded;
  padded.back() = 160;
  too_padded.back() = 161;
  const Case cases[] = {
      {"plain", rtp(1), true},
      {"no payload", rtp(1, 0, 1, 0), true},
      {"eleven octets", hex("8000000100000000000000"), false},
      {"version 1", hex("400000010000000000000001"), false},
      {"one CSRC", hex("81000001000000000000000100000002"), true},
      {"one CSRC, not there", hex("810000010000000000000001"), false},
      {"an extension of one word", hex("9000000100000000000000010000000100000000"), true},
      {"an extension, not there", hex("90000001000000000000000100000002 00000000"), false},
      {"all of it padding", padded, true},
      {"more padding than octets", too_padded, false},
  };
  for (const Case& c : cases) {
    RtpHeader header;
    EXPECT_EQ(read_rtp(c.octets, c.octets.size(), header), c.good) << c.description;
  }
  RtpHeader header;
  ASSERT_TRUE(read_rtp(hex("80e51234 00000457 11223344"), 12, header));
  EXPECT_EQ(header.payload_type, 101);
  EXPECT_TRUE(header.marker);
  EXPECT_EQ(header.sequence, 0x1234);
  EXPECT_EQ(header.timestamp, 0x457u);
  EXPECT_EQ(header.ssrc, 0x11223344u);
}

TEST(Rtp, takes_RTCP_whose_lengths_add_up) {
  struct Case {
    const char* octets;
    bool good;
  };
  const Case cases[] = {
      {"80c9000111223344", true},
      {"80c900011122334481ca000111223344", true},
      {"80c9000211223344", false},
      {"80c900011122334400", false},
      {"80c9000111223344 80c80001", false},
      {"a0c9000111223344 80ca000111223344", false},  // padding before the last
      {"80c9000111223344 40ca000111223344", false},
      {"80c90000", false},
  };
  for (const Case& c : cases) EXPECT_EQ(rtcp_sane(hex(c.octets)), c.good) << c.octets;
}

class Statistics : public ::testing::Test {
 protected:
  void packet(std::uint16_t sequence, Nanoseconds late = 0, std::uint8_t type = 0, std::uint32_t ssrc = 1) {
    statistics.add({.payload_type = type, .sequence = sequence, .timestamp = sequence * 160u, .ssrc = ssrc},
                   history, kSecond + sequence * 20 * kMillisecond + late);
  }
  RtpStatistics statistics;
  RtpHistory history;
};

TEST_F(Statistics, count_gaps_that_nothing_fills) {
  for (const std::uint16_t sequence : std::initializer_list<std::uint16_t>{65534, 65535, 2, 1, 5, 5})
    packet(sequence);
  // Eight were due (65534 to 5), six came, one of them twice: RFC 3550 A.3 takes the copy for one of the
  // missing.
  EXPECT_EQ(statistics.lost(history), 2u);
}

TEST_F(Statistics, do_not_mistake_a_new_source_or_a_restart_for_loss) {
  packet(10);
  packet(12);
  packet(5000, 0, 0, 2);
  packet(5001, 0, 0, 2);
  packet(30000, 0, 0, 2);
  EXPECT_EQ(statistics.lost(history), 1u);
  EXPECT_EQ(statistics.ssrc, 2u);
}

TEST_F(Statistics, estimate_jitter_of_known_and_learned_clocks) {
  for (const std::uint8_t type : std::initializer_list<std::uint8_t>{0, 96}) {
    statistics = {};
    history = {};
    for (std::uint16_t sequence = 1; sequence < 400; ++sequence) {
      packet(sequence, sequence % 2 == 0 ? 0 : 4 * kMillisecond, type);
    }
    // Every packet is 4 ms off the one before: the estimate settles there, to a timestamp unit of 125 us.
    EXPECT_NEAR(statistics.jitter_us(), 4000, 125) << int{type};
  }
  statistics = {};
  history = {};
  for (std::uint16_t sequence = 1; sequence < 400; ++sequence) packet(sequence);
  EXPECT_EQ(statistics.jitter_us(), 0u);
}

TEST(Police, lets_a_burst_and_then_the_rate_through) {
  Nanoseconds due = 0;
  Nanoseconds now = 10 * kSecond;
  const auto take = [&] {
    if (!conforms(due, now, kSecond)) return false;
    charge(due, now, 100 * kMillisecond);
    return true;
  };
  int burst = 0;
  while (take()) ++burst;
  EXPECT_EQ(burst, 11);
  now += 100 * kMillisecond;
  EXPECT_TRUE(take());
  EXPECT_FALSE(take());
}

}  // namespace
}  // namespace sallyport::dp::test
