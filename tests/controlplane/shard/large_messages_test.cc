// SPDX-License-Identifier: Apache-2.0
// Calls whose messages come near the 65,535 octets that SIP may have: none of them may stay.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

class LargeMessages : public CallTest {
 protected:
  // A Via of an element before the caller, of about so many octets: they come back in every response.
  static std::string via_of(std::size_t octets) {
    return "Via: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKfar;x=" + std::string(octets, 'a') + "\r\n";
  }
};

TEST_F(LargeMessages, An_INVITE_that_leaves_no_room_for_an_answer_begins_no_call) {
  bench.receive("access", kCaller, make_invite({.more = via_of(63'500)}));
  EXPECT_TRUE(bench.take_one("SIP/2.0 513").is("SIP/2.0 513 Message Too Large"));
  EXPECT_TRUE(bench.take().empty());
  bench.expect_empty();
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(bench.records.records[0].from_peer, "office");
  EXPECT_EQ(bench.records.records[0].sent, 513);
  EXPECT_EQ(bench.records.records[0].rule.view(), "a refusal of our own: too large to be answered");
}

TEST_F(LargeMessages, A_call_whose_2xx_is_too_large_for_the_caller_ends) {
  out = place({.more = via_of(57'000)});
  const std::string status = "200 " + std::string(9'000, 'k');
  bench.receive("core", kCarrierA, make_response(out, status, "ct1", kContactA, sdp("192.0.2.10", 6000)));
  const Sent refused = bench.take_one("SIP/2.0 500");
  EXPECT_NE(refused.text.find("z9hG4bKfar"), std::string::npos);
  bench.take_one("ACK ");
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.remote.to_text(), kCarrierA) << "the caller has no session to end";
  bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  bench.receive("access", kCaller, make_in_dialog("ACK", invite, refused, 1, "z9hG4bKcaller1"));
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.size(), 1u);
}

TEST_F(LargeMessages, A_failure_that_is_too_large_for_the_caller_reaches_him_without_its_phrase) {
  out = place({.more = via_of(57'000)});
  bench.receive("core", kCarrierA, make_response(out, "486 " + std::string(9'000, 'k'), "ct1"));
  bench.take_one("ACK ");
  EXPECT_TRUE(bench.take_one("SIP/2.0 486").is("SIP/2.0 486 Busy Here\r\n"));
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
