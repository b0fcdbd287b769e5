// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/response_map/response_map.h"

namespace sallyport::response_map {

// A response as it stands between two maps.
struct Heard {
  std::uint16_t code = 0;
  std::string_view phrase;
  std::uint8_t q850 = 0;
};

struct CompiledRule {
  // conditions
  std::uint16_t first = 0;  // without a code: 300 and above, failures and what is not SIP
  std::uint16_t last = 0;
  std::uint8_t code_rank = 0;  // 3 exact, 2 range, 1 class, 0 none
  bool has_phrase = false;
  std::string phrase;     // without outer white space
  std::uint8_t q850 = 0;  // 0: no condition
  LocalError local = LocalError::none;
  // outputs
  std::uint16_t send = 0;  // 0: not said
  std::optional<std::string> send_phrase;
  std::uint8_t send_q850 = 0;
  std::uint16_t warning = 0;
  std::optional<std::uint32_t> retry_after_s;
  std::optional<bool> failover;
  // where
  std::uint16_t number = 0;  // from 1, in the order of the file
  config::Place at;

  [[nodiscard]] bool matches(const Heard& heard) const;
};

// A strict order: most specific first, equals in the order of the file.
[[nodiscard]] bool more_specific(const CompiledRule& a, const CompiledRule& b);

struct CompiledMap {
  std::string name;
  bool vendor = false;
  std::vector<CompiledRule> rules;                           // of responses, most specific first
  std::vector<CompiledRule> local_rules;                     // of local errors
  std::array<const CompiledRule*, kLocalErrors> by_local{};  // into local_rules

  [[nodiscard]] const CompiledRule* find(const Heard& heard) const;
};

// The Q.850 cause of a code, where the peer gave none.
[[nodiscard]] std::uint8_t cause_of(unsigned code, unsigned warning);

}  // namespace sallyport::response_map
