// SPDX-License-Identifier: Apache-2.0
// Requests of an answered call that have nothing to do with its session, from either side to the other.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

std::string with_peers(std::string_view more) {
  std::string yaml(Bench::default_config());
  for (const std::string_view peer : {"  office:\n", "  carrier-a:\n"}) {
    const std::size_t at = yaml.find(peer);
    EXPECT_NE(at, std::string::npos);
    yaml.insert(at + peer.size(), more);
  }
  return yaml;
}

// That phone, for requests outside of its call; it learns no tag.
Phone without_dialog(Phone phone) {
  phone.call_id = "outside";
  phone.remote = phone.remote.substr(0, phone.remote.find(";tag="));
  phone.is_caller = false;
  return phone;
}

class OtherInDialog : public BothWays {
 protected:
  OtherInDialog() : OtherInDialog(Bench::default_config()) {}
  explicit OtherInDialog(std::string_view yaml) : BothWays(yaml) {}
  // The host that the callee knows us by.
  [[nodiscard]] std::string ours(const Phone& phone) const {
    return phone.realm == "access" ? "198.51.100.1:5060" : "192.0.2.1:5060";
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, OtherInDialog, ::testing::Bool(), direction_name);

TEST_P(OtherInDialog, A_MESSAGE_reaches_the_other_side_whole_and_its_answer_comes_back) {
  phones.establish();
  (void)phones.request(caller, "MESSAGE", "Watson, come here.",
                       "Content-Type: text/plain\r\nExpires: 30\r\nUser-Agent: Secret\r\n");
  const Sent message = phones.expect(callee, "MESSAGE ");
  EXPECT_EQ(message.body(), "Watson, come here.");
  EXPECT_EQ(message.header("Content-Type"), "text/plain");
  EXPECT_EQ(message.header("Expires"), "30");
  EXPECT_EQ(message.header("Contact"), "") << "RFC 3428 4";
  EXPECT_EQ(message.text.find("Secret"), std::string::npos);
  EXPECT_EQ(message.text.find(caller.ip), std::string::npos);
  phones.answer(callee, message, "200 OK");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("Contact"), "");
  (void)phones.request(callee, "MESSAGE", "I come.", "Content-Type: text/plain\r\n");
  const Sent back = phones.expect(caller, "MESSAGE ");
  EXPECT_EQ(back.body(), "I come.");
  phones.answer(caller, back, "415 Unsupported Media Type");
  (void)phones.expect(callee, "SIP/2.0 415");
  phones.end();
}

TEST_P(OtherInDialog, An_INFO_with_a_package_goes_where_it_is_taken_and_gets_469_where_not) {
  phones.establish("Recv-Info: foo, bar;x=1\r\n", "Recv-Info: dtmf-digits\r\n");
  const std::string info = "Content-Type: application/x-foo\r\nContent-Disposition: Info-Package\r\n";
  (void)phones.request(callee, "INFO", "payload", "Info-Package: bar;y=2\r\n" + info);
  const Sent taken = phones.expect(caller, "INFO ");
  EXPECT_EQ(taken.header("Info-Package"), "bar;y=2");
  EXPECT_EQ(taken.header("Content-Disposition"), "Info-Package");
  EXPECT_EQ(taken.body(), "payload");
  phones.answer(caller, taken, "200 OK");
  (void)phones.expect(callee, "SIP/2.0 200");
  (void)phones.request(caller, "INFO", "payload", "Info-Package: bar\r\n" + info);
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 469").header("Recv-Info"), "dtmf-digits");
  EXPECT_FALSE(phones.heard(callee, "INFO "));
  // DTMF as it was before there were packages.
  (void)phones.request(caller, "INFO", "Signal=5\r\n", "Content-Type: application/dtmf-relay\r\n");
  const Sent dtmf = phones.expect(callee, "INFO ");
  EXPECT_EQ(dtmf.body(), "Signal=5\r\n");
  phones.answer(callee, dtmf, "469 Bad Info Package", {}, "Recv-Info: other\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 469").header("Recv-Info"), "other");
  phones.end();
}

TEST_P(OtherInDialog, Recv_Info_crosses_with_the_INVITE_and_its_answer) {
  EXPECT_EQ(phones.call(caller.sdp(), "Recv-Info: foo\r\n").header("Recv-Info"), "foo");
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp(), "Recv-Info: bar\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").header("Recv-Info"), "bar");
  phones.ack(caller, 1);
  phones.end();
}

