// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/names.h"

#include "dataplane/sip/name_table.h"

#include <array>
#include <cstddef>

namespace sallyport::sip {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Method::kCount)> kMethods{
    "",       "OTHER",   "ACK",   "BYE",     "CANCEL", "INFO",     "INVITE",    "MESSAGE",
    "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER",  "REGISTER", "SUBSCRIBE", "UPDATE"};

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

detail::NameWords words_of(std::string_view name) {
#if defined(__SSSE3__)
  if (name.size() >= 16) return detail::words_in(detail::load16(name.data()), 16);
  return detail::words_in(detail::load_part(name.data(), name.size()), name.size());
#else
  return detail::slow_words_of(name);
#endif
}

Method by_length(std::string_view token) {
  switch (token.size()) {
    case 3:
      return token == "ACK" ? Method::ack : token == "BYE" ? Method::bye : Method::other;
    case 4:
      return token == "INFO" ? Method::info : Method::other;
    case 5:
      return token == "PRACK" ? Method::prack : token == "REFER" ? Method::refer : Method::other;
    case 6:
      return token == "INVITE"   ? Method::invite
             : token == "CANCEL" ? Method::cancel
             : token == "NOTIFY" ? Method::notify
             : token == "UPDATE" ? Method::update
                                 : Method::other;
    case 7:
      return token == "OPTIONS"   ? Method::options
             : token == "MESSAGE" ? Method::message
             : token == "PUBLISH" ? Method::publish
                                  : Method::other;
    case 8:
      return token == "REGISTER" ? Method::register_ : Method::other;
    case 9:
      return token == "SUBSCRIBE" ? Method::subscribe : Method::other;
    default:
      return Method::other;
  }
}

}  // namespace

Method method_from(std::string_view token) {
  return by_length(token);
}

std::string_view method_name(Method method) {
  const auto i = static_cast<std::size_t>(method);
  return i < kMethods.size() ? kMethods[i] : std::string_view{};
}

HeaderId header_from(std::string_view name) {
  if (name.size() == 1) return detail::find_compact(name.front());
  if (name.empty() || name.size() > detail::kLongestName) return HeaderId::other;
  return detail::find_name(name, words_of(name));
}

std::string_view header_name(HeaderId id) {
  const auto i = static_cast<std::size_t>(id);
  return i < detail::kHeaders.size() ? detail::kHeaders[i].name : std::string_view{};
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace sallyport::sip
