// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/ladder.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::trace {
namespace {

Message message(Side side, Direction direction, std::string start, Nanoseconds at_ms,
                std::string cseq = "1 INVITE") {
  Message one;
  one.side = side;
  one.direction = direction;
  one.octets = start + "\r\nCSeq: " + cseq + "\r\n\r\n";
  one.monotonic_ns = at_ms * kMillisecond;
  one.wall_ns = 1'700'000'000 * kSecond + at_ms * kMillisecond;
  one.number = 1;
  one.peer = side == Side::callee ? "carrier" : "office";
  one.remote = {IpAddress::v4(side == Side::callee ? 0xc000020a : 0xc6336414), 5060};
  return one;
}

TEST(Ladder, Draws_both_legs_in_three_columns) {
  std::vector<Message> call{
      message(Side::caller, Direction::received, "INVITE sip:x@y SIP/2.0", 5'000),
      message(Side::caller, Direction::sent, "SIP/2.0 100 Trying", 5'001),
      message(Side::callee, Direction::sent, "INVITE sip:x@y SIP/2.0", 5'002, "7 INVITE"),
      message(Side::callee, Direction::sent, "INVITE sip:x@y SIP/2.0", 5'502, "7 INVITE"),
      message(Side::callee, Direction::received, "SIP/2.0 200 OK", 6'250, "7 INVITE"),
  };
  call[3].retransmission = true;
  call[4].transport = Transport::tls;
  const std::vector<std::string> expected{
      "seconds since 2023-11-14 22:13:25.000 UTC",
      "            office 198.51.100.20:5060                Sallyport",
      "     0.000  |------------- INVITE (1) -------------->|                                        |",
      "     0.001  |<-------- 100 Trying (1 INVITE) --------|                                        |",
      "                                                     Sallyport                                carrier "
      "192.0.2.10:5060",
      "     0.002  |                                        |------------- INVITE (7) -------------->|",
      "     0.502  |                                        |---------- INVITE (7) again ----------->|",
      "                                                     Sallyport                                carrier "
      "192.0.2.10:5060 TLS",
      "     1.250  |                                        |<---------- 200 OK (7 INVITE) ----------|",
  };
  EXPECT_EQ(ladder(call), expected);
}

TEST(Ladder, Says_what_is_gone) {
  EXPECT_TRUE(ladder({}).empty());
  std::vector<Message> call{message(Side::caller, Direction::sent, "SIP/2.0 200 OK", 1, "2 BYE")};
  call[0].number = 13;
  EXPECT_EQ(gone_before(call), 12u);
  EXPECT_EQ(ladder(call)[1], "12 messages before are gone: the ring has come round");
  call[0].left_out = 2;
  EXPECT_EQ(gone_before(call), 10u);
  EXPECT_EQ(ladder(call)[2], "2 messages are left out here, for there are too many");
  call[0].left_out = 0;
  call[0].number = 0;
  EXPECT_EQ(gone_before(call), 0u);
}

TEST(Ladder, Shows_what_a_stranger_wrote_without_harm) {
  const Message odd = message(Side::caller, Direction::received,
                              "SIP/2.0 486 \x1b[31m\xff" + std::string(200, 'y'), 1, "1\x07 INVITE");
  for (const std::string& line : ladder({&odd, 1})) {
    EXPECT_LE(line.size(), 130u);
    for (const char c : line) EXPECT_TRUE(c >= ' ' && c <= '~') << line;
  }
  const Message broken = message(Side::none, Direction::received, "", 1);
  EXPECT_EQ(title_of(broken), "");
  EXPECT_EQ(ladder({&broken, 1}).size(), 3u);
}

}  // namespace
}  // namespace sallyport::trace