TEST_P(OtherInDialog, A_REFER_names_the_place_at_our_host_and_its_NOTIFYs_come_back_by_their_own_number) {
  phones.establish();
  (void)phones.request(
      caller, "REFER", {},
      "Refer-To: <sip:4930555@10.9.8.7:5070;user=phone>\r\nReferred-By: <sip:boss@10.9.8.7>\r\n");
  const Sent refer = phones.expect(callee, "REFER ");
  EXPECT_EQ(refer.header("Refer-To"), "<sip:4930555@" + ours(callee) + ";user=phone>");
  EXPECT_EQ(refer.header("Referred-By"), "<sip:boss@" + ours(callee) + ">");
  EXPECT_EQ(refer.text.find("10.9.8.7"), std::string::npos);
  EXPECT_NE(refer.header("Contact"), "");
  phones.answer(callee, refer, "202 Accepted");
  EXPECT_NE(phones.expect(caller, "SIP/2.0 202").header("Contact"), "");
  const std::string cseq = refer.header("CSeq").substr(0, refer.header("CSeq").find(' '));
  const std::string sipfrag = "Content-Type: message/sipfrag;version=2.0\r\n";
  (void)phones.request(callee, "NOTIFY", "SIP/2.0 100 Trying",
                       "Event: refer;id=" + cseq + "\r\nSubscription-State: active;expires=60\r\n" + sipfrag);
  const Sent notify = phones.expect(caller, "NOTIFY ");
  EXPECT_EQ(notify.header("Event"), "refer;id=2") << "the caller's REFER was his second request";
  EXPECT_EQ(notify.header("Subscription-State"), "active;expires=60");
  EXPECT_EQ(notify.body(), "SIP/2.0 100 Trying");
  EXPECT_EQ(notify.header("Content-Type"), "message/sipfrag;version=2.0");
  phones.answer(caller, notify, "200 OK");
  (void)phones.expect(callee, "SIP/2.0 200");
  // He does not want to hear more: the subscription goes the other way by the other number.
  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: refer;id=2\r\nExpires: 0\r\n");
  const Sent subscribe = phones.expect(callee, "SUBSCRIBE ");
  EXPECT_EQ(subscribe.header("Event"), "refer;id=" + cseq);
  EXPECT_EQ(subscribe.header("Expires"), "0");
  phones.answer(callee, subscribe, "200 OK");
  (void)phones.expect(caller, "SIP/2.0 200");
  phones.end();
}

TEST_P(OtherInDialog, A_NOTIFY_tells_of_the_other_side_what_a_message_of_its_own_would) {
  phones.establish();
  const std::string fragment = "Content-Type: message/sipfrag;version=2.0\r\n";
  const std::string state = "Event: refer\r\nSubscription-State: active\r\n";
  (void)phones.request(callee, "NOTIFY", "SIP/2.0 200 OK\r\nContact: <sip:secret@" + callee.ip + ":5060>\r\n",
                       state + fragment);
  const Sent notify = phones.expect(caller, "NOTIFY ");
  EXPECT_EQ(notify.body(), "SIP/2.0 200 OK\r\n");
  EXPECT_EQ(notify.text.find("secret"), std::string::npos) << notify.text;
  phones.answer(caller, notify, "200 OK", "SIP/2.0 200 OK\r\nContact: <sip:secret@" + caller.ip + ">\r\n",
                fragment);
  EXPECT_EQ(phones.expect(callee, "SIP/2.0 200").body(), "SIP/2.0 200 OK\r\n");
  // Nothing of it may cross, or nobody can tell.
  for (const std::string_view more : {"", "Content-Encoding: gzip\r\n"}) {
    (void)phones.request(callee, "NOTIFY", "Contact: <sip:secret@" + callee.ip + ">\r\n",
                         state + fragment + std::string(more));
    const Sent empty = phones.expect(caller, "NOTIFY ");
    EXPECT_EQ(empty.body(), "");
    EXPECT_EQ(empty.header("Content-Type"), "");
    EXPECT_EQ(empty.header("Content-Encoding"), "");
    phones.answer(caller, empty, "200 OK");
    (void)phones.expect(callee, "SIP/2.0 200");
  }
  phones.end();
}

