// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/sip/buffer_pool.h"
#include "controlplane/sip/path.h"
#include "dataplane/sip/message_index.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/via.h"

namespace sallyport::sip {

// A received message: its octets, the index that the parser made of them, and where it came from. A view:
// valid while the callback that was given it runs. Keep a StoredMessage to keep it.
struct MessageView {
  std::string_view octets;
  const MessageIndex* index = nullptr;
  Path path;

  [[nodiscard]] bool is_request() const { return index->kind == Kind::request; }
  [[nodiscard]] bool is_response() const { return index->kind == Kind::response; }
  [[nodiscard]] Method method() const { return index->method; }
  [[nodiscard]] std::uint16_t status() const { return index->status; }
  [[nodiscard]] std::uint32_t cseq() const { return index->cseq; }

  [[nodiscard]] std::string_view text(Span span) const { return span.in(octets); }
  [[nodiscard]] std::string_view method_text() const { return text(index->method_text); }
  [[nodiscard]] std::string_view request_uri() const { return text(index->request_uri); }
  [[nodiscard]] std::string_view reason_phrase() const { return text(index->reason_phrase); }
  [[nodiscard]] std::string_view call_id() const { return text(index->call_id); }
  [[nodiscard]] std::string_view from_tag() const { return text(index->from_tag); }
  [[nodiscard]] std::string_view to_tag() const { return text(index->to_tag); }
  [[nodiscard]] std::string_view branch() const { return text(index->branch); }
  [[nodiscard]] std::string_view body() const { return text(index->body); }

  // The first field of that name, as it stands (maybe several values, maybe folded); empty when absent.
  [[nodiscard]] std::string_view header(HeaderId id) const;
  [[nodiscard]] bool has(HeaderId id) const { return index->find(id) != nullptr; }
  // The first field of a name that has no HeaderId.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  // The first value of the first field of that name.
  [[nodiscard]] std::string_view first_value(HeaderId id) const;
  // True when a comma-separated list (Require, Supported, Allow) has `token`, case-insensitively.
  [[nodiscard]] bool lists(HeaderId id, std::string_view token) const;

  [[nodiscard]] std::expected<Via, Fault> top_via() const;
  [[nodiscard]] std::expected<NameAddr, Fault> from() const;
  [[nodiscard]] std::expected<NameAddr, Fault> to() const;
  // The first Contact; nullopt when absent or malformed.
  [[nodiscard]] std::optional<NameAddr> contact() const;
};

// Each value of each field of that name, in message order, through `visit(std::string_view)`.
template <typename Visit>
void for_each_value(const MessageView& message, HeaderId id, Visit visit) {
  for (const HeaderField* field = message.index->find(id); field != nullptr;
       field = message.index->next(*field)) {
    ValueReader values(field->value.in(message.octets));
    while (const auto value = values.next()) visit(*value);
  }
}

// Each field as it stands, in message order, through `visit(const HeaderField&, name, value)`.
template <typename Visit>
void for_each_field(const MessageView& message, Visit visit) {
  for (std::size_t i = 0; i < message.index->field_count; ++i) {
    const HeaderField& field = message.index->fields[i];
    visit(field, field.name.in(message.octets), field.value.in(message.octets));
  }
}

// A message that a transaction or a call keeps: its own copy of octets and index, in one pooled buffer.
class StoredMessage {
 public:
  StoredMessage() = default;
  StoredMessage(BufferPool& pool, const MessageView& message);

  [[nodiscard]] explicit operator bool() const { return !buffer_.empty(); }
  [[nodiscard]] MessageView view() const;
  void reset() { buffer_.reset(); }

 private:
  Buffer buffer_;  // path, index (only what is in use), octets
};

// `value` with each fold (CRLF and LWS) as one space and no other control characters: fit for a header line.
[[nodiscard]] std::string unfold(std::string_view value);

}  // namespace sallyport::sip
