// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <fstream>

#include "controlplane/config/read.h"
#include "controlplane/config/text.h"
#include "dataplane/base/ascii.h"
#include "dataplane/sip/uri.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kMostRules = 256;
constexpr std::size_t kLongestDialled = 32;
constexpr std::size_t kMostAllowedNames = 64;

constexpr std::array<std::pair<std::string_view, NumberForm>, 3> kForms{
    {{"e164", NumberForm::e164},
     {"national", NumberForm::national},
     {"international", NumberForm::international}}};
constexpr std::array<std::pair<std::string_view, NumberParty>, 3> kParties{
    {{"both", NumberParty::both}, {"called", NumberParty::called}, {"calling", NumberParty::calling}}};
constexpr std::array<std::pair<std::string_view, RedirectMode>, 3> kRedirectModes{
    {{"pass", RedirectMode::pass}, {"follow", RedirectMode::follow}, {"refuse", RedirectMode::refuse}}};
constexpr std::array<std::pair<std::string_view, ReferMode>, 3> kReferModes{
    {{"pass", ReferMode::pass}, {"follow", ReferMode::follow}, {"refuse", ReferMode::refuse}}};
constexpr std::array<std::pair<std::string_view, UnknownMethods>, 2> kUnknownMethods{
    {{"refuse", UnknownMethods::refuse}, {"pass", UnknownMethods::pass}}};

// What may stand in a number: it goes into user parts and tel URIs as it is.
bool is_dialled(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return std::ranges::all_of(text, [](char c) { return is_digit(c) || c == '*' || c == '#'; });
}

void read_dialled(MapReader& reader, std::string_view key, std::string& out) {
  const auto value = reader.get(key);
  if (!value) return;
  auto text = value->text(kLongestDialled);
  if (!text) return;
  if (!is_dialled(*text))
    return value->fault("must be digits, '*' and '#', perhaps after a '+', not {}", in_quotes(*text));
  out = std::move(*text);
}

// Digits; with `none` also that word, for a plan without such a prefix.
void read_digits(MapReader& reader, std::string_view key, bool may_be_none, std::string& out) {
  const auto value = reader.get(key);
  const auto text = value ? value->text(kLongestDialled) : std::nullopt;
  if (!text) return;
  if (may_be_none && *text == "none") {
    out.clear();
  } else if (!std::ranges::all_of(*text, is_digit)) {
    value->fault("must be digits{}, not {}", may_be_none ? " or none" : "", in_quotes(*text));
  } else {
    out = *text;
  }
}

void read_plan(MapReader& numbers, NumberPlan& plan) {
  const auto value = numbers.get("plan");
  if (!value) return;
  MapReader reader(*value);
  (void)reader.need("country");
  read_digits(reader, "country", false, plan.country);
  read_digits(reader, "national", true, plan.national);
  read_digits(reader, "international", false, plan.international);
  reader.finish();
}

NumberRule read_rule(const Value& value, bool has_plan) {
  NumberRule rule;
  rule.at = value.at();
  MapReader reader(value);
  reader.text("match", rule.match, 64);
  rule.match = sip::unescape(rule.match);  // as the numbers that it is held against
  reader.choice<NumberParty>("apply", rule.apply, kParties);
  reader.number("strip", rule.strip, 0, kLongestDialled);
  read_dialled(reader, "prefix", rule.prefix);
  read_dialled(reader, "tech_prefix", rule.tech_prefix);
  const auto form = reader.get("form");
  if (form) rule.form = form->choice<NumberForm>(kForms).value_or(rule.form);
  if (form && !has_plan) form->fault("needs the plan of the numbers: {{country: ...}}");
  if (!rule.tech_prefix.empty() && rule.apply == NumberParty::calling) {
    value.fault("a tech_prefix is for called numbers");
  }
  const bool acts = form || reader.get("strip") || reader.get("prefix") || reader.get("tech_prefix");
  if (value.is_map() && !acts) value.fault("does nothing: needs form, strip, prefix or tech_prefix");
  reader.finish();
  return rule;
}

void read_rules(MapReader& numbers, std::string_view key, bool has_plan, std::vector<NumberRule>& rules) {
  const auto value = numbers.get(key);
  if (!value) return;
  if (value->is_map()) return rules.push_back(read_rule(*value, has_plan));
  const auto items = value->list();
  if (items.size() > kMostRules) return value->fault("has more than {} rules", kMostRules);
  for (const Value& item : items) rules.push_back(read_rule(item, has_plan));
}

// RFC 4855: an encoding name is a token; "name/rate" where two clock rates would be meant.
bool is_codec(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto is_token = [](char c) {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
           c == '_' || c == '+';
  };
  const std::string_view name = text.substr(0, slash);
  if (name.empty() || !std::ranges::all_of(name, is_token)) return false;
  if (slash == text.size()) return true;
  const auto rate = parse_number(text.substr(slash + 1));
  return rate && *rate > 0 && *rate <= 1'000'000;
}

