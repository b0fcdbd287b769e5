// SPDX-License-Identifier: Apache-2.0
// Requests inside the dialogs of an answered call.
#include "tests/controlplane/shard/call_fixture.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kViaA = "192.0.2.10:5060";

class InDialog : public CallTest {
 protected:
  InDialog() { establish(); }
  ~InDialog() override {
    bench.shard().set_phase(Phase::ending);
    bench.turn();
    for (const Sent& sent : bench.take()) {
      if (sent.is("BYE ")) answer(sent, "200 OK");
    }
    bench.expect_nothing_left();
  }
  void answer(const Sent& request, std::string_view status, std::string_view body = {},
              std::string_view more = {}) {
    bench.receive(
        request.realm == 0 ? "access" : "core", request.remote.to_text(),
        make_response(request, status, "", request.realm == 0 ? "<sip:alice@198.51.100.20:5060>" : kContactA,
                      body, more));
  }
  void from_caller(std::string_view method, unsigned cseq, std::string_view body = {},
                   std::string_view more = {}) {
    std::string text = make_in_dialog(method, invite, ok, cseq,
                                      "z9hG4bK" + std::string(method) + std::to_string(cseq), body);
    text.insert(text.find("Max-Forwards"), more);
    bench.receive("access", kCaller, text);
  }
  void from_carrier(std::string_view method, unsigned cseq, std::string_view body = {},
                    std::string_view more = {}) {
    std::string text = make_uas_request(method, out, "ct1", kViaA, cseq,
                                        "z9hG4bKc" + std::string(method) + std::to_string(cseq), body);
    text.insert(text.find("Max-Forwards"), more);
    bench.receive("core", kCarrierA, text);
  }
  // An UPDATE goes as one only to a side that has said that it knows them (RFC 3311 5.1).
  void carrier_knows_update() {
    from_carrier("OPTIONS", 1, {}, "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n");
    bench.take_one("SIP/2.0 200");
  }
  const dp::FlowSpec& flow(unsigned leg) {
    for (const auto& [slot, spec] : bench.flows) {
      if (spec.owner.leg == leg && spec.kind == dp::FlowKind::rtp) return spec;
    }
    return bench.flows.begin()->second;
  }
};

TEST_F(InDialog, A_re_INVITE_of_the_carrier_reaches_the_caller_and_is_acknowledged) {
  from_carrier("INVITE", 1, sdp("192.0.2.12", 7000));
  bench.take_one("SIP/2.0 100");
  const Sent re = bench.take_one("INVITE ");
  EXPECT_EQ(re.remote, *Endpoint::parse(kCaller));
  EXPECT_EQ(re.header("Call-ID"), "caller-1@198.51.100.20");
  EXPECT_EQ(re.tag_of("To"), "fa1");
  answer(re, "200 OK", sdp("198.51.100.20", 4000));
  EXPECT_TRUE(bench.take_one("ACK ").is("ACK sip:alice@198.51.100.20:5060"));
  const Sent answer_to_carrier = bench.take_one("SIP/2.0 200");
  EXPECT_NE(answer_to_carrier.body().find("c=IN IP4 192.0.2.1\r\n"), std::string::npos);
  EXPECT_EQ(flow(1).remote, *Endpoint::parse("192.0.2.12:7000"));
  from_carrier("ACK", 1);
  EXPECT_TRUE(bench.take().empty());
}

TEST_F(InDialog, A_re_INVITE_without_SDP_has_its_offer_in_the_2xx_and_its_answer_in_the_ACK) {
  from_caller("INVITE", 2);
  const Sent re = bench.take_one("INVITE ");
  EXPECT_TRUE(re.body().empty());
  bench.take();
  answer(re, "200 OK", sdp("192.0.2.12", 7000));
  const Sent offered = bench.take_one("SIP/2.0 200");
  EXPECT_NE(offered.body().find("c=IN IP4 198.51.100.1\r\n"), std::string::npos);
  EXPECT_EQ(flow(1).remote, *Endpoint::parse("192.0.2.10:6000")) << "not before the answer";
  EXPECT_TRUE(bench.take().empty());
  from_caller("ACK", 2, sdp("198.51.100.20", 4400));
  const Sent ack = bench.take_one("ACK ");
  EXPECT_NE(ack.body().find("c=IN IP4 192.0.2.1\r\n"), std::string::npos);
  EXPECT_EQ(flow(0).remote, *Endpoint::parse("198.51.100.20:4400"));
  EXPECT_EQ(flow(1).remote, *Endpoint::parse("192.0.2.12:7000"));
}

