// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "controlplane/config/load.h"
#include "controlplane/config/read.h"
#include "controlplane/config/text.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kLongestPhrase = 128;

Place place_of(const std::optional<Value>& value) {
  return value ? value->at() : Place{};
}

std::optional<std::uint16_t> number_of(const std::optional<Value>& value, std::uint64_t least,
                                       std::uint64_t most) {
  if (!value) return std::nullopt;
  const auto number = value->number(least, most);
  return number ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
}

std::optional<std::uint8_t> cause_of(const std::optional<Value>& value) {
  const auto number = number_of(value, 1, 127);
  return number ? std::optional(static_cast<std::uint8_t>(*number)) : std::nullopt;
}

std::optional<std::string> text_of(const std::optional<Value>& value) {
  return value ? value->text(kLongestPhrase) : std::nullopt;
}

std::optional<CodeSpan> code_of(const std::optional<Value>& value) {
  const auto text = text_of(value);
  if (!text) return std::nullopt;
  const auto span = parse_code_span(*text);
  if (!span)
    value->fault("must be a code (503), a range (500-599) or a class (5xx), not {}", in_quotes(*text));
  return span;
}

// RFC 3261 20.33: delta-seconds.
std::optional<Nanoseconds> seconds_of(const std::optional<Value>& value) {
  if (!value) return std::nullopt;
  const auto span = value->duration(kSecond, kDay, false);
  if (!span) return std::nullopt;
  if (*span % kSecond == 0) return span;
  value->fault("must be whole seconds");
  return std::nullopt;
}

// True when one of the keys stands there, good or bad.
bool read_conditions(MapReader& reader, MapRule& rule) {
  const auto code = reader.get("code");
  const auto phrase = reader.get("phrase");
  const auto q850 = reader.get("q850");
  const auto local = reader.get("local");
  rule.code = code_of(code);
  rule.phrase = text_of(phrase);
  rule.q850 = cause_of(q850);
  rule.local = text_of(local);
  rule.code_at = place_of(code);
  rule.local_at = place_of(local);
  if (local && (code || phrase || q850)) {
    local->fault("a local error is not a peer's: no code, phrase or q850 beside it");
  }
  return code || phrase || q850 || local;
}

bool read_outputs(MapReader& reader, MapRule& rule) {
  const auto send = reader.get("send");
  const auto phrase = reader.get("send_phrase");
  const auto q850 = reader.get("send_q850");
  const auto warning = reader.get("warning");
  const auto retry_after = reader.get("retry_after");
  const auto failover = reader.get("failover");
  rule.send = number_of(send, 100, 699);
  rule.send_phrase = text_of(phrase);
  rule.send_q850 = cause_of(q850);
  rule.warning = number_of(warning, 300, 399);
  rule.retry_after_ns = seconds_of(retry_after);
  if (failover) rule.failover = failover->boolean();
  rule.send_at = place_of(send);
  rule.warning_at = place_of(warning);
  return send || phrase || q850 || warning || retry_after || failover;
}

MapRule read_rule(const Value& item) {
  MapRule rule;
  rule.at = item.at();
  MapReader reader(item);
  const bool has_condition = read_conditions(reader, rule);
  const bool has_output = read_outputs(reader, rule);
  reader.finish();
  if (!item.is_map()) return rule;
  if (!has_condition) item.fault("needs a condition: code, phrase, q850 or local");
  if (!has_output)
    item.fault("needs an output: send, send_phrase, send_q850, warning, retry_after or failover");
  return rule;
}

MapConfig read_map(const Value::Named& named) {
  MapConfig map;
  map.name = named.name;
  map.at = named.at;
  MapReader reader(named.value);
  if (const auto base = reader.get("base")) {
    for (const Value& item : base->list_or_one()) {
      if (auto name = item.text()) map.base.push_back({std::move(*name), item.at()});
    }
  }
  if (const auto rules = reader.get("rules")) {
    for (const Value& item : rules->list()) map.rules.push_back(read_rule(item));
  }
  reader.finish();
  return map;
}

}  // namespace

void read_response_maps(MapReader& top, Draft& draft) {
  const auto value = top.get("response_maps");
  if (!value) return;
  for (const Value::Named& named : value->named()) draft.config.response_maps.push_back(read_map(named));
}

std::uint16_t Draft::map_index(std::string_view name) const {
  const auto& maps = config.response_maps;
  const auto found =
      std::find_if(maps.begin(), maps.end(), [&](const MapConfig& m) { return m.name == name; });
  return found == maps.end() ? kNoIndex : static_cast<std::uint16_t>(found - maps.begin());
}

}  // namespace sallyport::config
