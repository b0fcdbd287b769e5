// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

class ServerTransactionTest : public LayerTest {
 protected:
  // The ACK for a response of ours to `request()`.
  [[nodiscard]] static std::string ack(std::string_view branch = "z9hG4bKpeer1",
                                       std::string_view to_tag = "mine") {
    return request("ACK", branch, ";tag=" + std::string(to_tag));
  }
  [[nodiscard]] static Path tcp() { return path_to("192.0.2.10:40000", Transport::tcp); }
};

TEST_F(ServerTransactionTest, InviteServer_Proceeding_repeats_the_last_provisional) {
  arrive(request("INVITE"));
  arrive(request("INVITE"));
  EXPECT_EQ(sink.sent.size(), 0u);
  respond(180);
  respond(183);
  arrive(request("INVITE"));
  EXPECT_EQ(sink.start_lines(),
            (std::vector<std::string>{"SIP/2.0 180 Ringing", "SIP/2.0 183 Session Progress",
                                      "SIP/2.0 183 Session Progress"}));
  EXPECT_EQ(user.take(), (Told{"request INVITE"}));
  EXPECT_EQ(layer.counters().retransmissions_received.get(), 2u);
  respond(486);
}

// RFC 3261 17.2.1: T1 doubling to T2, until timer H at 32 s.
TEST_F(ServerTransactionTest, InviteServer_Completed_repeats_by_timer_g_and_gives_up_by_timer_h) {
  arrive(request("INVITE"));
  respond(486);
  run(40 * kSecond);
  EXPECT_EQ(sink.instants("SIP/2.0 486"),
            (Instants{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}));
  EXPECT_EQ(user.take(), (Told{"request INVITE", "no_ack 0"}));
}

TEST_F(ServerTransactionTest, InviteServer_Confirmed_absorbs_ACKs_until_timer_i) {
  arrive(request("INVITE"));
  layer.set_token(user.request, 77);
  respond(486);
  run_ms(600);
  arrive(request("INVITE"));
  arrive(ack());
  run_ms(4999);
  arrive(ack());
  arrive(request("INVITE"));
  EXPECT_EQ(sink.instants("SIP/2.0 486"), (Instants{0, 500, 600}));
  EXPECT_EQ(layer.servers(), 1u);
  run_ms(1);
  EXPECT_EQ(layer.servers(), 0u);
  EXPECT_EQ(user.take(), (Told{"request INVITE", "server_done 77"}));
}

// RFC 3261 13.3.1.4 and RFC 6026 7.1.
TEST_F(ServerTransactionTest, InviteServer_Accepted_repeats_the_2xx_until_told_of_the_ACK) {
  arrive(request("INVITE"));
  respond(200);
  run_ms(600);
  arrive(request("INVITE"));  // absorbed: the 2xx has its own timer
  EXPECT_EQ(sink.instants("SIP/2.0 200"), (Instants{0, 500}));
  layer.acknowledged(user.request);
  run_ms(31'399);
  EXPECT_EQ(layer.servers(), 1u);
  run_ms(1);
  EXPECT_EQ(layer.servers(), 0u);
  EXPECT_EQ(sink.instants("SIP/2.0 200"), (Instants{0, 500}));
  EXPECT_EQ(user.take(), (Told{"request INVITE", "server_done 0"}));
}

TEST_F(ServerTransactionTest, InviteServer_Accepted_without_ACK_repeats_up_to_T2_and_tells_so_by_timer_l) {
  arrive(request("INVITE"));
  respond(200);
  run(40 * kSecond);
  EXPECT_EQ(sink.instants("SIP/2.0 200"),
            (Instants{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}));
  EXPECT_EQ(user.take(), (Told{"request INVITE", "no_ack 0"}));
  EXPECT_EQ(layer.counters().missing_acks.get(), 1u);
}

TEST_F(ServerTransactionTest, InviteServer_Accepted_repeats_the_2xx_on_a_reliable_transport_too) {
  arrive(request("INVITE"), tcp());
  respond(200);
  run_ms(1600);
  EXPECT_EQ(sink.instants("SIP/2.0 200"), (Instants{0, 500, 1500}));
  layer.acknowledged(user.request);
}

TEST_F(ServerTransactionTest, Failure_on_a_reliable_transport_is_sent_once_and_ends_with_its_ACK) {
  arrive(request("INVITE"), tcp());
  respond(486);
  run_ms(5000);
  EXPECT_EQ(sink.sent.size(), 1u);
  arrive(ack(), tcp());
  run_ms(2);
  EXPECT_EQ(layer.servers(), 0u);
}

TEST_F(ServerTransactionTest, InviteServer_refuses_what_comes_after_a_final_response) {
  arrive(request("INVITE"));
  respond(200);
  for (const std::uint16_t status : std::initializer_list<std::uint16_t>{180, 200, 486}) {
    const auto again = layer.respond(user.request, {.status = status});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error(), TransactionError::state);
  }
  layer.acknowledged(user.request);
  run(33 * kSecond);
  EXPECT_EQ(layer.respond(user.request, {.status = 486}).error(), TransactionError::gone);
  EXPECT_EQ(sink.sent.size(), 1u);
}