TEST_F(InDialog, An_ACK_without_the_answer_that_is_due_ends_the_call) {
  from_caller("INVITE", 2);
  answer(bench.take_one("INVITE "), "200 OK", sdp("192.0.2.12", 7000));
  bench.take();
  from_caller("ACK", 2);
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "ACK "), 1);
  EXPECT_EQ(count(sent, "BYE "), 2);
}

TEST_F(InDialog, An_offer_that_is_refused_is_counted_as_mapped) {
  from_caller("INVITE", 2, sdp("127.0.0.1", 4400));
  EXPECT_EQ(bench.take_one("SIP/2.0 488").remote, *Endpoint::parse(kCaller));
  from_caller("ACK", 2);
  const config::Config& config = bench.config();
  for (const stats::PairStatistics* pair : bench.shard().statistics().pairs()) {
    if (pair->from == stats::kNone) continue;
    EXPECT_EQ(pair->from, config.find_peer("office"));
    EXPECT_EQ(pair->to, config.find_peer("carrier-a"));
    ASSERT_EQ(pair->mapped.read().size(), 1u);
    EXPECT_EQ(pair->mapped.read().front().count, 1u);
  }
}

TEST_F(InDialog, Re_INVITEs_that_cross_get_491_on_both_sides_and_the_call_goes_on) {
  from_caller("INVITE", 2, sdp("198.51.100.20", 4400));
  const Sent to_carrier = bench.take_one("INVITE ");
  bench.take();
  from_carrier("INVITE", 1, sdp("192.0.2.12", 7000));
  EXPECT_EQ(bench.take_one("SIP/2.0 491").remote, *Endpoint::parse(kCarrierA));
  answer(to_carrier, "491 Request Pending");
  EXPECT_EQ(bench.take_one("SIP/2.0 491").remote, *Endpoint::parse(kCaller));
  bench.take();
  // RFC 3261 14.1: each tries again after a while.
  from_carrier("INVITE", 2, sdp("192.0.2.12", 7000));
  answer(bench.take_one("INVITE "), "200 OK", sdp("198.51.100.20", 4000));
  EXPECT_EQ(flow(1).remote, *Endpoint::parse("192.0.2.12:7000"));
  from_carrier("ACK", 2);
}

TEST_F(InDialog, A_second_request_of_the_same_side_while_its_first_is_open_gets_500_with_Retry_After) {
  from_caller("INVITE", 2, sdp("198.51.100.20", 4400));
  const Sent re = bench.take_one("INVITE ");
  bench.take();
  from_caller("INVITE", 3, sdp("198.51.100.20", 4500));
  EXPECT_FALSE(bench.take_one("SIP/2.0 500").header("Retry-After").empty());
  from_caller("UPDATE", 4, sdp("198.51.100.20", 4500));
  EXPECT_FALSE(bench.take_one("SIP/2.0 500").header("Retry-After").empty());
  bench.take();
  answer(re, "200 OK", sdp("192.0.2.10", 6000));
  EXPECT_EQ(flow(0).remote, *Endpoint::parse("198.51.100.20:4400"));
  from_caller("ACK", 2);
}

TEST_F(InDialog, UPDATE_changes_the_session_with_its_answer) {
  carrier_knows_update();
  from_caller("UPDATE", 2, sdp("198.51.100.20", 4400, "a=sendonly\r\n"));
  const Sent update = bench.take_one("UPDATE ");
  EXPECT_NE(update.body().find("a=sendonly"), std::string::npos);
  EXPECT_EQ(flow(0).remote.port, 4000);
  answer(update, "200 OK", sdp("192.0.2.10", 6000, "a=recvonly\r\n"));
  EXPECT_NE(bench.take_one("SIP/2.0 200").body().find("a=recvonly"), std::string::npos);
  EXPECT_EQ(flow(0).remote.port, 4400);
  EXPECT_TRUE(bench.take().empty()) << "no ACK";
  from_carrier("UPDATE", 2);
  EXPECT_EQ(bench.take_one("SIP/2.0 200").remote, *Endpoint::parse(kCarrierA));
  EXPECT_TRUE(bench.take().empty()) << "what refreshes one dialog is no business of the other's";
}

