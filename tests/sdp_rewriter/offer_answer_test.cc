// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "sdp_rewriter/offer_answer.h"

namespace sallyport::sdp {
namespace {

Description describe(std::string_view streams) {
  auto description = Description::parse("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
                                        std::string(streams));
  EXPECT_TRUE(description) << streams;
  return description ? std::move(*description) : Description{};
}

constexpr PayloadTypes bits(std::initializer_list<unsigned> types) {
  PayloadTypes result{};
  for (const unsigned type : types) result[type / 64] |= std::uint64_t{1} << (type % 64);
  return result;
}

TEST(OfferAnswer, An_answer_that_does_not_fit_is_a_fault) {
  struct Case {
    std::string_view offer, answer;
    AnswerFault fault;
    std::size_t stream;
  };
  const Case cases[] = {
      {"m=audio 4 RTP/AVP 0\r\nm=video 6 RTP/AVP 31\r\n", "m=audio 4 RTP/AVP 0\r\n",
       AnswerFault::stream_count, 1},
      {"m=audio 4 RTP/AVP 0\r\n", "m=audio 4 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n",
       AnswerFault::stream_count, 1},
      {"m=audio 4 RTP/AVP 0\r\n", "", AnswerFault::stream_count, 0},
      {"m=audio 4 RTP/AVP 0\r\nm=video 6 RTP/AVP 31\r\n", "m=video 6 RTP/AVP 31\r\nm=audio 4 RTP/AVP 0\r\n",
       AnswerFault::media_type, 0},
      {"m=x 4 RTP/AVP 0\r\n", "m=y 4 RTP/AVP 0\r\n", AnswerFault::media_type, 0},
      {"m=audio 4 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n", "m=audio 4 RTP/AVP 0\r\nm=video 6 RTP/AVP 31\r\n",
       AnswerFault::refused_stream, 1},
  };
  for (const Case& c : cases) {
    const auto result = check_answer(describe(c.offer), describe(c.answer));
    ASSERT_FALSE(result) << c.offer << c.answer;
    EXPECT_EQ(name(result.error().fault), name(c.fault));
    EXPECT_EQ(result.error().stream, c.stream);
    EXPECT_FALSE(negotiate(describe(c.offer), describe(c.answer)));
  }
}

TEST(OfferAnswer, An_answer_may_refuse_streams) {
  const Description offer = describe("m=audio 4 RTP/AVP 0\r\nm=video 6 RTP/AVP 31\r\n");
  const Description answer = describe("m=audio 4 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n");
  const auto streams = negotiate(offer, answer);
  ASSERT_TRUE(streams);
  EXPECT_FALSE((*streams)[0].refused);
  EXPECT_TRUE((*streams)[1].refused);
  EXPECT_EQ((*streams)[1].from_offerer, PayloadTypes{});
}

TEST(OfferAnswer, Formats_are_those_that_both_name) {
  const Description offer = describe(
      "m=audio 4 RTP/AVP 0 8 96 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n");
  const Description answer =
      describe("m=audio 4 RTP/AVP 8 100 18\r\na=rtpmap:8 pcma/8000\r\na=rtpmap:100 Telephone-Event/8000\r\n");
  const auto streams = negotiate(offer, answer);
  ASSERT_TRUE(streams);
  const NegotiatedStream& audio = (*streams)[0];
  ASSERT_EQ(audio.formats.size(), 2u);
  EXPECT_EQ(audio.formats[0]->text, "8");
  EXPECT_EQ(audio.formats[1]->text, "100");
  // Each side is sent to with the numbers of its own description.
  EXPECT_EQ(audio.from_offerer, bits({8, 100}));
  EXPECT_EQ(audio.from_answerer, bits({8, 101}));
}

TEST(OfferAnswer, One_codec_under_two_numbers_is_matched_by_number) {
  const Description offer =
      describe("m=video 4 RTP/AVP 97 98\r\na=rtpmap:97 H264/90000\r\na=rtpmap:98 H264/90000\r\n");
  const Description answer = describe("m=video 4 RTP/AVP 98\r\na=rtpmap:98 H264/90000\r\n");
  const auto streams = negotiate(offer, answer);
  ASSERT_TRUE(streams);
  EXPECT_EQ((*streams)[0].from_answerer, bits({98}));
}

TEST(OfferAnswer, Same_name_with_another_clock_or_channels_is_another_codec) {
  const Description offer =
      describe("m=audio 4 RTP/AVP 96 97\r\na=rtpmap:96 L16/16000\r\na=rtpmap:97 L16/8000/2\r\n");
  const Description answer = describe("m=audio 4 RTP/AVP 96\r\na=rtpmap:96 L16/8000\r\n");
  const auto streams = negotiate(offer, answer);
  ASSERT_TRUE(streams);
  EXPECT_TRUE((*streams)[0].formats.empty());
}

TEST(OfferAnswer, Formats_without_numbers_are_matched_by_text) {
  const auto streams = negotiate(describe("m=image 4 udptl t38\r\n"), describe("m=image 4 udptl T38\r\n"));
  ASSERT_TRUE(streams);
  EXPECT_EQ((*streams)[0].formats.size(), 1u);
  EXPECT_EQ((*streams)[0].from_offerer, PayloadTypes{});
}

TEST(OfferAnswer, Directions_are_what_both_agree_to) {
  for (unsigned o = 0; o < 4; ++o) {
    for (unsigned a = 0; a < 4; ++a) {
      const auto offered = static_cast<Direction>(o);
      const auto answered = static_cast<Direction>(a);
      const Description offer = describe("m=audio 4 RTP/AVP 0\r\na=" + std::string(name(offered)) + "\r\n");
      const Description answer = describe("m=audio 4 RTP/AVP 0\r\na=" + std::string(name(answered)) + "\r\n");
      const auto streams = negotiate(offer, answer);
      ASSERT_TRUE(streams);
      EXPECT_EQ(sends((*streams)[0].offerer), sends(offered) && receives(answered));
      EXPECT_EQ(receives((*streams)[0].offerer), receives(offered) && sends(answered));
      EXPECT_EQ(sends((*streams)[0].answerer), receives((*streams)[0].offerer));
      EXPECT_EQ(receives((*streams)[0].answerer), sends((*streams)[0].offerer));
    }
  }
}

TEST(OfferAnswer, Old_hold_counts_as_a_direction) {
  const Description offer = describe("m=audio 4 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n");
  const auto streams = negotiate(offer, describe("m=audio 4 RTP/AVP 0\r\n"));
  ASSERT_TRUE(streams);
  EXPECT_EQ((*streams)[0].offerer, Direction::sendonly);
  EXPECT_EQ((*streams)[0].answerer, Direction::recvonly);
}

TEST(OfferAnswer, Rtcp_is_multiplexed_when_both_say_so) {
  const Description with = describe("m=audio 4 RTP/AVP 0\r\na=rtcp-mux\r\n");
  const Description without = describe("m=audio 4 RTP/AVP 0\r\n");
  EXPECT_TRUE(negotiate(with, with).value()[0].rtcp_mux);
  EXPECT_FALSE(negotiate(with, without).value()[0].rtcp_mux);
  EXPECT_FALSE(negotiate(without, with).value()[0].rtcp_mux);
}

TEST(OfferAnswer, Answer_direction_never_exceeds_the_offer) {
  using enum Direction;
  EXPECT_EQ(answer_direction(sendrecv, sendrecv), sendrecv);
  EXPECT_EQ(answer_direction(sendonly, sendrecv), recvonly);
  EXPECT_EQ(answer_direction(sendonly, sendonly), inactive);
  EXPECT_EQ(answer_direction(recvonly, sendrecv), sendonly);
  EXPECT_EQ(answer_direction(inactive, sendrecv), inactive);
  EXPECT_EQ(answer_direction(sendrecv, recvonly), recvonly);
}

}  // namespace
}  // namespace sallyport::sdp
