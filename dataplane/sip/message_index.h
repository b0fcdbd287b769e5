// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A message is parsed once, in place, on the core that received it. The result is not a
// copy but an index: offsets into the message's own octets. The index is plain data of bounded size, so it
// travels beside the octets through a ring to the shard, which looks fields up without parsing again. Only
// what every message needs is read into values here (start line, CSeq, lengths, tags, top branch); structured
// fields (Via, name-addr, URI) are read on demand by the functions of via.h, uri.h and name_addr.h, which work
// on views of the same octets. Nothing allocates, and no octet is changed.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string_view>
#include <type_traits>

#include "dataplane/sip/fault.h"
#include "dataplane/sip/names.h"

namespace sallyport::sip {

// Octets [offset, offset + length) of the message. length 0 may mean absent or empty: see each field.
struct Span {
  std::uint16_t offset = 0;
  std::uint16_t length = 0;

  [[nodiscard]] constexpr std::string_view in(std::string_view message) const {
    return message.substr(offset, length);
  }
  [[nodiscard]] constexpr explicit operator bool() const { return length != 0; }
};

// Where `part` stands in `message`, which it is a part of; nothing for an empty one.
[[nodiscard]] inline Span span_of(std::string_view message, std::string_view part) {
  if (part.empty()) return {};
  return {static_cast<std::uint16_t>(part.data() - message.data()), static_cast<std::uint16_t>(part.size())};
}

// One header field line, folded lines included. `value` has outer white space cut; folds inside are left as
// they are (readers take CRLF and LWS as one space, RFC 3261 7.3.1).
struct HeaderField {
  Span name;
  Span value;
  HeaderId id = HeaderId::other;
  std::uint8_t next_same = 0;  // index of the next field with the same id (not for `other`); kNoField at the end
};

inline constexpr std::size_t kMaxFields = 160;
inline constexpr std::uint8_t kNoField = 0xff;
inline constexpr std::size_t kMaxMessageBytes = 65'535;

enum class Kind : std::uint8_t { none, request, response };

struct MessageIndex {
  Kind kind = Kind::none;
  Method method = Method::none;       // of a request: the request line's; of a response: the CSeq's
  Method cseq_method = Method::none;
  // The first one met. The rest of the message is indexed all the same, so that it can be answered: fields that
  // are well-formed are there whether they stand before the fault or behind it.
  Fault fault = Fault::none;
  std::uint16_t fault_offset = 0;     // octets from the start of the message
  std::uint16_t status = 0;           // of a response, 100 to 999
  std::uint32_t cseq = 0;
  std::int32_t max_forwards = -1;     // -1: absent
  std::int32_t content_length = -1;   // -1: absent
  Span method_text;                   // as received
  Span request_uri;
  Span reason_phrase;
  Span call_id;
  Span from_tag;
  Span to_tag;
  Span cseq_method_text;
  Span branch;                        // of the topmost Via
  Span body;                          // after Content-Length has been applied; extra octets are left out
  std::uint16_t header_octets = 0;    // start line, header fields and the empty line
  std::uint16_t total_octets = 0;     // header_octets + body: what of the datagram or stream this message took
  bool has_body = false;
  std::uint8_t field_count = 0;
  std::array<std::uint8_t, static_cast<std::size_t>(HeaderId::kCount)> first{};  // kNoField: absent
  std::array<HeaderField, kMaxFields> fields;  // LAST member; only field_count of them are set

  [[nodiscard]] const HeaderField* find(HeaderId id) const {
    const std::uint8_t i = first[static_cast<std::size_t>(id)];
    return i == kNoField ? nullptr : &fields[i];
  }
  [[nodiscard]] const HeaderField* next(const HeaderField& field) const {
    return field.next_same == kNoField ? nullptr : &fields[field.next_same];
  }
  // The value of the first such field, outer white space cut; empty when absent.
  [[nodiscard]] std::string_view value_of(HeaderId id, std::string_view message) const {
    const HeaderField* field = find(id);
    return field == nullptr ? std::string_view{} : field->value.in(message);
  }
  // Bytes of this struct that are in use: what a ring has to carry.
  [[nodiscard]] std::size_t used_bytes() const {
    return sizeof(MessageIndex) - (kMaxFields - field_count) * sizeof(HeaderField);
  }
};
static_assert(std::is_trivially_copyable_v<MessageIndex>);

enum class Framing : std::uint8_t { datagram, stream };

// Parses one message at the start of `octets` (at most kMaxMessageBytes are looked at).
// datagram: the message must be whole; without Content-Length the body is the rest (RFC 3261 18.3).
// stream: the caller has framed it by find_message_end.
// CRLFs before the start line are skipped and counted (RFC 3261 7.5); body.offset is header_octets.
// Always fills `out` as far as it got, `out.fault` included; true when there is no fault. Semantics checked here:
// the mandatory fields and single-value fields of RFC 3261 8.1.1, CSeq against the request line, RFC 3261 7.1,
// 7.2, 20. Every Via, Contact, Route and Record-Route is read once: a message without a fault can be taken apart by
// parse_via, parse_name_addr and parse_uri without another. Allocates nothing.
[[nodiscard]] bool parse(std::string_view octets, Framing framing, MessageIndex& out);

// The first half of parse(), and what steering needs: start line, field index, framing, tags, topmost branch and
// the scalar fields, but no look into the other structured fields. True when there is no fault so far.
[[nodiscard]] bool scan(std::string_view octets, Framing framing, MessageIndex& out);

// Stream framing (RFC 3261 18.3): octets of the first whole message in `octets`, 0 when more are needed, or the
// fault that makes the stream unusable (no or bad Content-Length, header section over `max_bytes`).
// Leading CRLFs must have been skipped by the caller.
[[nodiscard]] std::expected<std::size_t, Fault> find_message_end(std::string_view octets, std::size_t max_bytes);
// The same as soon as the header section is whole: octets of the message that begins there, its body come or not.
[[nodiscard]] std::expected<std::size_t, Fault> find_message_size(std::string_view octets, std::size_t max_bytes);

}  // namespace sallyport::sip
