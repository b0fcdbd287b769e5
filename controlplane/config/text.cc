// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "controlplane/config/load.h"
#include "dataplane/base/ascii.h"

namespace sallyport::config {
namespace {

constexpr Nanoseconds kLongestDuration = Nanoseconds{10} * 366 * 86'400 * kSecond;

std::optional<Nanoseconds> unit_of(std::string_view text) {
  if (text == "us") return kMicrosecond;
  if (text == "ms") return kMillisecond;
  if (text == "s") return kSecond;
  if (text == "m") return 60 * kSecond;
  if (text == "h") return 3600 * kSecond;
  if (text == "d") return 86'400 * kSecond;
  return std::nullopt;
}

// Edits between two words: a letter more, less, other, or two that changed places (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j < last.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last.back();
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<Nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") return 0;
  Nanoseconds total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto digits =
        static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
    const auto rest = text.substr(digits);
    const auto letters =
        static_cast<std::size_t>(std::find_if(rest.begin(), rest.end(), is_digit) - rest.begin());
    const auto count = parse_number(text.substr(0, digits));
    const auto unit = unit_of(rest.substr(0, letters));
    if (!count || !unit || *count > static_cast<std::uint64_t>(kLongestDuration / *unit)) return std::nullopt;
    total += static_cast<Nanoseconds>(*count) * *unit;
    if (total > kLongestDuration) return std::nullopt;
    text = rest.substr(letters);
  }
  return total;
}

std::optional<CodeSpan> parse_code_span(std::string_view text) {
  const auto code = [](std::string_view digits) -> std::optional<std::uint16_t> {
    const auto number = parse_number(digits);
    if (digits.size() != 3 || !number || *number < 100) return std::nullopt;
    return static_cast<std::uint16_t>(*number);
  };
  if (text.size() == 3 && text.substr(1) == "xx" && text[0] >= '1' && text[0] <= '9') {
    const auto first = static_cast<std::uint16_t>((text[0] - '0') * 100);
    return CodeSpan{first, static_cast<std::uint16_t>(first + 99), CodeSpan::Kind::status_class};
  }
  const auto dash = text.find('-');
  const auto first = code(text.substr(0, dash));
  if (!first) return std::nullopt;
  if (dash == std::string_view::npos) return CodeSpan{*first, *first, CodeSpan::Kind::exact};
  const auto last = code(text.substr(dash + 1));
  if (!last || *last < *first) return std::nullopt;
  return CodeSpan{*first, *last, CodeSpan::Kind::range};
}

bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  };
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), fits);
}

std::string_view nearest(std::string_view text, std::span<const std::string_view> words) {
  if (text.size() < 2 || text.size() > 32) return {};
  std::size_t best = text.size() <= 4 ? 2 : 3;  // fewer edits than this
  std::string_view found;
  for (const auto word : words) {
    const std::size_t distance = edit_distance(text, word);
    if (distance < best && distance < word.size()) {
      best = distance;
      found = word;
    }
  }
  return found;
}

std::string one_of(std::span<const std::string_view> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::optional<std::string> host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return std::nullopt;
  std::string name;
  for (const char c : text) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  std::string_view rest = name;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    const auto fits = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-'; };
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(), fits)) {
      return std::nullopt;
    }
    if (dot == std::string_view::npos) {
      return std::all_of(label.begin(), label.end(), is_digit) ? std::nullopt
                                                               : std::optional(std::move(name));
    }
    rest.remove_prefix(dot + 1);
  }
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string result = "'";
  for (const char c : text.substr(0, kLongest)) {
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\'' ? '.' : c;
  }
  return result + (text.size() > kLongest ? "...'" : "'");
}

}  // namespace sallyport::config
