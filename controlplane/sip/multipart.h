// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A body that carries a session description beside something else (ISUP of RFC 3204,
// PIDF-LO of RFC 6442, recording metadata of RFC 7866) crosses whole: the SDP part is found, and its content
// alone is replaced; every other octet stays, and so does the boundary. Only where the part says a
// Content-Length of its own (some do) that number follows. Where the other side is told of no description the
// part goes, with the delimiter that ends it.
//
// Which part is it (RFC 5621): the application/sdp whose Content-Disposition is session or absent; also
// inside a nested multipart, to a depth of three. It must be the only application/sdp of the body: a second
// one, for another purpose or as an alternative (RFC 2046 5.1.4), would cross unread, with addresses of the
// other side in it. So is one in a Content-Transfer-Encoding other than 7bit, 8bit and binary, and a nested
// multipart that is deeper or broken. Such a body has no description that we carry: 415.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::sip {

enum class MultipartFault : std::uint8_t {
  no_boundary,   // none in the Content-Type, or one that RFC 2046 5.1.1 does not allow
  no_part,       // the boundary delimits nothing
  unterminated,  // no close-delimiter
  too_many_parts,
  bad_header,  // a part's header lines cannot be read
};

// One part, as views of the body.
struct BodyPart {
  std::string_view headers;  // the lines, with their ends; without the blank line
  std::string_view content;
  bool has_content = true;  // false: the header lines end with the part, so nothing can stand behind them
};

inline constexpr std::size_t kMaxBodyParts = 32;

[[nodiscard]] bool is_multipart(std::string_view content_type);

// The parts of a body of that Content-Type, in order.
[[nodiscard]] std::expected<std::vector<BodyPart>, MultipartFault> parse_multipart(
    std::string_view content_type, std::string_view body);

// The value of a header field of the part (folds kept); empty when absent.
[[nodiscard]] std::string_view part_header(const BodyPart& part, std::string_view name);

// The session description of a body: all of it for application/sdp, the part for a multipart. A view into
// `body`, so that replace_content() finds its place; nullopt: there is none.
[[nodiscard]] std::optional<BodyPart> find_session_description(std::string_view content_type,
                                                               std::string_view body);

// `body` with the content of that part replaced.
[[nodiscard]] std::string replace_content(std::string_view body, const BodyPart& part,
                                          std::string_view content);

// A multipart `body` of that Content-Type without that part of it, and without what holds nothing else; empty
// when nothing is left.
[[nodiscard]] std::string without_part(std::string_view content_type, std::string_view body,
                                       const BodyPart& part);

}  // namespace sallyport::sip
