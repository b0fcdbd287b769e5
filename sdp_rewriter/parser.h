// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "dataplane/base/line_map.h"
#include "sdp_rewriter/attributes.h"
#include "sdp_rewriter/description.h"
#include "sdp_rewriter/words.h"

namespace sallyport::sdp {

// Fills a Description whose body_ is in place: cut into lines, read each line, then tie the streams to what
// they inherit. Used by Description only.
class Parser {
 public:
  explicit Parser(Description& description) : d_(description), text_(description.text()), map_(text_) {}
  [[nodiscard]] std::expected<void, ParseFault> run();

 private:
  using Result = std::optional<Fault>;  // a fault of the current line

  // What the session level says for streams that say nothing.
  struct Defaults {
    Direction direction = Direction::sendrecv;
    Bandwidth bandwidth;
    bool has_fingerprint = false;
    bool has_ice = false;
  };
  // Where a stream's parts begin in the flat vectors; they turn into spans when those no longer grow.
  struct Begin {
    std::size_t line;
    std::size_t connection;
    std::size_t format;
  };

  [[nodiscard]] Result cut(Line& line);
  [[nodiscard]] bool step_to_line_end(std::size_t& stop);
  // Octets of the line end that stands there; 0: none.
  [[nodiscard]] std::size_t line_end_at(std::size_t at) const {
    if (end_ - at >= 2 && at < end_ && text_[at] == '\r' && text_[at + 1] == '\n') return 2;
    return at < end_ && text_[at] == '\n' ? 1 : 0;
  }
  [[nodiscard]] Result read(Line& line);
  [[nodiscard]] Result read_session_identity(Line& line);
  [[nodiscard]] Result read_media(Line& line);
  [[nodiscard]] Result read_port(Stream& stream);
  [[nodiscard]] Result read_formats(Stream& stream, Words words);
  [[nodiscard]] Result read_attribute(Line& line);
  [[nodiscard]] Result read_stream_attribute(Stream& stream, Attribute attribute, std::string_view value);
  void read_mapping(Words words, bool is_rtpmap);
  void read_bandwidth(std::string_view value);
  [[nodiscard]] std::optional<ParseFault> tie();

  [[nodiscard]] std::size_t offset_of(std::string_view part) const {
    return static_cast<std::size_t>(part.data() - text_.data());
  }
  [[nodiscard]] Words words_of(std::string_view part) {
    const std::size_t begin = offset_of(part);
    return {text_, map_, begin, begin + part.size()};
  }
  // "NAME" or "NAME:VALUE", as split_attribute() does it without a map.
  [[nodiscard]] AttributeText split(std::string_view text) {
    const std::size_t colon = map_.colon(offset_of(text)) - offset_of(text);
    const char* p = text.data();
    if (colon >= text.size()) return {text, {p + text.size(), 0}};
    return {{p, colon}, {p + colon + 1, text.size() - colon - 1}};
  }

  Description& d_;
  std::string_view text_;
  LineMap map_;
  Defaults defaults_;
  std::array<Begin, kMaxStreams + 1> begins_;  // set up to the streams there are
  std::size_t at_ = 0;                         // what is not yet cut begins here
  std::size_t end_ = 0;                        // and ends here
  std::uint32_t line_number_ = 0;
  std::size_t line_start_ = 0;
  bool has_origin_ = false;
};

}  // namespace sallyport::sdp
