// SPDX-License-Identifier: Apache-2.0
// `sallyport route` and the call itself say the same of the next leg; and To follows the number rules both
// ways.
#include "controlplane/b2bua/next_leg.h"

#include "tests/controlplane/shard/phones_support.h"

namespace sallyport::shard {
namespace {

// The office writes national numbers, the carrier global ones without '+' behind a tech prefix; both are
// trusted.
std::string numbered_config() {
  std::string text(Bench::default_config());
  const auto add = [&](std::string_view peer, std::string_view lines) {
    text.insert(text.find(peer) + peer.size(), lines);
  };
  add("  office:\n",
      "    trusted: yes\n    numbers: {plan: {country: \"44\", national: \"0\", international: \"00\"}, "
      "in: {form: e164}, out: {form: national}}\n");
  add("  carrier-a:\n",
      "    trusted: yes\n    numbers: {in: [{apply: called, tech_prefix: \"77#\", prefix: \"+\"}, "
      "{match: \"44*\", prefix: \"+\"}], out: [{apply: called, match: \"+*\", strip: 1, tech_prefix: "
      "\"77#\"}, "
      "{apply: calling, match: \"+*\", strip: 1}]}\n");
  text.replace(text.find("user: \"0*\""), 10, "user: \"9*\"");
  return text;
}

class NextLegs : public BothWays {
 protected:
  NextLegs() : BothWays(numbered_config()) {}
  // The caller's numbers as his own peer writes them.
  [[nodiscard]] std::string written(std::string_view carriers, std::string_view offices) const {
    return std::string(caller.realm == "core" ? carriers : offices);
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, NextLegs, ::testing::Bool(), direction_name);

TEST_P(NextLegs, Are_shown_as_the_INVITE_says_them) {
  const std::string called = "sip:" + written("77%23442079460000", "02079460000") + "@" +
                             (caller.realm == "core" ? "192.0.2.1" : "198.51.100.1");
  const std::string calling = "sip:" + written("442079461111", "02079461111") + "@" + caller.ip;
  const std::string text =
      "INVITE " + called + " SIP/2.0\r\nVia: SIP/2.0/UDP " + caller.address() +
      ";branch=z9hG4bKdry\r\nFrom: <" + calling + ">;tag=mine\r\nTo: <" + called + ">\r\nCall-ID: dry@" +
      caller.ip + "\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: " + caller.contact() +
      "\r\nP-Asserted-Identity: <" + calling + ">\r\nDiversion: <" + calling +
      ">\r\nContent-Type: application/sdp\r\nContent-Length: " + std::to_string(caller.sdp().size()) +
      "\r\n\r\n" + caller.sdp();
  phones.send(caller, text);
  const Sent invite = phones.expect(callee, "INVITE ");

  const config::Config& config = bench.config();
  const auto maps = response_map::Maps::compile(config.response_maps);
  ASSERT_TRUE(maps);
  const std::string_view from = caller.realm == "core" ? "carrier-a" : "office";
  auto run = routing::dry_run(config, from, called, 0);
  ASSERT_TRUE(run) << run.error();
  const auto legs = b2bua::next_legs(config, *maps, {config.find_peer(from), called, calling}, *run);
  ASSERT_FALSE(legs.targets.empty());
  ASSERT_TRUE(legs.targets[0].leg);
  const b2bua::NextLeg& leg = *legs.targets[0].leg;
  EXPECT_EQ(invite.start_line(), "INVITE " + leg.request_uri + " SIP/2.0");
  EXPECT_EQ(invite.header("To"), leg.to);
  EXPECT_TRUE(invite.header("From").starts_with(leg.from + ";tag=")) << invite.header("From");
  EXPECT_EQ(invite.header("P-Asserted-Identity"), leg.asserted.at(0));
  EXPECT_EQ(invite.header("Diversion"), leg.diversion.at(0));
  EXPECT_FALSE(legs.refusal.has_value());

  // To, in the numbers of whoever reads it: the callee's here, the caller's own in his response.
  const std::string theirs = caller.realm == "core" ? "02079460000" : "77%23442079460000";
  EXPECT_EQ(invite.header("To"), "<sip:" + theirs + "@" + callee.ip + ">");
  phones.answer(
      callee, invite, "200 OK", callee.sdp(),
      "P-Asserted-Identity: <sip:" + std::string(caller.realm == "core" ? "02079460000" : "442079460000") +
          "@" + callee.ip + ">\r\n");
  const Sent ok = phones.expect(caller, "SIP/2.0 200");
  EXPECT_TRUE(ok.header("To").starts_with("<" + called + ">;tag=")) << ok.header("To");
  EXPECT_EQ(ok.header("P-Asserted-Identity"), leg.answered.at(0));
  (void)phones.expect(callee, "ACK ");
}

// RFC 3261 19.1.6: a local number without its context is another's.
TEST_P(NextLegs, Call_a_tel_URI_with_its_parameters_unless_a_rule_has_made_the_number_anew) {
  struct Case {
    std::string_view tel, user;
  };
  const std::string read = written("02079460000", "77%23442079460000");
  const std::string changed = "tel:" + written("77#442079460000", "02079460000;phone-context=+44");
  const Case cases[] = {
      {"tel:7000;phone-context=pbx.example", "7000;phone-context=pbx.example"},
      {"tel:02079460000;tgrp=t;phone-context=+1", "02079460000;phone-context=+1;tgrp=t"},
      {changed, read},
  };
  const config::Config& config = bench.config();
  const auto maps = response_map::Maps::compile(config.response_maps);
  ASSERT_TRUE(maps);
  const std::string_view from = caller.realm == "core" ? "carrier-a" : "office";
  int number = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.tel);
    ++number;
    const std::string text =
        "INVITE " + std::string(c.tel) + " SIP/2.0\r\nVia: SIP/2.0/UDP " + caller.address() +
        ";branch=z9hG4bKtel" + std::to_string(number) + "\r\nFrom: <sip:me@" + caller.ip +
        ">;tag=mine\r\nTo: <" + std::string(c.tel) + ">\r\nCall-ID: tel" + std::to_string(number) + "@" +
        caller.ip + "\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: " + caller.contact() +
        "\r\nContent-Type: application/sdp\r\nContent-Length: " + std::to_string(caller.sdp().size()) +
        "\r\n\r\n" + caller.sdp();
    phones.send(caller, text);
    const Sent invite = phones.expect(callee, "INVITE ");
    const std::string uri = "sip:" + std::string(c.user) + "@" + callee.ip + ";user=phone";
    EXPECT_EQ(invite.start_line(), "INVITE " + uri + " SIP/2.0");
    auto run = routing::dry_run(config, from, c.tel, 0);
    ASSERT_TRUE(run) << run.error();
    const auto legs =
        b2bua::next_legs(config, *maps, {config.find_peer(from), c.tel, "sip:me@x.example"}, *run);
    EXPECT_EQ(legs.targets.at(0).leg->request_uri, uri);
  }
}

}  // namespace
}  // namespace sallyport::shard
