// SPDX-License-Identifier: Apache-2.0
// What is answered without a call.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "controlplane/trace/ladder.h"
#include "tests/controlplane/shard/bench_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kRefusedCaller = "198.51.100.20:5060";

std::string request(std::string_view method, std::string_view uri, std::string_view more = {},
                    std::string_view to = "<sip:x@198.51.100.1>") {
  return std::string(method) + " " + std::string(uri) +
         " SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKr" + std::string(method) +
         "\r\nFrom: <sip:a@x>;tag=f\r\nTo: " + std::string(to) + "\r\nCall-ID: c-" + std::string(method) +
         "\r\nCSeq: 1 " + std::string(method) + "\r\nMax-Forwards: 70\r\n" + std::string(more) +
         "Content-Length: 0\r\n\r\n";
}

struct RefusedCase {
  const char* what;
  std::string message;
  const char* status;
  const char* header;  // that the answer must have; empty: any
};

TEST(Refusals, Each_request_gets_its_answer) {
  const std::string uri = "sip:x@198.51.100.1";
  const RefusedCase cases[] = {
      {"OPTIONS", request("OPTIONS", uri), "SIP/2.0 200", "Allow"},
      {"OPTIONS at zero hops",
       [&] {
         auto text = request("OPTIONS", uri);
         text.replace(text.find("s: 70"), 5, "s: 0");
         return text;
       }(),
       "SIP/2.0 200", "Allow"},
      {"REGISTER", request("REGISTER", "sip:198.51.100.1"), "SIP/2.0 405", "Allow"},
      {"SUBSCRIBE without Event", request("SUBSCRIBE", uri), "SIP/2.0 489", ""},
      {"NOTIFY without a subscription", request("NOTIFY", uri), "SIP/2.0 481", ""},
      {"MESSAGE with Require", request("MESSAGE", uri, "Require: sing\r\n"), "SIP/2.0 420", "Unsupported"},
      {"MESSAGE with Proxy-Require", request("MESSAGE", uri, "Proxy-Require: timer\r\n"), "SIP/2.0 420",
       "Unsupported"},
      {"OPTIONS with Proxy-Require", request("OPTIONS", uri, "Proxy-Require: sing\r\n"), "SIP/2.0 420",
       "Unsupported"},
      {"SUBSCRIBE with Require", request("SUBSCRIBE", uri, "Event: presence\r\nRequire: eventlist\r\n"),
       "SIP/2.0 420", "Unsupported"},
      {"PUBLISH with Require", request("PUBLISH", uri, "Event: presence\r\nRequire: sing\r\n"), "SIP/2.0 420",
       "Unsupported"},
      {"REFER with Require", request("REFER", uri, "Refer-To: <sip:1@x>\r\nRequire: multiple-refer\r\n"),
       "SIP/2.0 420", "Unsupported"},
      {"REFER to nowhere", request("REFER", uri), "SIP/2.0 400", ""},
      {"MESSAGE to an unknown scheme", request("MESSAGE", "fly:away"), "SIP/2.0 416", ""},
      {"unknown method", request("FLY", uri), "SIP/2.0 501", "Allow"},
      {"BYE without a dialog", request("BYE", uri), "SIP/2.0 481", ""},
      {"a To tag that is not ours", request("BYE", uri, {}, "<sip:x@y>;tag=nobody"), "SIP/2.0 481", ""},
      {"unknown scheme", request("OPTIONS", "fly:away"), "SIP/2.0 416", ""},
      {"Require", request("OPTIONS", uri, "Require: sing, dance\r\n"), "SIP/2.0 420", "Unsupported"},
      {"too many hops", make_invite({.max_forwards = 0}), "SIP/2.0 483", ""},
      {"INVITE with Require", make_invite({.more = "Require: sing\r\n"}), "SIP/2.0 420", "Unsupported"},
      {"INVITE with Proxy-Require", make_invite({.more = "Proxy-Require: 100rel\r\n"}), "SIP/2.0 420",
       "Unsupported"},
      {"INVITE that takes no SDP", make_invite({.more = "Accept: text/plain\r\n"}), "SIP/2.0 406", ""},
      {"an SDP that is none", make_invite({.body = "v=0\r\nnonsense"}), "SIP/2.0 488", ""},
      {"malformed", "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bKm\r\n\r\n",
       "SIP/2.0 400", ""},
      {"version",
       [&] {
         auto text = request("OPTIONS", uri);
         text.replace(text.find("SIP/2.0\r\n"), 7, "SIP/7.0");
         return text;
       }(),
       "SIP/2.0 505", ""},
  };
  for (const RefusedCase& c : cases) {
    SCOPED_TRACE(c.what);
    Bench bench;
    bench.receive("access", kRefusedCaller, c.message);
    std::vector<Sent> sent = bench.take();
    std::erase_if(sent, [](const Sent& s) { return s.is("SIP/2.0 100"); });
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0].is(c.status)) << sent[0].text;
    if (*c.header != 0) {
      EXPECT_FALSE(sent[0].header(c.header).empty()) << sent[0].text;
    }
    bench.expect_nothing_left();
  }
}

