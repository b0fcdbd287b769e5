// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "dataplane/base/line_map.h"
#include "sdp_rewriter/fields.h"

namespace sallyport::sdp {

// The words of the octets [begin, end) of a text, its map at hand: what next_word() finds without one.
class Words {
 public:
  Words(std::string_view text, LineMap& map, std::size_t begin, std::size_t end)
      : text_(text.data()), map_(&map), at_(begin), end_(end) {}

  // Empty at the end.
  [[nodiscard]] std::string_view next() {
    skip_blanks();
    const std::size_t start = at_;
    at_ = std::min(map_->blank(start), end_);
    return {text_ + start, at_ - start};
  }
  // What is left without the blanks in front of it.
  [[nodiscard]] std::string_view rest() {
    skip_blanks();
    return {text_ + at_, end_ - at_};
  }
  [[nodiscard]] bool at_end() { return rest().empty(); }

 private:
  void skip_blanks() {
    while (at_ != end_ && is_blank(text_[at_])) ++at_;
  }

  const char* text_;
  LineMap* map_;
  std::size_t at_;
  std::size_t end_;
};

}  // namespace sallyport::sdp
