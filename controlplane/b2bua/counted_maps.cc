// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/counted_maps.h"

#include <utility>

#include "controlplane/response_map/tables.h"

namespace sallyport::b2bua {
namespace {

using response_map::Decision;

// What tells it from the others of its map and kind.
std::uint16_t number_of(const Decision& decision, const response_map::Verdict& verdict) {
  switch (decision.by) {
    case Decision::By::rule:
      return decision.rule;
    case Decision::By::vendor_row:
      return static_cast<std::uint16_t>(decision.vendor - response_map::vendor_rows().data());
    case Decision::By::local_default:
      return static_cast<std::uint16_t>(verdict.local);
    default:
      return 0;
  }
}

}  // namespace

response_map::Verdict CountedMaps::map(const response_map::Input& input) const {
  response_map::Verdict verdict = maps_.map(input);
  for (const Decision* decision : verdict.decisions()) {
    if (decision == nullptr) break;
    hits_.count({.map = decision->is_of_a_map() ? decision->map_name : std::string_view{},
                 .kind = static_cast<std::uint16_t>(std::to_underlying(decision->by)),
                 .number = number_of(*decision, verdict)},
                [&] { return decision->name(); });
  }
  return verdict;
}

}  // namespace sallyport::b2bua