TEST_F(InDialog, A_refused_UPDATE_leaves_the_session_and_its_code_goes_back) {
  carrier_knows_update();
  from_caller("UPDATE", 2, sdp("198.51.100.20", 4400));
  answer(bench.take_one("UPDATE "), "488 Not Acceptable Here");
  bench.take_one("SIP/2.0 488");
  EXPECT_EQ(flow(0).remote.port, 4000);
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
}

TEST_F(InDialog, INFO_goes_through_with_its_body) {
  std::string info = make_in_dialog("INFO", invite, ok, 2, "z9hG4bKinfo", "Signal=1\r\nDuration=160\r\n");
  info.replace(info.find("application/sdp"), 15, "application/dtmf-relay");
  bench.receive("access", kCaller, info);
  const Sent relayed = bench.take_one("INFO ");
  EXPECT_EQ(relayed.header("Content-Type"), "application/dtmf-relay");
  EXPECT_EQ(relayed.body(), "Signal=1\r\nDuration=160\r\n");
  answer(relayed, "200 OK");
  bench.take_one("SIP/2.0 200");
}

TEST_F(InDialog, An_INFO_that_nobody_answers_gets_504_and_ends_the_call) {
  from_caller("INFO", 2);
  bench.take();
  bench.advance(33 * kSecond);
  const std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "SIP/2.0 408"), 0) << "RFC 4320 4.1";
  EXPECT_GE(count(sent, "SIP/2.0 504"), 1);
  EXPECT_GE(count(sent, "BYE "), 2);
}

TEST_F(InDialog, An_INFO_is_not_in_the_way_of_a_re_INVITE) {
  from_caller("INFO", 2);
  const Sent info = bench.take_one("INFO ");
  from_caller("INVITE", 3, sdp("198.51.100.20", 4400));
  const Sent re = bench.take_one("INVITE ");
  answer(re, "200 OK", sdp("192.0.2.10", 6000));
  answer(info, "200 OK");
  EXPECT_EQ(count(bench.take(), "SIP/2.0 200"), 2);
  from_caller("ACK", 3);
}

TEST_F(InDialog, A_cancelled_re_INVITE_leaves_the_call) {
  from_caller("INVITE", 2, sdp("198.51.100.20", 4400));
  const Sent re = bench.take_one("INVITE ");
  answer(re, "180 Ringing");
  bench.take_one("SIP/2.0 180");
  bench.receive(
      "access", kCaller,
      make_cancel(make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKINVITE2", sdp("198.51.100.20", 4400))));
  bench.take_one("CANCEL ");
  answer(re, "487 Request Terminated");
  bench.take_one("SIP/2.0 487");
  EXPECT_EQ(flow(0).remote.port, 4000);
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
}

TEST_F(InDialog, What_is_not_carried_through_is_refused_by_name) {
  struct Case {
    const char* method;
    const char* more;
    const char* status;
  };
  constexpr Case kCases[] = {
      {"FLY", "", "SIP/2.0 501"},
      {"REFER", "", "SIP/2.0 400"},
      {"PUBLISH", "", "SIP/2.0 405"},
      {"MESSAGE", "Require: sing\r\n", "SIP/2.0 420"},
      {"OPTIONS", "", "SIP/2.0 200"},
      {"INFO", "Require: sing\r\n", "SIP/2.0 420"},
      {"INVITE", "Require: precondition\r\n", "SIP/2.0 420"},
  };
  unsigned cseq = 1;
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.method);
    from_caller(c.method, ++cseq, {}, c.more);
    EXPECT_TRUE(bench.take_one(c.status).is(c.status));
    bench.take();
  }
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
}

// RFC 3261 8.2.2.3, 20.29
TEST_F(InDialog, What_is_required_of_us_in_vain_is_named) {
  unsigned cseq = 1;
  for (const char* method :
       {"OPTIONS", "PRACK", "INVITE", "UPDATE", "INFO", "MESSAGE", "NOTIFY", "REFER", "SUBSCRIBE"}) {
    for (const char* field : {"Require: 100rel, sing, dance\r\n", "Proxy-Require: sing, dance\r\n",
                              "Require: sing\r\nProxy-Require: dance\r\n"}) {
      SCOPED_TRACE(std::string(method) + " " + field);
      from_caller(method, ++cseq, {}, field);
      EXPECT_EQ(bench.take_one("SIP/2.0 420").header("Unsupported"), "sing, dance");
      from_carrier(method, cseq, {}, field);
      std::vector<Sent> sent = bench.take();
      std::erase_if(sent, [](const Sent& one) { return one.is("SIP/2.0 100"); });
      ASSERT_EQ(sent.size(), 1u) << "nothing of it goes on";
      EXPECT_TRUE(sent[0].is("SIP/2.0 420"));
      EXPECT_EQ(sent[0].header("Unsupported"), "sing, dance");
    }
    from_carrier("OPTIONS", ++cseq, {}, "Require: timer, replaces\r\n");
    EXPECT_EQ(bench.take_one("SIP/2.0 200").header("Unsupported"), "");
  }
}