TEST_F(ServerTransactionTest, Ack_for_a_2xx_goes_to_the_leg_whose_tag_it_bears) {
  arrive(request("INVITE"));
  const std::string tag = codec.mint({steer::TokenKind::tag, 0, 42, 7});
  ASSERT_TRUE(layer.respond(user.request, {.status = 200, .to_tag = tag}));
  user.when_ack = [this](const Arrival&) { layer.acknowledged(user.request); };
  arrive(ack("z9hG4bKother", tag));
  EXPECT_EQ(user.take(), (Told{"request INVITE", "ack 42"}));
  run(33 * kSecond);
  EXPECT_EQ(user.take(), (Told{"server_done 0"}));
}

TEST_F(ServerTransactionTest, Ack_with_the_INVITEs_branch_after_a_2xx_is_passed_up_all_the_same) {
  arrive(request("INVITE"));
  const std::string tag = codec.mint({steer::TokenKind::tag, 0, 42, 7});
  ASSERT_TRUE(layer.respond(user.request, {.status = 200, .to_tag = tag}));
  arrive(ack("z9hG4bKpeer1", tag));
  EXPECT_EQ(user.take(), (Told{"request INVITE", "ack 42"}));
}

TEST_F(ServerTransactionTest, Ack_that_fits_nothing_is_silently_counted) {
  arrive(ack());
  EXPECT_EQ(sink.sent.size(), 0u);
  EXPECT_EQ(user.take(), Told{});
  EXPECT_EQ(layer.counters().stray_acks.get(), 1u);
}

