// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/multipart.h"

#include <algorithm>
#include <charconv>

#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"

namespace sallyport::sip {
namespace {

constexpr unsigned kDeepest = 3;

std::string_view media_type(std::string_view content_type) {
  return trim(content_type.substr(0, content_type.find(';')));
}

bool starts_nocase(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && iequals(text.substr(0, start.size()), start);
}

// RFC 2046 5.1.1: 1 to 70 characters, not ending in a space.
std::optional<std::string_view> boundary_of(std::string_view content_type) {
  const std::size_t semicolon = content_type.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  const auto param = find_param(content_type.substr(semicolon), "boundary");
  if (!param) return std::nullopt;
  std::string_view boundary = param->value;
  if (boundary.size() >= 2 && boundary.front() == '"') boundary = boundary.substr(1, boundary.size() - 2);
  const auto bad = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\';
  };
  if (boundary.empty() || boundary.size() > 70 || boundary.back() == ' ' ||
      std::ranges::any_of(boundary, bad)) {
    return std::nullopt;
  }
  return boundary;
}

// A line "--boundary" or "--boundary--", blanks behind it allowed.
struct Delimiter {
  std::size_t start = 0;  // of the line end before it, which belongs to it; of the body where it comes first
  std::size_t end = 0;    // behind its own line end
  bool closes = false;
};

// What follows "--boundary" on its line; nullopt: that is not a delimiter (a longer boundary starts the
// same).
std::optional<Delimiter> read_rest(std::string_view body, std::size_t position) {
  Delimiter found;
  found.closes = body.substr(position).starts_with("--");
  if (found.closes) position += 2;
  while (position < body.size() && (body[position] == ' ' || body[position] == '\t')) ++position;
  found.end = position;
  if (position == body.size()) return found.closes ? std::optional(found) : std::nullopt;
  if (body[position] == '\r' && position + 1 < body.size() && body[position + 1] == '\n') ++found.end;
  if (body[found.end] != '\n') return std::nullopt;
  ++found.end;
  return found;
}

// LF alone ends a line too: it is met in the field.
std::optional<Delimiter> next_delimiter(std::string_view body, std::string_view boundary, std::size_t from) {
  const std::string dashed = "--" + std::string(boundary);
  for (std::size_t at = body.find(dashed, from); at != std::string_view::npos;
       at = body.find(dashed, at + 1)) {
    if (at != 0 && body[at - 1] != '\n') continue;
    auto found = read_rest(body, at + dashed.size());
    if (!found) continue;
    found->start = at;
    if (found->start > from && body[found->start - 1] == '\n') --found->start;
    if (found->start > from && found->start < at && body[found->start - 1] == '\r') --found->start;
    return found;
  }
  return std::nullopt;
}

// Header lines end at a blank line; a part may have none (RFC 2046 5.1).
std::optional<BodyPart> split_part(std::string_view text) {
  std::size_t line = 0;
  while (line < text.size()) {
    const std::size_t end = text.find('\n', line);
    const std::string_view content = text.substr(line, end == std::string_view::npos ? end : end - line);
    if (content.empty() || content == "\r") {
      const bool has_content = end != std::string_view::npos;
      return BodyPart{text.substr(0, line), text.substr(has_content ? end + 1 : text.size()), has_content};
    }
    const bool is_field = content.find(':') != std::string_view::npos;
    const bool is_fold = line != 0 && (content.front() == ' ' || content.front() == '\t');
    if (!is_field && !is_fold) return std::nullopt;
    if (end == std::string_view::npos) return BodyPart{text, text.substr(text.size()), false};
    line = end + 1;
  }
  return BodyPart{text, text.substr(text.size()), false};
}

bool is_plainly_encoded(const BodyPart& part) {
  const std::string_view encoding = part_header(part, "Content-Transfer-Encoding");
  return encoding.empty() || iequals(encoding, "7bit") || iequals(encoding, "8bit") ||
         iequals(encoding, "binary");
}

bool is_session(const BodyPart& part) {
  const std::string_view disposition = part_header(part, "Content-Disposition");
  return disposition.empty() || iequals(media_type(disposition), "session");
}

// What a body says of sessions.
struct Descriptions {
  std::optional<BodyPart> usable;
  unsigned seen = 0;    // application/sdp, whatever its purpose and encoding
  bool unread = false;  // a multipart inside is too deep or broken: nobody knows what is in it
};

void look_into(std::string_view content_type, std::string_view body, unsigned depth, Descriptions& out) {
  const auto parts = parse_multipart(content_type, body);
  if (!parts) {
    out.unread = true;
    return;
  }
  for (const BodyPart& part : *parts) {
    const std::string_view type = part_header(part, "Content-Type");
    if (iequals(media_type(type), "application/sdp")) {
      ++out.seen;
      if (part.has_content && is_session(part) && is_plainly_encoded(part)) out.usable = part;
    } else if (is_multipart(type)) {
      if (depth == kDeepest) {
        out.unread = true;
      } else {
        look_into(type, part.content, depth + 1, out);
      }
    }
  }
}

}  // namespace

