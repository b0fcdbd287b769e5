// SPDX-License-Identifier: Apache-2.0
// The table "may include" of the architecture, as data, and the judgement of one source file against it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::structure {

// The room of a source file or of an include's path: its folder, "dataplane/sip" for "dataplane/sip/uri.h". A
// file in no known room has none (empty).
[[nodiscard]] std::string_view room_of(std::string_view path);

// One line a fault: "dataplane/sip/uri.cc:7: ... ". `path` is relative to the root of the tree.
[[nodiscard]] std::vector<std::string> judge_includes(std::string_view path, std::string_view text);

}  // namespace sallyport::structure
