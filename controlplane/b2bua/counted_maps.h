// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "controlplane/response_map/response_map.h"
#include "controlplane/stats/rule_hits.h"

namespace sallyport::b2bua {

// The response maps as a shard's calls use them: whatever rule, row or default has a say in a verdict, final
// or provisional, of a call or of any other request, is counted here.
class CountedMaps {
 public:
  CountedMaps(const response_map::Maps& maps, stats::RuleHits& hits) : maps_(maps), hits_(hits) {}

  [[nodiscard]] response_map::Verdict map(const response_map::Input& input) const;

 private:
  const response_map::Maps& maps_;
  stats::RuleHits& hits_;
};

}  // namespace sallyport::b2bua
