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

// ---- of a re-INVITE, from either side

class LaterExtensions : public EitherSide {
 protected:
  Sent require(std::string_view body) {
    phones.request(asker, "INVITE", body, "Require: 100rel\r\n");
    phones.expect(asker, "SIP/2.0 100");
    return phones.expect(other, "INVITE ");
  }
  // The other side answers with a plain 183; the asker has a reliable one, with the answer.
  void goes_on(const Sent& invite) {
    phones.answer(other, invite, "183 Session Progress", other.sdp());
    const Sent progress = phones.expect(asker, "SIP/2.0 183");
    EXPECT_EQ(progress.header("Require"), "100rel");
    const std::string number = std::to_string(asker.cseq);
    phones.request(asker, "PRACK", {}, "RAck: " + progress.header("RSeq") + " " + number + " INVITE\r\n");
    phones.expect(asker, "SIP/2.0 200");
    EXPECT_FALSE(phones.heard(other, "PRACK "));
    phones.answer(other, invite, "200 OK", other.sdp());
    phones.expect(asker, "SIP/2.0 200");
    phones.ack(asker, asker.cseq - 1);
    phones.end();
  }
};
INSTANTIATE_TEST_SUITE_P(Calls, LaterExtensions, ::testing::ValuesIn(kAllSides), sides_name);

TEST_P(LaterExtensions, A_side_that_never_listed_100rel_is_not_asked_for_it) {
  phones.establish();
  const Sent invite = require(asker.sdp());
  EXPECT_EQ(invite.header("Require"), "");
  EXPECT_EQ(invite.header("Supported"), "100rel, timer, replaces");
  goes_on(invite);
}

TEST_P(LaterExtensions, A_side_that_has_listed_it_is) {
  phones.establish("Supported: 100rel\r\n", "Supported: 100rel\r\n");
  EXPECT_EQ(require(asker.sdp()).header("Require"), "100rel");
}

TEST_P(LaterExtensions, A_420_that_names_it_is_met_without_and_the_asker_is_served_by_us) {
  phones.establish("Supported: 100rel\r\n", "Supported: 100rel\r\n");
  const Sent first = require(asker.sdp());
  phones.answer(other, first, "420 Bad Extension", {}, "Unsupported: 100rel\r\n");
  phones.expect(other, "ACK ");
  EXPECT_FALSE(phones.heard(asker, "SIP/2.0 420"));
  const Sent again = phones.expect(other, "INVITE ");
  EXPECT_EQ(again.header("Require"), "");
  EXPECT_EQ(again.header("Supported"), "timer");
  EXPECT_EQ(again.body(), first.body());
  goes_on(again);
}

TEST_P(LaterExtensions, A_second_420_goes_on) {
  phones.establish();
  for (int tries = 0; tries < 2; ++tries) {
    const Sent invite = tries == 0 ? require(asker.sdp()) : phones.expect(other, "INVITE ");
    phones.answer(other, invite, "420 Bad Extension", {}, "Unsupported: 100rel\r\n");
    phones.expect(other, "ACK ");
  }
  EXPECT_EQ(phones.expect(asker, "SIP/2.0 420").header("Unsupported"), "100rel");
  phones.ack(asker, asker.cseq);
  phones.end();
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
