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

INSTANTIATE_TEST_SUITE_P(BothWays, MultipartBodies, ::testing::Bool(), direction_name);

}  // namespace
}  // namespace sallyport::shard