bool is_multipart(std::string_view content_type) {
  return starts_nocase(media_type(content_type), "multipart/");
}

std::expected<std::vector<BodyPart>, MultipartFault> parse_multipart(std::string_view content_type,
                                                                     std::string_view body) {
  const auto boundary = boundary_of(content_type);
  if (!is_multipart(content_type) || !boundary) return std::unexpected(MultipartFault::no_boundary);
  auto delimiter = next_delimiter(body, *boundary, 0);
  if (!delimiter || delimiter->closes) return std::unexpected(MultipartFault::no_part);
  std::vector<BodyPart> parts;
  while (!delimiter->closes) {
    const auto next = next_delimiter(body, *boundary, delimiter->end);
    if (!next) return std::unexpected(MultipartFault::unterminated);
    if (parts.size() == kMaxBodyParts) return std::unexpected(MultipartFault::too_many_parts);
    const auto part = split_part(body.substr(delimiter->end, next->start - delimiter->end));
    if (!part) return std::unexpected(MultipartFault::bad_header);
    parts.push_back(*part);
    delimiter = next;
  }
  return parts;
}

std::string_view part_header(const BodyPart& part, std::string_view name) {
  const std::string_view lines = part.headers;
  std::size_t start = 0;
  while (start < lines.size()) {
    std::size_t end = std::min(lines.find('\n', start), lines.size());
    while (end + 1 < lines.size() && (lines[end + 1] == ' ' || lines[end + 1] == '\t')) {
      end = std::min(lines.find('\n', end + 1), lines.size());
    }
    const std::string_view field = lines.substr(start, end - start);
    const std::size_t colon = std::min(field.find(':'), field.size());
    if (colon != field.size() && iequals(trim(field.substr(0, colon)), name))
      return trim(field.substr(colon + 1));
    start = end + 1;
  }
  return {};
}

std::optional<BodyPart> find_session_description(std::string_view content_type, std::string_view body) {
  if (body.empty()) return std::nullopt;
  if (iequals(media_type(content_type), "application/sdp")) return BodyPart{body.substr(0, 0), body};
  if (!is_multipart(content_type)) return std::nullopt;
  Descriptions found;
  look_into(content_type, body, 1, found);
  return found.seen == 1 && !found.unread ? found.usable : std::nullopt;
}

std::string replace_content(std::string_view body, const BodyPart& part, std::string_view content) {
  const auto position = [&](std::string_view view) {
    return static_cast<std::size_t>(view.data() - body.data());
  };
  const std::string_view length = part_header(part, "Content-Length");
  std::string out;
  std::size_t kept = 0;
  if (!length.empty()) {
    out.append(body.substr(0, position(length))).append(std::to_string(content.size()));
    kept = position(length) + length.size();
  }
  const std::size_t start = position(part.content);
  out.append(body.substr(kept, start - kept)).append(content);
  return out.append(body.substr(start + part.content.size()));
}

std::string without_part(std::string_view content_type, std::string_view body, const BodyPart& part) {
  const auto parts = parse_multipart(content_type, body);
  if (!parts) return {};
  const auto position = [&](const char* at) { return static_cast<std::size_t>(at - body.data()); };
  const auto end_of = [&](const BodyPart& one) { return position(one.content.data()) + one.content.size(); };
  const std::size_t wanted = position(part.headers.data());
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const BodyPart& one = (*parts)[i];
    if (wanted >= end_of(one)) continue;
    if (wanted != position(one.headers.data())) {
      const std::string inner = without_part(part_header(one, "Content-Type"), one.content, part);
      if (!inner.empty()) return replace_content(body, one, inner);
    }
    if (parts->size() == 1) return {};
    const bool is_last = i + 1 == parts->size();
    const std::size_t begin = is_last ? end_of((*parts)[i - 1]) : position(one.headers.data());
    const std::size_t end = is_last ? end_of(one) : position((*parts)[i + 1].headers.data());
    return std::string(body.substr(0, begin)).append(body.substr(end));
  }
  return std::string(body);
}

}  // namespace sallyport::sip
