// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/response_map/response_map.h"

namespace sallyport::response_map {

// The fields of a rule for tests, in one line each.
struct RuleText {
  std::string code;    // "503", "500-599", "4xx"; empty: none
  std::string phrase;  // empty: none
  std::uint8_t q850 = 0;
  std::string local;
  std::uint16_t send = 0;
};

inline config::CodeSpan span_of(const std::string& text) {
  using Kind = config::CodeSpan::Kind;
  const auto number = [](const std::string& s) { return static_cast<std::uint16_t>(std::stoi(s)); };
  if (text.ends_with("xx")) {
    const auto first = static_cast<std::uint16_t>((text[0] - '0') * 100);
    return {first, static_cast<std::uint16_t>(first + 99), Kind::status_class};
  }
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos) return {number(text), number(text), Kind::exact};
  return {number(text.substr(0, dash)), number(text.substr(dash + 1)), Kind::range};
}

// Rule n (from 1) stands on line 10 + n.
inline config::MapRule rule_of(const RuleText& text, std::uint32_t n) {
  config::MapRule rule;
  if (!text.code.empty()) rule.code = span_of(text.code);
  if (!text.phrase.empty()) rule.phrase = text.phrase;
  if (text.q850 != 0) rule.q850 = text.q850;
  if (!text.local.empty()) rule.local = text.local;
  if (text.send != 0) rule.send = text.send;
  rule.at = {10 + n, 9};
  rule.send_at = {10 + n, 30};
  rule.code_at = {10 + n, 10};
  rule.local_at = {10 + n, 10};
  return rule;
}

inline config::MapConfig map_of(std::string name, std::vector<std::string> bases,
                                const std::vector<RuleText>& rules) {
  config::MapConfig map;
  map.name = std::move(name);
  for (std::string& base : bases) map.base.push_back({std::move(base), {9, 5}});
  std::uint32_t n = 0;
  for (const RuleText& rule : rules) map.rules.push_back(rule_of(rule, ++n));
  return map;
}

inline Maps compiled(const std::vector<config::MapConfig>& configs) {
  auto maps = Maps::compile(configs);
  if (!maps) throw std::runtime_error(maps.error().front().message);
  return std::move(*maps);
}

// What the reference files say, field by field, without the first line.
inline std::vector<std::vector<std::string>> read_tsv(const std::string& path) {
  std::vector<std::vector<std::string>> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> fields;
    std::size_t from = 0;
    for (std::size_t tab; (tab = line.find('\t', from)) != std::string::npos; from = tab + 1) {
      fields.push_back(line.substr(from, tab - from));
    }
    fields.push_back(line.substr(from));
    rows.push_back(std::move(fields));
  }
  if (!rows.empty()) rows.erase(rows.begin());
  return rows;
}

}  // namespace sallyport::response_map
