// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/via.h"

#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/number.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"

namespace sallyport::sip {

namespace {

constexpr std::unexpected<Fault> kViaFault{Fault::bad_via};

// protocol-name SLASH protocol-version SLASH transport LWS
bool read_sent_protocol(Cursor& cursor, Via& via) {
  if (!iequals(cursor.take_run(kToken), "SIP") || !cursor.accept_separator('/')) return false;
  via.version = cursor.take_run(kToken);
  if (via.version.empty() || !cursor.accept_separator('/')) return false;
  via.transport = cursor.take_run(kToken);
  return !via.transport.empty() && is(cursor.peek(), kLws);
}

bool read_sent_by(Cursor& cursor, Via& via) {
  cursor.skip_lws();
  via.host = cursor.take_host();
  if (!is_taken_host(via.host)) return false;
  if (!cursor.accept_separator(':')) return true;
  return read_port(cursor.take_run(kDigit), via.port);
}

bool read_rport(const Param& param, Via& via) {
  via.has_rport = true;
  if (param.value.empty()) return true;
  return read_port(param.value, via.rport);
}

bool read_param(const Param& param, Via& via) {
  switch (param.name.size()) {
    case 5:
      if (iequals(param.name, "rport")) return read_rport(param, via);
      if (iequals(param.name, "maddr")) via.maddr = param.value;
      return true;
    case 6: {
      if (!iequals(param.name, "branch")) return true;
      // Twice would mean one thing to us and another to the next hop (RFC 3261 7.3.1).
      const bool once = via.branch.empty();
      via.branch = param.value;
      return once && all_of(param.value, kToken);
    }
    case 8:
      if (iequals(param.name, "received")) via.received = param.value;
      return true;
    default:
      return true;
  }
}

bool read_params(Cursor& cursor, Via& via) {
  const bool any = cursor.accept_separator(';');
  via.params = trim(cursor.rest());
  if (!any) return via.params.empty();
  if (via.params.empty() || via.params.front() == ';') return false;
  ParamReader reader(via.params);
  while (const auto param = reader.next()) {
    if (!read_param(*param, via)) return false;
  }
  return reader.well_formed();
}

}  // namespace

std::expected<Via, Fault> parse_via(std::string_view value) {
  Cursor cursor(trim(value));
  Via via;
  if (!read_sent_protocol(cursor, via) || !read_sent_by(cursor, via) || !read_params(cursor, via))
    return kViaFault;
  return via;
}

}  // namespace sallyport::sip
