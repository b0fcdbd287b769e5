// SPDX-License-Identifier: Apache-2.0
#include "controlplane/resolver/counters.h"

#include <algorithm>

namespace sallyport::resolver {

std::string_view to_text(Discard reason) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Discard::kCount)> kTexts{
      "family", "own_address", "no_unicast", "too_many"};
  return kTexts[static_cast<std::size_t>(reason)];
}

dp::Counter& Counters::query(RecordType type, AnswerKind kind) {
  const auto at = std::ranges::find(kRecordTypes, type) - kRecordTypes.begin();
  return queries[static_cast<std::size_t>(at)][static_cast<std::size_t>(kind)];
}

}  // namespace sallyport::resolver
