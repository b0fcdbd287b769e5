// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "sdp_rewriter/description.h"

namespace sallyport::sdp {
namespace {

const std::string kOffer =
    "v=0\r\n"
    "o=alice 2890844526 7 IN IP4 198.51.100.20\r\n"
    "s=call\r\n"
    "c=IN IP4 198.51.100.20\r\n"
    "b=AS:128\r\n"
    "t=0 0\r\n"
    "m=audio 49170 RTP/AVP 0 96 101\r\n"
    "a=rtpmap:96 opus/48000/2\r\n"
    "a=fmtp:96 useinbandfec=1; stereo=0\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\n"
    "a=ptime:20\r\n"
    "a=sendonly\r\n"
    "a=mid:1\r\n"
    "m=video 51372/2 RTP/SAVP 31\r\n"
    "c=IN IP6 2001:db8::7\r\n"
    "b=TIAS:256000\r\n"
    "a=rtcp:53020 IN IP4 198.51.100.21\r\n"
    "a=rtcp-mux\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n"
    "m=image 0 udptl t38\r\n";

Description parsed(std::string_view body) {
  auto description = Description::parse(body);
  EXPECT_TRUE(description) << name(description.error().fault) << " in line " << description.error().line;
  return description ? std::move(*description) : Description{};
}

TEST(Description, Parse_reads_origin_and_session_level) {
  const Description d = parsed(kOffer);
  EXPECT_EQ(d.origin().username, "alice");
  EXPECT_EQ(d.origin().session_id, "2890844526");
  EXPECT_EQ(d.origin().session_version, "7");
  EXPECT_EQ(d.origin().host, "198.51.100.20");
  ASSERT_EQ(d.session_connections().size(), 1u);
  EXPECT_EQ(d.session_connections()[0].address, IpAddress::parse("198.51.100.20"));
  EXPECT_EQ(d.session_lines().size(), 6u);
  EXPECT_EQ(d.text(), kOffer);
}

TEST(Description, Parse_reads_a_stream_with_what_it_inherits) {
  const Description d = parsed(kOffer);
  ASSERT_EQ(d.streams().size(), 3u);
  const Stream& audio = d.streams()[0];
  EXPECT_EQ(audio.kind, MediaKind::audio);
  EXPECT_EQ(audio.line, 7u);
  EXPECT_EQ(audio.transport, Transport::rtp);
  EXPECT_EQ(audio.rtp(), Endpoint::parse("198.51.100.20:49170"));
  EXPECT_EQ(audio.rtcp(), Endpoint::parse("198.51.100.20:49171"));
  EXPECT_FALSE(audio.own_connection);
  EXPECT_EQ(audio.direction, Direction::sendonly);
  EXPECT_EQ(audio.bandwidth.as_kbps, 128u);
  EXPECT_EQ(audio.ptime_ms, 20);
  EXPECT_EQ(audio.mid, "1");
  EXPECT_EQ(audio.attribute("ptime"), "20");
  EXPECT_EQ(audio.attribute("maxptime"), std::nullopt);
  EXPECT_EQ(audio.payload_types(), (PayloadTypes{1u, (std::uint64_t{1} << 32) | (std::uint64_t{1} << 37)}));
}

TEST(Description, Parse_reads_formats_with_rtpmap_fmtp_and_the_static_table) {
  const Description d = parsed(kOffer);
  const auto formats = d.streams()[0].formats;
  ASSERT_EQ(formats.size(), 3u);
  EXPECT_EQ(formats[0].encoding, "PCMU");
  EXPECT_EQ(formats[0].clock_rate, 8000u);
  EXPECT_EQ(formats[1].encoding, "opus");
  EXPECT_EQ(formats[1].clock_rate, 48000u);
  EXPECT_EQ(formats[1].channels, 2);
  EXPECT_EQ(formats[1].fmtp, "useinbandfec=1; stereo=0");
  EXPECT_TRUE(formats[2].is_telephone_event());
  EXPECT_FALSE(formats[0].is_telephone_event());
}

TEST(Description, Parse_reads_stream_level_addresses_before_the_sessions) {
  const Description d = parsed(kOffer);
  const Stream& video = d.streams()[1];
  EXPECT_EQ(video.rtp(), Endpoint::parse("[2001:db8::7]:51372"));
  EXPECT_EQ(video.port_count, 2u);
  EXPECT_EQ(video.rtcp(), Endpoint::parse("198.51.100.21:53020"));
  EXPECT_TRUE(video.rtcp_mux);
  EXPECT_TRUE(video.has_crypto);
  EXPECT_EQ(video.bandwidth.tias_bps, 256000u);
  EXPECT_EQ(video.direction, Direction::sendrecv);
  EXPECT_EQ(video.transport, Transport::srtp);
}

TEST(Description, Parse_knows_a_stream_out_of_use) {
  const Description d = parsed(kOffer);
  const Stream& image = d.streams()[2];
  EXPECT_TRUE(image.disabled());
  EXPECT_EQ(image.rtp(), Endpoint{});
  EXPECT_EQ(image.transport, Transport::udptl);
  EXPECT_EQ(image.payload_types(), PayloadTypes{});
}

TEST(Description, Parse_takes_mapped_addresses_as_the_ipv4_address_inside) {
  const Description d =
      parsed("v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP6 ::ffff:10.0.0.1\nt=0 0\nm=audio 4 RTP/AVP 0\n");
  EXPECT_EQ(d.streams()[0].rtp(), Endpoint::parse("10.0.0.1:4"));
}

TEST(Description, Parse_gives_streams_the_session_direction_unless_they_have_their_own) {
  const Description d = parsed(
      "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\na=inactive\nm=audio 4 RTP/AVP 0\nm=video 6 "
      "RTP/AVP "
      "31\na=recvonly\n");
  EXPECT_EQ(d.streams()[0].direction, Direction::inactive);
  EXPECT_EQ(d.streams()[1].direction, Direction::recvonly);
}

TEST(Description, Old_hold_takes_the_receiving_half_of_the_direction) {
  struct Case {
    std::string_view connection, attribute;
    Direction expected;
  };
  for (const auto& c : std::initializer_list<Case>{
           {"IN IP4 0.0.0.0", "", Direction::sendonly},
           {"IN IP4 0.0.0.0", "a=recvonly\n", Direction::inactive},
           {"IN IP4 0.0.0.0", "a=sendonly\n", Direction::sendonly},
           {"IN IP4 0.0.0.0", "a=inactive\n", Direction::inactive},
           {"IN IP6 ::", "", Direction::sendonly},
           {"IN IP4 192.0.2.1", "", Direction::sendrecv},
       }) {
    const Description d = parsed("v=0\no=- 1 1 IN IP4 h\ns=-\nc=" + std::string(c.connection) +
                                 "\nt=0 0\nm=audio 4 RTP/AVP 0\n" + std::string(c.attribute));
    EXPECT_EQ(d.streams()[0].effective_direction(), c.expected) << c.connection << c.attribute;
  }
}

TEST(Description, Parse_is_tolerant_where_the_field_is_sloppy) {
  const std::string_view bodies[] = {
      "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4 RTP/AVP 0\n",  // LF
      "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4 RTP/AVP 0",  // no s=, t=, last end
      "v=0 \r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1 \r\nm=audio  4  RTP/AVP  0 \r\n\r\n\r\n",
      "v=0\r\no=John Q Doe 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 2001:db8::1\r\nm=audio 4 RTP/AVP 0\r\n",
      "v=0\r\ns=-\r\no=- 1 1 IN IP4 192.0.2.1\r\nt=0 0\r\nX=what\r\nc=IN IP4 192.0.2.1\r\nm=audio 4 RTP/AVP "
      "0\r\n",
      "v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 192.0.2.1\r\nm=audio 4 RTP/AVP 0 300 "
      "x\r\na=rtpmap\r\na=rtpmap:9\r\n"
      "a=fmtp:\r\na=:\r\na=\r\nb=\r\nb=AS:many\r\n",
  };
  for (const auto body : bodies) {
    const auto d = Description::parse(body);
    ASSERT_TRUE(d) << body << name(d.error().fault);
    ASSERT_EQ(d->streams().size(), 1u) << body;
    EXPECT_EQ(d->streams()[0].port, 4);
  }
}

struct FaultCase {
  std::string_view description;
  std::string body;
  Fault fault;
  std::uint32_t line;
};

const std::string kHead = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

std::string many(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Description, Parse_names_each_fault_and_its_line) {
  const FaultCase cases[] = {
      {"nothing", "", Fault::empty, 1},
      {"only line ends", "\r\n\r\n", Fault::not_a_line, 1},
      {"too long", kHead + many("a=x\r\n", 14000), Fault::too_long, 1},
      {"too many lines", kHead + many("a=x\r\n", 4092), Fault::too_many_lines, 4097},
      {"too many streams", kHead + many("m=audio 4 RTP/AVP 0\r\n", 33), Fault::too_many_streams, 38},
      {"too many formats", kHead + "m=audio 4 RTP/AVP" + many(" 0", 129) + "\r\n", Fault::too_many_formats,
       6},
      {"NUL", kHead + std::string("a=x\0y\r\n", 7), Fault::forbidden_octet, 6},
      {"bare CR hides a line", kHead + "a=x\rc=IN IP4 10.0.0.1\r\n", Fault::forbidden_octet, 6},
      {"CR CR LF", kHead + "a=x\r\r\n", Fault::forbidden_octet, 6},
      {"no equals sign", kHead + "a x\r\n", Fault::not_a_line, 6},
      {"blank line inside", kHead + "\r\nm=audio 4 RTP/AVP 0\r\n", Fault::not_a_line, 6},
      {"folded line", kHead + " a=x\r\n", Fault::not_a_line, 6},
      {"a SIP message", "INVITE sip:a@b SIP/2.0\r\n", Fault::not_a_line, 1},
      {"v= not first", "o=- 1 1 IN IP4 h\r\nv=0\r\n", Fault::version, 1},
      {"version 1", "v=1\r\n", Fault::version, 1},
      {"version 0 and more", "v=0 1\r\n", Fault::version, 1},
      {"empty version", "v=\r\n", Fault::version, 1},
      {"no o= at all", "v=0\r\ns=-\r\n", Fault::missing_origin, 2},
      {"no o= before m=", "v=0\r\nm=audio 4 RTP/AVP 0\r\n", Fault::missing_origin, 2},
      {"two v=", kHead + "v=0\r\n", Fault::duplicate_line, 6},
      {"two o=", kHead + "o=- 1 1 IN IP4 h\r\n", Fault::duplicate_line, 6},
      {"two s=", kHead + "s=x\r\n", Fault::duplicate_line, 6},
      {"o= below m=", kHead + "m=audio 4 RTP/AVP 0\r\no=- 1 1 IN IP4 h\r\n", Fault::misplaced_line, 7},
      {"v= below m=", kHead + "m=audio 4 RTP/AVP 0\r\nv=0\r\n", Fault::misplaced_line, 7},
      {"o= of five fields", "v=0\r\no=1 1 IN IP4 h\r\n", Fault::origin, 2},
      {"empty o=", "v=0\r\no=\r\n", Fault::origin, 2},
      {"c= without address", kHead + "c=IN IP4\r\n", Fault::connection, 6},
      {"c= with too much", kHead + "c=IN IP4 192.0.2.1 x\r\n", Fault::connection, 6},
      {"c= with only a TTL", kHead + "c=IN IP4 /127\r\n", Fault::connection, 6},
      {"no c= for a stream in use",
       "v=0\r\no=- 1 1 IN IP4 h\r\nm=image 0 udptl t38\r\nm=audio 4 RTP/AVP 0\r\na=x\r\n",
       Fault::missing_connection, 4},
      {"m= without formats", kHead + "m=audio 4 RTP/AVP\r\n", Fault::media, 6},
      {"m= without proto", kHead + "m=audio 4\r\n", Fault::media, 6},
      {"empty m=", kHead + "m=\r\n", Fault::media, 6},
      {"port above 65535", kHead + "m=audio 65536 RTP/AVP 0\r\n", Fault::port, 6},
      {"negative port", kHead + "m=audio -4 RTP/AVP 0\r\n", Fault::port, 6},
      {"no number", kHead + "m=audio port RTP/AVP 0\r\n", Fault::port, 6},
      {"port count 0", kHead + "m=audio 4/0 RTP/AVP 0\r\n", Fault::port, 6},
      {"port count missing", kHead + "m=audio 4/ RTP/AVP 0\r\n", Fault::port, 6},
      {"a=rtcp without port", kHead + "m=audio 4 RTP/AVP 0\r\na=rtcp:\r\n", Fault::rtcp, 7},
      {"a=rtcp above 65535", kHead + "m=audio 4 RTP/AVP 0\r\na=rtcp:70000\r\n", Fault::rtcp, 7},
      {"a=rtcp with half an address", kHead + "m=audio 4 RTP/AVP 0\r\na=rtcp:7 IN IP4\r\n", Fault::rtcp, 7},
      {"two a=rtcp", kHead + "m=audio 4 RTP/AVP 0\r\na=rtcp:7\r\na=rtcp:9\r\n", Fault::rtcp, 8},
  };
  for (const FaultCase& c : cases) {
    const auto result = Description::parse(c.body);
    ASSERT_FALSE(result) << c.description;
    EXPECT_EQ(name(result.error().fault), name(c.fault)) << c.description;
    EXPECT_EQ(result.error().line, c.line) << c.description;
  }
}

TEST(Description, Fault_offset_is_where_its_line_starts) {
  const auto result = Description::parse(kHead + "m=audio x RTP/AVP 0\r\n");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().offset, kHead.size());
}

TEST(Description, Limits_themselves_are_allowed) {
  EXPECT_TRUE(Description::parse(kHead + many("m=audio 4 RTP/AVP 0\r\n", 32)));
  EXPECT_TRUE(Description::parse(kHead + "m=audio 4 RTP/AVP" + many(" 0", 128) + "\r\n"));
  EXPECT_TRUE(Description::parse(kHead + many("a=x\r\n", 4091)));
  std::string longest = kHead + "a=";
  longest.append(kMaxBytes - longest.size(), 'x');
  EXPECT_TRUE(Description::parse(longest));
}

TEST(Description, Views_stay_good_when_the_description_moves) {
  Description first = parsed(kOffer);
  const Description second = std::move(first);
  EXPECT_EQ(second.streams()[0].lines[1].text, "a=rtpmap:96 opus/48000/2");
  EXPECT_EQ(second.streams()[0].formats[1].encoding, "opus");
  const Description third = second.clone();
  EXPECT_EQ(third.text(), second.text());
  EXPECT_NE(third.text().data(), second.text().data());
}

TEST(Description, Assign_forgets_the_body_before_also_after_a_fault) {
  Description d = parsed(kOffer);
  ASSERT_FALSE(d.assign("v=1"));
  EXPECT_TRUE(d.streams().empty());
  EXPECT_TRUE(d.text().empty());
  EXPECT_TRUE(d.session_lines().empty());
  ASSERT_TRUE(d.assign(kHead));
  EXPECT_TRUE(d.streams().empty());
  EXPECT_EQ(d.session_lines().size(), 5u);
}

TEST(Description, Transports_are_told_apart_without_case) {
  const std::pair<std::string_view, Transport> cases[] = {
      {"RTP/AVP", Transport::rtp},        {"rtp/avpf", Transport::rtp},
      {"RTP/SAVPF", Transport::srtp},     {"UDP/TLS/RTP/SAVPF", Transport::dtls_srtp},
      {"UDPTL", Transport::udptl},        {"UDP/TLS/UDPTL", Transport::dtls},
      {"UDP/DTLS/SCTP", Transport::dtls}, {"DTLS/SCTP", Transport::dtls},
      {"TCP/MSRP", Transport::tcp},       {"TCP/RTP/AVP", Transport::tcp},
      {"quic", Transport::other},
  };
  for (const auto& [proto, transport] : cases) {
    const Description d = parsed(kHead + "m=audio 4 " + std::string(proto) + " 0\r\n");
    EXPECT_EQ(d.streams()[0].transport, transport) << proto;
  }
}

}  // namespace
}  // namespace sallyport::sdp