TEST_F(InDialog, A_BYE_that_requires_in_vain_is_refused_and_the_call_ends_by_ours) {
  from_caller("BYE", 2, {}, "Require: sing\r\n");
  std::vector<Sent> sent = bench.take();
  EXPECT_EQ(count(sent, "SIP/2.0 420"), 1);
  ASSERT_EQ(count(sent, "BYE "), 2);
  for (const Sent& one : sent) {
    if (one.is("SIP/2.0 420")) {
      EXPECT_EQ(one.header("Unsupported"), "sing");
    }
  }
  from_caller("BYE", 3);  // RFC 3261 8.1.3.5: once more without it
  bench.take_one("SIP/2.0 200");
  for (const Sent& one : sent) {
    if (one.is("BYE ")) answer(one, "200 OK");
  }
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(bench.records.records[0].ended_by, stats::EndedBy::caller);
  EXPECT_EQ(bench.records.records[0].local_error, "bad-extension");
}

TEST_F(InDialog, A_request_at_zero_hops_gets_483) {
  std::string text = make_in_dialog("INFO", invite, ok, 2, "z9hG4bKhops");
  text.replace(text.find("Max-Forwards: 70"), 16, "Max-Forwards: 0");
  bench.receive("access", kCaller, text);
  bench.take_one("SIP/2.0 483");
}

TEST_F(InDialog, A_CSeq_that_does_not_grow_gets_500) {
  from_caller("INFO", 5);
  answer(bench.take_one("INFO "), "200 OK");
  bench.take();
  from_caller("INFO", 4);
  bench.take_one("SIP/2.0 500");
}

TEST_F(InDialog, A_body_that_is_not_SDP_gets_415_in_a_re_INVITE) {
  std::string text = make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKxyz", "hello");
  text.replace(text.find("application/sdp"), 15, "text/plain");
  bench.receive("access", kCaller, text);
  EXPECT_EQ(bench.take_one("SIP/2.0 415").header("Accept"), "application/sdp");
}

TEST_F(InDialog, A_re_INVITE_moves_the_remote_target) {
  std::string text = make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKmove", sdp("198.51.100.30", 4400));
  text.replace(text.find("Contact: <sip:alice@198.51.100.20:5060>"), 39,
               "Contact: <sip:alice@198.51.100.30:5070>");
  bench.receive("access", kCaller, text);
  answer(bench.take_one("INVITE "), "200 OK", sdp("192.0.2.10", 6000));
  from_caller("ACK", 2);
  bench.take();
  from_carrier("BYE", 1);
  const Sent bye = bench.take_one("BYE ");
  EXPECT_TRUE(bye.is("BYE sip:alice@198.51.100.30:5070"));
  EXPECT_EQ(bye.remote, *Endpoint::parse("198.51.100.30:5070"));
  bench.receive("access", "198.51.100.30:5070", make_response(bye, "200 OK", ""));
}

TEST_F(InDialog, A_caller_who_moves_behind_a_NAT_is_called_at_his_packets_source) {
  std::string text = make_in_dialog("INVITE", invite, ok, 2, "z9hG4bKnat", sdp("198.51.100.2", 4400));
  text.replace(text.find("Contact: <sip:alice@198.51.100.20:5060>"), 39,
               "Contact: <sip:alice@10.20.0.10:5060>");
  bench.receive("access", "198.51.100.2:40000", text);
  answer(bench.take_one("INVITE "), "200 OK", sdp("192.0.2.10", 6000));
  from_caller("ACK", 2);
  bench.take();
  from_carrier("BYE", 1);
  const Sent bye = bench.take_one("BYE ");
  EXPECT_EQ(bye.remote, *Endpoint::parse("198.51.100.2:40000"));
  bench.receive("access", "198.51.100.2:40000", make_response(bye, "200 OK", ""));
}

}  // namespace
}  // namespace sallyport::shard
