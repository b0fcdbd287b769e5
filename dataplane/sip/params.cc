// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/params.h"

#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/param_list.h"

namespace sallyport::sip {

namespace {

// Behind the quoted-string or the <> at the cursor, or at the end when it does not end.
void skip_shielded(Cursor& cursor) {
  if (cursor.accept('<')) {
    cursor.take(cursor.distance('>'));
    return;
  }
  if (cursor.take_quoted().empty()) cursor.take(cursor.left());
}

// Where the value at the start of `text` ends: at a comma outside quotes and <>, or at the end.
std::size_t value_length(std::string_view text) {
  Cursor cursor(text);
  if (cursor.distance(',') == text.size()) return text.size();  // the most common: one value
  for (;;) {
    cursor.take_run(kListText);
    if (cursor.at_end() || cursor.at(',')) return text.size() - cursor.left();
    skip_shielded(cursor);
  }
}

}  // namespace

std::optional<Param> ParamReader::next() {
  if (!well_formed_) return std::nullopt;
  Cursor cursor(rest_);
  Param param;
  const ParamStep step = read_param(cursor, param);
  well_formed_ = step != ParamStep::malformed;
  rest_ = step == ParamStep::one ? cursor.rest() : std::string_view{};
  if (step != ParamStep::one) return std::nullopt;
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
  const std::size_t length = value_length(rest_);
  const std::string_view value = trim(rest_.substr(0, length));
  done_ = length >= rest_.size();
  if (done_ && !started_ && value.empty()) return std::nullopt;
  started_ = true;
  rest_.remove_prefix(done_ ? rest_.size() : length + 1);
  return value;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is(text.front(), kLws)) text.remove_prefix(1);
  while (!text.empty() && is(text.back(), kLws)) text.remove_suffix(1);
  return text;
}

}  // namespace sallyport::sip
