// SPDX-License-Identifier: Apache-2.0
// The Contact of a re-INVITE or UPDATE is its sender's target once that is accepted, not before (RFC 6141
// 4.10), from either side.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kKnowsUpdate = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";

class TargetRefresh : public EitherSide {
 protected:
  TargetRefresh() {
    phones.establish(kKnowsUpdate, kKnowsUpdate);
    asker.contact_ip = asker.realm == "access" ? "198.51.100.30" : "192.0.2.30";
  }
  // The other side hangs up, and `hears` is where the asker is called.
  void end(const std::string& hears) {
    phones.request(other, "BYE");
    phones.expect(other, "SIP/2.0 200");
    Phone there = asker;
    there.ip = hears;
    const Sent bye = phones.expect(there, "BYE ");
    EXPECT_TRUE(bye.is("BYE sip:" + hears + ":5060 ")) << bye.text;
    phones.answer(asker, bye, "200 OK");
    phones.bench.expect_nothing_left();
  }
};
INSTANTIATE_TEST_SUITE_P(Calls, TargetRefresh, ::testing::ValuesIn(kAllSides), sides_name);

TEST_P(TargetRefresh, By_a_re_INVITE_that_is_refused_there_is_none) {
  phones.request(asker, "INVITE", asker.sdp());
  phones.answer(other, phones.expect(other, "INVITE "), "488 Not Acceptable Here");
  phones.expect(asker, "SIP/2.0 488");
  phones.ack(asker, asker.cseq);
  end(asker.ip);
}

TEST_P(TargetRefresh, By_an_UPDATE_that_is_refused_there_is_none) {
  phones.request(asker, "UPDATE", asker.sdp());
  phones.answer(other, phones.expect(other, "UPDATE "), "488 Not Acceptable Here");
  phones.expect(asker, "SIP/2.0 488");
  end(asker.ip);
}

TEST_P(TargetRefresh, While_a_re_INVITE_is_open_the_old_one_stands_and_its_2xx_brings_the_new_one) {
  phones.request(asker, "INVITE", asker.sdp());
  const Sent invite = phones.expect(other, "INVITE ");
  phones.request(other, "INFO");
  phones.answer(asker, phones.expect(asker, "INFO "), "200 OK");
  phones.answer(other, invite, "200 OK", other.sdp());
  phones.expect(asker, "SIP/2.0 200");
  phones.ack(asker, asker.cseq);
  end(asker.contact_ip);
}

TEST_P(TargetRefresh, By_an_UPDATE_that_is_answered_here_it_is_done) {
  phones.request(asker, "UPDATE");
  phones.expect(asker, "SIP/2.0 200");
  end(asker.contact_ip);
}

TEST_P(TargetRefresh, By_a_reliable_18x_it_is_done_and_a_failure_does_not_undo_it) {
  phones.request(asker, "INVITE", asker.sdp(), "Supported: 100rel\r\n");
  const std::string number = std::to_string(asker.cseq);
  const Sent invite = phones.expect(other, "INVITE ");
  phones.answer(other, invite, "183 Session Progress", other.sdp(), "Require: 100rel\r\nRSeq: 1\r\n");
  const Sent progress = phones.expect(asker, "SIP/2.0 183");
  phones.request(asker, "PRACK", {}, "RAck: " + progress.header("RSeq") + " " + number + " INVITE\r\n");
  phones.answer(other, phones.expect(other, "PRACK "), "200 OK");
  phones.answer(other, invite, "500 Server Internal Error");
  phones.expect(asker, "SIP/2.0 500");
  phones.ack(asker, asker.cseq - 1);
  end(asker.contact_ip);
}

}  // namespace
}  // namespace sallyport::shard