TEST_F(ServerTransactionTest, NonInviteServer_Trying_absorbs_then_repeats_its_answers_until_timer_j) {
  arrive(request("OPTIONS"));
  arrive(request("OPTIONS"));
  EXPECT_EQ(sink.sent.size(), 0u);
  respond(183);
  arrive(request("OPTIONS"));
  respond(200);
  run_ms(31'999);
  arrive(request("OPTIONS"));
  EXPECT_EQ(sink.start_lines(),
            (std::vector<std::string>{"SIP/2.0 183 Session Progress", "SIP/2.0 183 Session Progress",
                                      "SIP/2.0 200 OK", "SIP/2.0 200 OK"}));
  EXPECT_EQ(layer.respond(user.request, {.status = 500}).error(), TransactionError::state);
  run_ms(1);
  EXPECT_EQ(layer.servers(), 0u);
  EXPECT_EQ(user.take(), (Told{"request OPTIONS", "server_done 0"}));
}

TEST_F(ServerTransactionTest, NonInviteServer_on_a_reliable_transport_ends_at_once) {
  arrive(request("BYE", "z9hG4bKpeer1", ";tag=" + codec.mint({steer::TokenKind::tag, 0, 1, 1})), tcp());
  respond(200);
  run_ms(2);
  EXPECT_EQ(layer.servers(), 0u);
}

TEST_F(ServerTransactionTest, A_response_that_does_not_leave_changes_no_state) {
  arrive(request("INVITE"));
  sink.refuse = true;
  respond(200);
  sink.refuse = false;
  run_ms(500);
  EXPECT_EQ(sink.instants("SIP/2.0 200"), (Instants{500}));
  EXPECT_EQ(layer.counters().transport_errors.get(), 1u);
}

// ---- 100 Trying

class TryingAtOnceTest : public LayerTest {
 protected:
  TryingAtOnceTest() : LayerTest({.trying_after = 0}) {}
};
class TryingLaterTest : public LayerTest {
 protected:
  TryingLaterTest() : LayerTest({.trying_after = 200 * kMillisecond}) {}
};

TEST_F(TryingAtOnceTest, Trying_is_sent_when_the_user_has_not_answered) {
  arrive(request("INVITE"));
  ASSERT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 100 Trying"}));
  EXPECT_EQ(Parsed(sink.last().octets).view.to_tag(), "");
  respond(486);
}

TEST_F(TryingAtOnceTest, Trying_is_not_sent_when_the_user_has_answered_or_the_method_is_another) {
  user.when_request = [this](ServerId id, const Arrival&) {
    ASSERT_TRUE(layer.respond(id, {.status = 404}));
  };
  arrive(request("INVITE"));
  arrive(request("OPTIONS", "z9hG4bKpeer2"));
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 404 Not Found", "SIP/2.0 404 Not Found"}));
}

TEST_F(TryingAtOnceTest, Trying_is_not_sent_after_another_provisional) {
  user.when_request = [this](ServerId id, const Arrival&) {
    ASSERT_TRUE(layer.respond(id, {.status = 180}));
  };
  arrive(request("INVITE"));
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 180 Ringing"}));
  respond(486);
}

TEST_F(TryingLaterTest, Trying_is_sent_after_200_ms_unless_something_was) {
  arrive(request("INVITE"));
  run_ms(199);
  EXPECT_EQ(sink.sent.size(), 0u);
  run_ms(1);
  EXPECT_EQ(sink.instants("SIP/2.0 100"), (Instants{200}));
  respond(486);
  arrive(request("INVITE", "z9hG4bKpeer2", "", 2));
  respond(180);
  run_ms(400);
  EXPECT_EQ(sink.instants("SIP/2.0 100").size(), 1u);
  respond(486);
}

TEST_F(TryingAtOnceTest, Trying_is_not_sent_after_a_2xx_by_anybody) {
  user.when_request = [this](ServerId id, const Arrival&) {
    ASSERT_TRUE(layer.respond(id, {.status = 200, .to_tag = "mine"}));
  };
  const std::string invite = request("INVITE");
  arrive(invite);
  EXPECT_EQ(layer.respond(user.request, {.status = 100}).error(), TransactionError::state);
  arrive(invite);
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 200 OK"}));
}

TEST_F(TryingLaterTest, Trying_that_was_to_come_later_is_not_sent_after_a_2xx) {
  arrive(request("INVITE"));
  run_ms(100);
  respond(200);
  run_ms(2'000);
  EXPECT_EQ(sink.instants("SIP/2.0 100"), Instants{});
  EXPECT_EQ(sink.instants("SIP/2.0 200"), (Instants{100, 600, 1600}));
}

// ---- CANCEL (RFC 3261 9.2)

TEST_F(ServerTransactionTest, Cancel_gets_200_and_the_user_is_asked_to_end_the_INVITE) {
  arrive(request("INVITE"));
  layer.set_token(user.request, 5);
  respond(180);
  user.when_cancel = [this](ServerId invite) { ASSERT_TRUE(layer.respond(invite, {.status = 487})); };
  arrive(request("CANCEL"));
  arrive(request("CANCEL"));
  EXPECT_EQ(user.take(), (Told{"request INVITE", "cancel 5"}));
  EXPECT_EQ(sink.start_lines(),
            (std::vector<std::string>{"SIP/2.0 180 Ringing", "SIP/2.0 200 OK",
                                      "SIP/2.0 487 Request Terminated", "SIP/2.0 200 OK"}));
  EXPECT_EQ(Parsed(sink.sent[1].octets).view.to_tag(), "mine");
  EXPECT_EQ(Parsed(sink.sent[1].octets).view.header(HeaderId::cseq), "1 CANCEL");
  EXPECT_EQ(Parsed(sink.sent[2].octets).view.to_tag(), "mine");
}

TEST_F(ServerTransactionTest, Cancel_before_any_tag_was_chosen_agrees_with_the_487_that_follows) {
  arrive(request("INVITE"));
  user.when_cancel = [this](ServerId invite) { ASSERT_TRUE(layer.respond(invite, {.status = 487})); };
  arrive(request("CANCEL"));
  ASSERT_EQ(sink.sent.size(), 2u);
  const Parsed ok(sink.sent[0].octets);
  const Parsed terminated(sink.sent[1].octets);
  EXPECT_NE(ok.view.to_tag(), "");
  EXPECT_EQ(ok.view.to_tag(), terminated.view.to_tag());
}

TEST_F(ServerTransactionTest, Cancel_after_the_final_response_changes_nothing) {
  arrive(request("INVITE"));
  respond(200);
  arrive(request("CANCEL"));
  EXPECT_EQ(user.take(), (Told{"request INVITE"}));
  EXPECT_EQ(sink.last().start_line(), "SIP/2.0 200 OK");
  layer.acknowledged(user.request);
}

TEST_F(ServerTransactionTest, Cancel_for_nothing_gets_481) {
  arrive(request("CANCEL"));
  arrive(request("OPTIONS", "z9hG4bKpeer2"));
  arrive(request("CANCEL", "z9hG4bKpeer2"));
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 481 Call/Transaction Does Not Exist",
                                                          "SIP/2.0 481 Call/Transaction Does Not Exist"}));
  respond(200);
}

