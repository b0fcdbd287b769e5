// SPDX-License-Identifier: Apache-2.0
// private_media, wherever a session description may come: each place that carries an offer or an answer, by
// each line of the decision order. The office's phone calls or is called, and only it is behind a NAT.
#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

constexpr std::string_view kPrivate = "10.20.0.10";
constexpr std::string_view kKnowsPrack =
    "Supported: 100rel\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";
constexpr std::string_view kReliable =
    "Require: 100rel\r\nRSeq: 1\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";

enum class Decision { refused, strict, latched };

// What decides.
struct Rule {
  const char* name;
  std::string_view realm;    // private_media of the office's realm
  std::string_view peer;     // more keys of the peer
  std::string_view contact;  // the phone's, of its dialog; empty: the packets' source
  Decision decision;
};
constexpr Rule kRules[] = {
    {"trusted_private_before_the_mode", "reject", "trusted_private: [\"10.0.0.0/8\"]", "", Decision::strict},
    {"mode_reject_of_the_realm", "reject", "", kPrivate, Decision::refused},
    {"mode_trust_of_the_realm", "trust", "", "", Decision::strict},
    {"mode_latch_of_the_realm", "latch", "", "", Decision::latched},
    {"mode_of_the_peer_before_the_realm", "reject", "private_media: latch", "", Decision::latched},
    {"mode_of_the_peer_is_reject", "trust", "private_media: reject", "", Decision::refused},
    {"auto_without_evidence", "auto", "", "", Decision::refused},
    {"auto_with_evidence", "auto", "", kPrivate, Decision::latched},
};

// Where the description stands. `by_caller`: the office's phone is the caller there.
enum class Place {
  offer_in_invite,
  answer_in_200,
  answer_in_183,
  offer_in_200,
  answer_in_ack,
  offer_in_183,
  answer_in_prack,
  offer_in_prack,
  answer_in_200_to_prack,
  offer_in_update,
  answer_in_200_to_update,
  offer_in_re_invite,
  answer_in_200_to_re_invite
};
struct Spot {
  Place place;
  const char* name;
  bool by_caller;
};
constexpr Spot kSpots[] = {
    {Place::offer_in_invite, "offer_in_INVITE", true},
    {Place::answer_in_200, "answer_in_200", false},
    {Place::answer_in_183, "answer_in_183", false},
    {Place::offer_in_200, "offer_in_200", false},
    {Place::answer_in_ack, "answer_in_ACK", true},
    {Place::offer_in_183, "offer_in_183", false},
    {Place::answer_in_prack, "answer_in_PRACK", true},
    {Place::offer_in_prack, "offer_in_PRACK", true},
    {Place::answer_in_200_to_prack, "answer_in_200_to_PRACK", false},
    {Place::offer_in_update, "offer_in_UPDATE", true},
    {Place::answer_in_200_to_update, "answer_in_200_to_UPDATE", false},
    {Place::offer_in_re_invite, "offer_in_re_INVITE", true},
    {Place::answer_in_200_to_re_invite, "answer_in_200_to_re_INVITE", false},
};

std::string config_of(const Rule& rule) {
  std::string yaml(Bench::default_config());
  const auto put = [&yaml](std::string_view was, const std::string& is) {
    yaml.replace(yaml.find(was), was.size(), is);
  };
  put("private_media: auto", "private_media: " + std::string(rule.realm));
  if (!rule.peer.empty())
    put("response_map: {send: to-office}", "response_map: {send: to-office}\n    " + std::string(rule.peer));
  return yaml;
}

// One call of the office's phone under one rule, up to the description in that place.
struct Story {
  Story(const Spot& where, const Rule& by) : spot(where), rule(by) {
    office.contact_ip = rule.contact;
    office.terse = true;
  }

  // Plays the ladder. True: the description went on to the other side, and the session stands.
  bool taken();

  void ring_reliably(std::string_view body) {
    phones.answer(callee, callee.incoming, "183 Session Progress", body, kReliable);
  }
  void prack(std::string_view body = {}) {
    const Sent progress = phones.expect(caller, "SIP/2.0 183");
    phones.request(caller, "PRACK", body, "RAck: " + progress.header("RSeq") + " 1 INVITE\r\n");
  }
  // An early session that is agreed.
  void early() {
    phones.call(caller.sdp(), kKnowsPrack);
    ring_reliably(callee.sdp());
  }
  void acknowledged() {
    prack();
    phones.expect(caller, "SIP/2.0 200");
    phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK");
  }

  const Spot spot;
  const Rule rule;
  const std::string yaml = config_of(rule);
  const std::string hidden = sdp(kPrivate, 7000);
  Phones phones{!spot.by_caller, yaml};
  Phone& caller = phones.caller;
  Phone& callee = phones.callee;
  Phone& office = spot.by_caller ? caller : callee;
};

