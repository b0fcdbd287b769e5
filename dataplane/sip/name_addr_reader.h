// SPDX-License-Identifier: Apache-2.0
// A name-addr or addr-spec with its parameters, each given to whoever wants it while it is in hand. For this
// room only.
#pragma once

#include <algorithm>

#include "dataplane/sip/cursor.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/param_list.h"

namespace sallyport::sip {

namespace detail {

// What follows the address: LWS, then nothing or a list of parameters.
template <typename Take>
[[nodiscard]] bool read_address_params(Cursor& cursor, NameAddr& out, Take take) {
  if (!cursor.accept_separator(';')) {
    cursor.skip_lws();
    return cursor.at_end();
  }
  out.params = cursor.rest();
  return !out.params.empty() && !cursor.at(';') && take_params(cursor, take);
}

// LAQUOT addr-spec RAQUOT; no white space inside (RFC 4475 3.1.2.14).
[[nodiscard]] inline bool read_bracketed(Cursor& cursor, NameAddr& out) {
  out.bracketed = true;
  cursor.accept('<');
  out.uri = cursor.take_run(kUric);
  return !out.uri.empty() && cursor.accept('>');
}

// A bare addr-spec. With '?' or ',' in it brackets are a must (RFC 3261 20), and the first ';' starts the
// header field's parameters, not the URI's.
[[nodiscard]] inline bool read_bare(Cursor& cursor, NameAddr& out) {
  const std::string_view text = cursor.rest().substr(0, cursor.run(kUric));
  out.uri = cursor.take(std::min(text.find_first_of(";?,"), text.size()));
  return !out.uri.empty();
}

// The display name in front of '<'; nothing is taken when there is none.
[[nodiscard]] inline bool read_display(Cursor& cursor, NameAddr& out) {
  if (cursor.at('"')) {
    out.display = cursor.take_quoted();
    cursor.skip_lws();
    return !out.display.empty() && cursor.at('<');
  }
  const std::size_t n = cursor.run(kDisplay);
  const std::string_view rest = cursor.rest();
  if (n < rest.size() && rest[n] == '<') out.display = trim(cursor.take(n));
  return true;
}

}  // namespace detail

// One value of a list (split with ValueReader first), without outer white space. Each parameter goes to
// `take`, which returns false to refuse the whole.
template <typename Take>
[[nodiscard]] bool read_name_addr(std::string_view value, NameAddr& out, Take take) {
  Cursor cursor(value);
  if (!cursor.at('<') && !detail::read_display(cursor, out)) return false;
  const bool good = cursor.at('<') ? detail::read_bracketed(cursor, out) : detail::read_bare(cursor, out);
  return good && detail::read_address_params(cursor, out, take);
}

}  // namespace sallyport::sip
