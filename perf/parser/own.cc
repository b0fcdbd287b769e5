// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <expected>
#include <new>
#include <type_traits>

#include "dataplane/sip/field_values.h"
#include "dataplane/sip/message_index.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"
#include "dataplane/sip/via.h"
#include "perf/common/series.h"
#include "perf/parser/contender.h"
#include "sdp_rewriter/description.h"

namespace sallyport::perf {
namespace {

using sip::HeaderId;

constexpr std::size_t kMost = 8;  // of one kind of field

template <typename T>
using Read = std::expected<T, sip::Fault>;

struct Address {
  Read<sip::NameAddr> name;
  Read<sip::Uri> uri;
};

struct Addresses {
  std::array<Address, kMost> all;
  std::size_t count = 0;
};

// Everything that has a structure, read out.
struct Structured {
  Read<sip::Uri> request_uri;
  std::array<Read<sip::Via>, kMost> vias;
  std::size_t via_count = 0;
  Addresses from, to, contacts, routes, record_routes, asserted;
};

sip::MessageIndex index_of;
Structured structured;
sdp::Description description;

// A result where it belongs, as a caller's `const auto uri = parse_uri(text)` has it: without a copy.
template <typename T, typename Parse>
bool put(Read<T>& where, Parse parse, std::string_view text) {
  static_assert(std::is_trivially_destructible_v<Read<T>>);
  return (new (&where) Read<T>(parse(text)))->has_value();
}

bool read_address(std::string_view value, Addresses& out) {
  if (out.count == kMost) return false;
  Address& address = out.all[out.count++];
  return put(address.name, sip::parse_name_addr, value) &&
         put(address.uri, sip::parse_uri, address.name->uri);
}

// From and To have one value: a comma in them separates nothing.
bool read_single(std::string_view message, HeaderId id, Addresses& out) {
  out.count = 0;
  return read_address(index_of.value_of(id, message), out);
}

bool read_addresses(std::string_view message, HeaderId id, Addresses& out) {
  out.count = 0;
  if (index_of.find(id) == nullptr) return true;
  sip::FieldValues values(index_of, message, id);
  while (const auto value = values.next()) {
    if (!read_address(*value, out)) return false;
  }
  return true;
}

bool read_vias(std::string_view message) {
  structured.via_count = 0;
  sip::FieldValues values(index_of, message, HeaderId::via);
  while (const auto value = values.next()) {
    if (structured.via_count == kMost) return false;
    if (!put(structured.vias[structured.via_count++], sip::parse_via, *value)) return false;
  }
  return true;
}

bool parse_index(std::string_view message) {
  const bool good = sip::scan(message, sip::Framing::datagram, index_of);
  keep(index_of);
  return good;
}

bool parse_checked(std::string_view message) {
  const bool good = sip::parse(message, sip::Framing::datagram, index_of);
  keep(index_of);
  return good;
}

// scan() and not parse(): what parse() does more is to read the structured fields for their faults alone, and
// here each is read for its value.
bool parse_sip(std::string_view message) {
  if (!sip::scan(message, sip::Framing::datagram, index_of)) return false;
  if (!put(structured.request_uri, sip::parse_uri, index_of.request_uri.in(message))) return false;
  const bool good = read_vias(message) && read_single(message, HeaderId::from, structured.from) &&
                    read_single(message, HeaderId::to, structured.to) &&
                    read_addresses(message, HeaderId::contact, structured.contacts) &&
                    read_addresses(message, HeaderId::route, structured.routes) &&
                    read_addresses(message, HeaderId::record_route, structured.record_routes) &&
                    read_addresses(message, HeaderId::p_asserted_identity, structured.asserted);
  keep(structured);
  return good;
}

bool parse_full(std::string_view message) {
  if (!parse_sip(message)) return false;
  const bool good = description.assign(index_of.body.in(message)).has_value();
  keep(description);
  return good;
}

std::string port_text(std::uint16_t port) {
  return port == 0 ? "" : std::to_string(port);
}

std::string text_of(const sip::Uri& uri) {
  return uri_text(uri.scheme_text, uri.user, uri.host, port_text(uri.port));
}

void put(Reading& out, const std::string& name, const Addresses& addresses) {
  for (std::size_t i = 0; i < addresses.count; ++i) {
    const std::string at = name + std::to_string(i);
    out[at + ".display"] = addresses.all[i].name->display;
    out[at + ".uri"] = text_of(*addresses.all[i].uri);
    out[at + ".uri_parameters"] = addresses.all[i].uri->parameters;
  }
}

void put_sdp(Reading& out) {
  out["sdp.origin"] =
      std::string(description.origin().username) + " " + std::string(description.origin().session_id) + " " +
      std::string(description.origin().session_version) + " " + std::string(description.origin().host);
  unsigned number = 0;
  for (const sdp::Stream& stream : description.streams()) {
    const std::string at = "sdp.m" + std::to_string(number++);
    out[at + ".media"] =
        std::string(stream.media) + " " + std::to_string(stream.port) + " " + std::string(stream.proto);
    out[at + ".address"] = stream.connections.front().host;
    for (const sdp::Format& format : stream.formats) {
      out[at + ".format" + std::string(format.text)] =
          std::string(format.encoding) + "/" + std::to_string(format.clock_rate);
    }
  }
}

Reading read_full(std::string_view message) {
  Reading out;
  if (!parse_full(message)) return out;
  out["method"] = sip::method_name(index_of.method);
  out["request_uri"] = text_of(*structured.request_uri);
  out["call_id"] = index_of.call_id.in(message);
  out["cseq"] = std::to_string(index_of.cseq) + " " + std::string(index_of.cseq_method_text.in(message));
  out["max_forwards"] = std::to_string(index_of.max_forwards);
  out["content_length"] = std::to_string(index_of.content_length);
  out["content_type"] = index_of.value_of(HeaderId::content_type, message);
  out["from_tag"] = index_of.from_tag.in(message);
  out["to_tag"] = index_of.to_tag.in(message);
  for (std::size_t i = 0; i < structured.via_count; ++i) {
    const sip::Via& via = *structured.vias[i];
    out["via" + std::to_string(i)] = std::string(via.transport) + " " + std::string(via.host) + " " +
                                     port_text(via.port) + " " + std::string(via.branch) + " " +
                                     std::string(via.received);
  }
  put(out, "from", structured.from);
  put(out, "to", structured.to);
  put(out, "contact", structured.contacts);
  put(out, "route", structured.routes);
  put(out, "record_route", structured.record_routes);
  put_sdp(out);
  return out;
}

}  // namespace

const Contender kIndex{"index", parse_index, nullptr};
const Contender kParse{"parse", parse_checked, nullptr};
const Contender kSip{"sip", parse_sip, nullptr};
const Contender kFull{"full", parse_full, read_full};

std::string uri_text(std::string_view scheme, std::string_view user, std::string_view host,
                     std::string_view port) {
  std::string text(scheme);
  text += ":";
  if (!user.empty()) text += std::string(user) + "@";
  text += host;
  if (!port.empty()) text += ":" + std::string(port);
  return text;
}

}  // namespace sallyport::perf