// RFC 4235 3.2.
TEST_P(OtherInDialog, A_dialog_of_ours_in_an_Event_is_the_other_legs_on_the_other_leg) {
  const auto tag = [](std::string_view party) { return std::string(party.substr(party.find(";tag=") + 5)); };
  phones.establish();
  const std::string his =
      ";call-id=" + caller.call_id + ";to-tag=" + tag(caller.remote) + ";from-tag=" + tag(caller.local);
  (void)phones.request(caller, "SUBSCRIBE", {}, "Event: dialog;x=1" + his + "\r\n");
  const Sent subscribe = phones.expect(callee, "SUBSCRIBE ");
  EXPECT_EQ(subscribe.header("Event"), "dialog;x=1;call-id=\"" + callee.call_id + "\";to-tag=" +
                                           tag(callee.local) + ";from-tag=" + tag(callee.remote));
  phones.answer(callee, subscribe, "200 OK");
  (void)phones.expect(caller, "SIP/2.0 200");
  // The notifier says the same of it, and the subscriber reads what he has said.
  (void)phones.request(callee, "NOTIFY", {},
                       "Event: " + subscribe.header("Event") + "\r\nSubscription-State: active\r\n");
  const Sent notify = phones.expect(caller, "NOTIFY ");
  EXPECT_EQ(notify.header("Event"), "dialog;x=1;call-id=\"" + caller.call_id +
                                        "\";to-tag=" + tag(caller.remote) + ";from-tag=" + tag(caller.local));
  phones.answer(caller, notify, "200 OK");
  (void)phones.expect(callee, "SIP/2.0 200");
  phones.end();
}

TEST_P(OtherInDialog, A_dialog_in_an_Event_that_is_not_the_calls_stays_behind) {
  phones.establish();
  const std::string ours = caller.remote.substr(caller.remote.find(";tag=") + 5);
  for (const std::string& named :
       {std::string(";call-id=a@10.9.8.7;to-tag=1;from-tag=2"), ";call-id=" + caller.call_id,
        ";call-id=a@10.9.8.7;to-tag=" + ours + ";from-tag=" + caller.tag,
        ";call-id=" + caller.call_id + ";to-tag=" + ours + ";from-tag=another",
        ";to-tag=" + ours + ";from-tag=" + caller.tag}) {
    SCOPED_TRACE(named);
    (void)phones.request(caller, "SUBSCRIBE", {},
                         "Event: dialog" + named + ";include-session-description\r\n");
    const Sent subscribe = phones.expect(callee, "SUBSCRIBE ");
    EXPECT_EQ(subscribe.header("Event"), "dialog;include-session-description");
    phones.answer(callee, subscribe, "200 OK");
    (void)phones.expect(caller, "SIP/2.0 200");
  }
  phones.end();
}

TEST_P(OtherInDialog, A_481_to_a_NOTIFY_ends_the_subscription_and_not_the_call) {
  phones.establish();
  (void)phones.request(callee, "NOTIFY", {}, "Event: refer\r\nSubscription-State: terminated\r\n");
  phones.answer(caller, phones.expect(caller, "NOTIFY "), "481 Subscription Does Not Exist");
  (void)phones.expect(callee, "SIP/2.0 481");
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  EXPECT_FALSE(phones.heard(callee, "BYE "));
  phones.end();
}

TEST_P(OtherInDialog, A_dialog_of_ours_in_a_Refer_To_is_named_in_words_of_ours) {
  phones.establish();
  // The caller's own dialog: what matters is that its far tag is ours.
  const std::string tag = caller.remote.substr(caller.remote.find(";tag=") + 5);
  (void)phones.request(caller, "REFER", {},
                       "Refer-To: <sip:4930555@10.9.8.7?Replaces=call%4010.9.8.7%3Bto-tag%3D" + tag +
                           "%3Bfrom-tag%3Dhis&Subject=x>\r\n");
  const Sent refer = phones.expect(callee, "REFER ");
  const std::string to = refer.header("Refer-To");
  EXPECT_NE(to.find("?Replaces="), std::string::npos) << to;
  EXPECT_NE(to.find("%3Bto-tag%3D" + tag), std::string::npos) << to;
  EXPECT_EQ(to.find("10.9.8.7"), std::string::npos) << to;
  EXPECT_EQ(to.find("his"), std::string::npos) << to;
  EXPECT_EQ(to.find("Subject"), std::string::npos) << to;
  phones.answer(callee, refer, "603 Decline");
  (void)phones.expect(caller, "SIP/2.0 603");
  phones.end();
}

