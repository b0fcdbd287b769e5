// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ops/e_model.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::ops {
namespace {

constexpr Impairment kG711{0, 25.1};

// The agreed SDP of a leg with that m= line's formats and attributes.
std::string agreed(const std::string& formats, const std::string& lines = {}) {
  return "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 6000 RTP/AVP " +
         formats + "\r\n" + lines;
}

// What `lost` of a hundred packets from the callee leave, with that SDP.
std::optional<double> mos_with(const std::string& sdp, unsigned lost = 0, unsigned rtt_us = 0) {
  stats::CallRecord call;
  call.answer_sdp[1] = sdp;
  stats::MediaRecord media;
  media.leg = 1;
  media.counters.packets = 100 - lost;
  media.counters.lost = lost;
  media.counters.rtt_us = rtt_us;
  return mos_of(media, call);
}

// G.107 Annex B gives 4.41 for R = 93.2; with 1% loss R = 93.2 - 95 / 26.1, with 10% R = 93.2 - 950 / 35.1.
TEST(Mos, follows_the_e_model) {
  EXPECT_NEAR(estimate_mos(kG711, 0, 0), 4.41, 0.005);
  EXPECT_NEAR(estimate_mos(kG711, 0.01, 0), 4.33, 0.005);
  EXPECT_NEAR(estimate_mos(kG711, 0.10, 0), 3.40, 0.02);
  EXPECT_DOUBLE_EQ(estimate_mos(kG711, 1, 0), estimate_mos(kG711, 2, 0)) << "a share is at most one";
  EXPECT_GE(estimate_mos(kG711, 1, 0), 1);
}

// R by hand from 7.4 of G.107: Idte, Idle and above 100 ms Idd, less the Idle of no delay.
TEST(Mos, falls_with_the_delay) {
  const struct {
    Nanoseconds one_way_ns;
    double mos;
  } rows[] = {{50 * kMillisecond, 4.3795},   // 93.2 - 1.02 - 0.58 + 0.15 = 91.75
              {150 * kMillisecond, 4.3274},  // 93.2 - 2.81 - 0.84 - 0.16 + 0.15 = 89.53
              {200 * kMillisecond, 4.2230},  // 93.2 - 3.57 - 0.94 - 3.04 + 0.15 = 85.80
              {400 * kMillisecond, 3.2153}};
  for (const auto& row : rows)
    EXPECT_NEAR(estimate_mos(kG711, 0, row.one_way_ns), row.mos, 0.001) << row.one_way_ns;
  double before = 4.5;
  for (Nanoseconds delay = 0; delay < kSecond; delay += 500 * kMicrosecond) {
    const double mos = estimate_mos(kG711, 0, delay);
    EXPECT_LE(mos, before + 1e-9) << delay;
    before = mos;
  }
}

TEST(Mos, is_of_the_codec_that_was_agreed_first) {
  const struct {
    const char* what;
    std::string sdp;
    double clean;
    double with_3_of_100;
  } rows[] = {{"G.711", agreed("0"), 4.409, 4.134},
              {"G.711 behind events and comfort noise",
               agreed("101 13 8", "a=rtpmap:101 telephone-event/8000\r\n"), 4.409, 4.134},
              {"G.729", agreed("18 0"), 4.104, 3.632},
              {"G.723.1", agreed("4"), 3.954, 3.386},
              {"GSM-EFR", agreed("96", "a=rtpmap:96 gsm-efr/8000\r\n"), 4.292, 3.474},
              {"AMR at 12.2", agreed("96", "a=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=1; mode-set=7\r\n"),
               4.292, 3.474}};
  for (const auto& row : rows) {
    ASSERT_TRUE(mos_with(row.sdp)) << row.what;
    EXPECT_NEAR(*mos_with(row.sdp), row.clean, 0.001) << row.what;
    EXPECT_NEAR(*mos_with(row.sdp, 3), row.with_3_of_100, 0.001) << row.what;
    EXPECT_LT(*mos_with(row.sdp, 0, 400'000), *mos_with(row.sdp)) << row.what;
  }
  EXPECT_DOUBLE_EQ(*mos_with(agreed("0"), 0, 300'000), estimate_mos(kG711, 0, 150 * kMillisecond))
      << "half of the round trip";
}

TEST(Mos, is_not_made_up_where_nothing_is_published) {
  for (const std::string& sdp :
       {agreed("3"), agreed("9"), agreed("96", "a=rtpmap:96 iLBC/8000\r\n"),
        agreed("96", "a=rtpmap:96 opus/48000/2\r\n"), agreed("96", "a=rtpmap:96 AMR/8000\r\n"),
        agreed("96", "a=rtpmap:96 AMR/8000\r\na=fmtp:96 mode-set=0,2,7\r\n"),
        agreed("96", "a=rtpmap:96 AMR-WB/16000\r\n"), agreed("4", "a=fmtp:4 bitrate=5.3\r\n"),
        agreed("101", "a=rtpmap:101 telephone-event/8000\r\n"), agreed("96"), std::string(),
        std::string("rubbish")}) {
    EXPECT_EQ(mos_with(sdp), std::nullopt) << sdp;
  }
  EXPECT_EQ(mos_with(agreed("0"), 100), std::nullopt) << "nothing came";
}

TEST(Loss, is_of_what_was_expected) {
  EXPECT_EQ(loss_ratio({}), std::nullopt);
  EXPECT_DOUBLE_EQ(*loss_ratio({.packets = 75, .lost = 25}), 0.25);
}

}  // namespace
}  // namespace sallyport::ops
