// SPDX-License-Identifier: Apache-2.0
// Codes that SIP does not have: 3DIGIT is well-formed, so they end their transaction like any failure.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

using OddAnswers = CallTest;

TEST_F(OddAnswers, A_701_is_acknowledged_and_becomes_what_its_vendor_row_says) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "701 Party Hangs Up", "ct1"));
  const Sent ack = bench.take_one("ACK ");
  EXPECT_TRUE(ack.is("ACK sip:4930123@192.0.2.10"));
  EXPECT_EQ(ack.header("Via"), out.header("Via")) << "RFC 3261 17.1.1.3";
  EXPECT_TRUE(bench.take_one("SIP/2.0 480").header("Reason").starts_with("Q.850;cause=16"));
  EXPECT_EQ(count(bench.take(), "INVITE "), 0) << "its row knows better than to try another carrier";
  bench.receive("core", kCarrierA, make_response(out, "701 Party Hangs Up", "ct1"));
  EXPECT_EQ(bench.take_one("ACK ").header("To"), ack.header("To"));
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).received, 701);
  EXPECT_EQ(bench.records.records.at(0).sent, 480);
}

TEST_F(OddAnswers, A_777_is_a_502_after_every_carrier_has_been_tried) {
  out = place();
  bench.receive("core", kCarrierA, make_response(out, "777 Whatever", "ct1"));
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:4930123@192.0.2.10"));
  const Sent second = bench.take_one("INVITE ");
  EXPECT_EQ(second.remote.to_text(), kCarrierB);
  bench.receive("core", kCarrierB, make_response(second, "999 Whatever", "ct2"));
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:4930123@192.0.2.11"));
  EXPECT_TRUE(bench.take_one("SIP/2.0 502").is("SIP/2.0 502 Bad Gateway"));
  bench.expect_nothing_left();
  EXPECT_EQ(bench.records.records.at(0).sent, 502);
}

}  // namespace
}  // namespace sallyport::shard
