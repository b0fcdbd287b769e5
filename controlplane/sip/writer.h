// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "dataplane/sip/names.h"

namespace sallyport::sip {

// The phrase of RFC 3261 21 and the extensions' registrations for a code; its class's ("Server Failure") for
// an unknown one. Never empty for 100 to 699.
[[nodiscard]] std::string_view default_phrase(std::uint16_t status);

// Appends header lines to a string of the caller's. Whatever a value holds, it cannot end its line: folds
// become one space, other control characters are left out.
class HeaderWriter {
 public:
  // An empty string gets room for the lines of most messages at once.
  explicit HeaderWriter(std::string& out) : out_(out) {
    if (out.empty()) out.reserve(kRoom);
  }

  HeaderWriter& line(HeaderId id, std::string_view value);
  HeaderWriter& line(std::string_view name, std::string_view value);
  HeaderWriter& line(HeaderId id, std::initializer_list<std::string_view> parts);
  HeaderWriter& line(HeaderId id, std::uint64_t number);
  // Lines that are whole already, each with its CRLF.
  HeaderWriter& raw(std::string_view lines);

  [[nodiscard]] std::string& out() { return out_; }

 private:
  static constexpr std::size_t kRoom = 1000;  // the largest that malloc keeps at hand for a thread
  void append_value(std::string_view value);
  std::string& out_;
};

// A message in its canonical order: start line, Via first (so that an ICMP quote holds the branch), the rest,
// Content-Length last, body. Clears `out` first and leaves it complete after finish().
class MessageWriter {
 public:
  explicit MessageWriter(std::string& out) : headers_(out) { out.clear(); }

  void request_line(std::string_view method, std::string_view uri);
  void status_line(std::uint16_t status, std::string_view phrase);  // empty phrase: default_phrase
  [[nodiscard]] HeaderWriter& headers() { return headers_; }
  void finish(std::string_view body);

 private:
  HeaderWriter headers_;
};

}  // namespace sallyport::sip
