// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "sdp_rewriter/attributes.h"
#include "sdp_rewriter/description.h"

namespace sallyport::sdp {

// Fills a Description whose body_ is in place: cut into lines, read each line, then tie the streams to what
// they inherit. Used by Description only.
class Parser {
 public:
  explicit Parser(Description& description) : d_(description) {}
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

  [[nodiscard]] Result cut(std::string_view& rest, Line& line);
  [[nodiscard]] Result read(Line& line);
  [[nodiscard]] Result read_session_identity(Line& line);
  [[nodiscard]] Result read_media(Line& line);
  [[nodiscard]] Result read_port(Stream& stream);
  [[nodiscard]] Result read_formats(Stream& stream, std::string_view list);
  [[nodiscard]] Result read_attribute(Line& line);
  [[nodiscard]] Result read_stream_attribute(Stream& stream, Attribute attribute, std::string_view value);
  void read_mapping(std::string_view value, bool is_rtpmap);
  void read_bandwidth(std::string_view value);
  [[nodiscard]] std::optional<ParseFault> tie();

  Description& d_;
  Defaults defaults_;
  std::array<Begin, kMaxStreams + 1> begins_{};
  std::uint32_t line_number_ = 0;
  std::size_t line_start_ = 0;
  bool has_origin_ = false;
};

}  // namespace sallyport::sdp
