// SPDX-License-Identifier: Apache-2.0
#include "controlplane/response_map/response_map.h"

#include <algorithm>
#include <utility>

#include "controlplane/response_map/compiled_map.h"
#include "dataplane/base/address_scan.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"

namespace sallyport::response_map {

Maps::Maps() = default;
Maps::~Maps() = default;
Maps::Maps(Maps&&) noexcept = default;
Maps& Maps::operator=(Maps&&) noexcept = default;

// ---- rules
// ---------------------------------------------------------------------------------------------------------

bool CompiledRule::matches(const Heard& heard) const {
  if (heard.code < first || heard.code > last) {
    // What is not SIP at all, below 100 too, is a failure.
    if (code_rank != 0 || heard.code >= 100) return false;
  }
  if (q850 != 0 && q850 != heard.q850) return false;
  return !has_phrase || sip::iequals(phrase, sip::trim(heard.phrase));
}

bool more_specific(const CompiledRule& a, const CompiledRule& b) {
  // Phrase and cause together before the phrase alone before the cause alone before none.
  const auto extras = [](const CompiledRule& rule) {
    return (rule.has_phrase ? 2 : 0) + (rule.q850 != 0 ? 1 : 0);
  };
  if (a.code_rank != b.code_rank) return a.code_rank > b.code_rank;
  if (extras(a) != extras(b)) return extras(a) > extras(b);
  if (a.last - a.first != b.last - b.first) return a.last - a.first < b.last - b.first;
  return a.number < b.number;
}

const CompiledRule* CompiledMap::find(const Heard& heard) const {
  const auto at = std::ranges::find_if(rules, [&](const CompiledRule& rule) { return rule.matches(heard); });
  return at == rules.end() ? nullptr : &*at;
}

std::uint8_t cause_of(unsigned code, unsigned warning) {
  const CodeRow& row = code_row(code);
  if (!row.q850_by_warning) return row.q850;
  const WarningRow* by_warning = find_warning(warning);
  return by_warning != nullptr ? by_warning->q850 : row.q850;
}

std::string_view phrase_across(unsigned code, std::string_view phrase) {
  return phrase.empty() || has_address(phrase) ? standard_phrase(code) : phrase;
}

// ---- map
// -----------------------------------------------------------------------------------------------------------

namespace {

// A response on its way through the maps.
struct Passage {
  std::uint16_t code = 0;
  std::string_view phrase;
  std::uint8_t q850 = 0;  // the peer's, a row's or a rule's; 0: that of the code in the end
  std::uint16_t warning = 0;
  std::uint32_t retry_after_s = 0;
  std::optional<bool> failover;  // said by a rule or row
  bool code_by_rule = false;
  bool phrase_by_rule = false;  // the operator's own words, whatever stands in them

