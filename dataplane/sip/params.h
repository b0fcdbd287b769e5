// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

namespace sallyport::sip {

// ";name=value;name2" lists (RFC 3261 25.1, generic-param), as they stand in URIs, Via and name-addr fields.
// Values may be tokens, hosts or quoted strings; quoted ones keep their quotes.
struct Param {
  std::string_view name;
  std::string_view value;
  bool has_value = false;
};

// Walks "a=1;b;c=x". Takes an optional leading ';'. White space and folds round the separators are skipped.
class ParamReader {
 public:
  explicit ParamReader(std::string_view list) : rest_(list) {}
  [[nodiscard]] std::optional<Param> next();
  // True when the list ended where it should; false after a malformed parameter.
  [[nodiscard]] bool well_formed() const { return well_formed_; }

 private:
  std::string_view rest_;
  bool well_formed_ = true;
};

// The first parameter of that name (any case).
[[nodiscard]] std::optional<Param> find_param(std::string_view list, std::string_view name);

// Walks the comma-separated values of one header field value; commas in quotes and <> do not split.
class ValueReader {
 public:
  explicit ValueReader(std::string_view field_value) : rest_(field_value) {}
  // Each value without outer white space, empty ones between commas too; nullopt at the end, and at once for a
  // field without any value.
  [[nodiscard]] std::optional<std::string_view> next();

 private:
  std::string_view rest_;
  bool started_ = false;
  bool done_ = false;
};

// Without outer SP, HTAB, CR, LF.
[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace sallyport::sip
