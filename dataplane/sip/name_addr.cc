// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/name_addr.h"

#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"
#include "dataplane/sip/params.h"

namespace sallyport::sip {

namespace {

constexpr std::unexpected<Fault> kNameAddrFault{Fault::bad_contact};

// What follows the address: LWS, then nothing or a list of parameters.
bool read_params(Cursor& cursor, NameAddr& out) {
  if (cursor.accept_separator(';')) {
    out.params = trim(cursor.rest());
    ParamReader reader(out.params);
    while (reader.next()) {
    }
    return !out.params.empty() && out.params.front() != ';' && reader.well_formed();
  }
  cursor.skip_lws();
  return cursor.at_end();
}

// LAQUOT addr-spec RAQUOT; no white space inside (RFC 4475 3.1.2.14).
bool read_bracketed(Cursor& cursor, NameAddr& out) {
  out.bracketed = true;
  cursor.accept('<');
  out.uri = cursor.take(cursor.rest().find('>'));
  return all_of(out.uri, kUric) && cursor.accept('>') && read_params(cursor, out);
}

// A bare addr-spec. With '?' or ',' in it brackets are a must (RFC 3261 20), and the first ';' starts the
// header field's parameters, not the URI's.
bool read_bare(Cursor& cursor, NameAddr& out) {
  std::size_t n = 0;
  const std::string_view text = cursor.rest();
  while (n < text.size() && is(text[n], kUric) && text[n] != ';' && text[n] != '?' && text[n] != ',') ++n;
  out.uri = cursor.take(n);
  return !out.uri.empty() && read_params(cursor, out);
}

}  // namespace

std::expected<NameAddr, Fault> parse_name_addr(std::string_view value) {
  Cursor cursor(trim(value));
  NameAddr out;
  if (cursor.at('"')) {
    out.display = cursor.take_quoted();
    cursor.skip_lws();
    if (out.display.empty() || !cursor.at('<')) return kNameAddrFault;
  } else {
    const std::size_t n = run_of(cursor.rest(), kDisplay);
    if (n < cursor.rest().size() && cursor.rest()[n] == '<') out.display = trim(cursor.take(n));
  }
  if (!(cursor.at('<') ? read_bracketed(cursor, out) : read_bare(cursor, out))) return kNameAddrFault;
  return out;
}

std::string_view tag_of(std::string_view value) {
  const auto parsed = parse_name_addr(value);
  if (!parsed) return {};
  const auto tag = find_param(parsed->params, "tag");
  return tag ? tag->value : std::string_view{};
}

}  // namespace sallyport::sip