// Our tag at the carrier, of a call that rings no more; its record is taken away.
std::string tag_of_a_call(Bench& bench) {
  bench.receive("access", kRefusedCaller, make_invite());
  Sent invite;
  for (const Sent& sent : bench.take()) {
    if (sent.is("INVITE ")) invite = sent;
  }
  bench.receive("core", "192.0.2.10:5060", make_response(invite, "486 Busy Here", "ct1"));
  bench.turn();
  bench.take();
  bench.records.records.clear();
  return invite.tag_of("From");
}

TEST(Refusals, An_INVITE_that_becomes_no_call_leaves_a_record) {
  struct Story {
    InviteOptions invite;
    std::uint16_t sent;
    const char* local_error;
    const char* rule;
  };
  std::string yaml(Bench::default_config());
  yaml.insert(yaml.find("  office:\n") + 10, "    refer: refuse\n");
  Bench bench(yaml);
  const std::string ours = "Replaces: c;from-tag=x;to-tag=" + tag_of_a_call(bench) + "\r\n";
  const Story stories[] = {
      {{.more = "Require: sing\r\n"}, 420, "bad-extension", "default of bad-extension"},
      {{.max_forwards = 0}, 483, "too-many-hops", "default of too-many-hops"},
      {{.more = "Accept: text/plain\r\n"},
       406,
       "",
       "a refusal of our own: Accept is without application/sdp"},
      {{.more = "Supported: timer\r\nSession-Expires: 60\r\n"},
       422,
       "",
       "a refusal of our own: Session-Expires is below Min-SE"},
      {{.more = "Replaces: nonsense\r\n"}, 400, "", "a refusal of our own: Replaces that cannot be followed"},
      {{.more = ours}, 403, "", "a refusal of our own: Replaces from a peer with refer: refuse"},
  };
  unsigned number = 0;
  for (const Story& story : stories) {
    InviteOptions options = story.invite;
    options.call_id = "refused-" + std::to_string(++number);
    options.branch = "z9hG4bKrefused" + std::to_string(number);
    bench.receive("access", kRefusedCaller, make_invite(options));
  }
  std::set<std::string> ids;
  ASSERT_EQ(bench.records.records.size(), std::size(stories));
  for (std::size_t i = 0; i < std::size(stories); ++i) {
    const stats::CallRecord& record = bench.records.records[i];
    SCOPED_TRACE(record.sent);
    EXPECT_TRUE(ids.insert(record.id).second);
    EXPECT_EQ(record.call_id, "refused-" + std::to_string(i + 1));
    EXPECT_EQ(record.from_peer, "office");
    EXPECT_EQ(record.from_realm, "access");
    EXPECT_EQ(record.to_peer, "");
    EXPECT_EQ(record.source, *Endpoint::parse(kRefusedCaller));
    EXPECT_EQ(record.received, 0);
    EXPECT_EQ(record.sent, stories[i].sent);
    EXPECT_NE(record.sent_phrase, "");
    EXPECT_EQ(record.local_error, stories[i].local_error);
    EXPECT_EQ(record.rule, stories[i].rule);
    EXPECT_EQ(record.received_phrase, "");
    EXPECT_EQ(record.ended_by, stats::EndedBy::sallyport);
    EXPECT_GE(record.ended_ns, record.started_ns);
  }
  bench.expect_nothing_left();
}

// "> INVITE" received, "< 420 Bad Extension" sent: what is kept under an attempt's name.
std::vector<std::string> kept_of(Bench& bench, const std::string& id) {
  std::vector<std::string> titles;
  for (const trace::Message& message : bench.shard().recorder().of_call(id, 0, 1 << 20).messages) {
    const bool received = message.direction == trace::Direction::received;
    titles.push_back((received ? "> " : "< ") + trace::title_of(message));
  }
  return titles;
}

// The ACK of a failure (RFC 3261 17.1.1.3).
std::string ack_of(std::string invite, const Sent& failure) {
  invite.replace(0, 6, "ACK");
  invite.replace(invite.find("1 INVITE"), 8, "1 ACK");
  const auto to = invite.find("\r\n", invite.find("\r\nTo: ") + 2);
  return invite.insert(to, ";tag=" + failure.tag_of("To"));
}

