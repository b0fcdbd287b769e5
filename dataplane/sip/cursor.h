// SPDX-License-Identifier: Apache-2.0
// A reading position in one field value. For this room only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dataplane/base/ascii.h"
#include "dataplane/sip/chars.h"

namespace sallyport::sip {

class Cursor {
 public:
  explicit Cursor(std::string_view text)
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : *at_; }
  [[nodiscard]] bool at(char c) const { return !at_end() && *at_ == c; }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::string_view rest() const { return {at_, left()}; }
  // How many octets come before the first `c`; left() when there is none.
  [[nodiscard]] std::size_t distance(char c) const {
    const void* found = at_end() ? nullptr : std::memchr(at_, c, left());
    return found == nullptr ? left() : static_cast<std::size_t>(static_cast<const char*>(found) - at_);
  }

  std::string_view take(std::size_t n) {
    const char* from = at_;
    at_ += n < left() ? n : left();
    return {from, static_cast<std::size_t>(at_ - from)};
  }
  std::string_view take_run(unsigned classes) { return take(run(classes)); }
  [[nodiscard]] std::size_t run(unsigned classes) const {
    return detail::run_within(begin_, at_, end_, classes);
  }
  // The same with %HH escapes among them. An escape that is none ends the run.
  std::string_view take_escaped_run(unsigned classes) {
    const char* from = at_;
    for (;;) {
      at_ += run(classes);
      if (!at('%') || left() < 3 || !is(at_[1], kHex) || !is(at_[2], kHex)) break;
      at_ += 3;
    }
    return {from, static_cast<std::size_t>(at_ - from)};
  }
  void skip_lws() {
    while (at_ != end_ && is(*at_, kLws)) ++at_;
  }
  bool accept(char c) {
    if (!at(c)) return false;
    ++at_;
    return true;
  }
  // A separator with the white space that may stand round it (RFC 3261 25.1: SLASH, SEMI, COLON...).
  bool accept_separator(char c) {
    if (at_end() || (*at_ != c && !is(*at_, kLws))) return false;
    const char* before = at_;
    skip_lws();
    if (!accept(c)) {
      at_ = before;
      return false;
    }
    skip_lws();
    return true;
  }
  // A quoted-string with its quotes; empty, and nothing taken, when there is none or it does not end.
  std::string_view take_quoted() {
    if (!at('"')) return {};
    for (const char* p = at_ + 1; p < end_; ++p) {
      if (*p == '"') return take(static_cast<std::size_t>(p + 1 - at_));
      if (*p == '\\') ++p;
    }
    return {};
  }
  // A host: name, IPv4address or IPv6reference with its brackets, by its characters; empty when there is
  // none.
  std::string_view take_host() {
    if (!at('[')) return take_run(kHost);
    const std::size_t close = distance(']');
    return close == left() ? std::string_view{} : take(close + 1);
  }
  // 1*DIGIT as a number of at most `limit`; false for anything else.
  bool take_number(std::uint32_t& number, std::uint32_t limit) {
    std::uint64_t value = 0;
    const char* from = at_;
    for (; at_ != end_ && is_digit(*at_); ++at_) {
      value = value * 10 + static_cast<unsigned>(*at_ - '0');
      if (value > limit) return false;
    }
    number = static_cast<std::uint32_t>(value);
    return at_ != from;
  }
  // The same as a port, 0 not being one.
  bool take_port(std::uint16_t& port) {
    std::uint32_t number = 0;
    if (!take_number(number, 0xffff)) return false;
    port = static_cast<std::uint16_t>(number);
    return number != 0;
  }

 private:
  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace sallyport::sip
