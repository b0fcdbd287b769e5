// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/message_index.h"

#include "dataplane/sip/line_scanner.h"
#include "dataplane/sip/number.h"
#include "dataplane/sip/params.h"

#include <algorithm>
#include <optional>

namespace sallyport::sip {

namespace {

// The value of a Content-Length line, or nullopt for any other line.
std::optional<std::string_view> content_length_value(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  if (header_from(trim(line.substr(0, colon))) != HeaderId::content_length) return std::nullopt;
  return trim(line.substr(colon + 1));
}

// The one Content-Length of a header section, which ends with its empty line.
std::expected<std::size_t, Fault> body_length(std::string_view header) {
  LineScanner lines(header);
  std::optional<std::uint32_t> length;
  Line line = lines.read(0, false);
  for (std::size_t begin = line.next; begin != kNowhere; begin = line.next) {
    line = lines.read(begin, true);
    if (line.bad != kNowhere) return std::unexpected(Fault::bad_header);
    const auto value = content_length_value(header.substr(begin, line.end - begin));
    if (!value) continue;
    if (length) return std::unexpected(Fault::duplicate_content_length);
    length = parse_number(*value, kMaxMessageBytes);
    if (!length) return std::unexpected(Fault::bad_content_length);
  }
  if (!length) return std::unexpected(Fault::bad_content_length);
  return *length;
}

}  // namespace

std::expected<std::size_t, Fault> find_message_size(std::string_view octets, std::size_t max_bytes) {
  const std::size_t limit = std::min(max_bytes, kMaxMessageBytes);
  const std::size_t end = octets.substr(0, limit).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (octets.size() >= limit) return std::unexpected(Fault::message_too_large);
    return std::size_t{0};
  }
  const std::size_t header = end + 4;
  const auto body = body_length(octets.substr(0, header));
  if (!body) return std::unexpected(body.error());
  const std::size_t total = header + *body;
  if (total > limit) return std::unexpected(Fault::message_too_large);
  return total;
}

std::expected<std::size_t, Fault> find_message_end(std::string_view octets, std::size_t max_bytes) {
  const auto size = find_message_size(octets, max_bytes);
  return !size || octets.size() >= *size ? size : std::size_t{0};
}

}  // namespace sallyport::sip
