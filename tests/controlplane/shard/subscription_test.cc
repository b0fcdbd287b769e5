// SPDX-License-Identifier: Apache-2.0
// Subscriptions outside of calls, from the office to the carrier and back.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

class Subscriptions : public BothWays {
 protected:
  // A request of `caller` outside of any dialog.
  void ask(std::string_view method, std::string_view more) {
    const std::string ours = caller.realm == "access" ? "198.51.100.1" : "192.0.2.1";
    caller.call_id = "sub@" + caller.ip;
    caller.local = "<sip:me@" + caller.ip + ">;tag=" + caller.tag;
    caller.remote = "<sip:4930123@" + ours + ">";
    caller.target = "sip:4930123@" + ours;
    (void)phones.request(caller, method, {}, more);
  }
  // The same, up to where `callee` has it.
  Sent begin(std::string_view method, std::string_view more) {
    ask(method, more);
    const Sent sent = phones.expect(callee, std::string(method) + " ");
    callee.incoming = sent;
    callee.call_id = sent.header("Call-ID");
    callee.local = sent.header("To") + ";tag=" + callee.tag;
    callee.remote = sent.header("From");
    callee.cseq = 100;
    return sent;
  }
  Sent subscribe(std::string_view expires = "600") {
    return begin("SUBSCRIBE",
                 "Event: message-summary\r\nAccept: application/simple-message-summary\r\nExpires: " +
                     std::string(expires) + "\r\n");
  }
  void accepted(std::string_view expires = "600") {
    phones.answer(callee, subscribe(expires), "200 OK", {}, "Expires: " + std::string(expires) + "\r\n");
    EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("Expires"), expires);
  }
  Sent notify(std::string_view state, std::string_view status = "200 OK") {
    (void)phones.request(callee, "NOTIFY", "Messages-Waiting: yes\r\n",
                         "Event: message-summary\r\nContent-Type: application/simple-message-summary\r\n"
                         "Subscription-State: " +
                             std::string(state) + "\r\n");
    const Sent heard = phones.expect(caller, "NOTIFY ");
    phones.answer(caller, heard, status);
    (void)phones.expect(callee, "SIP/2.0 " + std::string(status.substr(0, 3)));
    return heard;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, Subscriptions, ::testing::Bool(), direction_name);

TEST_P(Subscriptions, Go_through_with_their_notifications_and_nothing_of_the_other_side_is_seen) {
  const Sent sent = subscribe();
  EXPECT_EQ(sent.header("Event"), "message-summary");
  EXPECT_EQ(sent.header("Expires"), "600");
  EXPECT_EQ(sent.header("Accept"), "application/simple-message-summary");
  EXPECT_EQ(sent.text.find(caller.ip), std::string::npos) << sent.text;
  phones.answer(callee, sent, "200 OK", {}, "Expires: 300\r\n");
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(ok.header("Expires"), "300");
  EXPECT_EQ(ok.text.find(callee.ip), std::string::npos) << ok.text;
  const Sent heard = notify("active;expires=300");
  EXPECT_EQ(heard.header("Subscription-State"), "active;expires=300");
  EXPECT_EQ(heard.header("Event"), "message-summary");
  EXPECT_EQ(heard.body(), "Messages-Waiting: yes\r\n");
  EXPECT_EQ(heard.header("Call-ID"), caller.call_id);
  EXPECT_EQ(heard.text.find(callee.ip), std::string::npos) << heard.text;
  // More time, then no more.
  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: message-summary\r\nExpires: 900\r\n");
  const Sent refresh = phones.expect(callee, "SUBSCRIBE ");
  EXPECT_EQ(refresh.tag_of("To"), callee.tag);
  phones.answer(callee, refresh, "200 OK", {}, "Expires: 900\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)notify("terminated;reason=timeout");
  EXPECT_EQ(bench.shard().manager().subscriptions(), 0u);
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, An_answer_whose_phrase_names_an_address_crosses_with_the_standard_one) {
  phones.answer(callee, subscribe(), "200 OK from " + callee.ip, {}, "Expires: 300\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").start_line(), "SIP/2.0 200 OK");
}

