// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/via.h"

#include "dataplane/base/ascii.h"
#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"
#include "dataplane/sip/number.h"
#include "dataplane/sip/param_list.h"
#include "dataplane/sip/uri.h"

namespace sallyport::sip {

namespace {

// protocol-name SLASH protocol-version SLASH
bool read_protocol(Cursor& cursor, Via& via) {
  constexpr std::string_view kUsual = "SIP/2.0/";
  if (cursor.rest().starts_with(kUsual)) {
    via.version = cursor.take(kUsual.size()).substr(4, 3);
    cursor.skip_lws();
    return true;
  }
  if (!is_word(cursor.take_run(kToken), "sip") || !cursor.accept_separator('/')) return false;
  via.version = cursor.take_run(kToken);
  return !via.version.empty() && cursor.accept_separator('/');
}

// ... transport LWS
bool read_sent_protocol(Cursor& cursor, Via& via) {
  if (!read_protocol(cursor, via)) return false;
  via.transport = cursor.take_run(kToken);
  return !via.transport.empty() && is(cursor.peek(), kLws);
}

bool read_sent_by(Cursor& cursor, Via& via) {
  cursor.skip_lws();
  via.host = cursor.take_host();
  if (!is_taken_host(via.host)) return false;
  return !cursor.accept_separator(':') || cursor.take_port(via.port);
}

bool read_rport(const Param& param, Via& via) {
  via.has_rport = true;
  if (param.value.empty()) return true;
  return read_port(param.value, via.rport);
}

bool read_param(const Param& param, Via& via) {
  switch (param.name.size()) {
    case 5:
      if (is_word(param.name, "rport")) return read_rport(param, via);
      if (is_word(param.name, "maddr")) via.maddr = param.value;
      return true;
    case 6: {
      if (!is_word(param.name, "branch")) return true;
      // Twice would mean one thing to us and another to the next hop (RFC 3261 7.3.1).
      const bool once = via.branch.empty();
      via.branch = param.value;
      return once && all_of(param.value, kToken);
    }
    case 8:
      if (is_word(param.name, "received")) via.received = param.value;
      return true;
    default:
      return true;
  }
}

bool read_params(Cursor& cursor, Via& via) {
  if (!cursor.accept_separator(';')) {
    via.params = cursor.rest();
    return via.params.empty();
  }
  via.params = cursor.rest();
  if (via.params.empty() || cursor.at(';')) return false;
  return take_params(cursor, [&via](const Param& param) { return read_param(param, via); });
}

}  // namespace

std::expected<Via, Fault> parse_via(std::string_view value) {
  std::expected<Via, Fault> via;
  Cursor cursor(trim(value));
  if (!read_sent_protocol(cursor, *via) || !read_sent_by(cursor, *via) || !read_params(cursor, *via))
    via = std::unexpected(Fault::bad_via);
  return via;
}

}  // namespace sallyport::sip
