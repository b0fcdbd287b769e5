// SPDX-License-Identifier: Apache-2.0
// Tab-separated tables read at compile time: what cannot be read throws there, which does not build.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace sallyport::response_map::tsv {

// Takes one line off `rest`, without its end.
constexpr std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return line;
}

constexpr bool is_row(std::string_view line) {
  return !line.empty() && line.front() != '#';
}

// Rows without the line that names the columns.
consteval std::size_t count_rows(std::string_view text) {
  std::size_t n = 0;
  while (!text.empty()) n += is_row(take_line(text)) ? 1 : 0;
  return n - 1;
}

// Takes the fields of one row in turn.
class Fields {
 public:
  constexpr explicit Fields(std::string_view line) : rest_(line) {}

  constexpr std::string_view text() {
    if (done_) throw std::invalid_argument("a row has too few fields");
    const std::size_t end = rest_.find('\t');
    const std::string_view field = rest_.substr(0, end);
    done_ = end == std::string_view::npos;
    rest_ = done_ ? std::string_view{} : rest_.substr(end + 1);
    return field;
  }
  constexpr std::uint16_t number() { return to_number(text()); }
  constexpr bool yes_or_no() {
    const std::string_view field = text();
    if (field != "yes" && field != "no") throw std::invalid_argument("neither yes nor no");
    return field == "yes";
  }
  constexpr void end() const {
    if (!done_) throw std::invalid_argument("a row has too many fields");
  }

  // Empty: 0.
  static constexpr std::uint16_t to_number(std::string_view field) {
    unsigned value = 0;
    for (const char c : field) {
      if (c < '0' || c > '9' || value > 6553) throw std::invalid_argument("not a number");
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return static_cast<std::uint16_t>(value);
  }

 private:
  std::string_view rest_;
  bool done_ = false;
};

// Every row by `read(Fields&) -> Row`.
template <typename Row, std::size_t N, typename Read>
consteval std::array<Row, N> read_rows(std::string_view text, Read read) {
  std::array<Row, N> rows{};
  std::size_t n = 0;
  bool named = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!is_row(line)) continue;
    if (!named) {
      named = true;
      continue;
    }
    Fields fields(line);
    rows[n++] = read(fields);
    fields.end();
  }
  return rows;
}

}  // namespace sallyport::response_map::tsv
