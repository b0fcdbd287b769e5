// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/config/fault.h"

namespace sallyport::config::yaml {

struct Node;
using NodeRef = std::shared_ptr<const Node>;

// A YAML node with its place. yaml-cpp's own tree is not used: it neither bounds what aliases multiply nor
// tells plain from quoted scalars. Duplicate keys are kept, in order: to judge them is the reader's business.
struct Node {
  enum class Kind : std::uint8_t { null, scalar, sequence, map };
  Kind kind = Kind::null;
  bool quoted = false;  // "10" in quotes is text, not a number
  Place at;
  std::string text;                                  // of a scalar
  std::vector<NodeRef> items;                        // of a sequence
  std::vector<std::pair<NodeRef, NodeRef>> entries;  // of a map
  std::size_t weight = 1;  // nodes in all, with aliases counted as often as they stand
};

inline constexpr std::size_t kMaxDepth = 32;
inline constexpr std::size_t kMaxWeight = 1u << 20;

// The one document in `text`; an empty text is a null node. The fault is of the text as YAML (or its
// encoding): there is one, since what follows cannot be read.
[[nodiscard]] std::expected<NodeRef, Fault> parse(std::string_view text);

}  // namespace sallyport::config::yaml