TEST_P(Subscriptions, A_NOTIFY_may_overtake_the_answer) {
  const Sent sent = subscribe();
  (void)notify("active");
  phones.answer(callee, sent, "200 OK", {}, "Expires: 60\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: message-summary\r\nExpires: 0\r\n");
  const Sent end = phones.expect(callee, "SUBSCRIBE ");
  EXPECT_EQ(end.header("CSeq"), "2 SUBSCRIBE");
  phones.answer(callee, end, "200 OK", {}, "Expires: 0\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  (void)notify("terminated");
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, Tell_in_a_fragment_and_in_an_Event_of_no_place_on_the_other_side) {
  accepted();
  (void)phones.request(callee, "NOTIFY", "SIP/2.0 200 OK\r\nContact: <sip:secret@" + callee.ip + ">\r\n",
                       "Event: dialog;call-id=secret@" + callee.ip +
                           ";to-tag=a;from-tag=b\r\nSubscription-State: active\r\n"
                           "Content-Type: message/sipfrag\r\n");
  const Sent heard = phones.expect(caller, "NOTIFY ");
  EXPECT_EQ(heard.body(), "SIP/2.0 200 OK\r\n");
  EXPECT_EQ(heard.header("Event"), "dialog");
  EXPECT_EQ(heard.text.find("secret"), std::string::npos) << heard.text;
  EXPECT_EQ(heard.text.find(callee.ip), std::string::npos) << heard.text;
  phones.answer(caller, heard, "200 OK");
  (void)phones.expect(callee, "SIP/2.0 200");
  (void)notify("terminated");
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, A_refusal_comes_back_and_nothing_stays) {
  phones.answer(callee, subscribe(), "489 Bad Event", {}, "Allow-Events: presence\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 489").header("Allow-Events"), "presence");
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, A_refused_refresh_moves_no_target) {
  const std::string moved = caller.realm == "access" ? "198.51.100.30" : "192.0.2.30";
  accepted();
  caller.contact_ip = moved;
  for (const std::string_view status : {"403 Forbidden", "200 OK"}) {
    (void)phones.request(caller, "SUBSCRIBE", {}, "Event: message-summary\r\nExpires: 600\r\n");
    phones.answer(callee, phones.expect(callee, "SUBSCRIBE "), status, {}, "Expires: 600\r\n");
    (void)phones.expect(caller, "SIP/2.0 " + std::string(status.substr(0, 3)));
    (void)phones.request(callee, "NOTIFY", {}, "Event: message-summary\r\nSubscription-State: active\r\n");
    Phone there = caller;
    if (status == "200 OK") there.ip = moved;
    const Sent notify = phones.expect(there, "NOTIFY ");
    EXPECT_TRUE(notify.is("NOTIFY sip:" + there.ip + ":5060 ")) << notify.text;
    phones.answer(caller, notify, "200 OK");
    (void)phones.expect(callee, "SIP/2.0 200");
  }
}

TEST_P(Subscriptions, One_whose_time_runs_out_is_forgotten) {
  accepted("60");
  (void)notify("active;expires=60");
  bench.advance(40 * kSecond, kSecond);
  EXPECT_EQ(bench.shard().manager().subscriptions(), 1u);
  bench.advance(60 * kSecond, kSecond);
  EXPECT_EQ(bench.shard().manager().subscriptions(), 0u);
  (void)phones.request(callee, "NOTIFY", {}, "Event: message-summary\r\nSubscription-State: active\r\n");
  (void)phones.expect(callee, "SIP/2.0 481");
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, A_subscriber_who_knows_nothing_of_it_ends_it) {
  accepted();
  (void)notify("active", "481 Subscription Does Not Exist");
  EXPECT_EQ(bench.shard().manager().subscriptions(), 0u);
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, A_subscriber_who_is_silent_ends_it) {
  accepted();
  (void)phones.request(callee, "NOTIFY", {}, "Event: message-summary\r\nSubscription-State: active\r\n");
  phones.forget();
  bench.advance(33 * kSecond, 250 * kMillisecond);
  (void)phones.expect(callee, "SIP/2.0 504");
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, What_does_not_belong_there_is_refused) {
  accepted();
  (void)phones.request(callee, "SUBSCRIBE", {}, "Event: message-summary\r\n");
  (void)phones.expect(callee, "SIP/2.0 405");
  (void)phones.request(caller, "NOTIFY", {}, "Event: message-summary\r\n");
  (void)phones.expect(caller, "SIP/2.0 405");
  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: message-summary\r\nRequire: sing\r\n");
  (void)phones.expect(caller, "SIP/2.0 420");
  Phone other = callee;
  other.local = callee.incoming.header("To") + ";tag=another-fork";
  (void)phones.request(other, "NOTIFY", {}, "Event: message-summary\r\nSubscription-State: active\r\n");
  (void)phones.expect(other, "SIP/2.0 481");
  (void)notify("terminated");
  bench.expect_nothing_left();
}

