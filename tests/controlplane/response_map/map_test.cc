// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controlplane/response_map/maps_support.h"

namespace sallyport::response_map {
namespace {

Input heard(std::uint16_t code, std::string_view phrase = {}, std::uint8_t q850 = 0) {
  Input input;
  input.receive = 0;
  input.code = code;
  input.phrase = phrase;
  input.q850 = q850;
  return input;
}

Input local(LocalError error) {
  Input input;
  input.send = 0;
  input.local = error;
  return input;
}

const Maps kNoMaps = compiled({});
const Maps kVendorMap = compiled({map_of("in", {"rfc3398", "vendor"}, {})});

// ---- the tables, row by row
// ----------------------------------------------------------------------------------------

TEST(MapResponse, every_known_code_goes_on_as_its_row_says) {
  for (const CodeRow& row : code_rows()) {
    const Verdict verdict = kNoMaps.map(heard(row.code, row.phrase));
    const bool is_local = row.treatment == Treatment::local;
    const std::uint16_t sent = row.map_to != 0 ? row.map_to : is_local ? std::uint16_t{500} : row.code;
    EXPECT_EQ(verdict.received, row.code);
    EXPECT_EQ(verdict.code, sent) << row.code;
    EXPECT_EQ(verdict.phrase, standard_phrase(sent)) << row.code;
    EXPECT_EQ(verdict.q850, sent != row.code ? code_row(sent).q850 : row.q850) << row.code;
    EXPECT_EQ(verdict.failover, row.treatment == Treatment::failover) << row.code;
    EXPECT_EQ(verdict.forward, row.treatment != Treatment::hop && row.treatment != Treatment::if_supported)
        << row.code;
    EXPECT_EQ(verdict.ends, row.in_dialog) << row.code;
    EXPECT_EQ(verdict.rule_text(), is_local ? "a matter of its own leg" : "rfc3398 base") << row.code;
    if (row.map_to == 0) {
      EXPECT_EQ(verdict.treatment, row.treatment) << row.code;
    }
  }
}

TEST(MapResponse, every_vendor_row_decides_by_code_and_phrase) {
  for (const VendorRow& row : vendor_rows()) {
    const std::string shouted = "  " + std::string(row.phrase) + " ";
    const Verdict verdict = kVendorMap.map(heard(row.code, shouted));
    EXPECT_EQ(verdict.code, row.normalised) << row.phrase;
    EXPECT_EQ(verdict.phrase, standard_phrase(row.normalised)) << row.phrase;
    EXPECT_EQ(verdict.q850, row.q850 != 0 ? row.q850 : code_row(row.normalised).q850) << row.phrase;
    EXPECT_EQ(verdict.failover, row.failover) << row.phrase;
    EXPECT_EQ(verdict.rule_text(), "vendor row " + std::to_string(row.code) + " " + std::string(row.phrase));
    EXPECT_NE(kNoMaps.map(heard(row.code, row.phrase)).decided.by, Decision::By::vendor_row) << "not listed";
  }
}

TEST(MapResponse, a_warning_decides_the_cause_of_488_and_606) {
  for (const std::uint16_t code : std::initializer_list<std::uint16_t>{488, 606}) {
    for (const WarningRow& row : warning_rows()) {
      Input input = heard(code);
      input.warning = row.code;
      EXPECT_EQ(kNoMaps.map(input).q850, row.q850) << row.code;
      EXPECT_EQ(kNoMaps.map(input).warning, row.code);
    }
    EXPECT_EQ(kNoMaps.map(heard(code)).q850, 31);
  }
  Input input = heard(486);
  input.warning = 304;
  EXPECT_EQ(kNoMaps.map(input).q850, 17);
}

TEST(MapResponse, a_cause_from_the_peer_goes_on) {
  EXPECT_EQ(kNoMaps.map(heard(480, "", 19)).q850, 19);
  EXPECT_EQ(kNoMaps.map(heard(480, "")).q850, 18);
  EXPECT_EQ(kNoMaps.map(heard(409, "", 19)).q850, 19);
  EXPECT_EQ(kVendorMap.map(heard(403, "No license available", 21)).q850, 42) << "the row knows better";
}

TEST(MapResponse, what_one_leg_could_not_settle_is_500_to_the_other) {
  for (const std::uint16_t code : std::initializer_list<std::uint16_t>{422, 423, 494}) {
    Input input = heard(code, standard_phrase(code));
    EXPECT_EQ(kNoMaps.map(input).code, 500) << code;
    EXPECT_EQ(kNoMaps.map(input).phrase, "Server Internal Error");
    EXPECT_EQ(kNoMaps.map(input).q850, 41);
    EXPECT_FALSE(kNoMaps.map(input).failover);
    EXPECT_EQ(kNoMaps.map(input).ends, Ends::transaction);
    input.invite = false;
    EXPECT_EQ(kNoMaps.map(input).code, code == 423 ? 423 : 500) << "423: the sender's own interval";
  }
  const Maps maps = compiled({map_of("m", {}, {{"494", "", 0, "", 494}, {"422", "", 0, "", 480}})});
  EXPECT_EQ(maps.map(heard(494)).code, 494) << "a rule that says so";
  EXPECT_EQ(maps.map(heard(422)).code, 480);
}

// ---- unknown and foreign codes
// -------------------------------------------------------------------------------------

TEST(MapResponse, unknown_codes_keep_their_number_and_are_treated_as_x00) {
  struct Case {
    std::uint16_t code;
    Treatment treatment;
    std::uint8_t q850;
    bool failover;
  };
  for (const Case& c : {Case{191, Treatment::pass, 0, false}, Case{333, Treatment::redirect_policy, 0, false},
                        Case{499, Treatment::pass, 41, false}, Case{599, Treatment::failover, 41, true},
                        Case{650, Treatment::pass, 17, false}}) {
    const Verdict verdict = kNoMaps.map(heard(c.code, "Odd"));
    EXPECT_EQ(verdict.code, c.code);
    EXPECT_EQ(verdict.phrase, "Odd") << c.code;
    EXPECT_EQ(verdict.treatment, c.treatment) << c.code;
    EXPECT_EQ(verdict.q850, c.q850) << c.code;
    EXPECT_EQ(verdict.failover, c.failover) << c.code;
    EXPECT_TRUE(verdict.forward) << c.code;
  }
  EXPECT_EQ(kNoMaps.map(heard(499)).phrase, "Bad Request");
}

TEST(MapResponse, what_is_not_SIP_becomes_502_unless_a_vendor_row_knows_it) {
  for (const std::uint16_t code : std::initializer_list<std::uint16_t>{0, 42, 99, 700, 701, 999}) {
    const Verdict verdict = kVendorMap.map(heard(code, "Odd"));
    EXPECT_EQ(verdict.code, 502) << code;
    EXPECT_EQ(verdict.phrase, "Bad Gateway");
    EXPECT_EQ(verdict.q850, 38);
    EXPECT_EQ(verdict.received, code);
    EXPECT_TRUE(verdict.failover);
  }
  const Verdict known = kVendorMap.map(heard(701, "party hangs up"));
  EXPECT_EQ(known.code, 480);
  EXPECT_EQ(known.q850, 16);
  EXPECT_FALSE(known.failover);
}

TEST(MapResponse, rules_may_name_what_is_not_SIP) {
  const Maps maps = compiled({map_of("in", {}, {{"7xx", "", 0, "", 480}, {"", "Gone away", 0, "", 410}})});
  EXPECT_EQ(maps.map(heard(703)).code, 480);
  EXPECT_EQ(maps.map(heard(17, "gone away")).code, 410) << "a rule without a code hears every failure";
  EXPECT_EQ(maps.map(heard(183, "gone away")).code, 183) << "and no provisional";
  EXPECT_EQ(maps.map(heard(200, "gone away")).code, 200);
}

// ---- specificity
// ---------------------------------------------------------------------------------------------------

// Most specific first; each matches 486 "Busy Here" with cause 17.
const std::vector<RuleText> kBySpecificity{{"486", "Busy Here", 17, "", 401},
                                           {"486", "Busy Here", 0, "", 402},
                                           {"486", "", 17, "", 403},
                                           {"486", "", 0, "", 404},
                                           {"480-489", "Busy Here", 17, "", 405},
                                           {"480-489", "Busy Here", 0, "", 406},
                                           {"480-489", "", 17, "", 407},
                                           {"480-489", "", 0, "", 408},
                                           {"470-490", "", 0, "", 410},
                                           {"4xx", "Busy Here", 17, "", 413},
                                           {"4xx", "Busy Here", 0, "", 414},
                                           {"4xx", "", 17, "", 415},
                                           {"4xx", "", 0, "", 416},
                                           {"", "Busy Here", 17, "", 420},
                                           {"", "Busy Here", 0, "", 421},
                                           {"", "", 17, "", 423}};

TEST(MapResponse, of_every_two_rules_that_match_the_more_specific_one_decides_in_any_order) {
  for (std::size_t i = 0; i < kBySpecificity.size(); ++i) {
    for (std::size_t j = i + 1; j < kBySpecificity.size(); ++j) {
      for (const bool swapped : {false, true}) {
        RuleText first = kBySpecificity[swapped ? j : i];
        RuleText second = kBySpecificity[swapped ? i : j];
        // Codes from 600 that no rule of these matches, so that nothing loops.
        first.send = static_cast<std::uint16_t>(first.send + 200);
        second.send = static_cast<std::uint16_t>(second.send + 200);
        const Maps maps = compiled({map_of("in", {"vendor"}, {first, second})});
        const Verdict verdict = maps.map(heard(486, " busy here", 17));
        EXPECT_EQ(verdict.code, kBySpecificity[i].send + 200) << i << " against " << j;
        EXPECT_EQ(verdict.cleaned.rule, swapped ? 2 : 1);
      }
    }
  }
}

TEST(MapResponse, equally_specific_rules_decide_in_the_order_of_the_file) {
  const Maps maps = compiled({map_of("in", {}, {{"485-495", "", 0, "", 603}, {"480-490", "", 0, "", 604}})});
  EXPECT_EQ(maps.map(heard(486)).code, 603);
  EXPECT_EQ(maps.map(heard(481)).code, 604);
}

TEST(MapResponse, rules_come_before_the_bases) {
  const Maps maps = compiled({map_of("in", {"rfc3398", "vendor"}, {{"4xx", "", 0, "", 603}})});
  EXPECT_EQ(maps.map(heard(499, "Codec Mismatch")).code, 603);
  EXPECT_EQ(maps.map(heard(409)).code, 603);
  EXPECT_EQ(maps.map(heard(500, "DB Timeout")).code, 504) << "the base where no rule matches";
}

TEST(MapResponse, a_base_gives_the_code_where_the_rule_has_none) {
  config::MapConfig map = map_of("in", {"vendor"}, {{"4xx", "", 0, "", 0}});
  map.rules[0].retry_after_ns = 1500 * kMillisecond;
  const Maps maps = compiled({map});
  const Verdict verdict = maps.map(heard(480, "Empty Route Set"));
  EXPECT_EQ(verdict.code, 404);
  EXPECT_EQ(verdict.q850, 3);
  EXPECT_TRUE(verdict.failover);
  EXPECT_EQ(verdict.retry_after_s, 2u) << "whole seconds, rounded up";
  EXPECT_EQ(verdict.rule_text(), "in rule 1 (line 11)");
}

// ---- the example of the interface
// ------------------------------------------------------------------------------------

std::vector<config::MapConfig> example() {
  std::vector<config::MapConfig> maps{
      map_of("carrier-in", {"rfc3398", "vendor"},
             {{"503", "", 0, "", 480}, {"4xx", "No money left", 0, "", 402}, {"", "", 34, "", 503}}),
      map_of("carrier-out", {}, {{"", "", 0, "private-media", 488}})};
  maps[0].rules[0].send_phrase = "Temporarily Unavailable";
  maps[0].rules[0].failover = true;
  maps[0].rules[2].retry_after_ns = 5 * kSecond;
  maps[1].rules[0].send_phrase = "Private IP Address";
  maps[1].rules[0].warning = 301;
  maps[1].rules[0].send_q850 = 31;
  return maps;
}

TEST(MapResponse, the_example_of_the_interface_does_what_it_says) {
  const Maps maps = compiled(example());
  Verdict verdict = maps.map(heard(503, "Service Unavailable"));
  EXPECT_EQ(verdict.code, 480);
  EXPECT_EQ(verdict.phrase, "Temporarily Unavailable");
  EXPECT_TRUE(verdict.failover);
  EXPECT_EQ(verdict.q850, 18);
  EXPECT_EQ(verdict.rule_text(), "carrier-in rule 1 (line 11)");

  verdict = maps.map(heard(499, "no MONEY left"));
  EXPECT_EQ(verdict.code, 402);
  EXPECT_FALSE(verdict.failover);

  Input input = heard(480, "No circuit", 34);
  input.exhausted = true;
  verdict = maps.map(input);
  EXPECT_EQ(verdict.code, 503) << "configured, so it stays 503 after failover";
  EXPECT_EQ(verdict.retry_after_s, 5u);
  EXPECT_EQ(verdict.q850, 34);

  Input refused = local(LocalError::private_media);
  refused.send = 1;
  verdict = maps.map(refused);
  EXPECT_EQ(verdict.code, 488);
  EXPECT_EQ(verdict.phrase, "Private IP Address");
  EXPECT_EQ(verdict.warning, 301);
  EXPECT_EQ(verdict.q850, 31);
  EXPECT_EQ(verdict.received, 0);
  EXPECT_EQ(verdict.rule_text(), "carrier-out rule 1 (line 11)");
}

TEST(MapResponse, the_receive_map_cleans_and_then_the_send_map_adapts) {
  const Maps maps = compiled(
      {map_of("in", {"vendor"}, {{"486", "", 0, "", 480}}),
       map_of("out", {}, {{"480", "", 0, "", 603}, {"486", "", 0, "", 604}, {"488", "", 0, "", 606}})});
  Input input = heard(486);
  input.send = 1;
  Verdict verdict = maps.map(input);
  EXPECT_EQ(verdict.code, 603);
  EXPECT_EQ(verdict.rule_text(), "in rule 1 (line 11), out rule 1 (line 11)");
  EXPECT_EQ(verdict.decided.map_name, "out");
  EXPECT_EQ(verdict.treatment, Treatment::pass);

  input = heard(499, "Codec Mismatch");
  input.send = 1;
  verdict = maps.map(input);
  EXPECT_EQ(verdict.code, 606);
  EXPECT_EQ(verdict.rule_text(), "vendor row 499 Codec Mismatch, out rule 3 (line 13)");
}

TEST(MapResponse, the_two_maps_of_a_peer_are_applied_once_each_and_are_no_loop) {
  const Maps maps =
      compiled({map_of("in", {}, {{"486", "", 0, "", 480}}), map_of("out", {}, {{"480", "", 0, "", 486}})});
  Input input = heard(486);
  input.send = 1;
  EXPECT_EQ(maps.map(input).code, 486);
  EXPECT_EQ(maps.map(input).rule_text(), "in rule 1 (line 11), out rule 1 (line 11)");
}

TEST(MapResponse, the_code_table_lies_beneath_every_map_whether_it_lists_rfc3398_or_not) {
  const Maps maps =
      compiled({map_of("without", {}, {}), map_of("with", {"rfc3398"}, {}), map_of("both", {"vendor"}, {})});
  for (std::uint16_t code = 100; code < 700; ++code) {
    Input input = heard(code, "Odd");
    input.receive = config::kNoIndex;
    const Verdict none = maps.map(input);
    for (config::MapIndex map = 0; map < 3; ++map) {
      input.receive = map;
      const Verdict verdict = maps.map(input);
      EXPECT_EQ(verdict.code, none.code) << code;
      EXPECT_EQ(verdict.q850, none.q850) << code;
      EXPECT_EQ(verdict.treatment, none.treatment) << code;
      EXPECT_EQ(verdict.failover, none.failover) << code;
    }
  }
}

// ---- local errors
// ----------------------------------------------------------------------------------------------------

TEST(MapLocalError, each_has_its_default) {
  for (std::size_t i = 1; i < kLocalErrors; ++i) {
    const auto error = static_cast<LocalError>(i);
    const LocalDefault& row = local_default(error);
    const Verdict verdict = kNoMaps.map(local(error));
    EXPECT_EQ(verdict.local, error);
    EXPECT_EQ(verdict.received, 0);
    EXPECT_EQ(verdict.code, row.code) << row.name;
    EXPECT_EQ(verdict.phrase, row.phrase) << row.name;
    EXPECT_EQ(verdict.warning, row.warning) << row.name;
    EXPECT_EQ(verdict.q850, row.q850 != 0 ? row.q850 : code_row(row.code).q850) << row.name;
    EXPECT_EQ(verdict.failover, row.failover) << row.name;
    EXPECT_EQ(verdict.retry_after_s, row.retry_after_s) << row.name;
    EXPECT_EQ(verdict.rule_text(), "default of " + std::string(row.name));
  }
}

TEST(MapLocalError, rules_with_a_code_a_phrase_or_a_cause_never_match_it) {
  const Maps maps = compiled({map_of("out", {"rfc3398", "vendor"},
                                     {{"488", "", 0, "", 603},
                                      {"4xx", "", 0, "", 604},
                                      {"", "Not Acceptable Here", 0, "", 606},
                                      {"", "", 31, "", 600}})});
  EXPECT_EQ(maps.map(local(LocalError::private_media)).code, 488);
}

TEST(MapLocalError, a_rule_of_a_local_error_matches_no_response_and_no_other_error) {
  const Maps maps = compiled({map_of("both", {}, {{"", "", 0, "private-media", 603}})});
  Input response = heard(488, "Not Acceptable Here", 31);
  response.send = 0;
  EXPECT_EQ(maps.map(response).code, 488);
  EXPECT_EQ(maps.map(local(LocalError::refused_address)).code, 488);
  EXPECT_EQ(maps.map(local(LocalError::private_media)).code, 603);
  EXPECT_EQ(maps.map(local(LocalError::private_media)).phrase, "Decline");
}

TEST(MapLocalError, the_receive_map_does_not_see_it) {
  const Maps maps = compiled({map_of("in", {}, {{"", "", 0, "no-route", 603}})});
  Input input = local(LocalError::no_route);
  input.receive = 0;
  input.send = config::kNoIndex;
  EXPECT_EQ(maps.map(input).code, 404);
}

TEST(MapLocalError, the_caller_may_give_the_fault_as_phrase_and_its_warning) {
  Input input = local(LocalError::malformed);
  input.phrase = "Missing Call-ID header field";
  EXPECT_EQ(kNoMaps.map(input).phrase, "Missing Call-ID header field");
  input = local(LocalError::private_media);
  input.warning = 304;
  EXPECT_EQ(kNoMaps.map(input).warning, 304);
  EXPECT_EQ(kNoMaps.map(input).q850, 65);
}

// ---- failover, 503, dialogs
// ------------------------------------------------------------------------------------------

TEST(MapResponse, after_failover_a_peers_503_goes_on_as_500_and_our_own_stays) {
  Input input = heard(503, "Service Unavailable");
  input.retry_after_s = 30;
  EXPECT_TRUE(kNoMaps.map(input).failover);
  input.exhausted = true;
  Verdict verdict = kNoMaps.map(input);
  EXPECT_FALSE(verdict.failover);
  EXPECT_EQ(verdict.code, 500);
  EXPECT_EQ(verdict.phrase, "Server Internal Error");
  EXPECT_EQ(verdict.retry_after_s, 0u) << "that was the peer's";
  EXPECT_EQ(verdict.rule_text(), "503 after failover (RFC 3261 16.7)");

  input = local(LocalError::transport_failure);
  EXPECT_TRUE(kNoMaps.map(input).failover);
  input.exhausted = true;
  EXPECT_EQ(kNoMaps.map(input).code, 500) << "stands for a 503 received (RFC 3261 8.1.3.1)";
  for (const LocalError own :
       {LocalError::capacity, LocalError::no_ports, LocalError::peer_down, LocalError::draining}) {
    input = local(own);
    input.exhausted = true;
    EXPECT_EQ(kNoMaps.map(input).code, 503) << local_error_name(own);
    EXPECT_GT(kNoMaps.map(input).retry_after_s, 0u) << local_error_name(own);
  }
}

TEST(MapResponse, a_503_that_a_rule_sends_stays) {
  const Maps maps = compiled({map_of("m", {}, {{"503", "", 0, "", 503}})});
  Input input = heard(503);
  input.exhausted = true;
  EXPECT_EQ(maps.map(input).code, 503);
  input.receive = config::kNoIndex;
  input.send = 0;
  EXPECT_EQ(maps.map(input).code, 503);
}

TEST(MapResponse, a_rule_says_whether_the_next_target_is_tried) {
  config::MapConfig map =
      map_of("in", {}, {{"503", "", 0, "", 0}, {"486", "", 0, "", 0}, {"603", "", 0, "", 0}});
  map.rules[0].failover = false;
  map.rules[1].failover = true;
  map.rules[2].failover = true;
  const Maps maps = compiled({map});
  EXPECT_FALSE(maps.map(heard(503)).failover);
  EXPECT_TRUE(maps.map(heard(486)).failover);
  EXPECT_TRUE(maps.map(heard(603)).failover) << "6xx ends the search unless a rule knows better";
  EXPECT_FALSE(maps.map(heard(600)).failover);
}

TEST(MapResponse, inside_a_dialog_nothing_fails_over) {
  for (const CodeRow& row : code_rows()) {
    Input input = heard(row.code);
    input.in_dialog = true;
    EXPECT_FALSE(kNoMaps.map(input).failover) << row.code;
  }
}

TEST(MapResponse, what_a_code_ends_in_a_dialog_follows_what_was_received) {
  const Maps maps = compiled({map_of("in", {"vendor"}, {{"481", "", 0, "", 480}, {"480", "", 0, "", 603}})});
  Input input = heard(404);
  input.in_dialog = true;
  EXPECT_EQ(maps.map(input).ends, Ends::dialog);
  input.code = 481;
  EXPECT_EQ(maps.map(input).ends, Ends::usage);
  input.code = 491;
  EXPECT_EQ(maps.map(input).ends, Ends::transaction);
  input.code = 501;
  EXPECT_EQ(maps.map(input).ends, Ends::usage);
  input.invite = false;
  EXPECT_EQ(maps.map(input).ends, Ends::transaction) << "RFC 5057 5.1 note 3";
  input.code = 701;
  input.phrase = "Party Hangs Up";
  EXPECT_EQ(maps.map(input).ends, Ends::usage) << "as the vendor row reads it";
}

TEST(MapResponse, the_487_that_our_own_CANCEL_drew_stays_local_whatever_the_rules) {
  config::MapConfig map = map_of("in", {}, {{"4xx", "", 0, "", 603}});
  map.rules[0].failover = true;
  const Maps maps = compiled({map});
  Input input = heard(487, "Request Terminated");
  input.answers_our_cancel = true;
  const Verdict verdict = maps.map(input);
  EXPECT_EQ(verdict.code, 487);
  EXPECT_FALSE(verdict.forward);
  EXPECT_FALSE(verdict.failover);
  EXPECT_EQ(verdict.treatment, Treatment::local);
  input.answers_our_cancel = false;
  EXPECT_EQ(maps.map(input).code, 603);
}

TEST(MapResponse, some_responses_do_not_reach_the_other_leg) {
  const Maps maps = compiled({map_of("in", {}, {{"1xx", "", 0, "", 180}})});
  EXPECT_FALSE(maps.map(heard(100)).forward);
  EXPECT_EQ(maps.map(heard(100)).code, 100) << "no rule sees it";
  EXPECT_EQ(maps.map(heard(183)).code, 180);

  Input input;
  input.code = 199;
  EXPECT_FALSE(kNoMaps.map(input).forward);
  input.supports_199 = true;
  EXPECT_TRUE(kNoMaps.map(input).forward);

  input.code = 408;
  EXPECT_TRUE(kNoMaps.map(input).forward);
  input.invite = false;
  EXPECT_FALSE(kNoMaps.map(input).forward) << "RFC 4320 4.2";
}

TEST(MapResponse, phrases_retry_after_and_warning_go_on_while_the_code_does) {
  Input input = heard(603, "Network Blocked");
  input.retry_after_s = 7;
  input.warning = 399;
  Verdict verdict = kVendorMap.map(input);
  EXPECT_EQ(verdict.phrase, "Network Blocked");
  EXPECT_EQ(verdict.retry_after_s, 7u);
  EXPECT_EQ(verdict.warning, 399);
  const Maps maps = compiled({map_of("in", {}, {{"603", "", 0, "", 403}})});
  verdict = maps.map(input);
  EXPECT_EQ(verdict.phrase, "Forbidden");
  EXPECT_EQ(verdict.retry_after_s, 0u);
  EXPECT_EQ(verdict.warning, 0);
  EXPECT_EQ(verdict.q850, 21);
}

TEST(MapResponse, a_phrase_with_an_address_in_it_gives_way_to_the_standard_one) {
  for (const char* phrase : {"Busy at 192.0.2.10", "Busy at 192.0.2.10.", "[2001:db8::10]:5060 is busy"}) {
    EXPECT_EQ(kNoMaps.map(heard(486, phrase)).phrase, "Busy Here") << phrase;
    EXPECT_EQ(kNoMaps.map(heard(180, phrase)).phrase, "Ringing") << phrase;
  }
  EXPECT_EQ(kNoMaps.map(heard(486, "Busy until 12:30")).phrase, "Busy until 12:30");
}

TEST(MapResponse, rules_hear_the_phrase_with_its_address_and_what_they_say_stands) {
  std::vector<config::MapConfig> maps{map_of("in", {}, {{"486", "Busy at 192.0.2.10", 0, "", 480}})};
  maps[0].rules[0].send_phrase = "Ask 198.51.100.1";
  const Maps both = compiled(maps);
  const Verdict verdict = both.map(heard(486, "Busy at 192.0.2.10"));
  EXPECT_EQ(verdict.code, 480);
  EXPECT_EQ(verdict.phrase, "Ask 198.51.100.1") << "the operator's own";
}

TEST(OwnRefusal, Says_its_code_and_why_and_that_nobody_else_has_said_it) {
  const Verdict verdict = own_refusal(406, "no reason");
  EXPECT_EQ(verdict.code, 406);
  EXPECT_EQ(verdict.received, 0);
  EXPECT_EQ(verdict.local, LocalError::none);
  EXPECT_EQ(verdict.phrase, "Not Acceptable");
  EXPECT_EQ(verdict.rule_text(), "a refusal of our own: no reason");
  EXPECT_EQ(own_refusal(422, "", "Too Small").phrase, "Too Small");
}

TEST(MapResponse, a_phrase_goes_across_as_it_is_or_is_the_standard_one) {
  EXPECT_EQ(phrase_across(200, "Fine"), "Fine");
  EXPECT_EQ(phrase_across(200, ""), "OK");
  EXPECT_EQ(phrase_across(200, "OK from 192.0.2.10"), "OK");
}

}  // namespace
}  // namespace sallyport::response_map
