// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/uri.h"

#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/number.h"

namespace sallyport::sip {

namespace {

constexpr std::unexpected<Fault> kUriFault{Fault::request_uri};

Scheme scheme_from(std::string_view text) {
  switch (text.size()) {
    case 3:
      return iequals(text, "sip") ? Scheme::sip : iequals(text, "tel") ? Scheme::tel : Scheme::other;
    case 4:
      return iequals(text, "sips") ? Scheme::sips : Scheme::other;
    default:
      return Scheme::other;
  }
}

// scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ), and its colon.
std::size_t scheme_length(std::string_view text) {
  if (text.empty() || !is(text.front(), kAlpha)) return 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ':') return i;
    if (!is(c, kAlpha | kDigit) && c != '+' && c != '-' && c != '.') return 0;
  }
  return 0;
}

// [ user [ ":" password ] "@" ]. The first '@' ends it: no later part of a SIP URI may hold one unescaped,
// and the user part may hold ';' and '?' (RFC 4475 3.1.1.9), so it has to be looked for first.
bool read_userinfo(Cursor& cursor, Uri& uri) {
  const std::size_t at = cursor.rest().find('@');
  if (at == std::string_view::npos) return true;
  const std::string_view info = cursor.take(at);
  cursor.accept('@');
  const std::size_t colon = info.find(':');
  uri.has_user = true;
  uri.user = info.substr(0, colon);
  if (colon != std::string_view::npos) uri.password = info.substr(colon + 1);
  return !uri.user.empty() && escaped_of(uri.user, kUser) && escaped_of(uri.password, kUser);
}

bool read_hostport(Cursor& cursor, Uri& uri) {
  uri.host = cursor.take_host();
  if (!is_taken_host(uri.host)) return false;
  if (!cursor.accept(':')) return true;
  return read_port(cursor.take_run(kDigit), uri.port);
}

// uri-parameters: each has a name, and at most one '=' (paramchar has none).
bool well_formed_parameters(std::string_view list) {
  for (;;) {
    const std::size_t end = list.find(';');
    const std::string_view one = list.substr(0, end);
    const std::size_t equals = one.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view{} : one.substr(equals + 1);
    const std::string_view name = one.substr(0, equals);
    if (name.empty() || !escaped_of(name, kUriParam) || !escaped_of(value, kUriParam)) return false;
    if (end == std::string_view::npos) return true;
    list.remove_prefix(end + 1);
  }
}

bool read_parameters(Cursor& cursor, Uri& uri) {
  if (!cursor.accept(';')) return true;
  uri.parameters = cursor.take(cursor.rest().find('?'));
  return well_formed_parameters(uri.parameters);
}

bool read_headers(Cursor& cursor, Uri& uri) {
  if (!cursor.accept('?')) return true;
  uri.headers = cursor.take(cursor.rest().size());
  return !uri.headers.empty() && escaped_of(uri.headers, kUriHeader);
}

bool read_sip(Cursor cursor, Uri& uri) {
  return read_userinfo(cursor, uri) && read_hostport(cursor, uri) && read_parameters(cursor, uri) &&
         read_headers(cursor, uri) && cursor.at_end();
}

// RFC 3966 3: global-number-digits or local-number-digits, and parameters.
bool read_tel(Cursor cursor, Uri& uri) {
  uri.user = cursor.take_run(kTelNumber);
  uri.has_user = true;
  const std::size_t plus = uri.user.rfind('+');
  if (uri.user.empty() || (plus != std::string_view::npos && plus != 0)) return false;
  return read_parameters(cursor, uri) && cursor.at_end();
}

unsigned hex_value(char c) {
  return is(c, kDigit) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

}  // namespace

std::expected<Uri, Fault> parse_uri(std::string_view text) {
  const std::size_t length = scheme_length(text);
  if (length == 0) return kUriFault;
  Uri uri;
  uri.text = text;
  uri.scheme_text = text.substr(0, length);
  uri.scheme = scheme_from(uri.scheme_text);
  const std::string_view rest = text.substr(length + 1);
  bool good = false;
  switch (uri.scheme) {
    case Scheme::sip:
    case Scheme::sips:
      good = read_sip(Cursor(rest), uri);
      break;
    case Scheme::tel:
      good = read_tel(Cursor(rest), uri);
      break;
    case Scheme::other:
      good = all_of(rest, kUric);
      break;
  }
  if (!good) return kUriFault;
  return uri;
}

bool is_host(std::string_view host) {
  return is_taken_host(host) && (host.front() == '[' || all_of(host, kHost));
}

bool is_taken_host(std::string_view host) {
  return !host.empty() && (host.front() != '[' || host_address(host).is_v6());
}

IpAddress host_address(std::string_view host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Most hosts of other messages are names: tell them apart before the address parser looks at them.
  if (!bracketed && (host.empty() || !is(host.front(), kDigit))) return {};
  const auto address = IpAddress::parse(host);
  if (!address || address->is_v6() != bracketed) return {};
  return *address;
}

std::string unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && text.size() - i >= 3 && is(text[i + 1], kHex) && is(text[i + 2], kHex);
    plain.push_back(escape ? static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]))
                           : text[i]);
    if (escape) i += 2;
  }
  return plain;
}

}  // namespace sallyport::sip