using Titles = std::vector<std::string>;

TEST(Refusals, At_the_door_have_their_messages_under_the_name_of_the_record) {
  Bench bench;
  const std::string invite = make_invite({.more = "Require: sing\r\n"});
  bench.receive("access", kRefusedCaller, invite);
  bench.receive("access", kRefusedCaller, ack_of(invite, bench.take_one("SIP/2.0 420")));
  ASSERT_EQ(bench.records.records.size(), 1u);
  const std::string first = bench.records.records[0].id;
  EXPECT_EQ(kept_of(bench, first), (Titles{"> INVITE", "< 420 Bad Extension", "> ACK"}));
  EXPECT_EQ(bench.shard().traced().failed_kept.get(), 3u);
  // RFC 3261 8.1.3.5: again, with the same Call-ID and From tag, and another CSeq. It is refused for another
  // reason.
  std::string again = make_invite({.branch = "z9hG4bKagain", .max_forwards = 0});
  again.replace(again.find("1 INVITE"), 8, "2 INVITE");
  bench.receive("access", kRefusedCaller, again);
  ASSERT_EQ(bench.records.records.size(), 2u);
  EXPECT_EQ(kept_of(bench, bench.records.records[1].id), (Titles{"> INVITE", "< 483 Too Many Hops"}));
  EXPECT_EQ(kept_of(bench, first).size(), 3u);
  bench.expect_nothing_left();
}

TEST(Refusals, Of_a_source_that_is_no_peer_have_theirs_too) {
  Bench bench;
  const std::string invite = make_invite();
  bench.receive("core", "192.0.2.99:5060", invite);
  bench.receive("core", "192.0.2.99:5060", ack_of(invite, bench.take_one("SIP/2.0 403")));
  ASSERT_EQ(bench.records.records.size(), 1u);
  EXPECT_EQ(kept_of(bench, bench.records.records[0].id), (Titles{"> INVITE", "< 403 Forbidden", "> ACK"}));
}

TEST(Refusals, Of_a_broken_INVITE_are_an_attempt_with_a_record) {
  Bench bench;
  std::string broken = make_invite();
  broken.replace(broken.find("1 INVITE"), 8, "1 UPDATE");
  bench.receive("access", kRefusedCaller, broken);
  const Sent refusal = bench.take_one("SIP/2.0 400");
  ASSERT_EQ(bench.records.records.size(), 1u);
  const stats::CallRecord& record = bench.records.records[0];
  EXPECT_EQ(record.from_peer, "office");
  EXPECT_EQ(record.call_id, "caller-1@198.51.100.20");
  EXPECT_EQ(record.sent, 400);
  EXPECT_EQ(record.local_error, "malformed");
  EXPECT_EQ(record.ended_by, stats::EndedBy::sallyport);
  const std::string phrase(record.sent_phrase.view());
  EXPECT_TRUE(refusal.is("SIP/2.0 400 " + phrase)) << phrase;
  EXPECT_EQ(record.rule.view(), "a refusal of our own: " + phrase);
  EXPECT_EQ(kept_of(bench, record.id), (Titles{"> INVITE", "< 400 " + phrase}));
  const auto pairs = bench.shard().statistics().pairs();
  const auto office = std::ranges::find(pairs, bench.config().find_peer("office"), &stats::PairStatistics::from);
  ASSERT_NE(office, pairs.end());
  EXPECT_EQ((*office)->attempts.get(), 1u);
  EXPECT_EQ((*office)->failed[stats::code_slot(400)].get(), 1u);
  for (int n = 0; n < 120; ++n) bench.receive("access", kRefusedCaller, broken);
  EXPECT_EQ(bench.records.records.size(), 100u) << "of one second";
  EXPECT_EQ(bench.shard().statistics().totals.records_shed.get(), 21u);
  EXPECT_EQ((*office)->attempts.get(), 121u);
  bench.expect_nothing_left();
}