void read_codec_list(MapReader& reader, std::string_view key, std::vector<std::string>& out) {
  const auto value = reader.get(key);
  if (!value) return;
  const auto items = value->list_or_one();
  if (value->is_list() && items.empty()) value->fault("is empty");
  if (items.size() > 64) return value->fault("has more than 64 codecs");
  for (const Value& item : items) {
    auto text = item.text(64);
    if (!text) continue;
    if (is_codec(*text)) {
      out.push_back(std::move(*text));
    } else {
      item.fault("must be a codec such as PCMA or opus/48000, not {}", in_quotes(*text));
    }
  }
}

void read_codecs(MapReader& peer_reader, Codecs& codecs) {
  const auto value = peer_reader.get("codecs");
  if (!value) return;
  MapReader reader(*value);
  read_codec_list(reader, "allow", codecs.allow);
  read_codec_list(reader, "remove", codecs.remove);
  read_codec_list(reader, "order", codecs.order);
  for (const std::string& name : codecs.allow) {
    if (std::ranges::find(codecs.remove, name) == codecs.remove.end()) continue;
    value->fault("{} is both allowed and removed", in_quotes(name));
  }
  reader.finish();
}

void read_credentials(MapReader& peer_reader, Credentials& credentials) {
  const auto value = peer_reader.get("credentials");
  if (!value) return;
  MapReader reader(*value);
  (void)reader.need("user");
  reader.text("user", credentials.user, 256);
  reader.text("realm", credentials.realm, 256);
  reader.text("password", credentials.password, 256);
  const auto file = reader.get("password_file");
  if (file && reader.get("password")) {
    file->fault("stands beside 'password': one of them");
  } else if (file) {
    credentials.password = secret_of(*file).value_or("");
  } else if (value->is_map() && !reader.get("password")) {
    value->fault("needs 'password' or 'password_file'");
  }
  reader.finish();
}

// A network, or a host by its name, which is looked up as those of targets are.
void read_allowed(const Value& item, Redirects& redirects) {
  const auto text = item.text(256);
  if (!text) return;
  if (const auto prefix = Prefix::parse(*text)) {
    redirects.allow.push_back({prefix->network(), prefix->length});
  } else if (auto name = host_name(*text)) {
    redirects.allow_names.push_back(std::move(*name));
  } else {
    item.fault("must be an IP address, alone or with a prefix length, or a host name, not {}",
               in_quotes(*text));
  }
}

void read_redirects(MapReader& peer_reader, Redirects& redirects) {
  const auto value = peer_reader.get("redirects");
  if (!value) return;
  if (!value->is_map()) {
    redirects.mode = value->choice<RedirectMode>(kRedirectModes).value_or(redirects.mode);
    return;
  }
  MapReader reader(*value);
  (void)reader.need("mode");
  reader.choice<RedirectMode>("mode", redirects.mode, kRedirectModes);
  reader.number("depth", redirects.depth, 1, 16);
  if (const auto allow = reader.get("allow")) {
    for (const Value& item : allow->list_or_one()) read_allowed(item, redirects);
    if (redirects.allow_names.size() > kMostAllowedNames)
      allow->fault("has more than {} host names", kMostAllowedNames);
  }
  reader.finish();
}

}  // namespace

// The first line of the file. What it holds stays out of every fault.
std::optional<std::string> secret_of(const Value& value) {
  const auto path = value.absolute_path(1024);
  if (!path) return std::nullopt;
  std::ifstream file(*path);
  std::string line;
  if (!file || !std::getline(file, line)) {
    value.fault("cannot be read: {}", in_quotes(*path));
    return std::nullopt;
  }
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty() || line.size() > 256) {
    value.fault("its first line must be a password of at most 256 octets");
    return std::nullopt;
  }
  return line;
}

void read_numbers(MapReader& owner, Numbers& numbers) {
  const auto value = owner.get("numbers");
  if (!value) return;
  MapReader reader(*value);
  read_plan(reader, numbers.plan);
  const bool has_plan = reader.get("plan").has_value();
  read_rules(reader, "in", has_plan, numbers.in);
  read_rules(reader, "out", has_plan, numbers.out);
  if (value->is_map() && !reader.get("in") && !reader.get("out")) value->fault("needs 'in' or 'out'");
  reader.finish();
}

void read_policies(MapReader& peer_reader, Peer& peer) {
  if (const auto value = peer_reader.get("trusted")) peer.trusted = value->boolean().value_or(peer.trusted);
  read_numbers(peer_reader, peer.numbers);
  read_codecs(peer_reader, peer.codecs);
  read_header_policy(peer_reader, peer.headers);
  read_credentials(peer_reader, peer.credentials);
  read_redirects(peer_reader, peer.redirects);
  peer_reader.choice<ReferMode>("refer", peer.refer, kReferModes);
  peer_reader.choice<UnknownMethods>("unknown_methods", peer.unknown_methods, kUnknownMethods);
}

}  // namespace sallyport::config
