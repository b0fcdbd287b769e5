// SPDX-License-Identifier: Apache-2.0
// A reading position in one field value. For this room only.
#pragma once

#include <string_view>

#include "dataplane/sip/chars.h"

namespace sallyport::sip {

class Cursor {
 public:
  explicit constexpr Cursor(std::string_view text) : rest_(text) {}

  [[nodiscard]] constexpr bool at_end() const { return rest_.empty(); }
  [[nodiscard]] constexpr char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  [[nodiscard]] constexpr bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  [[nodiscard]] constexpr std::string_view rest() const { return rest_; }

  constexpr std::string_view take(std::size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  constexpr std::string_view take_run(unsigned classes) { return take(run_of(rest_, classes)); }
  constexpr void skip_lws() { rest_.remove_prefix(run_of(rest_, kLws)); }
  constexpr bool accept(char c) {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // A separator with the white space that may stand round it (RFC 3261 25.1: SLASH, SEMI, COLON...).
  constexpr bool accept_separator(char c) {
    const std::string_view before = rest_;
    skip_lws();
    if (accept(c)) {
      skip_lws();
      return true;
    }
    rest_ = before;
    return false;
  }
  // A quoted-string with its quotes; empty, and nothing taken, when there is none or it does not end.
  constexpr std::string_view take_quoted() {
    if (!at('"')) return {};
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') return take(i + 1);
      if (rest_[i] == '\\') ++i;
    }
    return {};
  }
  // A host: name, IPv4address or IPv6reference with its brackets, by its characters; empty when there is
  // none.
  constexpr std::string_view take_host() {
    if (!at('[')) return take_run(kHost);
    const std::size_t close = rest_.find(']');
    return close == std::string_view::npos ? std::string_view{} : take(close + 1);
  }

 private:
  std::string_view rest_;
};

}  // namespace sallyport::sip
