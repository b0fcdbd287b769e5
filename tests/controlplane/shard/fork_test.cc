// SPDX-License-Identifier: Apache-2.0
// Several early dialogs at the callee, one at the caller.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

class Forks : public BothWays {
 protected:
  // Early media of a fork, from a port of its own.
  void progress(std::string_view tag, unsigned port, std::string_view more = {}) {
    phones.answer(callee, callee.incoming, "183 Session Progress", sdp(callee.ip, port), more, tag);
  }
  [[nodiscard]] unsigned media_at() { return phones.flow(callee)->remote.port; }
};
INSTANTIATE_TEST_SUITE_P(Calls, Forks, ::testing::Bool(), direction_name);

TEST_P(Forks, Early_media_comes_from_the_fork_that_spoke_last_and_the_caller_sees_one_dialog) {
  phones.call(caller.sdp());
  progress("one", 7000);
  const Sent first = phones.expect(caller, "SIP/2.0 183");
  EXPECT_EQ(media_at(), 7000u);
  progress("two", 7002);
  const Sent second = phones.expect(caller, "SIP/2.0 183");
  EXPECT_EQ(media_at(), 7002u);
  EXPECT_EQ(first.tag_of("To"), second.tag_of("To"));
  EXPECT_EQ(first.header("Contact"), second.header("Contact"));
  phones.answer(callee, callee.incoming, "180 Ringing", {}, {}, "three");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 180").tag_of("To"), first.tag_of("To"));
  EXPECT_EQ(media_at(), 7002u) << "a 180 without SDP takes no media";
  progress("one", 7000);
  EXPECT_EQ(media_at(), 7000u);
  phones.answer(callee, callee.incoming, "486 Busy Here");
  phones.expect(caller, "SIP/2.0 486");
  bench.expect_nothing_left();
}

TEST_P(Forks, The_2xx_picks_the_dialog_and_its_media_even_without_SDP_of_its_own) {
  phones.call(caller.sdp());
  progress("one", 7000);
  progress("two", 7002);
  phones.forget();
  callee.tag = "one";
  phones.answer(callee, callee.incoming, "200 OK");
  EXPECT_EQ(media_at(), 7000u);
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_FALSE(ok.body().empty()) << "an unreliable answer is repeated in the 2xx";
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "one");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(Forks, A_2xx_of_a_fork_never_heard_of_before_is_taken) {
  phones.call(caller.sdp());
  progress("one", 7000);
  phones.forget();
  phones.answer(callee, callee.incoming, "200 OK", sdp(callee.ip, 7004), {}, "three");
  EXPECT_EQ(media_at(), 7004u);
  phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "three");
  phones.answer(callee, callee.incoming, "200 OK", sdp(callee.ip, 7000), {}, "one");
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "one");
  const Sent bye = phones.expect(callee, "BYE ");
  EXPECT_EQ(bye.tag_of("To"), "one");
  phones.answer(callee, bye, "200 OK");
  EXPECT_EQ(media_at(), 7004u);
  EXPECT_FALSE(phones.heard(caller, "BYE "));
  callee.tag = "three";
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(Forks, A_199_ends_one_early_dialog_and_the_media_goes_back_to_the_other) {
  const Sent invite = phones.call(caller.sdp(), "Supported: 199\r\n");
  EXPECT_NE(invite.header("Supported").find("199"), std::string::npos);
  progress("one", 7000);
  progress("two", 7002);
  phones.forget();
  phones.answer(callee, callee.incoming, "199 Early Dialog Terminated", {}, {}, "two");
  EXPECT_EQ(media_at(), 7000u);
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 199")) << "his one dialog is alive";
  phones.answer(callee, callee.incoming, "199 Early Dialog Terminated", {}, {}, "one");
  EXPECT_TRUE(phones.heard(caller, "SIP/2.0 199")) << "the last one is gone";
  phones.answer(callee, callee.incoming, "480 Temporarily Unavailable");
  phones.expect(caller, "SIP/2.0 480");
  bench.expect_nothing_left();
}

