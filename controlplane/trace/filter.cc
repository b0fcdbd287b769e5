// SPDX-License-Identifier: Apache-2.0
#include "controlplane/trace/filter.h"

#include <string_view>

#include "controlplane/trace/text.h"

namespace sallyport::trace {

namespace {

// "sip:user@host", "sip:user:password@host", "sip:user;param@host", "tel:user": between a colon and what ends
// a user part (RFC 3261 25.1, RFC 3966 3).
bool has_user(std::string_view text, std::string_view user) {
  for (std::size_t at = text.find(user); at != std::string_view::npos; at = text.find(user, at + 1)) {
    const std::size_t end = at + user.size();
    const bool begins = at != 0 && text[at - 1] == ':';
    const bool ends = end == text.size() || std::string_view("@:;> \t").contains(text[end]);
    if (begins && ends) return true;
  }
  return false;
}

bool has_user(const Message& message, std::string_view user) {
  LineReader lines(message.octets);
  const auto start = lines.next();
  if (start && !start->starts_with("SIP/") && has_user(*start, user)) return true;
  while (const auto field = lines.next()) {
    const auto [name, value] = split_field(*field);
    const bool is_party =
        same_word(name, "from") || same_word(name, "f") || same_word(name, "to") || same_word(name, "t");
    if (is_party && has_user(value, user)) return true;
  }
  return false;
}

bool has_call_id(const Message& message, std::string_view call_id) {
  if (message.call == call_id) return true;
  LineReader lines(message.octets);
  while (const auto field = lines.next()) {
    const auto [name, value] = split_field(*field);
    if (same_word(name, "call-id") || same_word(name, "i")) return trimmed(value) == call_id;
  }
  return false;
}

}  // namespace

bool matches(const Filter& filter, const Message& message) {
  return (filter.peer.empty() || message.peer == filter.peer) &&
         (filter.call_id.empty() || has_call_id(message, filter.call_id)) &&
         (filter.user.empty() || has_user(message, filter.user));
}

}  // namespace sallyport::trace
