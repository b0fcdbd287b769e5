// SPDX-License-Identifier: Apache-2.0
// What a name server says, read from its octets. c-ares 1.18 reads NAPTR and SRV too, but drops their TTLs,
// which are what a refresh goes by. Answers are hostile input: every length is looked at, lists are bounded,
// and only records that belong to the name that was asked for (or that its CNAMEs lead to) count.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/address.h"

namespace sallyport::resolver {

enum class RecordType : std::uint16_t { a = 1, aaaa = 28, srv = 33, naptr = 35 };
[[nodiscard]] std::string_view to_text(RecordType type);

struct Question {
  std::string name;  // lower case, without a last dot
  RecordType type = RecordType::a;
  friend auto operator<=>(const Question&, const Question&) = default;
};

// RFC 3403 4.1.
struct NaptrRecord {
  std::uint16_t order = 0;
  std::uint16_t preference = 0;
  std::string flags;    // lower case
  std::string service;  // lower case
  bool has_regexp = false;
  std::string replacement;
  friend auto operator<=>(const NaptrRecord&, const NaptrRecord&) = default;
};

// RFC 2782.
struct SrvRecord {
  std::uint16_t priority = 0;
  std::string target;  // empty: the root, "the service is decidedly not available"
  std::uint16_t port = 0;
  std::uint16_t weight = 0;
  friend auto operator<=>(const SrvRecord&, const SrvRecord&) = default;
};

enum class AnswerKind : std::uint8_t {
  records,
  no_data,  // the name is there, no record of that type is
  no_name,  // NXDOMAIN
  failure,  // a server failed, or said what cannot be read
  timeout,  // nobody answered
  kCount
};
[[nodiscard]] std::string_view to_text(AnswerKind kind);

// Records sorted and each once, so that an order that changes from answer to answer changes nothing here.
struct Answer {
  AnswerKind kind = AnswerKind::failure;
  std::vector<NaptrRecord> naptr;
  std::vector<SrvRecord> srv;
  std::vector<IpAddress> addresses;
  std::optional<std::uint32_t> ttl_s;  // the least of what counted; of `no_data`, `no_name`: RFC 2308 5
  unsigned left_out = 0;               // records beyond kMostRecords, and names that are no names
};

inline constexpr std::size_t kMostRecords = 32;

// `message`: a whole DNS message (RFC 1035 4), as it came.
[[nodiscard]] Answer read_answer(std::span<const std::uint8_t> message, const Question& question);

}  // namespace sallyport::resolver
