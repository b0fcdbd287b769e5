// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/keys.h"

#include <algorithm>
#include <array>

#include "controlplane/trace/text.h"

namespace sallyport::trace {

namespace {

constexpr std::array<std::string_view, 3> kKeyLines{"a=crypto:", "a=key-mgmt:", "k="};

// Lines stay lines, and one that goes on from the one before still does (RFC 3261 7.3.1).
void blank(std::span<char> text) {
  bool begins = false;
  for (char& c : text) {
    if (c == '\r' || c == '\n') {
      begins = true;
    } else if (!begins || (c != ' ' && c != '\t')) {
      begins = false;
      c = '*';
    }
  }
}

std::span<char> span_of(std::span<char> message, std::string_view part) {
  if (part.empty()) return {};  // it need not lie in the message
  return message.subspan(static_cast<std::size_t>(part.data() - message.data()), part.size());
}

// The tag behind a name-addr or addr-spec (RFC 3261 20.20). In a name-addr it stands behind the last '>'.
std::string_view tag_of(std::string_view value) {
  const std::size_t bracket = value.rfind('>');
  if (bracket != std::string_view::npos) value.remove_prefix(bracket);
  for (std::size_t at; (at = value.find(';')) != std::string_view::npos;) {
    value.remove_prefix(at + 1);
    value = trimmed(value);
    if (value.size() < 4 || !same_word(value.substr(0, 3), "tag")) continue;
    const std::string_view behind = trimmed(value.substr(3));
    if (behind.empty() || behind.front() != '=') continue;
    const std::string_view tag = trimmed(behind.substr(1));
    const auto end = std::ranges::find_if(tag, [](char c) { return c == ';' || c == ',' || is_blank(c); });
    return {tag.begin(), end};
  }
  return {};
}

// What stands behind the scheme, which a reader of the message looks for; without a known one all of it.
std::string_view credentials_of(std::string_view value) {
  const std::size_t blank_at = value.find_first_of(" \t");
  if (blank_at == std::string_view::npos) return value;
  for (const std::string_view scheme : {"digest", "basic", "bearer"}) {
    if (same_word(value.substr(0, blank_at), scheme)) return value.substr(blank_at + 1);
  }
  return value;
}

void blank_body(std::span<char> message, std::string_view body) {
  // Most descriptions have neither letter, and so none of the lines.
  if (body.find('k') == std::string_view::npos && body.find('y') == std::string_view::npos) return;
  for (const std::string_view start : kKeyLines) {
    for (std::size_t at = body.find(start); at != std::string_view::npos; at = body.find(start, at + 1)) {
      if (at != 0 && body[at - 1] != '\n' && body[at - 1] != '\r') continue;
      const std::size_t first = at + start.size();
      const std::size_t end = std::min(body.find_first_of("\r\n", first), body.size());
      blank(span_of(message, body.substr(first, end - first)));
    }
  }
}

// Where the password begins in what stands before a URI's '@'; npos: there is none.
std::size_t password_in(std::string_view part) {
  for (std::size_t colon = part.find(':'); colon != std::string_view::npos;
       colon = part.find(':', colon + 1)) {
    const std::string_view before = part.substr(0, colon);
    const bool is_scheme = (before.size() >= 3 && same_word(before.substr(before.size() - 3), "sip")) ||
                           (before.size() >= 4 && same_word(before.substr(before.size() - 4), "sips"));
    if (!is_scheme) continue;
    const std::size_t second = part.find(':', colon + 1);
    return second == std::string_view::npos ? second : second + 1;
  }
  return std::string_view::npos;
}

// Those of user parts (RFC 3261 19.1.1), in start line and header fields. A Call-ID may look like a URI.
void blank_passwords(std::span<char> message, std::string_view header, std::string_view call_id) {
  std::size_t from = 0;
  for (std::size_t at = header.find('@'); at != std::string_view::npos; at = header.find('@', from)) {
    std::size_t start = at;
    while (start > from && !is_blank(header[start - 1]) && header[start - 1] != '<' &&
           header[start - 1] != '"')
      --start;
    from = at + 1;
    const std::string_view part = header.substr(start, at - start);
    const bool is_call_id = !call_id.empty() && header.data() + at >= call_id.data() &&
                            header.data() + at < call_id.data() + call_id.size();
    const std::size_t password = is_call_id ? std::string_view::npos : password_in(part);
    if (password != std::string_view::npos) blank(span_of(message, part.substr(password)));
  }
}

// Whether that field's name begins as one does that is read below.
bool may_be_read(std::string_view field) {
  if (field.empty()) return false;
  const std::string_view initials = "cCiIfFtTaApP \t\r";
  return initials.find(field.front()) != std::string_view::npos;
}

}  // namespace

Keys read_and_blank(std::span<char> message) {
  Keys keys;
  LineReader lines({message.data(), message.size()});
  (void)lines.next();
  while (const auto field = lines.next()) {
    if (!may_be_read(*field)) continue;
    const auto [name, value] = split_field(*field);
    // The compact forms are of RFC 3261 7.3.3.
    if (same_word(name, "call-id") || same_word(name, "i")) {
      keys.call_id = trimmed(value);
    } else if (same_word(name, "from") || same_word(name, "f")) {
      keys.from_tag = tag_of(value);
    } else if (same_word(name, "to") || same_word(name, "t")) {
      keys.to_tag = tag_of(value);
    } else if (same_word(name, "authorization") || same_word(name, "proxy-authorization")) {
      blank(span_of(message, credentials_of(trimmed(value))));
    }
  }
  const std::string_view body = lines.body();
  blank_passwords(message, {message.data(), message.size() - body.size()}, keys.call_id);
  blank_body(message, body);
  return keys;
}

}  // namespace sallyport::trace