  // Another code: what belonged to the old one stays behind.
  void become(std::uint16_t other) {
    if (other == code) return;
    code = other;
    phrase = standard_phrase(other);
    phrase_by_rule = false;
    warning = 0;
    retry_after_s = 0;
  }
};

Decision decision_of(const CompiledMap& map, const CompiledRule& rule) {
  return {Decision::By::rule, map.name, rule.number, rule.at.line, nullptr};
}

void apply_rule(const CompiledRule& rule, Passage& passage) {
  if (rule.send != 0) {
    passage.become(rule.send);
    passage.code_by_rule = true;
  }
  if (rule.send_phrase) {
    passage.phrase = *rule.send_phrase;
    passage.phrase_by_rule = true;
  }
  if (rule.send_q850 != 0) passage.q850 = rule.send_q850;
  if (rule.warning != 0) passage.warning = rule.warning;
  if (rule.retry_after_s) passage.retry_after_s = *rule.retry_after_s;
  if (rule.failover) passage.failover = rule.failover;
}

// The row knows better than a cause that went with the code that it replaces.
void apply_vendor(const VendorRow& row, Passage& passage) {
  if (row.normalised != passage.code || passage.q850 == 0) passage.q850 = row.q850;
  passage.become(row.normalised);
  passage.phrase = standard_phrase(row.normalised);
  passage.phrase_by_rule = false;
  passage.failover = row.failover;
}

// One map. The base lies beneath the rule: it gives the code where the rule does not, and the rule says the
// rest.
Decision apply_map(const CompiledMap& map, Passage& passage) {
  const CompiledRule* rule = map.find({passage.code, passage.phrase, passage.q850});
  const VendorRow* vendor = map.vendor ? find_vendor(passage.code, passage.phrase) : nullptr;
  if (vendor != nullptr && (rule == nullptr || rule->send == 0)) apply_vendor(*vendor, passage);
  if (rule != nullptr) {
    apply_rule(*rule, passage);
    return decision_of(map, *rule);
  }
  if (vendor != nullptr) return {Decision::By::vendor_row, map.name, 0, 0, vendor};
  return {};
}

// Obsolete codes and what is not SIP, whatever the maps.
void apply_code_table(Passage& passage) {
  if (passage.code_by_rule) return;
  if (passage.code < 100 || passage.code > 699) {
    passage.become(502);
  } else if (const std::uint16_t other = code_row(passage.code).map_to; other != 0) {
    passage.become(other);
  }
}

// To a request that is not the usage's own these end the transaction only (RFC 5057 5.1 notes 3 and 12).
Ends ends_of(const Input& input, std::uint16_t cleaned) {
  const bool is_sip = input.code >= 100 && input.code <= 699;
  const unsigned code = is_sip && input.local == LocalError::none ? input.code : cleaned;
  if (!input.invite && (code == 405 || code == 489 || code == 501)) return Ends::transaction;
  return code_row(code).in_dialog;
}

bool goes_on(const Input& input, const Verdict& verdict) {
  if (verdict.treatment == Treatment::hop) return false;
  if (verdict.treatment == Treatment::if_supported) return input.supports_199;
  return input.invite || verdict.code != 408;  // RFC 4320 4.2
}

// RFC 3261 16.7 step 6: a 503 speaks of the peer that sent it and not of us, so it goes on as 500, unless a
// rule says 503. Our own 503 stays: it is true of us.
bool is_a_peers_503(const Input& input, const Passage& passage) {
  const bool peers = input.local == LocalError::none || input.local == LocalError::transport_failure;
  return peers && passage.code == 503 && !passage.code_by_rule && (input.exhausted || input.in_dialog);
}

// RFC 5626 11.6: 430 is between proxies; an endpoint must never see it.
bool is_a_lost_flow(const Input& input, const Passage& passage) {
  return passage.code == 430 && !passage.code_by_rule && (input.exhausted || input.in_dialog);
}

// 422 and 494 (RFC 4028 6, RFC 3329 2.3.1) speak of the hop that they were said on, and so does 423 of an
// INVITE: what comes here could not be settled there, and the other leg, which asked for none of it, can do
// nothing with them. It hears 500. The interval of another request is the sender's own: his is the 423 that
// it draws.
bool is_of_its_own_leg(const Input& input, const Passage& passage) {
  if (input.local != LocalError::none || passage.code_by_rule) return false;
  return code_row(passage.code).treatment == Treatment::local && (input.invite || passage.code != 423);
}

void finish(const Input& input, Passage& passage, Verdict& verdict) {
  if (is_a_lost_flow(input, passage)) passage.become(400);
  if (is_of_its_own_leg(input, passage)) {
    passage.become(500);
    verdict.decided = {.by = Decision::By::own_leg};
  }
  if (is_a_peers_503(input, passage)) {
    passage.become(500);
    verdict.decided = {.by = Decision::By::rfc3261_503};
  }
  verdict.code = passage.code;
  const bool rules = passage.phrase_by_rule && !passage.phrase.empty();
  verdict.phrase = rules ? passage.phrase : phrase_across(passage.code, passage.phrase);
  verdict.q850 = passage.q850 != 0 ? passage.q850 : cause_of(passage.code, passage.warning);
  verdict.warning = passage.warning;
  verdict.retry_after_s = passage.retry_after_s;
  verdict.forward = goes_on(input, verdict);
}

bool may_fail_over(const Input& input) {
  return !input.in_dialog && !input.exhausted;
}

Verdict keep_our_cancels_answer(const Input& input) {
  Verdict verdict;
  verdict.received = input.code;
  verdict.code = input.code;
  verdict.phrase = input.phrase.empty() ? standard_phrase(input.code) : input.phrase;
  verdict.forward = false;
  verdict.treatment = Treatment::local;
  verdict.ends = Ends::transaction;
  verdict.decided.by = Decision::By::our_cancel;
  return verdict;
}

Passage passage_of_local(const Input& input, const LocalDefault& row) {
  Passage passage{row.code, row.phrase, row.q850, row.warning, row.retry_after_s, {}, false, false};
  if (!input.phrase.empty()) passage.phrase = input.phrase;
  if (input.warning != 0) {
    passage.warning = input.warning;
    passage.q850 = cause_of(row.code, input.warning);
  }
  return passage;
}

Verdict map_local(const CompiledMap* send, const Input& input) {
  const LocalDefault& row = local_default(input.local);
  Passage passage = passage_of_local(input, row);
  Verdict verdict;
  verdict.local = input.local;
  verdict.treatment = Treatment::local;
  verdict.decided = {.by = Decision::By::local_default, .map_name = row.name};
  const CompiledRule* rule =
      send != nullptr ? send->by_local[static_cast<std::size_t>(input.local)] : nullptr;
  if (rule != nullptr) {
    apply_rule(*rule, passage);
    verdict.adapted = verdict.decided = decision_of(*send, *rule);
  }
  verdict.failover = may_fail_over(input) && passage.failover.value_or(row.failover);
  verdict.ends = ends_of(input, row.code);
  finish(input, passage, verdict);
  return verdict;
}

bool has_a_say(const Decision& decision) {
  return decision.by != Decision::By::nothing;
}

}  // namespace

Verdict Maps::map(const Input& input) const {
  const auto find = [&](config::MapIndex index) { return index < maps_.size() ? &maps_[index] : nullptr; };
  const CompiledMap* send = find(input.send);
  if (input.local != LocalError::none) return map_local(send, input);
  if (input.answers_our_cancel && input.code == 487) return keep_our_cancels_answer(input);

  Verdict verdict;
  verdict.received = input.code;
  Passage passage{input.code, input.phrase, input.q850, input.warning, input.retry_after_s, {}, false, false};
  const bool crosses = code_row(input.code).treatment != Treatment::hop;
  if (const CompiledMap* receive = find(input.receive); receive != nullptr && crosses) {
    verdict.cleaned = apply_map(*receive, passage);
  }
  apply_code_table(passage);
  const CodeRow& cleaned = code_row(passage.code);
  verdict.treatment = cleaned.treatment;
  verdict.ends = ends_of(input, passage.code);
  if (send != nullptr && crosses) verdict.adapted = apply_map(*send, passage);
  // Any 6xx ends the search (RFC 3261 21.6), and so do the answers; a rule may still know better.
  const bool failed = input.code < 100 || input.code >= 300;
  verdict.failover =
      failed && may_fail_over(input) && passage.failover.value_or(cleaned.treatment == Treatment::failover);
  verdict.decided = has_a_say(verdict.adapted)   ? verdict.adapted
                    : has_a_say(verdict.cleaned) ? verdict.cleaned
                                                 : Decision{.by = Decision::By::code_table};
  finish(input, passage, verdict);
  return verdict;
}

Verdict own_refusal(std::uint16_t code, std::string_view why, std::string_view phrase) {
  Verdict verdict;
  verdict.code = code;
  verdict.phrase = phrase.empty() ? standard_phrase(code) : phrase;
  verdict.treatment = Treatment::local;
  verdict.decided = {.by = Decision::By::own_refusal, .map_name = why};
  return verdict;
}

// ---- text
// ----------------------------------------------------------------------------------------------------------

std::string Decision::name() const {
  switch (by) {
    case By::nothing:
      return "";
    case By::code_table:
      return "rfc3398 base";
    case By::vendor_row:
      return "vendor row " + std::to_string(vendor->code) + " " + std::string(vendor->phrase);
    case By::rule:
      return "rule " + std::to_string(this->rule);
    case By::local_default:
      return "default of " + std::string(map_name);
    case By::rfc3261_503:
      return "503 after failover (RFC 3261 16.7)";
    case By::own_leg:
      return "a matter of its own leg";
    case By::our_cancel:
      return "487 to our own CANCEL";
    case By::own_refusal:
      return "a refusal of our own: " + std::string(map_name);
  }
  return "";
}

std::string Decision::text() const {
  if (by != By::rule) return name();
  return std::string(map_name) + " " + name() + " (line " + std::to_string(line) + ")";
}

std::array<const Decision*, 3> Verdict::decisions() const {
  std::array<const Decision*, 3> said{};
  std::size_t n = 0;
  if (has_a_say(cleaned)) said[n++] = &cleaned;
  if (has_a_say(adapted)) said[n++] = &adapted;
  // What neither map decided stands apart: the code table, a default, the 503 that becomes 500.
  if (has_a_say(decided) && !decided.is_of_a_map()) said[n++] = &decided;
  return said;
}

std::string Verdict::rule_text() const {
  std::string text;
  for (const Decision* decision : decisions()) {
    if (decision != nullptr) text += (text.empty() ? "" : ", ") + decision->text();
  }
  return text;
}

}  // namespace sallyport::response_map
