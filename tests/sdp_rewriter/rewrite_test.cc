// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "sdp_rewriter/rewrite.h"

namespace sallyport::sdp {
namespace {

Endpoint endpoint(std::string_view text) {
  return Endpoint::parse(text).value();
}

Plan plan_of(std::initializer_list<StreamPlan> streams) {
  return {.session_id = 7,
          .session_version = 3,
          .address = IpAddress::parse("192.0.2.1").value(),
          .streams = streams};
}

std::string rewritten(std::string_view body, const Plan& plan) {
  const auto description = Description::parse(body);
  EXPECT_TRUE(description) << body << name(description.error().fault);
  return description ? rewrite(*description, plan) : std::string{};
}

struct Golden {
  std::string_view description;
  std::string_view in;
  Plan plan;
  std::string_view out;
};

const StreamPlan kFirst{.local = endpoint("192.0.2.1:20000"), .rtcp = endpoint("192.0.2.1:20001")};
const StreamPlan kSecond{.local = endpoint("192.0.2.1:20002"), .rtcp = endpoint("192.0.2.1:20003")};
const StreamPlan kFirstV6{.local = endpoint("[2001:db8:2::1]:20000"),
                          .rtcp = endpoint("[2001:db8:2::1]:20001")};
const StreamPlan kRefused{.refused = true, .local = endpoint("192.0.2.1:20004")};

void check(const Golden& g) {
  EXPECT_EQ(rewritten(g.in, g.plan), g.out) << g.description;
}

TEST(Rewrite, Offer_from_behind_a_nat_shows_nothing_of_its_side) {
  check({"a whole offer",
         "v=0\r\n"
         "o=alice 53655765 2353687637 IN IP4 10.20.0.10\r\n"
         "s=Phone 3.1 at 10.20.0.10\r\n"
         "i=call of alice\r\n"
         "u=http://10.20.0.10/\r\n"
         "e=alice@example.com\r\n"
         "p=+44 1\r\n"
         "c=IN IP4 10.20.0.10\r\n"
         "b=AS:128\r\n"
         "t=0 0\r\n"
         "k=prompt\r\n"
         "a=tool:phone 3.1\r\n"
         "a=x-unknown:keep  me\r\n"
         "m=audio 6000 RTP/AVP 0 101\r\n"
         "i=the voice\r\n"
         "a=rtpmap:0 PCMU/8000\r\n"
         "a=rtpmap:101 telephone-event/8000\r\n"
         "a=fmtp:101 0-16\r\n"
         "a=rtcp:6005 IN IP4 10.20.0.10\r\n"
         "a=alt:1 1 : 81A51F9C 1C8F0AB9 10.20.0.10 6000\r\n"
         "a=source-filter: incl IN IP4 * 10.20.0.10\r\n"
         "a=oldmediaip:10.20.0.10\r\n"
         "a=sendrecv\r\n"
         "y=unknown\r\n",
         plan_of({kFirst}),
         "v=0\r\n"
         "o=- 7 3 IN IP4 192.0.2.1\r\n"
         "s=-\r\n"
         "c=IN IP4 192.0.2.1\r\n"
         "b=AS:128\r\n"
         "t=0 0\r\n"
         "k=prompt\r\n"
         "a=x-unknown:keep  me\r\n"
         "m=audio 20000 RTP/AVP 0 101\r\n"
         "i=the voice\r\n"
         "a=rtpmap:0 PCMU/8000\r\n"
         "a=rtpmap:101 telephone-event/8000\r\n"
         "a=fmtp:101 0-16\r\n"
         "a=sendrecv\r\n"
         "y=unknown\r\n"});
}

TEST(Rewrite, Line_ends_are_those_of_the_line_and_a_missing_one_is_added) {
  check({"LF", "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4 RTP/AVP 0\na=x\n",
         plan_of({kFirst}),
         "v=0\no=- 7 3 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 20000 RTP/AVP 0\na=x\n"});
  check({"mixed, no last end, blank lines at the end go",
         "v=0\r\no=- 1 1 IN IP4 10.0.0.1\ns=-\r\nc=IN IP4 10.0.0.1\nt=0 0\r\nm=audio 4 RTP/AVP 0\na=x",
         plan_of({kFirst}),
         "v=0\r\no=- 7 3 IN IP4 192.0.2.1\ns=-\r\nc=IN IP4 192.0.2.1\nt=0 0\r\nm=audio 20000 RTP/AVP "
         "0\na=x\r\n"});
  check({"blank lines",
         "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4 RTP/AVP 0\n\n\r\n",
         plan_of({kFirst}),
         "v=0\no=- 7 3 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 20000 RTP/AVP 0\n"});
}

TEST(Rewrite, Missing_session_name_and_time_are_added_in_their_place) {
  check({"before attributes",
         "v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 10.0.0.1\r\na=x\r\nm=audio 4 RTP/AVP 0\r\n", plan_of({kFirst}),
         "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=x\r\nm=audio 20000 "
         "RTP/AVP 0\r\n"});
  check({"before streams", "v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0\r\n",
         plan_of({kFirst}),
         "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP "
         "0\r\n"});
}

constexpr std::string_view kTwoStreams =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=audio 4 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 10.0.0.1\r\na=x\r\n"
    "m=video 6/2 RTP/AVP 31\r\nc=IN IP4 10.0.0.2\r\nc=IN IP4 10.0.0.3\r\nb=AS:64\r\n";

TEST(Rewrite, Connections_of_streams_stay_where_they_stood_once_each) {
  check({"two streams, each its own c=", kTwoStreams, plan_of({kFirst, kSecond}),
         "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
         "m=audio 20000 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 192.0.2.1\r\na=x\r\n"
         "m=video 20002 RTP/AVP 31\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\n"});
}

TEST(Rewrite,
     A_stream_at_another_address_than_the_session_gets_a_connection_below_its_media_and_information) {
  check(
      {"mixed families",
       "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n"
       "m=video 6 RTP/AVP 31\r\ni=picture\r\na=x\r\nm=video 8 RTP/AVP 31\r\n",
       plan_of({kFirst, kFirstV6, kFirstV6}),
       "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n"
       "m=video 20000 RTP/AVP 31\r\ni=picture\r\nc=IN IP6 2001:db8:2::1\r\na=x\r\n"
       "m=video 20000 RTP/AVP 31\r\nc=IN IP6 2001:db8:2::1\r\n"});
}

TEST(Rewrite, Families_change_everywhere) {
  Plan v6 = plan_of({kFirstV6});
  v6.address = IpAddress::parse("2001:db8:2::1").value();
  v6.streams[0].rtcp.port = 20007;
  check({"IPv4 to IPv6",
         "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP "
         "0\r\na=rtcp:9 IN IP4 "
         "10.0.0.1\r\n",
         v6,
         "v=0\r\no=- 7 3 IN IP6 2001:db8:2::1\r\ns=-\r\nc=IN IP6 2001:db8:2::1\r\nt=0 0\r\nm=audio 20000 "
         "RTP/AVP "
         "0\r\na=rtcp:20007\r\n"});
  check({"IPv6 to IPv4",
         "v=0\r\no=- 1 1 IN IP6 2001:db8:1::20\r\ns=-\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\nc=IN IP6 "
         "2001:db8:1::20\r\n",
         plan_of({kFirst}),
         "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\nc=IN IP4 "
         "192.0.2.1\r\n"});
}

TEST(Rewrite, Refused_streams_keep_their_place_with_port_0_and_no_address_of_their_side) {
  check({"the second refused, the third never in use, the fourth not planned",
         "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n"
         "m=audio 4 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n"
         "m=video 6 RTP/AVP 31\r\nc=IN IP4 10.0.0.2\r\na=rtcp:9 IN IP4 10.0.0.2\r\n"
         "m=image 0 udptl t38\r\n"
         "m=text 8 RTP/AVP 98\r\nc=IN IP4 10.0.0.2\r\n",
         plan_of({kFirst, kRefused, kSecond}),
         "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
         "m=audio 20000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
         "m=video 0 RTP/AVP 31\r\nc=IN IP4 192.0.2.1\r\n"
         "m=image 0 udptl t38\r\nc=IN IP4 192.0.2.1\r\n"
         "m=text 0 RTP/AVP 98\r\nc=IN IP4 192.0.2.1\r\n"});
}

TEST(Rewrite, All_streams_refused_still_names_our_address) {
  check({"refused", "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n",
         plan_of({kRefused}),
         "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"});
}

constexpr std::string_view kHead =
    "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n";
constexpr std::string_view kHeadOut =
    "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n";

TEST(Rewrite, Rtcp_is_written_only_where_it_says_something) {
  struct Case {
    std::string_view in;
    Endpoint rtcp;
    RtcpLine mode;
    std::string_view out;
  };
  const Case cases[] = {
      {"a=rtcp:9\r\na=x\r\n", endpoint("192.0.2.1:20001"), RtcpLine::automatic, "a=x\r\n"},
      {"a=rtcp:9\r\na=x\r\n", endpoint("192.0.2.1:20005"), RtcpLine::automatic, "a=rtcp:20005\r\na=x\r\n"},
      {"a=x\r\n", endpoint("192.0.2.1:20005"), RtcpLine::automatic, "a=x\r\na=rtcp:20005\r\n"},
      {"a=x\r\n", endpoint("192.0.2.1:20001"), RtcpLine::automatic, "a=x\r\n"},
      {"a=rtcp:9\r\na=rtcp-mux\r\n", endpoint("192.0.2.1:20000"), RtcpLine::automatic, "a=rtcp-mux\r\n"},
      {"a=rtcp:9 IN IP4 10.0.0.9\r\n", endpoint("[2001:db8::1]:20001"), RtcpLine::automatic,
       "a=rtcp:20001 IN IP6 2001:db8::1\r\n"},
      {"a=rtcp:9 IN IP4 10.0.0.9\r\n", Endpoint{}, RtcpLine::write, ""},
      {"a=rtcp:9 IN IP4 10.0.0.9\r\n", endpoint("192.0.2.1:20001"), RtcpLine::write, "a=rtcp:20001\r\n"},
      {"a=rtcp:9 IN IP4 10.0.0.9\r\n", endpoint("192.0.2.1:20005"), RtcpLine::remove, ""},
  };
  for (const Case& c : cases) {
    const Plan plan = plan_of({{.local = kFirst.local, .rtcp = c.rtcp, .rtcp_line = c.mode}});
    check({c.in, std::string(kHead) + std::string(c.in), plan, std::string(kHeadOut) + std::string(c.out)});
  }
}

TEST(Rewrite, Old_hold_goes_on_as_a_direction) {
  const std::string in = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n";
  const std::string out = "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
  struct Case {
    std::string_view session, stream, session_out, stream_out;
  };
  for (const auto& c : std::initializer_list<Case>{
           {"", "a=ptime:20\r\n", "", "a=ptime:20\r\na=sendonly\r\n"},
           {"", "a=sendrecv\r\na=ptime:20\r\n", "", "a=sendonly\r\na=ptime:20\r\n"},
           {"", "a=recvonly\r\n", "", "a=inactive\r\n"},
           {"", "a=sendonly\r\n", "", "a=sendonly\r\n"},
           {"", "a=inactive\r\n", "", "a=inactive\r\n"},
           {"a=recvonly\r\n", "", "a=recvonly\r\n", "a=inactive\r\n"},
           {"a=sendonly\r\n", "", "a=sendonly\r\n", ""},
           {"", "a=sendrecv\r\na=x\r\na=sendrecv\r\n", "", "a=sendonly\r\na=x\r\n"},
       }) {
    check({c.stream, in + std::string(c.session) + "m=audio 4 RTP/AVP 0\r\n" + std::string(c.stream),
           plan_of({kFirst}),
           out + std::string(c.session_out) + "m=audio 20000 RTP/AVP 0\r\n" + std::string(c.stream_out)});
  }
}

TEST(Rewrite, New_hold_goes_on_as_it_is) {
  check({"sendonly", std::string(kHead) + "a=sendonly\r\n", plan_of({kFirst}),
         std::string(kHeadOut) + "a=sendonly\r\n"});
}

TEST(Rewrite, A_planned_direction_replaces_the_streams_own) {
  StreamPlan stream = kFirst;
  stream.direction = Direction::inactive;
  check({"replaced", std::string(kHead) + "a=sendonly\r\na=x\r\n", plan_of({stream}),
         std::string(kHeadOut) + "a=inactive\r\na=x\r\n"});
  stream.direction = Direction::sendonly;
  check({"equal: untouched", std::string(kHead) + "a=sendonly\r\n", plan_of({stream}),
         std::string(kHeadOut) + "a=sendonly\r\n"});
}

TEST(Rewrite, Ice_is_removed_unless_it_shall_pass) {
  const std::string in =
      "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 "
      "0\r\na=ice-lite\r\na=ice-options:trickle\r\n"
      "m=audio 4 RTP/AVP 0\r\na=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
      "a=candidate:1 1 UDP 2130706431 10.0.0.1 4 typ host\r\na=remote-candidates:1 10.0.0.1 4\r\n"
      "a=end-of-candidates\r\na=Candidate:2 1 UDP 1 10.0.0.1 4 typ host\r\na=x\r\n";
  check({"removed", in, plan_of({kFirst}), std::string(kHeadOut) + "a=x\r\n"});
  Plan keeping = plan_of({kFirst});
  keeping.strip_ice = false;
  EXPECT_NE(rewritten(in, keeping).find("a=candidate:1 1 UDP"), std::string::npos);
}

TEST(Rewrite, Groups_stay_and_bundling_goes_on_demand) {
  const std::string in =
      "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=group:LS 1 2\r\na=group:BUNDLE 1 "
      "2\r\n"
      "m=audio 4 RTP/AVP 0\r\na=mid:1\r\nm=video 0 RTP/AVP 31\r\na=mid:2\r\na=bundle-only\r\n";
  EXPECT_NE(rewritten(in, plan_of({kFirst, kSecond})).find("a=group:LS 1 2\r\na=group:BUNDLE 1 2\r\n"),
            std::string::npos);
  Plan unbundled = plan_of({kFirst, kSecond});
  unbundled.unbundle = true;
  const std::string out = rewritten(in, unbundled);
  EXPECT_NE(out.find("a=group:LS 1 2\r\n"), std::string::npos);
  EXPECT_EQ(out.find("BUNDLE"), std::string::npos);
  EXPECT_EQ(out.find("bundle-only"), std::string::npos);
}

TEST(Rewrite, Keys_and_other_protocols_pass_untouched) {
  const std::string_view tail =
      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n"
      "a=fingerprint:SHA-1 "
      "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\na=setup:actpass\r\n";
  check({"keys", std::string(kHead) + std::string(tail), plan_of({kFirst}),
         std::string(kHeadOut) + std::string(tail)});
  check(
      {"T.38",
       "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=image 4 udptl "
       "t38\r\na=T38FaxVersion:0\r\n"
       "a=T38FaxUdpEC:t38UDPRedundancy\r\n",
       plan_of({{.local = kFirst.local}}),
       "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=image 20000 udptl t38\r\n"
       "a=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"});
}

TEST(Rewrite, Spacing_of_a_media_line_and_a_kept_session_name_stay) {
  Plan plan = plan_of({kFirst});
  plan.keep_session_name = true;
  plan.username = "sallyport";
  check({"kept",
         "v=0\r\no=- 1 1 IN IP4 h\r\ns=Weekly  call\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio  4/1   RTP/AVP "
         "0  8\r\n",
         plan,
         "v=0\r\no=sallyport 7 3 IN IP4 192.0.2.1\r\ns=Weekly  call\r\nc=IN IP4 192.0.2.1\r\nt=0 "
         "0\r\nm=audio  20000   "
         "RTP/AVP 0  8\r\n"});
}

TEST(Rewrite, Origin_without_an_address_takes_that_of_the_first_stream_in_use) {
  Plan plan = plan_of({kRefused, kFirstV6});
  plan.address = {};
  const std::string out = rewritten(std::string(kHead) + "m=video 6 RTP/AVP 31\r\n", plan);
  EXPECT_TRUE(out.starts_with("v=0\r\no=- 7 3 IN IP6 2001:db8:2::1\r\n")) << out;
}

TEST(Rewrite, A_session_level_rtcp_attribute_goes) {
  check({"RFC 3605 2.1 allows it in streams only",
         "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=rtcp:9 IN IP4 "
         "10.0.0.1\r\nm=audio 4 RTP/AVP "
         "0\r\n",
         plan_of({kFirst}), kHeadOut});
}

TEST(Rewrite, Lines_with_an_address_of_their_side_go_whatever_they_are) {
  const auto with = [](std::string_view line) {
    return "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\nm=audio 6000 "
           "RTP/AVP 0\r\n" +
           std::string(line) + "\r\na=rtcp-mux\r\n";
  };
  for (const char* const gone : {"a=x-origin:203.0.113.9", "a=x-media:[2001:DB8::9]:4000",
                                 "a=ssrc:7 cname:u@10.20.0.10", "i=at 192.168.1.1:5060", "a=face:fe80::1",
                                 "a=x fd00::7%eth0", "a=x-mapped:::ffff:10.0.0.1", "b=X-10.1.2.3:1"}) {
    EXPECT_EQ(rewritten(with(gone), plan_of({kFirst})).find(std::string(gone).substr(2)), std::string::npos)
        << gone;
  }
  for (const char* const kept :
       {"a=x-other:198.51.100.7", "a=x-version:10.20.0", "a=x:10.20.0.1.5", "a=ssrc:7 cname:fd:1",
        "a=fingerprint:SHA-1 FD:00:AD:3E:FD:00:AD:3E:FD:00:AD:3E:FD:00:AD:3E:FD:00:AD:3E", "a=maxptime:20"}) {
    EXPECT_NE(rewritten(with(kept), plan_of({kFirst})).find(kept), std::string::npos) << kept;
  }
}

TEST(Rewrite, Another_version_changes_nothing_but_the_version) {
  const std::string text = "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=o= 7 3 x\r\n";
  EXPECT_EQ(with_version(text, 41), "v=0\r\no=- 7 41 IN IP4 192.0.2.1\r\ns=o= 7 3 x\r\n");
  EXPECT_EQ(with_version("v=0\r\ns=-\r\n", 41), "v=0\r\ns=-\r\n");
}

}  // namespace
}  // namespace sallyport::sdp
