// SPDX-License-Identifier: Apache-2.0
// Parses any octets, reads every structured field of what comes out, and holds the index to its promises. A
// broken promise aborts, which libFuzzer keeps as a crash.
#include "dataplane/sip/field_values.h"
#include "dataplane/sip/message_index.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"
#include "dataplane/sip/via.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using namespace sallyport::sip;

void require(bool promise, const char* what) {
  if (promise) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_span(Span span, std::string_view header) {
  require(std::size_t{span.offset} + span.length <= header.size(), "a span lies within the header section");
}

void check_spans(const MessageIndex& index, std::string_view octets) {
  const std::string_view header = octets.substr(0, index.header_octets);
  for (const Span span : {index.method_text, index.request_uri, index.reason_phrase, index.call_id,
                          index.from_tag, index.to_tag, index.cseq_method_text, index.branch}) {
    check_span(span, header);
  }
  require(std::size_t{index.body.offset} + index.body.length <= octets.size(),
          "the body lies within the octets");
  if (index.kind == Kind::none) return;
  require(index.body.offset == index.header_octets, "the body follows the header section");
  require(index.total_octets == index.header_octets + index.body.length, "total is header and body");
  require(index.has_body == (index.body.length != 0), "has_body tells of a body");
}

void check_fields(const MessageIndex& index, std::string_view octets) {
  const std::string_view header = octets.substr(0, index.header_octets);
  std::size_t end = 0;
  for (std::size_t i = 0; i < index.field_count; ++i) {
    const HeaderField& field = index.fields[i];
    check_span(field.name, header);
    check_span(field.value, header);
    require(field.name.offset >= end && field.name.length > 0, "fields stand in order");
    require(field.value.offset > field.name.offset + field.name.length - 1, "a value follows its name");
    end = std::size_t{field.value.offset} + field.value.length;
    require(field.next_same == kNoField || field.next_same > i, "a chain goes forward");
    require(header_from(field.name.in(octets)) == field.id, "an id is its name's");
  }
}

void check_params(std::string_view list, std::string_view octets) {
  ParamReader reader(list);
  while (const auto param = reader.next()) {
    require(!param->name.empty() && inside(param->name, octets) && inside(param->value, octets),
            "parameters");
  }
}

void check_uri(std::string_view text, std::string_view octets) {
  const auto uri = parse_uri(text);
  if (!uri) return;
  for (const auto part :
       {uri->user, uri->password, uri->host, uri->parameters, uri->headers, uri->scheme_text}) {
    require(inside(part, octets), "a URI's parts lie within it");
  }
  check_params(uri->parameters, octets);
  static_cast<void>(host_address(uri->host));
  require(unescape(uri->user).size() <= uri->user.size(), "unescaping makes nothing longer");
}

void check_value(std::string_view value, bool well_formed, std::string_view octets) {
  require(inside(value, octets), "a value lies within the message");
  const auto address = parse_name_addr(value);
  require(address.has_value() || !well_formed || value == "*",
          "a message without fault has readable addresses");
  if (!address) return;
  require(inside(address->display, octets) && inside(address->uri, octets),
          "an address's parts lie within it");
  check_params(address->params, octets);
  check_uri(address->uri, octets);
}

void check_addresses(const MessageIndex& index, std::string_view octets) {
  for (const HeaderId id : {HeaderId::from, HeaderId::to, HeaderId::contact, HeaderId::route,
                            HeaderId::record_route, HeaderId::refer_to, HeaderId::p_asserted_identity}) {
    const bool checked = id != HeaderId::refer_to && id != HeaderId::p_asserted_identity;
    if (id == HeaderId::from || id == HeaderId::to) {  // one value each: a comma in them is no separator
      if (index.find(id) != nullptr)
        check_value(index.value_of(id, octets), index.fault == Fault::none, octets);
      continue;
    }
    FieldValues values(index, octets, id);
    while (const auto value = values.next())
      check_value(*value, checked && index.fault == Fault::none, octets);
  }
}

void check_vias(const MessageIndex& index, std::string_view octets) {
  FieldValues values(index, octets, HeaderId::via);
  bool top = true;
  while (const auto value = values.next()) {
    const auto via = parse_via(*value);
    require(via.has_value() || index.fault != Fault::none, "a message without fault has readable Vias");
    if (index.fault == Fault::none && top)
      require(via->branch == index.branch.in(octets), "the branch is the topmost Via's");
    top = false;
  }
}

void check_whole(const MessageIndex& index) {
  if (index.fault != Fault::none) return;
  require(index.kind != Kind::none, "a message without fault is a request or a response");
  require(index.kind != Kind::response || (index.status >= 100 && index.status <= 999),
          "a status has its range");
  require(index.cseq_method != Method::none && index.call_id && index.find(HeaderId::via) != nullptr,
          "mandatory");
}

// What the framer cuts off a stream, the parser reads to the same end.
void check_stream(std::string_view octets) {
  const auto end = find_message_end(octets, kMaxMessageBytes);
  if (!end || *end == 0) return;
  require(*end <= octets.size(), "a frame lies within the stream");
  MessageIndex index;
  if (parse(octets.substr(0, *end), Framing::stream, index)) {
    require(index.total_octets == *end, "framer and parser agree on the end");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  MessageIndex index;
  const bool good = parse(octets, Framing::datagram, index);
  require(good == (index.fault == Fault::none), "the result tells of the fault");
  require(index.fault_offset <= size, "a fault lies within the octets");
  check_spans(index, octets);
  check_fields(index, octets);
  check_vias(index, octets);
  check_addresses(index, octets);
  check_whole(index);
  check_stream(octets);
  return 0;
}