bool Story::taken() {
  switch (spot.place) {
    case Place::offer_in_invite:
      phones.place(hidden);
      if (!phones.heard(callee, "INVITE ")) return false;
      callee.incoming = phones.expect(callee, "INVITE ");
      phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
      return true;
    case Place::answer_in_200:
      phones.call(caller.sdp());
      phones.answer(callee, callee.incoming, "200 OK", hidden);
      return phones.heard(caller, "SIP/2.0 200");
    case Place::answer_in_183:
      phones.call(caller.sdp(), kKnowsPrack);
      ring_reliably(hidden);
      return phones.heard(caller, "SIP/2.0 183");
    case Place::offer_in_200:
      phones.call("");
      phones.answer(callee, callee.incoming, "200 OK", hidden);
      if (!phones.heard(caller, "SIP/2.0 200")) return false;
      phones.expect(caller, "SIP/2.0 200");
      phones.ack(caller, 1, caller.sdp());
      return true;
    case Place::answer_in_ack:
      phones.call("");
      phones.answer(callee, callee.incoming, "200 OK", callee.sdp());
      phones.expect(caller, "SIP/2.0 200");
      phones.ack(caller, 1, hidden);
      return !phones.heard(callee, "BYE ");
    case Place::offer_in_183:
      phones.call("", kKnowsPrack);
      ring_reliably(hidden);
      if (!phones.heard(caller, "SIP/2.0 183")) return false;
      prack(caller.sdp());
      return true;
    case Place::answer_in_prack:
      phones.call("", kKnowsPrack);
      ring_reliably(callee.sdp());
      prack(hidden);
      return phones.heard(callee, "PRACK ");
    case Place::offer_in_prack:
      early();
      prack(hidden);
      if (phones.heard(caller, "SIP/2.0 488")) return false;
      phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK", callee.sdp());
      return phones.heard(caller, "SIP/2.0 200");
    case Place::answer_in_200_to_prack:
      early();
      prack(sdp(caller.ip, caller.media_port + 100));
      phones.answer(callee, phones.expect(callee, "PRACK "), "200 OK", hidden);
      return phones.heard(caller, "SIP/2.0 200");
    case Place::offer_in_update:
      early();
      acknowledged();
      phones.request(caller, "UPDATE", hidden);
      if (!phones.heard(callee, "UPDATE ")) return false;
      phones.answer(callee, phones.expect(callee, "UPDATE "), "200 OK", callee.sdp());
      return phones.heard(caller, "SIP/2.0 200");
    case Place::answer_in_200_to_update:
      early();
      acknowledged();
      phones.request(caller, "UPDATE", sdp(caller.ip, caller.media_port + 100));
      phones.answer(callee, phones.expect(callee, "UPDATE "), "200 OK", hidden);
      return phones.heard(caller, "SIP/2.0 200");
    case Place::offer_in_re_invite:
      phones.establish();
      phones.request(caller, "INVITE", hidden);
      if (!phones.heard(callee, "INVITE ")) return false;
      phones.answer(callee, phones.expect(callee, "INVITE "), "200 OK", callee.sdp());
      return phones.heard(caller, "SIP/2.0 200");
    case Place::answer_in_200_to_re_invite:
      phones.establish();
      phones.request(caller, "INVITE", sdp(caller.ip, caller.media_port + 100));
      phones.answer(callee, phones.expect(callee, "INVITE "), "200 OK", hidden);
      return phones.heard(caller, "SIP/2.0 200");
  }
  return false;
}

void judge(Story& story) {
  const bool went_on = story.taken();
  const Rule& rule = story.rule;
  ASSERT_EQ(went_on, rule.decision != Decision::refused);
  const dp::FlowSpec* flow = story.phones.flow(story.office);
  if (!went_on) {
    if (flow != nullptr) {
      EXPECT_NE(flow->remote.address.to_text(), kPrivate) << "nothing is sent there";
    }
    return;
  }
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(flow->latch, rule.decision == Decision::latched ? dp::LatchMode::once : dp::LatchMode::off);
  if (rule.decision == Decision::strict) {
    EXPECT_EQ(flow->remote.to_text(), std::string(kPrivate) + ":7000");
  }
  EXPECT_EQ(flow->signalling_source.to_text(), story.office.ip);
}

class PrivateMediaOf : public ::testing::TestWithParam<Spot> {};

TEST_P(PrivateMediaOf, An_SDP_is_judged_by_the_same_order) {
  for (const Rule& rule : kRules) {
    SCOPED_TRACE(rule.name);
    Story story(GetParam(), rule);
    judge(story);
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, PrivateMediaOf, ::testing::ValuesIn(kSpots),
                         [](const auto& spot) { return std::string(spot.param.name); });

// Evidence by the Via alone: what a phone that has learned its outer address for the Contact still shows.
TEST(PrivateMedia, Of_a_request_whose_Via_is_private_is_latched) {
  Phones phones(false);
  phones.caller.via_ip = kPrivate;
  phones.place(sdp(kPrivate, 7000));
  EXPECT_TRUE(phones.heard(phones.callee, "INVITE "));
  EXPECT_EQ(phones.flow(phones.caller)->latch, dp::LatchMode::once);
}

// A proxy's Via says nothing of the phone behind it; the dialog knows the phone.
TEST(PrivateMedia, Evidence_of_a_dialog_ends_with_a_Contact_that_is_public) {
  Phones phones(false);
  phones.caller.contact_ip = kPrivate;
  phones.establish();
  phones.caller.contact_ip.clear();
  phones.request(phones.caller, "INVITE", sdp(kPrivate, 7000));
  phones.expect(phones.caller, "SIP/2.0 488");
  EXPECT_FALSE(phones.heard(phones.callee, "INVITE "));
}

// One stream of two decides, whichever it is.
TEST(PrivateMedia, Of_one_stream_refuses_the_offer_and_of_one_with_port_0_nothing) {
  for (const char* port : {"5000", "0"}) {
    Phones phones(false);
    phones.place(
        phones.caller.sdp("m=video " + std::string(port) + " RTP/AVP 31\r\nc=IN IP4 10.20.0.10\r\n"));
    EXPECT_EQ(phones.heard(phones.callee, "INVITE "), std::string(port) == "0") << port;
    EXPECT_EQ(phones.heard(phones.caller, "SIP/2.0 488"), std::string(port) != "0") << port;
  }
}

}  // namespace
}  // namespace sallyport::shard
