// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/scalar_fields.h"

#include <algorithm>

#include "dataplane/base/ascii.h"
#include "dataplane/sip/chars.h"
#include "dataplane/sip/cursor.h"
#include "dataplane/sip/name_addr_reader.h"
#include "dataplane/sip/number.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/start_line.h"
#include "dataplane/sip/uri.h"
#include "dataplane/sip/via.h"

namespace sallyport::sip {

namespace {

// What is not inlined here saves the registers that it needs, and only then.

// 1*DIGIT LWS Method (RFC 3261 20.16). A UAC stays below 2^31; what fits 32 bits is taken.
[[gnu::noinline]] bool read_cseq(std::string_view message, std::string_view value, MessageIndex& out) {
  Cursor cursor(value);
  std::uint32_t number = 0;
  if (!cursor.take_number(number, 0xffffffff) || !is(cursor.peek(), kLws)) return false;
  cursor.skip_lws();
  const std::string_view method = cursor.take_run(kToken);
  if (method.empty() || !cursor.at_end()) return false;
  out.cseq = number;
  out.cseq_method = method_from(method);
  out.cseq_method_text = span_of(message, method);
  return true;
}

// word [ "@" word ] (RFC 3261 20.8): one '@' at most, and not at an end.
[[gnu::noinline]] bool read_call_id(std::string_view message, std::string_view value, MessageIndex& out) {
  if (!all_of(value, kWord) || value.front() == '@' || value.back() == '@') return false;
  if (std::ranges::count(value, '@') > 1) return false;
  out.call_id = span_of(message, value);
  return true;
}

bool read_number(std::string_view value, std::uint32_t limit, std::int32_t& out) {
  const auto number = parse_number(value, limit);
  if (number) out = static_cast<std::int32_t>(*number);
  return number.has_value();
}

// The first tag, and whether anything is wrong with it or another follows.
struct Tag {
  std::string_view text;
  bool wrong = false;

  void look_at(const Param& param) {
    if (wrong || !is_word(param.name, "tag")) return;
    wrong = !text.empty() || param.value.empty() || param.value.front() == '"';
    if (!wrong) text = param.value;
  }
};

// The one tag of From or To. RFC 2543 peers send none (RFC 4475 3.4.1); an empty, quoted or second one is a
// fault.
[[gnu::noinline]] bool read_tag(std::string_view message, std::string_view value, Depth depth, Span& out) {
  NameAddr address;
  Tag tag;
  const auto look = [&tag](const Param& param) {
    tag.look_at(param);
    return true;
  };
  if (!read_name_addr(value, address, look)) return false;
  if (depth == Depth::all && !parse_uri(address.uri)) return false;
  out = span_of(message, tag.text);
  return !tag.wrong;
}

// The topmost via-parm. A branch of the magic cookie alone names no transaction (RFC 4475 3.2.1).
[[gnu::noinline]] Fault read_branch(std::string_view message, std::string_view value, MessageIndex& out) {
  const bool list = value.find(',') != std::string_view::npos;
  const auto via = parse_via(list ? ValueReader(value).next().value_or(std::string_view{}) : value);
  if (!via) return Fault::bad_via;
  out.branch = span_of(message, via->branch);
  return iequals(via->branch, kMagicCookie) ? Fault::bad_branch : Fault::none;
}

Fault read_once(std::string_view message, std::string_view value, HeaderId id, Depth depth,
                MessageIndex& out) {
  switch (id) {
    case HeaderId::cseq:
      return read_cseq(message, value, out) ? Fault::none : Fault::bad_cseq;
    case HeaderId::call_id:
      return read_call_id(message, value, out) ? Fault::none : Fault::bad_call_id;
    case HeaderId::from:
      return read_tag(message, value, depth, out.from_tag) ? Fault::none : Fault::bad_from;
    case HeaderId::to:
      return read_tag(message, value, depth, out.to_tag) ? Fault::none : Fault::bad_to;
    case HeaderId::max_forwards:
      return read_number(value, 255, out.max_forwards) ? Fault::none : Fault::bad_max_forwards;
    case HeaderId::content_length:
      return read_number(value, 0x7fffffff, out.content_length) ? Fault::none : Fault::bad_content_length;
    case HeaderId::via:
      return read_branch(message, value, out);
    default:
      return Fault::none;
  }
}

Fault duplicate_fault(HeaderId id) {
  switch (id) {
    case HeaderId::cseq:
      return Fault::duplicate_cseq;
    case HeaderId::call_id:
      return Fault::duplicate_call_id;
    case HeaderId::from:
      return Fault::duplicate_from;
    case HeaderId::to:
      return Fault::duplicate_to;
    case HeaderId::max_forwards:
      return Fault::duplicate_max_forwards;
    case HeaderId::content_length:
      return Fault::duplicate_content_length;
    default:
      return Fault::none;
  }
}

}  // namespace

void read_scalar_field(std::string_view message, const HeaderField& field, bool repeated, Depth depth,
                       MessageIndex& out) {
  const Fault fault = repeated ? duplicate_fault(field.id)
                               : read_once(message, field.value.in(message), field.id, depth, out);
  if (fault == Fault::none) return;
  const bool branch = fault == Fault::bad_branch;
  fail(out, fault, branch ? out.branch.offset : repeated ? field.name.offset : field.value.offset);
}

}  // namespace sallyport::sip