// ---- merged requests, full tables, stateless answers

TEST_F(ServerTransactionTest, Merged_request_gets_482_in_a_transaction_of_its_own) {
  arrive(request("INVITE", "z9hG4bKpath1"));
  const ServerId first = user.request;
  arrive(request("INVITE", "z9hG4bKpath2"));
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 482 Loop Detected"}));
  EXPECT_EQ(user.take(), (Told{"request INVITE"}));
  arrive(ack("z9hG4bKpath2", Parsed(sink.last().octets).view.to_tag()));
  run_ms(600);
  EXPECT_EQ(sink.sent.size(), 1u);
  EXPECT_EQ(layer.counters().merged_requests.get(), 1u);
  ASSERT_TRUE(layer.respond(first, {.status = 486}));
}

TEST_F(ServerTransactionTest,
       Same_CSeq_is_not_merged_when_refused_and_acknowledged_before_or_inside_a_dialog) {
  arrive(request("INVITE", "z9hG4bKpath1"));
  respond(503);
  arrive(ack("z9hG4bKpath1"));
  arrive(request("INVITE", "z9hG4bKpath2"));  // a proxy trying again
  EXPECT_EQ(user.take(), (Told{"request INVITE", "request INVITE"}));
  respond(486);
  const std::string tag = ";tag=" + codec.mint({steer::TokenKind::tag, 0, 1, 1});
  arrive(request("INFO", "z9hG4bKpath3", tag));
  respond(200);
  arrive(request("INFO", "z9hG4bKpath4", tag));
  respond(200);
  EXPECT_EQ(layer.counters().merged_requests.get(), 0u);
}

TEST_F(ServerTransactionTest, Tag_that_is_not_ours_gets_481_without_a_transaction) {
  arrive(request("BYE", "z9hG4bKpeer1", ";tag=unknown"));
  EXPECT_EQ(sink.start_lines(), (std::vector<std::string>{"SIP/2.0 481 Call/Transaction Does Not Exist"}));
  EXPECT_EQ(layer.servers(), 0u);
  arrive(request("ACK", "z9hG4bKpeer1", ";tag=unknown"));
  EXPECT_EQ(sink.sent.size(), 1u);
  EXPECT_EQ(user.take(), Told{});
}

TEST_F(ServerTransactionTest, Fault_is_named_in_the_answer_and_counted_and_an_ACK_gets_silence) {
  std::string broken = request("INVITE");
  broken.replace(broken.find("CSeq: 1 INVITE"), 14, "CSeq: 1 BYE");
  arrive(broken);
  EXPECT_EQ(sink.last().start_line(), "SIP/2.0 400 " + std::string(fault_phrase(Fault::cseq_method)));
  EXPECT_NE(Parsed(sink.last().octets).view.to_tag(), "");
  EXPECT_EQ(layer.counters().faults[static_cast<std::size_t>(Fault::cseq_method)].get(), 1u);
  std::string ack_broken = ack();
  ack_broken.replace(ack_broken.find("CSeq: 1 ACK"), 11, "CSeq: 1 BYE");
  arrive(ack_broken);
  arrive("OPTIONS sip:b@192.0.2.1 SIP/3.0\r\n" +
         request("OPTIONS").substr(request("OPTIONS").find("\r\n") + 2));
  EXPECT_EQ(sink.last().start_line().substr(0, 11), "SIP/2.0 505");
  EXPECT_EQ(sink.sent.size(), 2u);
  EXPECT_EQ(layer.servers(), 0u);
}

