// SPDX-License-Identifier: Apache-2.0
// One call between a caller and carrier-a, driven by hand.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tests/controlplane/shard/bench_support.h"

namespace sallyport::shard {

inline constexpr std::string_view kCaller = "198.51.100.20:5060";
inline constexpr std::string_view kCarrierA = "192.0.2.10:5060";
inline constexpr std::string_view kCarrierB = "192.0.2.11:5060";
inline constexpr std::string_view kContactA = "<sip:callee@192.0.2.10:5060>";

class CallTest : public ::testing::Test {
 protected:
  explicit CallTest(std::string_view yaml = Bench::default_config(), std::size_t command_bytes = 1 << 20)
      : bench(yaml, command_bytes) {}

  // INVITE from the caller, up to the INVITE at the carrier.
  Sent place(const InviteOptions& options = {}) {
    invite = make_invite(options);
    bench.receive("access", kCaller, invite);
    EXPECT_TRUE(bench.take_one("SIP/2.0 100").is("SIP/2.0 100 Trying"));
    return bench.take_one("INVITE ");
  }
  // An answered call; `ok` is the 200 that the caller has, `out` the INVITE that the carrier has.
  void establish(const InviteOptions& options = {}) {
    out = place(options);
    bench.receive("core", kCarrierA, make_response(out, "180 Ringing", "ct1", kContactA));
    EXPECT_TRUE(bench.take_one("SIP/2.0 180").is("SIP/2.0 180"));
    bench.receive("core", kCarrierA, make_response(out, "200 OK", "ct1", kContactA, sdp("192.0.2.10", 6000)));
    ok = bench.take_one("SIP/2.0 200");
    EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:callee@192.0.2.10:5060"));
    bench.receive("access", kCaller, make_in_dialog("ACK", invite, ok, 1, "z9hG4bKack1"));
    EXPECT_TRUE(bench.take().empty());
  }
  void caller_hangs_up(unsigned cseq = 2) {
    bench.receive("access", kCaller, make_in_dialog("BYE", invite, ok, cseq, "z9hG4bKbye1"));
    bench.take_one("SIP/2.0 200");
    const Sent bye = bench.take_one("BYE ");
    bench.receive("core", kCarrierA, make_response(bye, "200 OK", ""));
  }

  // How many of the messages start so.
  static int count(const std::vector<Sent>& messages, std::string_view start) {
    return static_cast<int>(
        std::ranges::count_if(messages, [&](const Sent& sent) { return sent.is(start); }));
  }

  Bench bench;
  std::string invite;
  Sent out;
  Sent ok;
};

}  // namespace sallyport::shard
