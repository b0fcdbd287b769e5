// SPDX-License-Identifier: Apache-2.0
#include "tests/controlplane/sip/layer_bench.h"

namespace sallyport::sip::testing {
namespace {

class ClientTransactionTest : public LayerTest {
 protected:
  const std::string& first() { return sink.sent.front().octets; }
};

// RFC 3261 17.1.1.2: T1 = 500 ms, doubling without limit, seven in all before timer B.
TEST_F(ClientTransactionTest, InviteClient_Calling_retransmits_by_timer_a_until_timer_b) {
  start(Method::invite);
  run(40 * kSecond);
  EXPECT_EQ(sink.instants("INVITE"), (Instants{0, 500, 1500, 3500, 7500, 15500, 31500}));
  EXPECT_EQ(user.told, (Told{"failure 408 1", "client_done 1"}));
  EXPECT_EQ(layer.counters().requests_retransmitted.get(), 6u);
}

// RFC 3261 17.1.2.2: T1 doubling to T2 = 4 s; timer F at 32 s.
TEST_F(ClientTransactionTest, NonInviteClient_Trying_retransmits_by_timer_e_until_timer_f) {
  start(Method::options);
  run(40 * kSecond);
  EXPECT_EQ(sink.instants("OPTIONS"),
            (Instants{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}));
  EXPECT_EQ(user.told, (Told{"failure 408 1", "client_done 1"}));
}

TEST_F(ClientTransactionTest, NonInviteClient_Proceeding_retransmits_every_T2) {
  start(Method::options);
  run_ms(600);
  arrive(response_to(first(), 100));
  run_ms(30'000);
  EXPECT_EQ(sink.instants("OPTIONS"),
            (Instants{0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500}));
  arrive(response_to(first(), 200));
  EXPECT_EQ(user.take(), (Told{"response 100 1", "response 200 1"}));
}

TEST_F(ClientTransactionTest, A_request_can_be_read_again_as_long_as_its_transaction_lives) {
  const ClientId id = start(Method::options);
  EXPECT_EQ(layer.request_of(id).view().octets, first());
  EXPECT_EQ(layer.request_of(id).view().method(), Method::options);
  arrive(response_to(first(), 401));
  EXPECT_TRUE(layer.request_of(id)) << "who is challenged may ask again";
  run(40 * kSecond);
  EXPECT_FALSE(layer.request_of(id));
}

TEST_F(ClientTransactionTest, Reliable_transport_never_retransmits_but_times_out) {
  start(Method::invite, Transport::tcp, 1);
  start(Method::options, Transport::tls, 2);
  run(40 * kSecond);
  EXPECT_EQ(sink.sent.size(), 2u);
  EXPECT_EQ(user.told, (Told{"failure 408 1", "failure 408 2", "client_done 1", "client_done 2"}));
}

TEST_F(ClientTransactionTest, InviteClient_Proceeding_waits_for_ever_without_retransmitting) {
  const ClientId id = start(Method::invite);
  arrive(response_to(first(), 180));
  run(300 * kSecond);
  EXPECT_EQ(sink.sent.size(), 1u);
  EXPECT_EQ(user.take(), (Told{"response 180 1"}));
  layer.cancel(id);
}

TEST_F(ClientTransactionTest,
       InviteClient_Completed_acknowledges_each_copy_of_the_failure_and_ends_by_timer_d) {
  start(Method::invite);
  const std::string busy = response_to(first(), 486, "their-tag");
  arrive(busy);
  run_ms(1000);
  arrive(busy);
  EXPECT_EQ(sink.instants("ACK"), (Instants{0, 1000}));
  EXPECT_EQ(user.take(), (Told{"response 486 1"}));
  run_ms(30'999);
  EXPECT_EQ(layer.clients(), 1u);
  run_ms(1);
  EXPECT_EQ(layer.clients(), 0u);
  EXPECT_EQ(user.take(), (Told{"client_done 1"}));
  arrive(busy);
  EXPECT_EQ(layer.counters().stray_responses.get(), 1u);
}

// RFC 3261 17.1.1.3, word by word.
TEST_F(ClientTransactionTest, Ack_for_a_failure_is_the_INVITEs_twin_with_the_responses_To) {
  const std::string headers =
      request_headers("INVITE") + "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\nSubject: x\r\n";
  ASSERT_TRUE(layer.start(
      {.method = Method::invite, .request_uri = "sip:b@192.0.2.10", .headers = headers, .body = "v=0"},
      path_to("192.0.2.10:5060"), 1));
  arrive(response_to(first(), 404, "their-tag"));
  const Parsed invite(first());
  const Parsed ack(sink.last().octets);
  ASSERT_TRUE(ack.whole);
  EXPECT_EQ(ack.view.method_text(), "ACK");
  EXPECT_EQ(ack.view.request_uri(), invite.view.request_uri());
  EXPECT_EQ(ack.view.header(HeaderId::via), invite.view.header(HeaderId::via));
  EXPECT_EQ(ack.view.header(HeaderId::from), invite.view.header(HeaderId::from));
  EXPECT_EQ(ack.view.header(HeaderId::to), "<sip:b@192.0.2.10>;tag=their-tag");
  EXPECT_EQ(ack.view.call_id(), "call-1");
  EXPECT_EQ(ack.view.header(HeaderId::cseq), "7 ACK");
  std::vector<std::string> routes;
  for_each_value(ack.view, HeaderId::route, [&](std::string_view v) { routes.emplace_back(v); });
  EXPECT_EQ(routes, (std::vector<std::string>{"<sip:p1;lr>", "<sip:p2;lr>"}));
  EXPECT_FALSE(ack.view.has(HeaderId::subject));
  EXPECT_TRUE(ack.view.body().empty());
  EXPECT_EQ(sink.last().path, path_to("192.0.2.10:5060"));
}

TEST_F(ClientTransactionTest, InviteClient_Accepted_passes_up_2xx_of_each_fork_until_timer_m) {
  start(Method::invite);
  arrive(response_to(first(), 200, "fork-1"));
  run_ms(31'000);
  arrive(response_to(first(), 200, "fork-2"));
  arrive(response_to(first(), 180, "fork-3"));
  arrive(response_to(first(), 486, "fork-3"));
  EXPECT_EQ(user.take(), (Told{"response 200 1", "response 200 1"}));
  run_ms(999);
  EXPECT_EQ(layer.clients(), 1u);
  run_ms(1);
  EXPECT_EQ(layer.clients(), 0u);
  EXPECT_EQ(sink.instants("ACK"), Instants{});
}

TEST_F(ClientTransactionTest, InviteClient_Accepted_absorbs_retransmitted_2xx_and_sends_its_ACK_again) {
  const ClientId id = start(Method::invite);
  const std::string ok = response_to(first(), 200, "fork-1");
  arrive(ok);
  arrive(ok);  // not acknowledged yet: the user may want to know
  EXPECT_EQ(user.take(), (Told{"response 200 1", "response 200 1"}));
  const std::string headers = request_headers("ACK");
  ASSERT_TRUE(layer.acknowledge(
      id, "fork-1", {.method = Method::ack, .request_uri = "sip:x@192.0.2.11", .headers = headers},
      path_to("192.0.2.11:5060")));
  const std::string ack = sink.last().octets;
  run_ms(500);
  arrive(ok);
  EXPECT_EQ(user.take(), Told{});
  EXPECT_EQ(sink.instants("ACK"), (Instants{0, 500}));
  EXPECT_EQ(sink.last().octets, ack);
  EXPECT_EQ(sink.last().path.remote, at("192.0.2.11:5060"));
  arrive(response_to(first(), 200, "fork-2"));
  EXPECT_EQ(user.take(), (Told{"response 200 1"}));
  EXPECT_NE(Parsed(ack).view.branch(), Parsed(first()).view.branch());
}

TEST_F(ClientTransactionTest, Acknowledge_sends_also_when_the_transaction_is_over) {
  const std::string headers = request_headers("ACK");
  ASSERT_TRUE(layer.acknowledge(
      {}, "t", {.method = Method::ack, .request_uri = "sip:x@192.0.2.11", .headers = headers},
      path_to("192.0.2.11:5060")));
  EXPECT_EQ(sink.sent.size(), 1u);
}

TEST_F(ClientTransactionTest, NonInviteClient_Completed_absorbs_copies_until_timer_k) {
  start(Method::bye);
  arrive(response_to(first(), 200));
  arrive(response_to(first(), 200));
  EXPECT_EQ(user.take(), (Told{"response 200 1"}));
  run_ms(4999);
  EXPECT_EQ(layer.clients(), 1u);
  run_ms(1);
  EXPECT_EQ(layer.clients(), 0u);
}

TEST_F(ClientTransactionTest, Response_of_another_method_or_with_two_Vias_is_stray) {
  start(Method::options);
  std::string other = response_to(first(), 200);
  other.replace(other.find("7 OPTIONS"), 9, "7 MESSAGE");
  arrive(other);
  std::string two = response_to(first(), 200);
  two.insert(two.find("From:"), "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx\r\n");
  arrive(two);
  EXPECT_EQ(layer.counters().stray_responses.get(), 2u);
  EXPECT_EQ(user.take(), Told{});
}

TEST_F(ClientTransactionTest, Refused_send_is_told_in_settle_and_not_within_start) {
  sink.refuse = true;
  start(Method::invite, Transport::udp, 1);
  start(Method::options, Transport::udp, 2);
  EXPECT_EQ(user.told, Told{});
  layer.settle();
  EXPECT_EQ(user.told, (Told{"failure 503 1", "failure 503 2", "client_done 1", "client_done 2"}));
  EXPECT_EQ(layer.clients(), 0u);
}

TEST_F(ClientTransactionTest, Unreachable_fails_a_calling_INVITE_at_once_and_leaves_one_that_was_answered) {
  const ClientId a = start(Method::invite, Transport::udp, 1);
  layer.unreachable(a.slot, a.generation);
  EXPECT_EQ(user.take(), (Told{"failure 503 1", "client_done 1"}));
  const ClientId b = start(Method::invite, Transport::udp, 2);
  arrive(response_to(sink.last().octets, 180));
  layer.unreachable(b.slot, b.generation);
  layer.unreachable(a.slot, a.generation);
  EXPECT_EQ(user.take(), (Told{"response 180 2"}));
  layer.cancel(b);
}

TEST_F(ClientTransactionTest, Handle_of_a_finished_transaction_finds_nothing) {
  const ClientId old = start(Method::options);
  arrive(response_to(first(), 200));
  run(6 * kSecond);
  const ClientId reused = start(Method::invite);
  EXPECT_EQ(old.slot, reused.slot);
  layer.unreachable(old.slot, old.generation);
  layer.cancel(old);
  EXPECT_EQ(layer.clients(), 1u);
}

TEST_F(ClientTransactionTest, Too_large_a_request_is_refused_and_leaves_nothing) {
  const std::string body(66'000, 'x');
  const std::string headers = request_headers("MESSAGE");
  const auto id = layer.start(
      {.method = Method::message, .request_uri = "sip:b@192.0.2.10", .headers = headers, .body = body},
      path_to("192.0.2.10:5060"), 1);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error(), TransactionError::too_large);
  EXPECT_EQ(layer.clients(), 0u);
}

TEST_F(ClientTransactionTest, Request_has_its_Via_on_top_with_our_branch_and_rport) {
  const ClientId id = start(Method::options);
  const Parsed sent(first());
  ASSERT_TRUE(sent.whole);
  EXPECT_TRUE(first().starts_with(
      "OPTIONS sip:b@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"));
  EXPECT_TRUE(sent.view.top_via()->has_rport);
  const auto identity = codec.open(steer::branch_token(sent.view.branch()), steer::TokenKind::branch);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->slot, id.slot);
  EXPECT_EQ(identity->generation, id.generation);
}

class SmallClientTest : public LayerTest {
 protected:
  SmallClientTest() : LayerTest({.max_clients = 2}) {}
};

TEST_F(SmallClientTest, Full_table_refuses_with_503_and_counts) {
  start(Method::options);
  start(Method::options);
  const std::string headers = request_headers("OPTIONS");
  const auto third =
      layer.start({.method = Method::options, .request_uri = "sip:b@192.0.2.10", .headers = headers},
                  path_to("192.0.2.10:5060"), 3);
  ASSERT_FALSE(third);
  EXPECT_EQ(status_of(third.error()), 503);
  EXPECT_EQ(layer.counters().refused_full.get(), 1u);
}

class ReservedClientTest : public LayerTest {
 protected:
  ReservedClientTest() : LayerTest({.max_clients = 4, .reserve_divisor = 4}) {}
};

TEST_F(ReservedClientTest, The_last_share_is_for_what_goes_on) {
  const std::string headers = request_headers("INVITE");
  const RequestDraft opening{
      .method = Method::invite, .request_uri = "sip:b@192.0.2.10", .headers = headers, .opens = true};
  RequestDraft within = opening;
  within.opens = false;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(layer.start(opening, path_to("192.0.2.10:5060"), 1));
  const auto fourth = layer.start(opening, path_to("192.0.2.10:5060"), 1);
  ASSERT_FALSE(fourth);
  EXPECT_EQ(fourth.error(), TransactionError::full);
  EXPECT_TRUE(layer.start(within, path_to("192.0.2.10:5060"), 1));
  EXPECT_FALSE(layer.start(within, path_to("192.0.2.10:5060"), 1));
}

// ---- CANCEL (RFC 3261 9.1)

TEST_F(ClientTransactionTest, Cancel_waits_for_a_provisional_response) {
  const ClientId id = start(Method::invite);
  layer.cancel(id, "Reason: SIP;cause=487\r\n");
  run_ms(400);
  EXPECT_EQ(sink.instants("CANCEL"), Instants{});
  arrive(response_to(first(), 100));
  EXPECT_EQ(sink.instants("CANCEL"), (Instants{400}));
  const Parsed invite(first());
  const Parsed cancel(sink.last().octets);
  ASSERT_TRUE(cancel.whole);
  EXPECT_EQ(cancel.view.request_uri(), invite.view.request_uri());
  EXPECT_EQ(cancel.view.header(HeaderId::via), invite.view.header(HeaderId::via));
  EXPECT_EQ(cancel.view.header(HeaderId::to), invite.view.header(HeaderId::to));
  EXPECT_EQ(cancel.view.header(HeaderId::from), invite.view.header(HeaderId::from));
  EXPECT_EQ(cancel.view.header(HeaderId::cseq), "7 CANCEL");
  EXPECT_EQ(cancel.view.header(HeaderId::reason), "SIP;cause=487");
}

TEST_F(ClientTransactionTest, Cancel_is_retransmitted_until_its_own_response_and_487_ends_the_INVITE) {
  const ClientId id = start(Method::invite);
  arrive(response_to(first(), 180));
  layer.cancel(id);
  layer.cancel(id);  // once is enough
  run_ms(600);
  EXPECT_EQ(sink.instants("CANCEL"), (Instants{0, 500}));
  arrive(response_to(sink.last().octets, 200));
  run_ms(5000);
  EXPECT_EQ(sink.instants("CANCEL").size(), 2u);
  arrive(response_to(first(), 487));
  EXPECT_EQ(user.take(), (Told{"response 180 1", "response 487 1"}));
  EXPECT_EQ(sink.instants("ACK").size(), 1u);
}

TEST_F(ClientTransactionTest, Cancel_without_a_final_response_is_over_after_64_T1) {
  const ClientId id = start(Method::invite);
  arrive(response_to(first(), 180));
  run_ms(10'000);
  layer.cancel(id);
  arrive(response_to(sink.last().octets, 200));
  run_ms(31'999);
  EXPECT_EQ(user.take(), (Told{"response 180 1"}));
  run_ms(1);
  EXPECT_EQ(user.take(), (Told{"failure 487 1", "client_done 1"}));
}

TEST_F(ClientTransactionTest, Cancel_crossing_a_200_still_passes_the_200_up) {
  const ClientId id = start(Method::invite);
  arrive(response_to(first(), 180));
  layer.cancel(id);
  arrive(response_to(first(), 200));
  arrive(response_to(sink.last().octets, 481));
  run(33 * kSecond);
  EXPECT_EQ(user.take(), (Told{"response 180 1", "response 200 1", "client_done 1"}));
}

TEST_F(ClientTransactionTest, Cancel_after_a_final_response_sends_nothing) {
  const ClientId id = start(Method::invite);
  arrive(response_to(first(), 200));
  layer.cancel(id);
  EXPECT_EQ(sink.instants("CANCEL"), Instants{});
}

TEST_F(ClientTransactionTest, Cancelled_INVITE_that_nobody_answers_ends_as_cancelled) {
  const ClientId id = start(Method::invite);
  layer.cancel(id);
  run(33 * kSecond);
  EXPECT_EQ(sink.instants("CANCEL"), Instants{});
  EXPECT_EQ(user.take(), (Told{"failure 487 1", "client_done 1"}));
}

TEST_F(ClientTransactionTest, Failure_after_CANCEL_on_a_reliable_transport_leaves_no_CANCEL_behind) {
  const ClientId id = start(Method::invite, Transport::tcp);
  arrive(response_to(first(), 180));
  layer.cancel(id);
  arrive(response_to(first(), 487));
  run_ms(2);
  EXPECT_EQ(layer.clients(), 0u);
  EXPECT_EQ(wheel.running(), 0u);
}

TEST_F(ClientTransactionTest, User_may_call_back_from_within_a_response) {
  user.when_response = [this](ClientId id, const MessageView& response) {
    if (response.status() == 180) layer.cancel(id);
    if (response.status() == 487) start(Method::options, Transport::udp, 2);
  };
  start(Method::invite);
  arrive(response_to(first(), 180));
  arrive(response_to(first(), 487));
  EXPECT_EQ(sink.start_lines(),
            (std::vector<std::string>{"INVITE sip:b@192.0.2.10 SIP/2.0", "CANCEL sip:b@192.0.2.10 SIP/2.0",
                                      "ACK sip:b@192.0.2.10 SIP/2.0", "OPTIONS sip:b@192.0.2.10 SIP/2.0"}));
}

}  // namespace
}  // namespace sallyport::sip::testing