TEST_P(Forks, A_fork_that_the_caller_does_not_hear_may_change_nothing) {
  phones.call(caller.sdp());
  progress("one", 7000);
  progress("two", 7002);
  phones.forget();
  const std::string local = callee.local;
  callee.local = callee.incoming.header("To") + ";tag=one";
  phones.request(callee, "UPDATE", sdp(callee.ip, 7100));
  phones.expect(callee, "SIP/2.0 491");
  phones.request(callee, "BYE");
  phones.expect(callee, "SIP/2.0 481");
  EXPECT_EQ(media_at(), 7002u);
  EXPECT_FALSE(phones.heard(caller, ""));
  callee.local = local;
  phones.answer(callee, callee.incoming, "486 Busy Here");
  phones.expect(caller, "SIP/2.0 486");
  bench.expect_nothing_left();
}

TEST_P(Forks, A_199_for_a_dialog_with_an_open_UPDATE_leaves_that_without_harm) {
  for (const char* status : {"200 OK", "422 Session Interval Too Small", "481 Gone"}) {
    SCOPED_TRACE(status);
    Phones fresh(GetParam());
    fresh.call(fresh.caller.sdp(), "Supported: 100rel\r\nAllow: UPDATE\r\n");
    fresh.answer(fresh.callee, fresh.callee.incoming, "183 Session Progress", fresh.callee.sdp(),
                 "Require: 100rel\r\nRSeq: 1\r\nAllow: UPDATE\r\n");
    const Sent progress = fresh.expect(fresh.caller, "SIP/2.0 183");
    fresh.request(fresh.caller, "PRACK", {}, "RAck: " + progress.header("RSeq") + " 1 INVITE\r\n");
    fresh.answer(fresh.callee, fresh.expect(fresh.callee, "PRACK "), "200 OK");
    fresh.request(fresh.caller, "UPDATE", sdp(fresh.caller.ip, 4100));
    const Sent update = fresh.expect(fresh.callee, "UPDATE ");
    fresh.answer(fresh.callee, fresh.callee.incoming, "199 Early Dialog Terminated");
    fresh.answer(fresh.callee, update, status, status[0] == '2' ? fresh.callee.sdp() : std::string{},
                 "Min-SE: 200\r\n");
    fresh.forget();
    fresh.answer(fresh.callee, fresh.callee.incoming, "480 Temporarily Unavailable");
    fresh.bench.expect_nothing_left();
  }
}

TEST_P(Forks, A_199_stays_here_when_the_caller_does_not_list_it) {
  phones.call(caller.sdp());
  progress("one", 7000);
  phones.forget();
  phones.answer(callee, callee.incoming, "199 Early Dialog Terminated", {}, {}, "one");
  EXPECT_FALSE(phones.heard(caller, "SIP/2.0 199"));
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  phones.expect(caller, "SIP/2.0 200");
  phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

// The offer of the INVITE is what other forks answer, whatever the caller has offered to one of them since.
TEST_P(Forks, An_open_UPDATE_to_one_fork_is_not_answered_by_another_that_speaks_and_wins) {
  const std::string knows = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";
  phones.call(caller.sdp(), "Supported: 100rel\r\n" + knows);
  progress("one", 7000, "Require: 100rel\r\nRSeq: 1\r\n" + knows);
  const Sent first = phones.expect(caller, "SIP/2.0 183");
  phones.request(caller, "PRACK", {}, "RAck: " + first.header("RSeq") + " 1 INVITE\r\n");
  phones.expect(caller, "SIP/2.0 200");
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.request(caller, "UPDATE", sdp(caller.ip, 4100));
  EXPECT_EQ(phones.expect(callee, "UPDATE ").tag_of("To"), "one");
  progress("two", 7002, "Require: 100rel\r\nRSeq: 1\r\n" + knows);
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 183").body(), "");
  EXPECT_EQ(media_at(), 7000u);
  callee.tag = "two";
  phones.answer(callee, callee.incoming, "200 OK");
  phones.expect(caller, "SIP/2.0 491");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").body(), "");
  EXPECT_EQ(phones.expect(callee, "ACK ").tag_of("To"), "two");
  EXPECT_EQ(media_at(), 7002u);
  EXPECT_EQ(phones.flow(caller)->remote.port, caller.media_port) << "that offer was withdrawn";
  phones.ack(caller, 1);
  phones.end();
}

}  // namespace
}  // namespace sallyport::shard
