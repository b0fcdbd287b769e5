// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "sdp_rewriter/dry_run.h"

namespace sallyport::sdp {
namespace {

constexpr std::string_view kSdp =
    "v=0\r\no=alice 1 1 IN IP4 10.20.0.10\r\ns=-\r\nc=IN IP4 10.20.0.10\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\na=rtcp:6009\r\nm=video 0 RTP/AVP 31\r\n";
const std::array<Prefix, 1> kRealm{Prefix::parse("198.51.100.1/24").value()};

DryRunInput input_for(std::string_view sdp, std::string_view via) {
  return {
      .sdp = sdp,
      .policy = {.realm_addresses = kRealm, .source = host_address("198.51.100.2"), .via = host_address(via)},
      .local = host_address("192.0.2.1")};
}

TEST(DryRun, Accepted_shows_verdicts_and_the_rewritten_description) {
  EXPECT_EQ(render(dry_run(input_for(kSdp, "10.20.0.10"))),
            "stream 0 audio\n"
            "  address   10.20.0.10:6000\n"
            "  rtcp      10.20.0.10:6009\n"
            "  direction sendrecv\n"
            "  verdict   latched\n"
            "  rule      private_media: auto, far-end NAT\n"
            "  latch     once\n"
            "  reason    c= 10.20.0.10 is private (RFC 1918): far-end NAT is evident: Via 10.20.0.10, source "
            "198.51.100.2\n"
            "stream 1 video\n"
            "  direction sendrecv\n"
            "  verdict   not_judged\n"
            "  rule      port 0\n"
            "  latch     off\n"
            "  reason    port 0: not in use, not judged\n"
            "far-end NAT evident\n"
            "accepted\n"
            "rewritten\n"
            "  v=0\n"
            "  o=- 1 1 IN IP4 192.0.2.1\n"
            "  s=-\n"
            "  c=IN IP4 192.0.2.1\n"
            "  t=0 0\n"
            "  m=audio 20000 RTP/AVP 0\n"
            "  m=video 0 RTP/AVP 31\n");
}

TEST(DryRun, Refused_shows_why_and_no_description) {
  const DryRun result = dry_run(input_for(kSdp, "198.51.100.2"));
  EXPECT_TRUE(result.refused);
  EXPECT_TRUE(result.rewritten.empty());
  EXPECT_EQ(result.streams[0].refusal, "private");
  EXPECT_EQ(result.streams[0].action, "rejected");
  EXPECT_EQ(result.verdict,
            "refused: c= 10.20.0.10 is private (RFC 1918): no evidence of far-end NAT, source 198.51.100.2");
}

TEST(DryRun, Fault_shows_its_name_and_line) {
  const DryRun result = dry_run(input_for("v=0\r\no=- 1 1 IN IP4 h\r\nm=audio x RTP/AVP 0\r\n", ""));
  ASSERT_TRUE(result.fault);
  EXPECT_TRUE(result.refused);
  EXPECT_EQ(render(result), "far-end NAT not evident\nnot a session description: port in line 3\n");
}

TEST(DryRun, More_streams_than_a_call_carries_are_refused_as_a_call_refuses_them) {
  std::string sdp = "v=0\r\no=- 1 1 IN IP4 198.51.100.2\r\ns=-\r\nc=IN IP4 198.51.100.2\r\nt=0 0\r\n";
  for (std::size_t i = 0; i < kMaxRelayedStreams; ++i) sdp += "m=audio 4000 RTP/AVP 0\r\n";
  EXPECT_EQ(dry_run(input_for(sdp, "198.51.100.2")).verdict, "accepted");
  sdp += "m=audio 0 RTP/AVP 0\r\n";
  const DryRun result = dry_run(input_for(sdp, "198.51.100.2"));
  EXPECT_TRUE(result.refused);
  EXPECT_EQ(result.verdict, "refused: more than 16 streams");
  EXPECT_TRUE(result.rewritten.empty());
}

TEST(DryRun, Host_names_are_shown_as_they_stand) {
  const DryRun result = dry_run(input_for(
      "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 ua.example\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n", ""));
  EXPECT_EQ(result.streams[0].address, "ua.example:4");
  EXPECT_EQ(result.streams[0].refusal, "host-name");
}

}  // namespace
}  // namespace sallyport::sdp
