// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/media_rate.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::sdp {
namespace {

Description described(const std::string& media) {
  auto parsed =
      Description::parse("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n" + media);
  EXPECT_TRUE(parsed) << media;
  return std::move(*parsed);
}

// Of a stream that the answer repeats.
MediaRate rate_of(const std::string& offer, const std::string& answer = {}) {
  const Description a = described(offer);
  const Description b = described(answer.empty() ? offer : answer);
  std::vector<const Format*> agreed;
  for (const Format& format : b.streams()[0].formats) agreed.push_back(&format);
  return media_rate(a.streams()[0], b.streams()[0], agreed);
}

TEST(MediaRate, Is_the_highest_of_the_codecs_at_ten_milliseconds_and_twice_that) {
  struct Case {
    const char* description;
    std::string media;
    std::uint32_t packets;
    std::uint32_t bytes;
  };
  const Case cases[] = {
      {"PCMA", "m=audio 4000 RTP/AVP 8\r\n", 200, 2 * (8000 + 100 * 48)},
      {"PCMA and G.729 with DTMF", "m=audio 4000 RTP/AVP 18 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
       200, 2 * (8000 + 100 * 48)},
      {"G.729 alone", "m=audio 4000 RTP/AVP 18\r\n", 200, 2 * (1000 + 100 * 48)},
      {"five milliseconds", "m=audio 4000 RTP/AVP 8\r\na=ptime:5\r\n", 400, 2 * (8000 + 200 * 48)},
      {"twenty milliseconds are no promise", "m=audio 4000 RTP/AVP 8\r\na=ptime:20\r\n", 200,
       2 * (8000 + 100 * 48)},
      {"opus", "m=audio 4000 RTP/SAVP 96\r\na=rtpmap:96 OPUS/48000/2\r\n", 200, 2 * (63750 + 100 * 48)},
      {"L16 at 48 kHz, stereo, as 24 bits", "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 L16/48000/2\r\n", 200,
       2 * (288000 + 100 * 48)},
      {"an audio codec that nobody knows", "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 x-new/16000\r\n", 200,
       2 * (64000 + 100 * 48)},
      {"red carries what it helps once more", "m=audio 4000 RTP/AVP 96 8\r\na=rtpmap:96 red/8000\r\n", 200,
       2 * (16000 + 100 * 48)},
      {"b= that is more counts", "m=audio 4000 RTP/AVP 8\r\nb=AS:800\r\n", 200, 2 * (100000 + 100 * 48)},
      {"b= that is less does not", "m=audio 4000 RTP/AVP 8\r\nb=AS:10\r\n", 200, 2 * (8000 + 100 * 48)},
      {"video without b=", "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", 20000,
       2 * (2500000 + 10000 * 48)},
      {"T.38", "m=image 4000 udptl t38\r\n", 200, 2 * 50000},
      {"a protocol that nobody knows", "m=application 4000 UDP/DTLS/SCTP webrtc-datachannel\r\n", 0, 0},
      {"the same with b=", "m=application 4000 UDP/DTLS/SCTP webrtc-datachannel\r\nb=AS:80\r\n", 400, 20000},
  };
  for (const Case& c : cases) {
    const MediaRate rate = rate_of(c.media);
    EXPECT_EQ(rate.packets_per_s, c.packets) << c.description;
    EXPECT_EQ(rate.bytes_per_s, c.bytes) << c.description;
  }
}

TEST(MediaRate, Counts_b_of_either_side_and_TIAS_as_bits) {
  const std::string plain = "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
  EXPECT_EQ(rate_of(plain, plain + "b=TIAS:40000000\r\n").bytes_per_s, 2u * (5000000 + 20000 * 48));
  EXPECT_EQ(rate_of(plain + "b=AS:40000\r\n", plain).bytes_per_s, 2u * (5000000 + 20000 * 48));
}

TEST(MediaRate, Has_no_overflow_where_b_is_absurd) {
  const MediaRate rate = rate_of("m=video 4000 RTP/AVP 31\r\nb=AS:4294967295\r\n");
  EXPECT_EQ(rate.bytes_per_s, 0xffffffffu);
  EXPECT_GT(rate.packets_per_s, 1'000'000u);
}

TEST(MediaRate, Without_an_agreed_format_is_that_of_its_kind) {
  const Description d = described("m=audio 4000 RTP/AVP 8\r\n");
  EXPECT_EQ(media_rate(d.streams()[0], d.streams()[0], {}).bytes_per_s, 2u * (64000 + 100 * 48));
}

}  // namespace
}  // namespace sallyport::sdp
