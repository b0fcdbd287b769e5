// SPDX-License-Identifier: Apache-2.0
#include "controlplane/routing/resolved.h"

#include <array>

namespace sallyport::routing {

std::string_view to_text(NameState state) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(NameState::kCount)> kTexts{
      "not looked up yet",
      "resolved",
      "stale",
      "no such name",
      "no records for us",
      "no usable address",
      "no answer from the name servers"};
  return kTexts[static_cast<std::size_t>(state)];
}

}  // namespace sallyport::routing
