// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/uri.h"

#include "dataplane/base/ascii.h"
#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"

namespace sallyport::sip {

namespace {

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

// Splits the scheme off; false when there is none.
bool read_scheme(Cursor& cursor, Uri& uri) {
  const std::string_view text = cursor.rest();
  const auto known = [&](Scheme scheme, std::size_t length) {
    uri.scheme = scheme;
    uri.scheme_text = cursor.take(length);
    return cursor.accept(':');
  };
  if (text.size() >= 4 && text[3] == ':') {
    if (is_word(text.substr(0, 3), "sip")) return known(Scheme::sip, 3);
    if (is_word(text.substr(0, 3), "tel")) return known(Scheme::tel, 3);
  }
  if (text.size() >= 5 && text[4] == ':' && is_word(text.substr(0, 4), "sips")) return known(Scheme::sips, 4);
  const std::size_t length = scheme_length(text);
  return length != 0 && known(Scheme::other, length);
}

// [ user [ ":" password ] "@" ]. The first '@' ends it: no later part of a SIP URI may hold one unescaped,
// and the user part may hold ';' and '?' (RFC 4475 3.1.1.9), so it has to be looked for first.
bool read_userinfo(Cursor& cursor, Uri& uri) {
  const Cursor start = cursor;
  uri.user = cursor.take_escaped_run(kUser);
  if (!cursor.at('@')) {
    if (cursor.distance('@') == cursor.left()) {  // no userinfo: this was the host
      uri.user = {};
      cursor = start;
      return true;
    }
    if (!cursor.accept(':')) return false;
    uri.password = cursor.take_escaped_run(kUser);
  }
  uri.has_user = true;
  return !uri.user.empty() && cursor.accept('@');
}

bool read_hostport(Cursor& cursor, Uri& uri) {
  uri.host = cursor.take_host();
  if (!is_taken_host(uri.host)) return false;
  return !cursor.accept(':') || cursor.take_port(uri.port);
}

// uri-parameters: each has a name, and at most one '=' (paramchar has none).
bool read_parameters(Cursor& cursor, Uri& uri) {
  if (!cursor.at(';')) return true;
  const std::string_view list = cursor.rest().substr(1);
  while (cursor.accept(';')) {
    if (cursor.take_escaped_run(kUriParam).empty()) return false;
    if (cursor.accept('=')) cursor.take_escaped_run(kUriParam);
  }
  uri.parameters = list.substr(0, list.size() - cursor.left());
  return cursor.at_end() || cursor.at('?');
}

bool read_headers(Cursor& cursor, Uri& uri) {
  if (!cursor.accept('?')) return true;
  uri.headers = cursor.take_escaped_run(kUriHeader);
  return !uri.headers.empty();
}

bool read_sip(Cursor& cursor, Uri& uri) {
  return read_userinfo(cursor, uri) && read_hostport(cursor, uri) && read_parameters(cursor, uri) &&
         read_headers(cursor, uri) && cursor.at_end();
}

// RFC 3966 3: global-number-digits or local-number-digits, and parameters.
bool read_tel(Cursor& cursor, Uri& uri) {
  uri.user = cursor.take_run(kTelNumber);
  uri.has_user = true;
  const std::size_t plus = uri.user.rfind('+');
  if (uri.user.empty() || (plus != std::string_view::npos && plus != 0)) return false;
  return read_parameters(cursor, uri) && cursor.at_end();
}

unsigned hex_value(char c) {
  return is(c, kDigit) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

bool read_uri(std::string_view text, Uri& uri) {
  uri.text = text;
  Cursor cursor(text);
  if (!read_scheme(cursor, uri)) return false;
  switch (uri.scheme) {
    case Scheme::sip:
    case Scheme::sips:
      return read_sip(cursor, uri);
    case Scheme::tel:
      return read_tel(cursor, uri);
    case Scheme::other:
      return all_of(cursor.rest(), kUric);
  }
  return false;
}

}  // namespace

std::expected<Uri, Fault> parse_uri(std::string_view text) {
  std::expected<Uri, Fault> uri;
  if (!read_uri(text, *uri)) uri = std::unexpected(Fault::request_uri);
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

std::string escape_user(std::string_view user) {
  std::string out;
  out.reserve(user.size());
  for (const char c : user) {
    switch (c) {
      case '#':
        out += "%23";
        break;
      case ':':
        out += "%3A";
        break;
      case '[':
        out += "%5B";
        break;
      case ']':
        out += "%5D";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace sallyport::sip