TEST(Refusals, At_the_door_count_as_mapped) {
  Bench bench;
  bench.receive("access", kRefusedCaller, make_invite({.max_forwards = 0}));
  bench.receive("access", kRefusedCaller, request("OPTIONS", "fly:away"));
  bench.receive("access", kRefusedCaller,
                make_invite({.call_id = "406", .more = "Accept: text/plain\r\n", .branch = "z9hG4bKaccept"}));
  std::set<std::uint16_t> received;
  for (const stats::PairStatistics* pair : bench.shard().statistics().pairs()) {
    if (pair->from == stats::kNone) continue;
    EXPECT_EQ(pair->from, bench.config().find_peer("office"));
    EXPECT_EQ(pair->to, stats::kNone);
    for (const auto& entry : pair->mapped.read()) {
      EXPECT_EQ(entry.count, 1u);
      received.insert(entry.received);
    }
  }
  const auto local = [](response_map::LocalError error) {
    return static_cast<std::uint16_t>(stats::MappedTable::kLocalBit | static_cast<std::uint16_t>(error));
  };
  EXPECT_EQ(received, (std::set{local(response_map::LocalError::none),  // a refusal of our own
                                local(response_map::LocalError::too_many_hops),
                                local(response_map::LocalError::unsupported_scheme)}));
}

TEST(Refusals, Requests_of_nobody_we_know_are_counted_as_such) {
  Bench bench;
  for (int n = 0; n < 12; ++n)
    bench.receive("core", "192.0.2.99:5060", request("OPTIONS", "sip:x@192.0.2.1"));
  EXPECT_EQ(bench.take().size(), 10u) << "then silence";
  const auto* realm = bench.shard().statistics().find_realm(bench.config().find_realm("core"));
  ASSERT_NE(realm, nullptr);
  const stats::SipCounters& none = realm->unknown_sources;
  const auto options = static_cast<std::size_t>(sip::Method::options);
  EXPECT_EQ(none.requests[static_cast<std::size_t>(stats::Direction::in)][options].get(), 12u);
  const auto sent = static_cast<std::size_t>(stats::Direction::out);
  EXPECT_EQ(none.responses[sent][stats::code_slot(403)].get(), 10u);
}

TEST(Refusals, What_breaks_off_before_its_Via_gets_silence) {
  Bench bench;
  for (const char* text :
       {"INVITE sip:x SIP/2.0\r\n", "INVITE sip:x SIP/2.0\r\nVi", "OPTIONS sip:x SIP/2.0\r\n\r\n",
        "INVITE sip:x SIP/2.0", "INVITE", "\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n"}) {
    SCOPED_TRACE(text);
    bench.receive("access", kRefusedCaller, text);
    EXPECT_TRUE(bench.take().empty());
  }
  bench.expect_nothing_left();
}

TEST(Refusals, A_body_that_is_not_SDP_gets_415_with_Accept) {
  Bench bench;
  std::string invite = make_invite();
  invite.replace(invite.find("application/sdp"), 15, "application/xyz");
  bench.receive("access", kRefusedCaller, invite);
  EXPECT_EQ(bench.take_one("SIP/2.0 415").header("Accept"), "application/sdp");
  bench.expect_nothing_left();
}

TEST(Refusals, A_number_without_a_route_is_the_local_error_no_route) {
  Bench bench;
  bench.receive("core", "192.0.2.99:5060", make_invite());
  EXPECT_TRUE(bench.take_one("SIP/2.0 403").is("SIP/2.0 403"));
  bench.expect_nothing_left();
}

TEST(Refusals, An_unknown_source_gets_ten_answers_a_second_then_silence_and_its_ACK_none) {
  Bench bench;
  for (int i = 0; i < 30; ++i) {
    bench.receive(
        "core", "192.0.2.99:5060",
        make_invite({.call_id = "u" + std::to_string(i), .branch = "z9hG4bKu" + std::to_string(i)}));
  }
  EXPECT_EQ(bench.take().size(), 10u);
  bench.advance(2 * kSecond);
  std::string ack = make_invite();
  ack.replace(0, 6, "ACK");
  ack.replace(ack.find("1 INVITE"), 8, "1 ACK");
  bench.receive("core", "192.0.2.99:5060", ack);
  EXPECT_TRUE(bench.take().empty());
}

TEST(Refusals, A_retransmitted_INVITE_makes_no_second_call) {
  Bench bench;
  const std::string invite = make_invite();
  bench.receive("access", kRefusedCaller, invite);
  bench.receive("access", kRefusedCaller, invite);
  EXPECT_EQ(bench.shard().manager().calls(), 1u);
  int invites = 0;
  for (const Sent& sent : bench.take()) invites += sent.is("INVITE ");
  EXPECT_EQ(invites, 1);
}

TEST(Refusals, A_merged_request_is_a_loop) {
  Bench bench;
  bench.receive("access", kRefusedCaller, make_invite());
  bench.take();
  bench.receive("access", kRefusedCaller, make_invite({.branch = "z9hG4bKother"}));
  EXPECT_TRUE(bench.take_one("SIP/2.0 482").is("SIP/2.0 482"));
}

}  // namespace
}  // namespace sallyport::shard
