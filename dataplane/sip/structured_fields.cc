// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/structured_fields.h"

#include "dataplane/sip/field_values.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/number.h"
#include "dataplane/sip/start_line.h"
#include "dataplane/sip/via.h"

namespace sallyport::sip {

namespace {

void fail_at(std::string_view message, std::string_view part, Fault fault, MessageIndex& out) {
  fail(out, fault, static_cast<std::size_t>(part.data() - message.data()));
}

// An empty Via line would be skipped over by who walks the values, and give the answer to the hop before.
void check_vias(std::string_view message, MessageIndex& out) {
  for (const HeaderField* field = out.find(HeaderId::via); field != nullptr; field = out.next(*field)) {
    if (!field->value) fail(out, Fault::bad_via, field->value.offset);
  }
  FieldValues values(out, message, HeaderId::via);
  // The topmost was read for its branch, if nothing was wrong with it.
  if (out.fault == Fault::none) static_cast<void>(values.next());
  while (const auto value = values.next()) {
    if (!parse_via(*value)) fail_at(message, *value, Fault::bad_via, out);
  }
}

// name-addr only: a route without <> would give its lr to the header field (RFC 3261 20.30, 20.34).
void check_routes(std::string_view message, HeaderId id, Fault fault, MessageIndex& out) {
  if (out.find(id) == nullptr) return;
  FieldValues values(out, message, id);
  while (const auto value = values.next()) {
    const auto route = parse_name_addr(*value);
    if (!route || !route->bracketed || !parse_uri(route->uri)) fail_at(message, *value, fault, out);
  }
}

void check_contacts(std::string_view message, MessageIndex& out) {
  FieldValues values(out, message, HeaderId::contact);
  while (const auto value = values.next()) {
    if (*value == "*") continue;
    const auto contact = parse_name_addr(*value);
    if (!contact || !parse_uri(contact->uri)) fail_at(message, *value, Fault::bad_contact, out);
  }
}

void check_expires(std::string_view message, MessageIndex& out) {
  const HeaderField* field = out.find(HeaderId::expires);
  if (field == nullptr || parse_number(field->value.in(message))) return;
  fail(out, Fault::bad_expires, field->value.offset);
}

}  // namespace

void check_structured_fields(std::string_view message, MessageIndex& out) {
  check_vias(message, out);
  check_contacts(message, out);
  check_routes(message, HeaderId::route, Fault::bad_route, out);
  check_routes(message, HeaderId::record_route, Fault::bad_record_route, out);
  check_expires(message, out);
}

}  // namespace sallyport::sip
