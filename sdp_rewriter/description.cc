// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/description.h"

#include "sdp_rewriter/attributes.h"
#include "sdp_rewriter/fields.h"
#include "sdp_rewriter/parser.h"

#include <cassert>

namespace sallyport::sdp {

std::string_view name(Direction direction) {
  switch (direction) {
    case Direction::inactive:
      return "inactive";
    case Direction::sendonly:
      return "sendonly";
    case Direction::recvonly:
      return "recvonly";
    case Direction::sendrecv:
      return "sendrecv";
  }
  return "unknown";
}

std::expected<Description, ParseFault> Description::parse(std::string_view body) {
  Description description;
  if (auto result = description.assign(body); !result) return std::unexpected(result.error());
  return description;
}

std::expected<void, ParseFault> Description::assign(std::string_view body) {
  clear();
  if (body.size() > kMaxBytes) return std::unexpected(ParseFault{Fault::too_long});
  body_.assign(body.begin(), body.end());
  auto result = Parser(*this).run();
  if (!result) clear();
  return result;
}

Description Description::clone() const {
  Description copy;
  if (body_.empty()) return copy;
  const auto result = copy.assign(text());
  assert(result);  // what was parsed once parses again
  static_cast<void>(result);
  return copy;
}

void Description::clear() {
  body_.clear();
  origin_ = {};
  lines_.clear();
  connections_.clear();
  formats_.clear();
  streams_.clear();
  session_line_count_ = session_connection_count_ = 0;
  has_session_name_ = has_time_ = false;
}

bool Stream::old_hold() const {
  return !disabled() && !connections.empty() && connections.front().address.is_unspecified();
}

Direction Stream::effective_direction() const {
  return old_hold() ? make_direction(sends(direction), false) : direction;
}

Endpoint Stream::rtp() const {
  if (disabled() || connections.empty()) return {};
  return {connections.front().address, port};
}

Endpoint Stream::rtcp() const {
  const Endpoint main = rtp();
  if (!main.address) return {};
  if (rtcp_attribute && !(rtcp_mux && rtcp_attribute->address.is_unspecified())) {
    return {rtcp_attribute->has_host ? rtcp_attribute->address : main.address, rtcp_attribute->port};
  }
  if (!is_rtp() || port == 0xffff) return {};
  return {main.address, static_cast<std::uint16_t>(port + 1)};
}

PayloadTypes Stream::payload_types() const {
  PayloadTypes bits{};
  for (const Format& format : formats) add_payload_type(bits, format);
  return bits;
}

std::optional<std::string_view> Stream::attribute(std::string_view attribute_name) const {
  for (const Line& each : lines) {
    if (each.type != 'a') continue;
    const AttributeText text = split_attribute(each.value);
    if (equal_nocase(text.name, attribute_name)) return text.value;
  }
  return std::nullopt;
}

}  // namespace sallyport::sdp
