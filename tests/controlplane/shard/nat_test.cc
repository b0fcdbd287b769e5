// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

class NatTest : public CallTest {};

TEST_F(NatTest, A_caller_behind_a_NAT_is_kept_reachable_while_it_rings) {
  const std::string_view nat = "198.51.100.2:40000";
  invite = make_invite(
      {.via = "10.20.0.10:5060", .contact = "<sip:alice@10.20.0.10:5060>", .body = sdp("10.20.0.10", 4000)});
  bench.receive("access", nat, invite);
  bench.take_one("SIP/2.0 100");
  out = bench.take_one("INVITE ");
  bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
  bench.take_one("SIP/2.0 180");
  bench.advance(55 * kSecond);  // nat_keepalive: 25s
  const std::vector<Sent> kept = bench.take();
  EXPECT_EQ(count(kept, "SIP/2.0 100"), 2);
  for (const Sent& sent : kept) EXPECT_EQ(sent.remote, *Endpoint::parse(nat));
  bench.receive("core", kCarrierA, make_response(out, "486 Busy Here", "ct1"));
  bench.take_one("SIP/2.0 486");
  bench.advance(60 * kSecond);
  EXPECT_EQ(count(bench.take(), "SIP/2.0 100"), 0);
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
