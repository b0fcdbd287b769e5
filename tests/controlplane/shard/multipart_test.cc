// SPDX-License-Identifier: Apache-2.0
// MultipartBodies bodies where the answer of a session comes late, and where its offer does: PRACK and ACK.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kMultipartType =
    "Content-Type: multipart/mixed;boundary=b\r\nMIME-Version: 1.0\r\n";
constexpr std::string_view kBeforeDescription = "--b\r\nContent-Type: application/sdp\r\n\r\n";
constexpr std::string_view kAfterDescription =
    "\r\n--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b--\r\n";

std::string with_isup(const std::string& sdp) {
  return std::string(kBeforeDescription) + sdp + std::string(kAfterDescription);
}

class MultipartBodies : public BothWays {
 protected:
  // The ISUP part came as it was, beside a description of our own.
  void expect_whole(const Sent& sent, const Phone& from) {
    EXPECT_EQ(sent.header("Content-Type"), "multipart/mixed;boundary=b");
    EXPECT_EQ(sent.header("MIME-Version"), "1.0");
    EXPECT_TRUE(sent.body().starts_with(std::string(kBeforeDescription) + "v=0\r\n")) << sent.body();
    EXPECT_TRUE(sent.body().ends_with(kAfterDescription)) << sent.body();
    EXPECT_EQ(sent.body().find(from.ip), std::string::npos) << sent.body();
  }
  // The caller has a reliable 183 with that body.
  Sent progress(std::string_view body) {
    phones.answer(callee, callee.incoming, "183 Session Progress", body, "Require: 100rel\r\nRSeq: 1\r\n");
    return phones.expect(caller, "SIP/2.0 183");
  }
  Sent pracked(const Sent& progress) {
    const std::string rack = "RAck: " + progress.header("RSeq") + " 1 INVITE\r\n";
    (void)phones.request(caller, "PRACK", with_isup(caller.sdp()), std::string(kMultipartType) + rack);
    return phones.expect(callee, "PRACK ");
  }
};

TEST_P(MultipartBodies, An_answer_in_PRACK_keeps_its_other_parts) {
  (void)phones.call({}, "Supported: 100rel\r\n");
  expect_whole(pracked(progress(callee.sdp())), caller);
}

TEST_P(MultipartBodies, An_offer_in_PRACK_keeps_its_other_parts) {
  (void)phones.call(caller.sdp(), "Supported: 100rel\r\n");
  expect_whole(pracked(progress(callee.sdp())), caller);
}

TEST_P(MultipartBodies, An_answer_in_ACK_keeps_its_other_parts) {
  (void)phones.call({});
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.request(caller, "ACK", with_isup(caller.sdp()), kMultipartType);
  expect_whole(phones.expect(callee, "ACK "), caller);
  phones.end();
}

// ---- where the description is none for the other side, or is missing, the other parts cross

constexpr std::string_view kIsupAlone = "--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b--\r\n";
constexpr std::string_view kIsupType = "Content-Type: application/isup\r\n";

TEST_P(MultipartBodies, A_200_whose_answer_was_settled_reliably_keeps_them) {
  (void)phones.call(caller.sdp(), "Supported: 100rel\r\n");
  const Sent early = progress(callee.sdp());
  (void)phones.request(caller, "PRACK", {}, "RAck: " + early.header("RSeq") + " 1 INVITE\r\n");
  phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  phones.answer(callee, callee.incoming, "180 Ringing", with_isup(callee.sdp()), kMultipartType);
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 180").body(), kIsupAlone);
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.answer(callee, callee.incoming, "200 OK", with_isup(callee.sdp()), kMultipartType);
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("Content-Type"), "multipart/mixed;boundary=b");
  EXPECT_EQ(ok.header("MIME-Version"), "1.0");
  EXPECT_EQ(ok.body(), kIsupAlone);
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(MultipartBodies, A_reliable_18x_of_ISUP_alone_crosses_and_is_no_answer) {
  (void)phones.call(caller.sdp(), "Supported: 100rel\r\n");
  phones.answer(callee, callee.incoming, "183 Session Progress", "\x01\x02",
                "Require: 100rel\r\nRSeq: 1\r\n" + std::string(kIsupType));
  const Sent early = phones.expect(caller, "SIP/2.0 183");
  EXPECT_EQ(early.header("Content-Type"), "application/isup");
  EXPECT_EQ(early.body(), "\x01\x02");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  EXPECT_NE(phones.expect(caller, "SIP/2.0 200").body().find("m=audio"), std::string::npos);
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(MultipartBodies, A_200_of_ISUP_alone_stands_beside_the_answer_that_is_told_again) {
  (void)phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "183 Session Progress", callee.sdp());
  const std::string told = phones.expect(caller, "SIP/2.0 183").body();
  phones.answer(callee, callee.incoming, "200 OK", "\x01\x02", kIsupType);
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("Content-Type"), "multipart/mixed;boundary=sallyport");
  EXPECT_EQ(ok.body(), "--sallyport\r\nContent-Type: application/sdp\r\n\r\n" + told + "\r\n--sallyport\r\n" +
                           std::string(kIsupType) + "\r\n\x01\x02\r\n--sallyport--\r\n");
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(MultipartBodies, A_failure_keeps_what_is_no_description) {
  (void)phones.call(caller.sdp());
  phones.answer(callee, callee.incoming, "404 Not Found", with_isup(callee.sdp()), kMultipartType);
  const Sent failure = phones.expect(caller, "SIP/2.0 404");
  EXPECT_EQ(failure.header("Content-Type"), "multipart/mixed;boundary=b");
  EXPECT_EQ(failure.body(), kIsupAlone);
  phones.bench.expect_nothing_left();
}

TEST_P(MultipartBodies, A_failure_of_a_re_INVITE_does_too_and_a_description_alone_stays) {
  phones.establish();
  for (const bool isup : {true, false}) {
    (void)phones.request(caller, "INVITE", caller.sdp());
    phones.answer(callee, phones.expect(callee, "INVITE "), "488 Not Acceptable Here",
                  isup ? "\x01\x02" : callee.sdp(), isup ? kIsupType : "");
    const Sent failure = phones.expect(caller, "SIP/2.0 488");
    EXPECT_EQ(failure.header("Content-Type"), isup ? "application/isup" : "");
    EXPECT_EQ(failure.body(), isup ? "\x01\x02" : "");
    phones.ack(caller, caller.cseq);
  }
  phones.end();
}

INSTANTIATE_TEST_SUITE_P(BothWays, MultipartBodies, ::testing::Bool(), direction_name);

}  // namespace
}  // namespace sallyport::shard