TEST_P(OtherInDialog, A_dialog_of_others_in_a_Refer_To_goes_as_it_is) {
  phones.establish();
  (void)phones.request(caller, "REFER", {},
                       "Refer-To: <sip:1@10.9.8.7?Replaces=abc%40pbx%3Bto-tag%3Dt%3Bfrom-tag%3Df>\r\n");
  const Sent refer = phones.expect(callee, "REFER ");
  EXPECT_NE(refer.header("Refer-To").find("?Replaces=abc%40pbx%3Bto-tag%3Dt%3Bfrom-tag%3Df"),
            std::string::npos);
  phones.answer(callee, refer, "202 Accepted");
  (void)phones.expect(caller, "SIP/2.0 202");
  phones.end();
}

TEST_P(OtherInDialog, A_REFER_that_cannot_be_is_refused) {
  struct Case {
    const char* more;
    const char* status;
  };
  constexpr Case kCases[] = {
      {"", "SIP/2.0 400"},
      {"Refer-To: <sip:1@x>\r\nRefer-To: <sip:2@x>\r\n", "SIP/2.0 400"},
      {"Refer-To: <sip:1@x?Replaces=nothing>\r\n", "SIP/2.0 400"},
      {"Refer-To: <http://example.com>\r\n", "SIP/2.0 416"},
      {"Refer-To: <sip:1@x;method=BYE>\r\n", "SIP/2.0 403"},
      {"Refer-To: <sips:1@x>\r\n", "SIP/2.0 480"},  // no realm has TLS here
      {"Refer-To: <sip:1@x>\r\nRequire: norefersub\r\n", "SIP/2.0 420"},
  };
  phones.establish();
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.more);
    (void)phones.request(caller, "REFER", {}, c.more);
    (void)phones.expect(caller, c.status);
  }
  EXPECT_FALSE(phones.heard(callee, "REFER "));
  phones.end();
}

std::string with_tls_beside() {
  std::string yaml(Bench::default_config());
  constexpr std::string_view kUdp = "sip: {udp: 5060}";
  constexpr std::string_view kBoth =
      "sip: {udp: 5060, tls: 5061}\n    tls: {certificate: /dev/null, key: /dev/null, ca: /dev/null}";
  for (auto at = yaml.find(kUdp); at != std::string::npos; at = yaml.find(kUdp, at + kBoth.size()))
    yaml.replace(at, kUdp.size(), kBoth);
  return yaml;
}

class BesideTls : public OtherInDialog {
 protected:
  BesideTls() : OtherInDialog(with_tls_beside()) {}
};
INSTANTIATE_TEST_SUITE_P(Ways, BesideTls, ::testing::Bool(), direction_name);

// RFC 3261 26.2.2: what asks for TLS on every hop does not go on asking for less.
TEST_P(BesideTls, A_REFER_to_a_sips_URI_names_the_place_by_sips_at_our_port_for_TLS) {
  phones.establish();
  (void)phones.request(caller, "REFER", {},
                       "Refer-To: \"<sip:\" <sips:4930555@10.9.8.7:5071;user=phone>\r\n");
  const Sent refer = phones.expect(callee, "REFER ");
  const std::string host = callee.realm == "access" ? "198.51.100.1" : "192.0.2.1";
  EXPECT_EQ(refer.header("Refer-To"), "\"<sip:\" <sips:4930555@" + host + ":5061;user=phone>");
  phones.answer(callee, refer, "202 Accepted");
  (void)phones.expect(caller, "SIP/2.0 202");
  phones.end();
}

TEST_P(OtherInDialog, What_nobody_answers_ends_the_call) {
  phones.establish();
  (void)phones.request(caller, "MESSAGE", "?", "Content-Type: text/plain\r\n");
  (void)phones.expect(callee, "MESSAGE ");
  phones.forget();
  bench.advance(33 * kSecond, 250 * kMillisecond);
  (void)phones.expect(caller, "SIP/2.0 504");
  (void)phones.expect(caller, "BYE ");
  bench.expect_nothing_left();
}

