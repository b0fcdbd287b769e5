// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "controlplane/resolver/dns_message.h"
#include "controlplane/routing/resolved.h"
#include "dataplane/api/contract.h"

namespace sallyport::resolver {

// Why a record of an answer was not used.
enum class Discard : std::uint8_t {
  family,       // the realm has no address of that family
  own_address,  // it leads to ourselves
  no_unicast,   // multicast, broadcast, unspecified, loopback, link-local
  too_many,     // beyond a bound, or no name
  kCount
};
[[nodiscard]] std::string_view to_text(Discard reason);

inline constexpr std::array kRecordTypes{RecordType::naptr, RecordType::srv, RecordType::a, RecordType::aaaa};

// resolver thread: wo, everyone: ro
struct Counters {
  template <typename E>
  using By = std::array<dp::Counter, static_cast<std::size_t>(E::kCount)>;

  std::array<By<AnswerKind>, kRecordTypes.size()> queries;  // answered, by type and what came
  By<routing::NameState> lookups;                           // ended, by what became of the name
  By<routing::NameState> names;                             // now
  By<Discard> discarded;

  [[nodiscard]] dp::Counter& query(RecordType type, AnswerKind kind);
};

}  // namespace sallyport::resolver
