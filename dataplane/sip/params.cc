// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/params.h"

#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"
#include "dataplane/sip/names.h"

namespace sallyport::sip {

namespace {

// EQUAL and a gen-value, when there are; false when the value is malformed.
bool read_value(Cursor& cursor, Param& param) {
  if (!cursor.accept_separator('=')) return true;
  param.has_value = true;
  if (!cursor.at('"')) {
    param.value = cursor.take_run(kParamValue);
    return true;
  }
  param.value = cursor.take_quoted();
  return !param.value.empty();
}

// Where the value at the start of `text` ends: at a comma outside quotes and <>, or at the end.
std::size_t value_length(std::string_view text) {
  if (text.find(',') == std::string_view::npos) return text.size();  // the most common: one value
  bool in_angle = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && !in_angle) {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
      continue;
    }
    if (c == '<') in_angle = true;
    if (c == '>') in_angle = false;
    if (c == ',' && !in_angle) return i;
  }
  return text.size();
}

}  // namespace

std::optional<Param> ParamReader::next() {
  Cursor cursor(rest_);
  rest_ = {};
  cursor.skip_lws();
  if (cursor.at_end() || !well_formed_) return std::nullopt;
  cursor.accept(';');
  cursor.skip_lws();
  Param param;
  param.name = cursor.take_run(kParamName);
  well_formed_ = !param.name.empty() && read_value(cursor, param);
  cursor.skip_lws();
  well_formed_ = well_formed_ && (cursor.at_end() || cursor.at(';'));
  if (!well_formed_) return std::nullopt;
  rest_ = cursor.rest();
  return param;
}

std::optional<Param> find_param(std::string_view list, std::string_view name) {
  ParamReader reader(list);
  while (auto param = reader.next()) {
    if (iequals(param->name, name)) return param;
  }
  return std::nullopt;
}

std::optional<std::string_view> ValueReader::next() {
  if (done_) return std::nullopt;
  if (!started_ && trim(rest_).empty()) {
    done_ = true;
    return std::nullopt;
  }
  started_ = true;
  const std::size_t length = value_length(rest_);
  const std::string_view value = trim(rest_.substr(0, length));
  done_ = length >= rest_.size();
  rest_.remove_prefix(done_ ? rest_.size() : length + 1);
  return value;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is(text.front(), kLws)) text.remove_prefix(1);
  while (!text.empty() && is(text.back(), kLws)) text.remove_suffix(1);
  return text;
}

}  // namespace sallyport::sip
