// SPDX-License-Identifier: Apache-2.0
#include "dataplane/icmp_quote.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/dataplane/frame_support.h"

namespace sallyport::dp::test {
namespace {

constexpr std::string_view kToken = "abcdefghijklmnopqrstuvwxyz";

Bytes request() {
  return text("INVITE sip:1@core SIP/2.0\r\nVia: SIP/2.0/UDP core:5060;branch=z9hG4bK" + std::string(kToken) +
              "\r\n\r\n" + std::string(900, 'b'));
}
UdpFrame request4() {
  return {.source = "192.0.2.1:5060", .destination = "192.0.2.10:5070", .payload = request()};
}
UdpFrame request6() {
  return {.source = "[2001:db8::1]:5060", .destination = "[2001:db8::10]:5070", .payload = request()};
}

// The IPv6 packet in `frame` with `header` (a multiple of 8 octets) put in at `at` octets behind the IPv6
// header; `next_at` is where, in the frame, the header before it names the next.
Bytes with_header(Bytes frame, std::size_t next_at, std::size_t at, std::uint8_t type, Bytes header) {
  header[0] = frame[next_at];
  frame[next_at] = type;
  frame.insert(frame.begin() + static_cast<std::ptrdiff_t>(14 + 40 + at), header.begin(), header.end());
  return frame;
}

struct Read {
  QuoteOf is = QuoteOf::nothing;
  std::string remote, branch;
  std::uint32_t mtu = 0;
  bool packet_too_big = false;
};

Read read_error(bool v4, const Bytes& quoted) {
  const char* ours = v4 ? "192.0.2.1" : "2001:db8::1";
  const Bytes frame = v4 ? icmp_error("192.0.2.254", ours, 3, 4, quoted, 800)
                         : icmp_error("2001:db8::fe", ours, 2, 0, quoted, 1300);
  PacketView view;
  EXPECT_EQ(view_packet(frame, frame.size(), false, view), kPass);
  LocalAddress local;
  local.address = *IpAddress::parse(ours);
  local.sip_udp = 5060;
  const IcmpQuote quote = read_icmp_quote(view, local);
  if (quote.is != QuoteOf::sip) return {.is = quote.is};
  return {.is = quote.is,
          .remote = quote.remote.to_text(),
          .branch = std::string(find_branch_token(quote.message)),
          .mtu = quote.mtu,
          .packet_too_big = quote.packet_too_big};
}

TEST(IcmpQuote, of_a_SIP_request_is_known_whole_cut_and_behind_extension_headers) {
  const Bytes whole6 = frame_of(request6());
  const Bytes cut6 = fragments_of(request6(), 512).at(0);
  const Bytes options = hex("00 00 01 04 00000000");
  const Bytes long_options = hex("00 01 01 0c 00000000 0000000000000000");
  const Bytes routed = hex("00 00 00 00 00000000");
  struct Case {
    const char* description;
    bool v4;
    Bytes quoted;
  };
  const Case cases[] = {
      {"IPv4, whole", true, frame_of(request4())},
      {"IPv4, first fragment", true, fragments_of(request4(), 512).at(0)},
      {"IPv6, whole", false, whole6},
      {"IPv6, first fragment", false, cut6},
      {"IPv6, hop-by-hop", false, with_header(whole6, 14 + 6, 0, 0, options)},
      {"IPv6, destination options", false, with_header(whole6, 14 + 6, 0, 60, long_options)},
      {"IPv6, routing, no segments left", false, with_header(whole6, 14 + 6, 0, 43, routed)},
      {"IPv6, hop-by-hop before a first fragment", false, with_header(cut6, 14 + 6, 0, 0, options)},
      {"IPv6, options in a first fragment", false, with_header(cut6, 14 + 40, 8, 60, options)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    const Read read = read_error(c.v4, c.quoted);
    EXPECT_EQ(read.is, QuoteOf::sip);
    EXPECT_EQ(read.remote, c.v4 ? "192.0.2.10:5070" : "[2001:db8::10]:5070");
    EXPECT_EQ(read.branch, kToken);
    EXPECT_TRUE(read.packet_too_big);
    EXPECT_EQ(read.mtu, c.v4 ? 800u : 1300u);
  }
}

TEST(IcmpQuote, that_does_not_reach_a_transport_header_is_nothing) {
  // Octets that would pass for the UDP header of a request.
  const Bytes whole4 = frame_of(request4());
  const Bytes whole6 = frame_of(request6());
  const Bytes like_udp(whole6.begin() + 14 + 40, whole6.end());
  Bytes endless = whole6;
  for (int i = 0; i < 7; ++i) endless = with_header(endless, 14 + 6, 0, 60, hex("00 00 01 04 00000000"));
  Bytes ends_in_fragment_header = fragments_of(request6(), 512).at(0);
  ends_in_fragment_header.resize(14 + 40 + 7);
  struct Case {
    const char* description;
    bool v4;
    Bytes quoted;
  };
  const Case cases[] = {
      {"IPv4, later fragment", true, fragment_of(request4(), 512, false, like_udp)},
      {"IPv4, middle fragment", true, fragment_of(request4(), 512, true, like_udp)},
      {"IPv6, later fragment", false, fragment_of(request6(), 512, false, like_udp)},
      {"IPv6, middle fragment", false, fragment_of(request6(), 512, true, like_udp)},
      {"IPv6, segments left", false, with_header(whole6, 14 + 6, 0, 43, hex("00 00 00 01 00000000"))},
      {"IPv6, too many headers", false, endless},
      {"IPv6, a header longer than the quote", false,
       with_header(whole6, 14 + 6, 0, 60, hex("00 ff 01 04 00000000"))},
      {"IPv6, ends in the fragment header", false, ends_in_fragment_header},
      {"IPv4, ends in the UDP header", true, Bytes(whole4.begin(), whole4.begin() + 14 + 20 + 7)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.description);
    EXPECT_EQ(read_error(c.v4, c.quoted).is, QuoteOf::nothing);
  }
}

}  // namespace
}  // namespace sallyport::dp::test
