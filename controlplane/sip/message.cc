// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/message.h"

#include <cstring>
#include <type_traits>

namespace sallyport::sip {

std::string_view MessageView::header(HeaderId id) const {
  const HeaderField* field = index->find(id);
  return field == nullptr ? std::string_view{} : field->value.in(octets);
}

std::string_view MessageView::header(std::string_view name) const {
  for (std::size_t i = 0; i < index->field_count; ++i) {
    const HeaderField& field = index->fields[i];
    if (iequals(field.name.in(octets), name)) return field.value.in(octets);
  }
  return {};
}

std::string_view MessageView::first_value(HeaderId id) const {
  return ValueReader(header(id)).next().value_or(std::string_view{});
}

bool MessageView::lists(HeaderId id, std::string_view token) const {
  bool found = false;
  for_each_value(*this, id, [&](std::string_view value) { found = found || iequals(value, token); });
  return found;
}

std::expected<Via, Fault> MessageView::top_via() const {
  if (!has(HeaderId::via)) return std::unexpected(Fault::missing_via);
  return parse_via(first_value(HeaderId::via));
}

std::expected<NameAddr, Fault> MessageView::from() const {
  if (!has(HeaderId::from)) return std::unexpected(Fault::missing_from);
  return parse_name_addr(header(HeaderId::from));
}

std::expected<NameAddr, Fault> MessageView::to() const {
  if (!has(HeaderId::to)) return std::unexpected(Fault::missing_to);
  return parse_name_addr(header(HeaderId::to));
}

std::optional<NameAddr> MessageView::contact() const {
  if (!has(HeaderId::contact)) return std::nullopt;
  const auto value = parse_name_addr(first_value(HeaderId::contact));
  if (!value) return std::nullopt;
  return *value;
}

namespace {

constexpr std::size_t kIndexAt =
    (sizeof(Path) + alignof(MessageIndex) - 1) / alignof(MessageIndex) * alignof(MessageIndex);
static_assert(std::is_trivially_copyable_v<Path>);

}  // namespace

StoredMessage::StoredMessage(BufferPool& pool, const MessageView& message) {
  const std::size_t used = message.index->used_bytes();
  buffer_ = pool.take(kIndexAt + used + message.octets.size());
  std::memcpy(buffer_.data(), &message.path, sizeof(Path));
  std::memcpy(buffer_.data() + kIndexAt, message.index, used);
  if (!message.octets.empty()) {
    std::memcpy(buffer_.data() + kIndexAt + used, message.octets.data(), message.octets.size());
  }
}

MessageView StoredMessage::view() const {
  // Of the index only the fields in use were copied (used_bytes), as in a ring's record.
  if (buffer_.empty()) return {};
  const auto* index = reinterpret_cast<const MessageIndex*>(buffer_.data() + kIndexAt);
  return {buffer_.text().substr(kIndexAt + index->used_bytes()), index,
          *reinterpret_cast<const Path*>(buffer_.data())};
}

std::string unfold(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\r' || c == '\n') {
      while (i + 1 < value.size() && trim(value.substr(i + 1, 1)).empty()) ++i;
      while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
      out += ' ';
    } else if (static_cast<unsigned char>(c) >= 0x20 ? c != 0x7f : c == '\t') {
      out += c;
    }
  }
  return out;
}

}  // namespace sallyport::sip