class ByPolicy : public OtherInDialog {
 protected:
  ByPolicy() : OtherInDialog(with_peers("    refer: refuse\n    unknown_methods: pass\n")) {}
};
INSTANTIATE_TEST_SUITE_P(Ways, ByPolicy, ::testing::Bool(), direction_name);

TEST_P(ByPolicy, A_REFER_gets_405) {
  phones.establish();
  (void)phones.request(caller, "REFER", {}, "Refer-To: <sip:1@x>\r\n");
  const Sent refused = phones.expect(caller, "SIP/2.0 405");
  EXPECT_NE(refused.header("Allow").find("INVITE"), std::string::npos);
  EXPECT_EQ(refused.header("Allow").find("REFER"), std::string::npos);
  phones.end();
}

TEST_P(ByPolicy, No_Allow_that_such_a_peer_hears_lists_REFER) {
  const auto judge = [](const Sent& heard) {
    EXPECT_TRUE(heard.header("Allow").starts_with("INVITE, ")) << heard.text;
    EXPECT_EQ(heard.header("Allow").find("REFER"), std::string::npos) << heard.text;
  };
  const std::string timer = "Supported: timer\r\nSession-Expires: 200;refresher=uas\r\nAllow: UPDATE\r\n";
  judge(phones.call(caller.sdp(), timer));
  phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
  judge(phones.expect(caller, "SIP/2.0 200"));
  (void)phones.expect(callee, "ACK ");
  phones.ack(caller, 1);
  (void)phones.request(caller, "OPTIONS");
  judge(phones.expect(caller, "SIP/2.0 200"));
  (void)phones.request(caller, "PUBLISH", {}, "Event: presence\r\n");
  judge(phones.expect(caller, "SIP/2.0 405"));
  (void)phones.request(caller, "UPDATE", {}, timer);
  judge(phones.expect(caller, "SIP/2.0 200"));
  (void)phones.request(callee, "UPDATE", {}, timer);
  judge(phones.expect(callee, "SIP/2.0 200"));
  bench.advance(101 * kSecond, kSecond);  // we refresh
  const Sent refresh = phones.expect(caller, "UPDATE ");
  judge(refresh);
  phones.answer(caller, refresh, "200 OK");
  Phone outside = without_dialog(caller);
  for (const std::string_view method : {"OPTIONS", "REGISTER", "REFER"}) {
    SCOPED_TRACE(method);
    (void)phones.request(outside, method);
    judge(phones.expect(outside, method == "OPTIONS" ? "SIP/2.0 200" : "SIP/2.0 405"));
  }
}

class Following : public OtherInDialog {
 protected:
  Following() : OtherInDialog(with_peers("    refer: follow\n")) {}
};
INSTANTIATE_TEST_SUITE_P(Ways, Following, ::testing::Bool(), direction_name);

// There is no call there to follow it in.
TEST_P(Following, Outside_of_a_dialog_REFER_is_refused_and_not_allowed) {
  phones.establish();
  Phone outside = without_dialog(caller);
  (void)phones.request(outside, "REFER", {}, "Refer-To: <sip:1@x>\r\n");
  EXPECT_TRUE(phones.expect(outside, "SIP/2.0 405").header("Allow").ends_with("SUBSCRIBE, PUBLISH"));
  (void)phones.request(outside, "OPTIONS");
  EXPECT_TRUE(phones.expect(outside, "SIP/2.0 200").header("Allow").ends_with("PUBLISH, REFER"));
  phones.end();
}

TEST_P(ByPolicy, A_method_that_we_do_not_know_goes_through_with_its_name_and_body) {
  phones.establish();
  (void)phones.request(caller, "FLY", "up", "Content-Type: text/plain\r\n");
  const Sent fly = phones.expect(callee, "FLY ");
  EXPECT_NE(fly.header("CSeq").find(" FLY"), std::string::npos);
  EXPECT_EQ(fly.body(), "up");
  phones.answer(callee, fly, "200 OK", "high", "Content-Type: text/plain\r\n");
  EXPECT_EQ(phones.expect(caller, "SIP/2.0 200").body(), "high");
  phones.end();
}

}  // namespace
}  // namespace sallyport::shard
