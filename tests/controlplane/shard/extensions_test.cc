// SPDX-License-Identifier: Apache-2.0
// 420 and 421 to what our own INVITE offers are met on that leg (RFC 3261 8.1.3.5).
#include <gtest/gtest.h>

#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

class Extensions : public BothWays {
 protected:
  // The callee refuses the INVITE that it has.
  void refuse(std::string_view status, std::string_view more) {
    phones.answer(callee, callee.incoming, status, {}, more);
    phones.expect(callee, "ACK ");
  }
};
INSTANTIATE_TEST_SUITE_P(Calls, Extensions, ::testing::Bool(), direction_name);

TEST_P(Extensions, What_a_420_refuses_is_left_out_once_more_and_the_caller_is_served_by_us) {
  const Sent first = phones.call(caller.sdp(), "Require: 100rel\r\n");
  EXPECT_EQ(first.header("Supported"), "100rel, timer, 199, replaces");
  refuse("420 Bad Extension", "Unsupported: 100rel\r\n");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 420"));
  const Sent again = phones.expect(callee, "INVITE ");
  EXPECT_EQ(again.header("Require"), "");
  EXPECT_EQ(again.header("Supported"), "timer, 199, replaces");
  EXPECT_EQ(again.header("Call-ID"), first.header("Call-ID"));
  EXPECT_EQ(again.header("CSeq"), "2 INVITE");
  EXPECT_EQ(again.body(), first.body());
  callee.incoming = again;
  phones.answer(callee, again, "180 Ringing");
  const Sent ringing = phones.expect(caller, "SIP/2.0 180");
  EXPECT_EQ(ringing.header("Require"), "100rel");
  phones.request(caller, "PRACK", {}, "RAck: " + ringing.header("RSeq") + " 1 INVITE\r\n");
  phones.expect(caller, "SIP/2.0 200");
  phones.answer(callee, again, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(Extensions, What_a_421_demands_is_required_once_more) {
  const Sent first = phones.call(caller.sdp());
  EXPECT_EQ(first.header("Require"), "");
  refuse("421 Extension Required", "Require: 100rel\r\n");
  const Sent again = phones.expect(callee, "INVITE ");
  EXPECT_EQ(again.header("Require"), "100rel");
  EXPECT_EQ(again.header("Supported"), "100rel, timer, 199, replaces");
  callee.incoming = again;
  phones.answer(callee, again, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(Extensions, A_second_refusal_goes_on_to_the_caller_with_its_tags) {
  phones.call(caller.sdp(), "Require: 100rel\r\n");
  refuse("420 Bad Extension", "Unsupported: 100rel\r\n");
  callee.incoming = phones.expect(callee, "INVITE ");
  refuse("420 Bad Extension", "Unsupported: timer\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 420").header("Unsupported"), "timer");
  EXPECT_FALSE(phones.heard(callee, "INVITE "));
  bench.expect_nothing_left();
}

TEST_P(Extensions, What_is_none_of_ours_is_not_tried_again) {
  phones.call(caller.sdp());
  refuse("421 Extension Required", "Require: timer, precondition\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 421").header("Require"), "timer, precondition");
  EXPECT_FALSE(phones.heard(callee, "INVITE "));
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
