// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/ladder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "controlplane/trace/text.h"

namespace sallyport::trace {

namespace {

constexpr std::size_t kLane = 40;  // between two bars
constexpr std::size_t kTime = 12;

// A terminal shows what a stranger wrote.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

std::string_view start_line(const Message& message) {
  return LineReader(message.octets).next().value_or(std::string_view{});
}

bool is_response(const Message& message) {
  return start_line(message).starts_with("SIP/2.0 ");
}

std::string name_of_end(const Message& message) {
  const std::string_view way = message.transport == Transport::udp   ? ""
                               : message.transport == Transport::tcp ? " TCP"
                                                                     : " TLS";
  return (message.peer.empty() ? "?" : message.peer) + " " + message.remote.to_text() + std::string(way);
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

// "|------ INVITE (1) ----->|" without its bars.
std::string arrow(const Message& message, bool to_right) {
  std::string label = title_of(message);
  const std::string cseq = cseq_of(message);
  const std::string_view number =
      is_response(message) ? std::string_view(cseq) : std::string_view(cseq).substr(0, cseq.find(' '));
  if (!number.empty()) label += fmt::format(" ({})", number);
  if (message.retransmission) label += " again";
  constexpr std::size_t kMost = kLane - 8;
  if (label.size() > kMost) label = label.substr(0, kMost - 2) + "..";
  const std::size_t dashes = kLane - 3 - label.size();
  const std::string left(dashes / 2, '-');
  const std::string right(dashes - dashes / 2, '-');
  return to_right ? left + " " + label + " " + right + ">" : "<" + left + " " + label + " " + right;
}

// The columns, where the far end of one has become another.
std::string heading(const std::string& end, bool at_right) {
  const std::string left = padded("", kTime) + padded(at_right ? "" : end, kLane + 1);
  return at_right ? left + padded("Sallyport", kLane + 1) + end : left + "Sallyport";
}

std::string begin_line(Nanoseconds wall_ns) {
  const std::chrono::system_clock::time_point at{
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(wall_ns))};
  return fmt::format("seconds since {:%F %T}.{:03} UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(at)), wall_ns / kMillisecond % 1000);
}

}  // namespace

std::string title_of(const Message& message) {
  const std::string_view line = start_line(message);
  if (is_response(message)) return printable(trimmed(line.substr(8)));
  return printable(line.substr(0, line.find(' ')));
}

std::string cseq_of(const Message& message) {
  LineReader lines(message.octets);
  (void)lines.next();
  while (const auto field = lines.next()) {
    const auto [name, value] = split_field(*field);
    if (same_word(name, "cseq")) return printable(trimmed(value));
  }
  return {};
}

std::uint32_t gone_before(std::span<const Message> messages) {
  if (messages.empty() || messages.front().number == 0) return 0;
  return messages.front().number - 1 - messages.front().left_out;
}

std::vector<std::string> ladder(std::span<const Message> messages) {
  if (messages.empty()) return {};
  std::vector<std::string> lines{begin_line(messages.front().wall_ns)};
  if (const std::uint32_t gone = gone_before(messages); gone != 0) {
    lines.push_back(fmt::format("{} messages before are gone: the ring has come round", gone));
  }
  std::array<std::string, 2> ends;  // by column
  const std::string none(kLane, ' ');
  for (const Message& message : messages) {
    if (message.left_out != 0)
      lines.push_back(fmt::format("{} messages are left out here, for there are too many", message.left_out));
    const bool at_right = message.side == Side::callee;
    const std::string end = name_of_end(message);
    if (end != ends[at_right ? 1 : 0]) {
      ends[at_right ? 1 : 0] = end;
      lines.push_back(heading(end, at_right));
    }
    const bool to_right = at_right == (message.direction == Direction::sent);
    const std::string way = arrow(message, to_right);
    const double seconds = static_cast<double>(message.monotonic_ns - messages.front().monotonic_ns) /
                           static_cast<double>(kSecond);
    lines.push_back(padded(fmt::format("{:>10.3f}", seconds), kTime) + "|" + (at_right ? none : way) + "|" +
                    (at_right ? way : none) + "|");
  }
  return lines;
}

}  // namespace sallyport::trace
