// SPDX-License-Identifier: Apache-2.0
// Header field lines, folds joined, in one pass that also finds what may not stand in them. For this room
// only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "dataplane/base/line_map.h"

namespace sallyport::sip {

inline constexpr std::size_t kNowhere = std::string_view::npos;

// Offsets into the text.
struct Line {
  std::size_t end = 0;          // of the line's text, CR LF not included
  std::size_t next = kNowhere;  // the next line; kNowhere when CR LF never came
  std::size_t bad = kNowhere;   // the first octet that may not stand in a line
};

class LineScanner {
 public:
  // At most LineMap::kMaxBytes, which must outlive the scanner.
  explicit LineScanner(std::string_view text) : text_(text), map_(text) {}

  // The line that starts at `begin`. With `folds`, lines that go on with SP or HTAB belong to it (RFC
  // 3261 7.3.1). A bare CR or LF ends no line: two parsers that disagree on that are how messages get
  // smuggled.
  [[nodiscard]] Line read(std::size_t begin, bool folds) {
    std::size_t at = map_.control(begin);
    Line line;
    for (;; at = map_.control(at)) {
      if (at == text_.size() || (text_[at] == '\r' && text_.size() - at == 1)) {
        line.end = text_.size();
        return line;
      }
      if (is_line_end(at, folds)) {
        line.end = at;
        line.next = at + 2;
        return line;
      }
      if (is_line_end(at, false)) {
        at += 2;
        continue;
      }
      if (line.bad == kNowhere && !is_escaped(begin, at)) line.bad = at;
      ++at;
    }
  }
  // Where the line that starts at `begin` ends, if that is at its first control character and another line
  // follows, with which it does not go on; kNowhere else.
  [[nodiscard]] std::size_t plain_end(std::size_t begin) {
    const std::size_t at = map_.control(begin);
    if (text_.size() - at <= 2) return kNowhere;
    const char* end = text_.data() + at;
    return is_crlf(at) && end[2] != ' ' && end[2] != '\t' ? at : kNowhere;
  }
  // Where the first ':' of [begin, end) stands; `end` when there is none.
  [[nodiscard]] std::size_t colon(std::size_t begin, std::size_t end) {
    return std::min(map_.colon(begin), end);
  }

 private:
  [[nodiscard]] bool is_crlf(std::size_t at) const { return std::memcmp(text_.data() + at, "\r\n", 2) == 0; }
  // CR LF, and with `folds` nothing behind it that goes on with the line.
  [[nodiscard]] bool is_line_end(std::size_t at, bool folds) const {
    if (text_.size() - at < 2 || !is_crlf(at)) return false;
    return !folds || text_.size() - at == 2 || (text_[at + 2] != ' ' && text_[at + 2] != '\t');
  }
  // A quoted-pair may hold any control character but CR and LF (RFC 3261 25.1): an odd run of '\' before it.
  [[nodiscard]] bool is_escaped(std::size_t begin, std::size_t at) const {
    if (text_[at] == '\r' || text_[at] == '\n') return false;
    std::size_t p = at;
    while (p != begin && text_[p - 1] == '\\') --p;
    return (at - p) % 2 != 0;
  }
  std::string_view text_;
  LineMap map_;
};

}  // namespace sallyport::sip