// RFC 3515 2.4.4: it makes the dialog that it is told of in.
TEST_P(Subscriptions, A_REFER_goes_where_a_call_would_and_its_NOTIFYs_come_back_by_its_own_number) {
  caller.cseq = 40;
  const Sent refer =
      begin("REFER", "Refer-To: <sip:4930555@10.9.8.7:5070>\r\nReferred-By: <sip:boss@10.9.8.7>\r\n");
  const std::string ours = callee.realm == "access" ? "198.51.100.1" : "192.0.2.1";
  EXPECT_TRUE(refer.is("REFER sip:4930123@" + callee.ip + " SIP/2.0"));
  EXPECT_EQ(refer.header("CSeq"), "1 REFER");
  EXPECT_EQ(refer.header("Refer-To"), "<sip:4930555@" + ours + ":5060>");
  EXPECT_EQ(refer.header("Referred-By"), "<sip:boss@" + ours + ":5060>");
  EXPECT_EQ(refer.header("Event"), "");
  EXPECT_EQ(refer.text.find(caller.ip), std::string::npos) << refer.text;
  phones.answer(callee, refer, "202 Accepted");
  const Sent accepted = phones.expect(caller, "SIP/2.0 202");
  EXPECT_NE(accepted.header("Contact"), "");
  EXPECT_EQ(accepted.text.find(callee.ip), std::string::npos) << accepted.text;
  const auto tell = [&](std::string_view event, std::string_view state) {
    (void)phones.request(callee, "NOTIFY", "SIP/2.0 100 Trying\r\n",
                         "Event: " + std::string(event) + "\r\nSubscription-State: " + std::string(state) +
                             "\r\nContent-Type: message/sipfrag\r\n");
    const Sent heard = phones.expect(caller, "NOTIFY ");
    EXPECT_EQ(heard.body(), "SIP/2.0 100 Trying\r\n");
    phones.answer(caller, heard, "200 OK");
    (void)phones.expect(callee, "SIP/2.0 200");
    return heard.header("Event");
  };
  EXPECT_EQ(tell("refer;id=1", "active;expires=60"), "refer;id=41");
  EXPECT_EQ(tell("refer", "active;expires=60"), "refer");
  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: refer;id=41\r\nExpires: 0\r\n");
  const Sent end = phones.expect(callee, "SUBSCRIBE ");
  EXPECT_EQ(end.header("Event"), "refer;id=1");
  phones.answer(callee, end, "200 OK", {}, "Expires: 0\r\n");
  (void)phones.expect(caller, "SIP/2.0 200");
  EXPECT_EQ(tell("refer;id=1", "terminated;reason=timeout"), "refer;id=41");
  EXPECT_EQ(bench.shard().manager().subscriptions(), 0u);
  bench.expect_nothing_left();
}

// RFC 4488.
TEST_P(Subscriptions, A_REFER_that_is_not_told_of_leaves_none) {
  const Sent refer = begin("REFER", "Refer-To: <sip:1@x>\r\nRefer-Sub: false\r\n");
  EXPECT_EQ(refer.header("Refer-Sub"), "false");
  phones.answer(callee, refer, "202 Accepted", {}, "Refer-Sub: false\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 202").header("Refer-Sub"), "false");
  EXPECT_EQ(bench.shard().manager().subscriptions(), 0u);
  bench.expect_nothing_left();
}

TEST_P(Subscriptions, A_REFER_that_cannot_be_or_is_refused_leaves_none) {
  ask("REFER", {});
  (void)phones.expect(caller, "SIP/2.0 400");
  ask("REFER", "Refer-To: <sips:1@x>\r\n");  // no realm has TLS here
  EXPECT_TRUE(phones.expect(caller, "SIP/2.0 480").header("Warning").starts_with("380 "));
  EXPECT_FALSE(phones.heard(callee, "REFER "));
  phones.answer(callee, begin("REFER", "Refer-To: <sip:1@x>\r\n"), "603 Decline");
  (void)phones.expect(caller, "SIP/2.0 603");
  bench.expect_nothing_left();
}

}  // namespace
}  // namespace sallyport::shard
