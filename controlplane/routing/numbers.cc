// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/numbers.h"

#include <algorithm>

#include "controlplane/routing/router.h"
#include "dataplane/base/ascii.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"

namespace sallyport::routing {
namespace {

using config::NumberForm;
using config::NumberParty;
using config::NumberPlan;
using config::NumberRule;

bool is_separator(char c) {
  return c == '-' || c == '.' || c == '(' || c == ')';
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

// `number` behind `start`, where it starts so and digits follow.
std::optional<std::string_view> behind(std::string_view number, std::string_view start) {
  if (start.empty() || !number.starts_with(start)) return std::nullopt;
  number.remove_prefix(start.size());
  if (!all_digits(number)) return std::nullopt;
  return number;
}

// The international prefix first: the national one ("0") usually starts it ("00"), and then does not count.
std::string to_e164(std::string number, const NumberPlan& plan) {
  if (number.starts_with('+')) return number;
  if (number.starts_with(plan.international)) {
    const auto rest = behind(number, plan.international);
    return rest ? "+" + std::string(*rest) : number;
  }
  if (const auto rest = behind(number, plan.national)) return "+" + plan.country + std::string(*rest);
  if (plan.national.empty() && all_digits(number)) return "+" + plan.country + number;
  return number;
}

std::string in_form(std::string number, NumberForm form, const NumberPlan& plan) {
  if (form == NumberForm::unchanged || plan.country.empty()) return number;
  const std::string global = to_e164(number, plan);
  if (form == NumberForm::e164 || !global.starts_with('+')) return global;
  if (form == NumberForm::national) {
    if (const auto rest = behind(global, "+" + plan.country)) return plan.national + std::string(*rest);
  }
  return plan.international + global.substr(1);
}

bool fits(const NumberRule& rule, Way way, Party party, std::string_view number) {
  if (rule.apply != NumberParty::both && (rule.apply == NumberParty::called) != (party == Party::called))
    return false;
  const bool has_tech = way == Way::in && party == Party::called && !rule.tech_prefix.empty();
  if (has_tech && !number.starts_with(rule.tech_prefix)) return false;
  return rule.match.empty() || pattern_matches(rule.match, number);
}

// Empty: nothing would be left.
std::string changed(const NumberRule& rule, const NumberPlan& plan, Way way, Party party,
                    std::string number) {
  const std::size_t tech = party == Party::called ? rule.tech_prefix.size() : 0;
  const auto cut = [&](std::size_t count) { number.erase(0, std::min(count, number.size())); };
  if (way == Way::in) {
    cut(tech);
    cut(rule.strip);
    return number.empty() ? number : in_form(rule.prefix + number, rule.form, plan);
  }
  number = in_form(std::move(number), rule.form, plan);
  cut(rule.strip);
  if (number.empty()) return number;
  return (tech != 0 ? rule.tech_prefix : "") + rule.prefix + number;
}

bool is_phone_context(std::string_view param) {
  return sip::iequals(sip::trim(param.substr(0, param.find('='))), "phone-context");
}

std::string_view next_param(std::string_view& list) {
  const std::size_t end = std::min(list.find(';'), list.size());
  const std::string_view param = list.substr(0, end);
  list.remove_prefix(std::min(end + 1, list.size()));
  return param;
}

// ";a;b=c" without phone-context, from "a;b=c".
std::string other_params(std::string_view list) {
  std::string out;
  while (!list.empty()) {
    const std::string_view param = next_param(list);
    if (!param.empty() && !is_phone_context(param)) out.append(";").append(param);
  }
  return out;
}

// "a;b=c" of "number;a;b=c".
std::string_view params_of_user(std::string_view user) {
  return user.substr(std::min(user.find(';'), user.size()));
}

bool is_of_plan(std::string_view number, std::string_view context, const NumberPlan& plan) {
  if (number.starts_with('+') || context.empty()) return true;
  return !plan.country.empty() && context == "+" + plan.country;
}

// `text` with [part) replaced; `part` is a view into it.
std::string spliced(std::string_view text, std::string_view part, std::string_view with) {
  const auto start = static_cast<std::size_t>(part.data() - text.data());
  return std::string(text.substr(0, start)).append(with).append(text.substr(start + part.size()));
}

std::string tel_uri(const sip::Uri& uri, std::string number, std::string_view country) {
  // Behind a prefix it is a local number: no '+' stands within one (RFC 3966 3).
  if (const std::size_t plus = number.rfind('+'); plus != std::string::npos && plus != 0)
    number.erase(plus, 1);
  std::string out = std::string(uri.scheme_text) + ":" + number + other_params(uri.parameters);
  if (!number.starts_with('+') && !country.empty()) out.append(";phone-context=+").append(country);
  return out;
}

}  // namespace

std::optional<std::string> number_of_user(std::string_view user) {
  const std::string plain = sip::unescape(user.substr(0, user.find(';')));
  std::string number;
  for (const char c : plain) {
    if (is_separator(c)) continue;
    const bool leading_plus = c == '+' && number.empty();
    if (!leading_plus && !is_digit(c) && c != '*' && c != '#') return std::nullopt;
    number += c;
  }
  if (number.empty() || number == "+") return std::nullopt;
  return number;
}

std::string phone_context(const sip::Uri& uri) {
  std::string_view params = uri.scheme == sip::Scheme::tel ? uri.parameters : params_of_user(uri.user);
  while (!params.empty()) {
    const std::string_view param = next_param(params);
    if (!is_phone_context(param)) continue;
    const std::size_t equals = param.find('=');
    if (equals == std::string_view::npos) return {};
    const std::string_view value = param.substr(equals + 1);
    std::string context = sip::unescape(sip::trim(value));
    if (context.starts_with('+')) std::erase_if(context, is_separator);
    return context;
  }
  return {};
}

NumberStep apply_numbers(const config::Numbers& numbers, Way way, Party party, std::string_view number) {
  const std::vector<NumberRule>& rules = way == Way::in ? numbers.in : numbers.out;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (!fits(rules[i], way, party, number)) continue;
    std::string result = changed(rules[i], numbers.plan, way, party, std::string(number));
    if (result.empty() || result == number) break;
    return {std::move(result), i};
  }
  return {std::string(number), std::nullopt};
}

NumberPath::NumberPath(const config::Config& config, config::PeerIndex from, std::optional<std::size_t> route,
                       config::PeerIndex to, bool forwards) {
  if (from != config::kNoIndex) add(config.peers[from].numbers, Way::in);
  if (route) add(config.routes[*route].numbers, forwards ? Way::out : Way::in);
  if (to != config::kNoIndex) add(config.peers[to].numbers, Way::out);
}

void NumberPath::add(const config::Numbers& numbers, Way way) {
  if (!(way == Way::in ? numbers.in : numbers.out).empty()) steps_.push_back({&numbers, way});
}

NumberPath::Result NumberPath::take_steps(Party party, std::string_view number, std::string context) const {
  Result result{.number = std::string(number)};
  if (number.starts_with('+')) result.global = number;
  for (const Step& step : steps_) {
    if (!is_of_plan(result.number, context, step.numbers->plan)) {
      result.passed_over = true;
      continue;
    }
    NumberStep done = apply_numbers(*step.numbers, step.way, party, result.number);
    if (done.rule) context.clear();  // it is written anew
    result.number = std::move(done.number);
    if (result.number.starts_with('+')) result.global = result.number;
  }
  return result;
}

std::string NumberPath::uri(Party party, std::string_view text) const {
  const auto uri = steps_.empty() ? std::unexpected(sip::Fault{}) : sip::parse_uri(text);
  if (!uri || uri->scheme == sip::Scheme::other || !uri->has_user) return std::string(text);
  const auto before = number_of_user(uri->user);
  if (!before) return std::string(text);
  Result result = take_steps(party, *before, phone_context(*uri));
  const bool tel = uri->scheme == sip::Scheme::tel;
  const std::string& country = steps_.back().numbers->plan.country;
  const bool is_nobodys =
      tel && party == Party::calling && country.empty() && !result.number.starts_with('+');
  if (is_nobodys && !result.global.empty()) result.number = std::move(result.global);
  const std::string& after = result.number;
  if (after == *before) return std::string(text);
  if (tel) return tel_uri(*uri, after, country);
  const std::string user = sip::escape_user(after) + other_params(params_of_user(uri->user));
  return spliced(text, uri->user, user);
}

bool NumberPath::passes_over(Party party, std::string_view text) const {
  const auto uri = sip::parse_uri(text);
  if (!uri || uri->scheme == sip::Scheme::other) return false;
  const auto number = number_of_user(uri->user);
  return number && take_steps(party, *number, phone_context(*uri)).passed_over;
}

std::string NumberPath::value(Party party, std::string_view name_addr) const {
  const auto parsed = steps_.empty() ? std::unexpected(sip::Fault{}) : sip::parse_name_addr(name_addr);
  if (!parsed) return std::string(name_addr);
  const std::string after = uri(party, parsed->uri);
  if (after == parsed->uri) return std::string(name_addr);
  // A bare addr-spec may hold no ';' (RFC 3261 20.10), and the new one might.
  return spliced(name_addr, parsed->uri, parsed->bracketed ? after : "<" + after + ">");
}

}  // namespace sallyport::routing
