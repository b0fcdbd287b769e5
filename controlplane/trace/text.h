// SPDX-License-Identifier: Apache-2.0
// What a trace reads of a message. A trace keeps broken messages too, so nothing here asks for a whole one.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace sallyport::trace {

[[nodiscard]] constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// `word` is in lower case.
[[nodiscard]] constexpr bool same_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() && std::ranges::equal(text, word, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

// {name, value} of a header field, the value with its folds.
[[nodiscard]] constexpr std::pair<std::string_view, std::string_view> split_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {trimmed(line), {}};
  return {trimmed(line.substr(0, colon)), line.substr(colon + 1)};
}

// The start line, then each header field with its folded lines (RFC 3261 7.3.1), without the last line's end.
class LineReader {
 public:
  explicit constexpr LineReader(std::string_view message) : rest_(message) {}

  // nullopt: the header has ended; body() is what stands behind it.
  [[nodiscard]] constexpr std::optional<std::string_view> next() {
    const std::string_view whole = rest_;
    std::size_t end = cut();
    if (!in_header_) return std::nullopt;
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
      const std::size_t before = whole.size() - rest_.size();
      end = before + cut();
    }
    return whole.substr(0, end);
  }
  [[nodiscard]] constexpr std::string_view body() const { return rest_; }

 private:
  // Takes a line off; its length without its end. An empty one ends the header.
  constexpr std::size_t cut() {
    const std::size_t at = rest_.find('\n');
    const std::size_t next = at == std::string_view::npos ? rest_.size() : at + 1;
    std::size_t end = at == std::string_view::npos ? rest_.size() : at;
    if (end != 0 && rest_[end - 1] == '\r') --end;
    if (end == 0) in_header_ = false;
    rest_.remove_prefix(next);
    return end;
  }

  std::string_view rest_;
  bool in_header_ = true;
};

}  // namespace sallyport::trace