TEST_F(ServerTransactionTest,
       Stateless_answers_are_never_given_to_responses_and_ACKs_and_have_one_tag_for_one_request) {
  const Parsed response(
      "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
      "To: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
  layer.respond_stateless(response.view, {.status = 403});
  layer.respond_stateless(Parsed(ack()).view, {.status = 403});
  EXPECT_EQ(sink.sent.size(), 0u);
  layer.respond_stateless(Parsed(request("INVITE")).view, {.status = 403});
  layer.respond_stateless(Parsed(request("INVITE")).view, {.status = 403});
  layer.respond_stateless(Parsed(request("INVITE", "z9hG4bKother")).view, {.status = 403});
  ASSERT_EQ(sink.sent.size(), 3u);
  EXPECT_EQ(sink.sent[0].octets, sink.sent[1].octets);
  EXPECT_NE(Parsed(sink.sent[0].octets).view.to_tag(), Parsed(sink.sent[2].octets).view.to_tag());
}

class SmallServerTest : public LayerTest {
 protected:
  SmallServerTest() : LayerTest({.trying_after = -1, .max_servers = 1}) {}
};

TEST_F(SmallServerTest, Full_table_refuses_with_503_and_Retry_After_and_still_cancels) {
  arrive(request("INVITE"));
  respond(180);
  arrive(request("OPTIONS", "z9hG4bKpeer2"));
  EXPECT_EQ(sink.last().start_line(), "SIP/2.0 503 Service Unavailable");
  EXPECT_EQ(Parsed(sink.last().octets).view.header(HeaderId::retry_after), "5");
  EXPECT_EQ(layer.counters().refused_full.get(), 1u);
  arrive(request("INVITE", "z9hG4bKpeer3"));
  EXPECT_EQ(user.refused, (Told{"OPTIONS 503 Service Unavailable", "INVITE 503 Service Unavailable"}));
  arrive(request("CANCEL"));
  EXPECT_EQ(sink.last().start_line(), "SIP/2.0 200 OK");
  EXPECT_EQ(user.take(), (Told{"request INVITE", "cancel 0"}));
  respond(487);
}

class ReservedServerTest : public LayerTest {
 protected:
  ReservedServerTest() : LayerTest({.trying_after = -1, .max_servers = 4, .reserve_divisor = 4}) {}
};

TEST_F(ReservedServerTest, The_last_share_is_for_requests_inside_our_dialogs) {
  user.when_request = [&](ServerId id, const Arrival&) { EXPECT_TRUE(layer.respond(id, {.status = 200})); };
  for (const unsigned n : {1u, 2u, 3u}) arrive(request("OPTIONS", "z9hG4bK" + std::to_string(n), "", n));
  arrive(request("OPTIONS", "z9hG4bK4"));
  EXPECT_EQ(sink.last().start_line(), "SIP/2.0 503 Service Unavailable");
  const std::string ours = ";tag=" + codec.mint({steer::TokenKind::tag, 0, 5, 9});
  arrive(request("BYE", "z9hG4bK5", ours));
  EXPECT_EQ(sink.last().start_line(), "SIP/2.0 200 OK");
  EXPECT_EQ(user.take(), (Told{"request OPTIONS", "request OPTIONS", "request OPTIONS", "request BYE"}));
  arrive(request("INFO", "z9hG4bK6", ours));
  EXPECT_EQ(sink.last().start_line(), "SIP/2.0 503 Service Unavailable");
}

// ---- matching (RFC 3261 17.2.3)

TEST_F(ServerTransactionTest, Branch_is_matched_without_case_and_with_sent_by) {
  arrive(request("OPTIONS", "z9hG4bKAbC"));
  arrive(request("OPTIONS", "z9hg4bkaBc"));
  EXPECT_EQ(sink.sent.size(), 0u);  // not taken for a merged request
  EXPECT_EQ(user.take(), (Told{"request OPTIONS"}));
  std::string elsewhere = request("OPTIONS", "z9hG4bKAbC", "", 2);
  elsewhere.replace(elsewhere.find(":5062"), 5, ":5063");
  respond(200);
  arrive(elsewhere);
  EXPECT_EQ(user.take(), (Told{"request OPTIONS"}));
  respond(200);
}

TEST_F(ServerTransactionTest, Without_the_magic_cookie_requests_are_matched_as_RFC_2543_did) {
  for (const std::string branch : {"", "1", "abc"}) {
    user.told.clear();
    const unsigned cseq = 10 + static_cast<unsigned>(branch.size());
    arrive(request("INVITE", branch, "", cseq));
    arrive(request("INVITE", branch, "", cseq));
    EXPECT_EQ(user.take(), (Told{"request INVITE"})) << branch;
    respond(486);
    arrive(request("ACK", branch, ";tag=wrong", cseq));
    run_ms(500);
    EXPECT_EQ(sink.sent.size() % 2, 0u) << "timer G still runs";
    arrive(request("ACK", branch, ";tag=mine", cseq));
    run_ms(2000);
    EXPECT_EQ(sink.sent.size() % 2, 0u) << "timer G has stopped";
  }
}

TEST_F(ServerTransactionTest, Cancel_without_the_magic_cookie_finds_its_INVITE) {
  arrive(request("INVITE", ""));
  arrive(request("CANCEL", ""));
  EXPECT_EQ(user.take(), (Told{"request INVITE", "cancel 0"}));
  respond(487);
}

}  // namespace
}  // namespace sallyport::sip::testing
