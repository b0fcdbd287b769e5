// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/message_index.h"

#include "dataplane/sip/chars.h"
#include "dataplane/sip/line_scanner.h"
#include "dataplane/sip/name_table.h"
#include "dataplane/sip/scalar_fields.h"
#include "dataplane/sip/start_line.h"
#include "dataplane/sip/structured_fields.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace sallyport::sip {

namespace {

// Everything but the fields, so that starting over costs a copy of some 200 octets and not of the whole
// struct.
constexpr MessageIndex make_empty() {
  MessageIndex index{};
  index.first.fill(kNoField);
  return index;
}
constinit const MessageIndex kEmpty = make_empty();

void clear(MessageIndex& out) {
  std::memcpy(static_cast<void*>(&out), static_cast<const void*>(&kEmpty), offsetof(MessageIndex, fields));
}

// True for octets that tell nothing but that the sender is there (RFC 5626 4.4.1, 6263).
bool is_keep_alive(std::string_view octets) {
  return octets.find_first_not_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// Fields that read_scalar_field reads, or that may stand once.
constexpr std::array<bool, static_cast<std::size_t>(HeaderId::kCount)> kHasScalar = [] {
  std::array<bool, static_cast<std::size_t>(HeaderId::kCount)> table{};
  for (const HeaderId id : {HeaderId::cseq, HeaderId::call_id, HeaderId::from, HeaderId::to,
                            HeaderId::max_forwards, HeaderId::content_length, HeaderId::via}) {
    table[static_cast<std::size_t>(id)] = true;
  }
  return table;
}();

// Reads one message from front to back.
class Scanner {
 public:
  Scanner(std::string_view octets, Depth depth, MessageIndex& out)
      : octets_(octets), out_(out), depth_(depth), lines_(octets) {}

  // False when nothing worth indexing follows.
  [[nodiscard]] bool start_line() {
    std::size_t at = 0;
    while (at < octets_.size() && (octets_[at] == '\r' || octets_[at] == '\n')) ++at;
    if ((at == octets_.size() || octets_[at] == '\0') && is_keep_alive(octets_)) {
      fail(out_, Fault::keep_alive, 0);
      return false;
    }
    const Line line = lines_.read(at, false);
    if (line.bad != kNowhere && octets_[line.bad] == '\0') {
      fail(out_, Fault::not_sip, at);
      return false;
    }
    if (!read_start_line(octets_, at, line.end - at, out_)) return false;
    if (line.bad != kNowhere) fail(out_, start_line_fault(), line.bad);
    next_ = line.next;
    return true;
  }

  // All field lines up to the empty one. Sets header_octets.
  void fields() {
    while (next_ != kNowhere) {
      if (plain_line(next_)) continue;
      if (at_empty_line()) break;
      field_line();
    }
    if (next_ == kNowhere || next_ == octets_.size()) {
      fail(out_, Fault::too_short, octets_.size());
      out_.header_octets = static_cast<std::uint16_t>(octets_.size());
      return;
    }
    out_.header_octets = static_cast<std::uint16_t>(next_ + 2);
  }

 private:
  [[nodiscard]] Fault start_line_fault() const {
    return out_.kind == Kind::request ? Fault::request_line : Fault::status_line;
  }
  [[nodiscard]] bool at_empty_line() const {
    if (next_ == octets_.size()) return true;
    return octets_[next_] == '\r' && octets_.size() - next_ >= 2 && octets_[next_ + 1] == '\n';
  }
  [[nodiscard]] bool lws_at(std::size_t at) const { return is(octets_[at], kLws); }
  [[nodiscard]] bool blank_at(std::size_t at) const { return octets_[at] == ' ' || octets_[at] == '\t'; }

  [[nodiscard]] bool visible_at(std::size_t at) const {
    return static_cast<unsigned char>(octets_.data()[at]) > ' ';
  }

  // Nearly every line: a name of less than 16 octets, ':', at most one space, a value without outer white
  // space and not empty, CR LF, and another line that does not go on with this one. Any other is left to
  // field_line(), which would read this one alike: then nothing is done and the result is false.
  [[nodiscard]] bool plain_line(std::size_t begin) {
#if defined(__SSSE3__)
    if (octets_.size() - begin < 16) return false;
    const char* const text = octets_.data();
    const auto end = lines_.plain_end(begin);
    if (end == kNowhere) return false;
    const auto name = detail::name_at_colon(text + begin);
    const std::size_t colon = begin + name.size;
    if (name.size - 1 >= 15 || colon >= end || !visible_at(colon - 1)) return false;
    const std::size_t value = colon + (text[colon + 1] == ' ' ? 2 : 1);
    if (value >= end || !visible_at(value) || !visible_at(end - 1)) return false;
    next_ = end + 2;
    add(name.id, {text + begin, name.size}, {text + value, end - value});
    return true;
#else
    static_cast<void>(begin);
    return false;
#endif
  }

  void field_line() {
    const std::size_t begin = next_;
    const Line line = lines_.read(begin, true);
    next_ = line.next;
    if (line.bad != kNowhere) {
      fail(out_, Fault::bad_header, line.bad);
      return;
    }
    if (next_ == kNowhere) return;  // the message ends within this line: too_short
    const std::size_t colon = lines_.colon(begin, line.end);
    std::size_t name_end = colon;
    while (name_end != begin && blank_at(name_end - 1)) --name_end;
    if (colon == line.end || name_end == begin) {
      fail(out_, Fault::bad_header, begin);
      return;
    }
    std::size_t value = colon + 1;
    std::size_t value_end = line.end;
    while (value != value_end && lws_at(value)) ++value;
    while (value != value_end && lws_at(value_end - 1)) --value_end;
    const std::string_view name{octets_.data() + begin, name_end - begin};
    add(header_from(name), name, {octets_.data() + value, value_end - value});
  }

  void add(HeaderId id, std::string_view name, std::string_view value) {
    const std::size_t offset = static_cast<std::size_t>(name.data() - octets_.data());
    if (id == HeaderId::other && !all_of(name, kToken)) {
      fail(out_, Fault::bad_header, offset);
      return;
    }
    const std::uint8_t number = out_.field_count;
    if (number == kMaxFields) {
      fail(out_, Fault::too_many_headers, offset);
      return;
    }
    // Member by member: a copy of the whole would wait for its octets to be stored one by one.
    HeaderField& field = out_.fields[number];
    field.name = place(name);
    field.value = place(value);
    field.id = id;
    field.next_same = kNoField;
    const bool repeated = id != HeaderId::other && chain(id, number);
    out_.field_count = static_cast<std::uint8_t>(number + 1);
    if (kHasScalar[static_cast<std::size_t>(id)]) read_scalar_field(octets_, field, repeated, depth_, out_);
  }

  // As span_of(), which makes nothing of what is empty.
  [[nodiscard]] Span place(std::string_view part) const {
    return {static_cast<std::uint16_t>(part.data() - octets_.data()),
            static_cast<std::uint16_t>(part.size())};
  }

  // Links field `number` to the last one of its kind. True when there was one.
  bool chain(HeaderId id, std::uint8_t number) {
    const auto i = static_cast<std::size_t>(id);
    const bool repeated = out_.first[i] != kNoField;
    (repeated ? out_.fields[last_[i]].next_same : out_.first[i]) = number;
    last_[i] = number;
    return repeated;
  }

  std::string_view octets_;
  MessageIndex& out_;
  Depth depth_;
  LineScanner lines_;
  std::size_t next_ = kNowhere;                                                // where the next line starts
  std::array<std::uint8_t, static_cast<std::size_t>(HeaderId::kCount)> last_;  // valid where out_.first is
};

// RFC 3261 8.1.1 and 8.1.3.5: what every message has.
void check_mandatory(std::string_view octets, MessageIndex& out) {
  struct Mandatory {
    HeaderId id;
    Fault fault;
  };
  static constexpr Mandatory kMandatory[] = {{HeaderId::via, Fault::missing_via},
                                             {HeaderId::from, Fault::missing_from},
                                             {HeaderId::to, Fault::missing_to},
                                             {HeaderId::call_id, Fault::missing_call_id},
                                             {HeaderId::cseq, Fault::missing_cseq}};
  for (const auto& [id, fault] : kMandatory) {
    if (out.find(id) == nullptr) fail(out, fault, out.header_octets);
  }
  if (out.kind == Kind::response) {
    out.method = out.cseq_method;
  } else if (out.cseq_method_text.in(octets) != out.method_text.in(octets)) {
    fail(out, Fault::cseq_method, out.cseq_method_text.offset);
  }
}

// RFC 3261 18.3: in a datagram Content-Length may be absent, and octets beyond it are not part of the
// message.
void set_body(std::string_view octets, Framing framing, MessageIndex& out) {
  const std::size_t rest = octets.size() - out.header_octets;
  std::size_t length = rest;
  if (out.content_length >= 0) {
    length = std::min(rest, static_cast<std::size_t>(out.content_length));
    if (static_cast<std::size_t>(out.content_length) > rest)
      fail(out, Fault::body_shorter, out.header_octets);
  } else if (framing == Framing::stream) {
    fail(out, Fault::bad_content_length, out.header_octets);
  }
  out.body = {out.header_octets, static_cast<std::uint16_t>(length)};
  out.has_body = length != 0;
  out.total_octets = static_cast<std::uint16_t>(out.header_octets + length);
}

void scan_to(std::string_view octets, Framing framing, Depth depth, MessageIndex& out) {
  clear(out);
  const bool too_large = octets.size() > kMaxMessageBytes;
  octets = octets.substr(0, kMaxMessageBytes);
  if (too_large && framing == Framing::datagram) fail(out, Fault::message_too_large, octets.size());
  Scanner scanner(octets, depth, out);
  if (!scanner.start_line()) return;
  scanner.fields();
  check_mandatory(octets, out);
  set_body(octets, framing, out);
}

}  // namespace

bool scan(std::string_view octets, Framing framing, MessageIndex& out) {
  scan_to(octets, framing, Depth::scalars, out);
  return out.fault == Fault::none;
}

bool parse(std::string_view octets, Framing framing, MessageIndex& out) {
  scan_to(octets, framing, Depth::all, out);
  if (out.kind == Kind::none) return false;
  check_structured_fields(octets, out);
  return out.fault == Fault::none;
}

}  // namespace sallyport::sip
