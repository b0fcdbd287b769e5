// SPDX-License-Identifier: Apache-2.0
// Header field names and how they are found. For this room only.
// Theory of operation. A name is looked up by its first 16 octets in lower case, zeros behind a shorter one:
// two words, of which a multiplication makes a bucket, and which are then compared. Whoever has 16 readable
// octets gets the words by one load; the few longer names are compared to their end.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dataplane/base/ascii.h"
#include "dataplane/sip/class_run.h"
#include "dataplane/sip/names.h"

namespace sallyport::sip::detail {

struct HeaderRow {
  HeaderId id;
  std::string_view name;
  char compact = 0;
};

inline constexpr std::array kHeaders{
    HeaderRow{HeaderId::other, ""},
    HeaderRow{HeaderId::accept, "Accept"},
    HeaderRow{HeaderId::accept_contact, "Accept-Contact", 'a'},
    HeaderRow{HeaderId::accept_encoding, "Accept-Encoding"},
    HeaderRow{HeaderId::accept_language, "Accept-Language"},
    HeaderRow{HeaderId::alert_info, "Alert-Info"},
    HeaderRow{HeaderId::allow, "Allow"},
    HeaderRow{HeaderId::allow_events, "Allow-Events", 'u'},
    HeaderRow{HeaderId::authentication_info, "Authentication-Info"},
    HeaderRow{HeaderId::authorization, "Authorization"},
    HeaderRow{HeaderId::call_id, "Call-ID", 'i'},
    HeaderRow{HeaderId::call_info, "Call-Info"},
    HeaderRow{HeaderId::contact, "Contact", 'm'},
    HeaderRow{HeaderId::content_disposition, "Content-Disposition"},
    HeaderRow{HeaderId::content_encoding, "Content-Encoding", 'e'},
    HeaderRow{HeaderId::content_language, "Content-Language"},
    HeaderRow{HeaderId::content_length, "Content-Length", 'l'},
    HeaderRow{HeaderId::content_type, "Content-Type", 'c'},
    HeaderRow{HeaderId::cseq, "CSeq"},
    HeaderRow{HeaderId::date, "Date"},
    HeaderRow{HeaderId::diversion, "Diversion"},
    HeaderRow{HeaderId::error_info, "Error-Info"},
    HeaderRow{HeaderId::event, "Event", 'o'},
    HeaderRow{HeaderId::expires, "Expires"},
    HeaderRow{HeaderId::feature_caps, "Feature-Caps"},
    HeaderRow{HeaderId::from, "From", 'f'},
    HeaderRow{HeaderId::geolocation, "Geolocation"},
    HeaderRow{HeaderId::geolocation_error, "Geolocation-Error"},
    HeaderRow{HeaderId::geolocation_routing, "Geolocation-Routing"},
    HeaderRow{HeaderId::history_info, "History-Info"},
    HeaderRow{HeaderId::identity, "Identity", 'y'},
    HeaderRow{HeaderId::in_reply_to, "In-Reply-To"},
    HeaderRow{HeaderId::info_package, "Info-Package"},
    HeaderRow{HeaderId::join, "Join"},
    HeaderRow{HeaderId::max_breadth, "Max-Breadth"},
    HeaderRow{HeaderId::max_forwards, "Max-Forwards"},
    HeaderRow{HeaderId::mime_version, "MIME-Version"},
    HeaderRow{HeaderId::min_expires, "Min-Expires"},
    HeaderRow{HeaderId::min_se, "Min-SE"},
    HeaderRow{HeaderId::organization, "Organization"},
    HeaderRow{HeaderId::p_access_network_info, "P-Access-Network-Info"},
    HeaderRow{HeaderId::p_asserted_identity, "P-Asserted-Identity"},
    HeaderRow{HeaderId::p_called_party_id, "P-Called-Party-ID"},
    HeaderRow{HeaderId::p_charging_vector, "P-Charging-Vector"},
    HeaderRow{HeaderId::p_early_media, "P-Early-Media"},
    HeaderRow{HeaderId::p_preferred_identity, "P-Preferred-Identity"},
    HeaderRow{HeaderId::p_visited_network_id, "P-Visited-Network-ID"},
    HeaderRow{HeaderId::path, "Path"},
    HeaderRow{HeaderId::privacy, "Privacy"},
    HeaderRow{HeaderId::priority, "Priority"},
    HeaderRow{HeaderId::proxy_authenticate, "Proxy-Authenticate"},
    HeaderRow{HeaderId::proxy_authorization, "Proxy-Authorization"},
    HeaderRow{HeaderId::proxy_require, "Proxy-Require"},
    HeaderRow{HeaderId::rack, "RAck"},
    HeaderRow{HeaderId::reason, "Reason"},
    HeaderRow{HeaderId::record_route, "Record-Route"},
    HeaderRow{HeaderId::recv_info, "Recv-Info"},
    HeaderRow{HeaderId::refer_sub, "Refer-Sub"},
    HeaderRow{HeaderId::refer_to, "Refer-To", 'r'},
    HeaderRow{HeaderId::referred_by, "Referred-By", 'b'},
    HeaderRow{HeaderId::reject_contact, "Reject-Contact", 'j'},
    HeaderRow{HeaderId::remote_party_id, "Remote-Party-ID"},
    HeaderRow{HeaderId::replaces, "Replaces"},
    HeaderRow{HeaderId::reply_to, "Reply-To"},
    HeaderRow{HeaderId::request_disposition, "Request-Disposition", 'd'},
    HeaderRow{HeaderId::require, "Require"},
    HeaderRow{HeaderId::resource_priority, "Resource-Priority"},
    HeaderRow{HeaderId::retry_after, "Retry-After"},
    HeaderRow{HeaderId::route, "Route"},
    HeaderRow{HeaderId::rseq, "RSeq"},
    HeaderRow{HeaderId::security_client, "Security-Client"},
    HeaderRow{HeaderId::security_server, "Security-Server"},
    HeaderRow{HeaderId::security_verify, "Security-Verify"},
    HeaderRow{HeaderId::server, "Server"},
    HeaderRow{HeaderId::service_route, "Service-Route"},
    HeaderRow{HeaderId::session_expires, "Session-Expires", 'x'},
    HeaderRow{HeaderId::session_id, "Session-ID"},
    HeaderRow{HeaderId::sip_etag, "SIP-ETag"},
    HeaderRow{HeaderId::sip_if_match, "SIP-If-Match"},
    HeaderRow{HeaderId::subject, "Subject", 's'},
    HeaderRow{HeaderId::subscription_state, "Subscription-State"},
    HeaderRow{HeaderId::supported, "Supported", 'k'},
    HeaderRow{HeaderId::suppress_if_match, "Suppress-If-Match"},
    HeaderRow{HeaderId::target_dialog, "Target-Dialog"},
    HeaderRow{HeaderId::timestamp, "Timestamp"},
    HeaderRow{HeaderId::to, "To", 't'},
    HeaderRow{HeaderId::unsupported, "Unsupported"},
    HeaderRow{HeaderId::user_agent, "User-Agent"},
    HeaderRow{HeaderId::user_to_user, "User-to-User"},
    HeaderRow{HeaderId::via, "Via", 'v'},
    HeaderRow{HeaderId::warning, "Warning"},
    HeaderRow{HeaderId::www_authenticate, "WWW-Authenticate"},
};

constexpr bool name_rows_stand_in_order() {
  for (std::size_t i = 0; i < kHeaders.size(); ++i) {
    if (kHeaders[i].id != static_cast<HeaderId>(i)) return false;
  }
  return kHeaders.size() == static_cast<std::size_t>(HeaderId::kCount);
}
static_assert(name_rows_stand_in_order());

// The first 16 octets of a name with letters in lower case; `| 0x20` keeps digits and '-' as they are.
struct NameWords {
  std::uint64_t first = 0;
  std::uint64_t second = 0;  // of octets 8 to 15
  friend constexpr bool operator==(const NameWords&, const NameWords&) = default;
};

// One octet after the other.
[[nodiscard]] constexpr NameWords slow_words_of(std::string_view name) {
  NameWords words;
  for (std::size_t i = 0; i < std::min<std::size_t>(name.size(), 16); ++i) {
    const std::uint64_t octet = std::uint64_t{static_cast<unsigned char>(name[i])} | 0x20;
    const std::size_t place = std::endian::native == std::endian::little ? i % 8 : 7 - i % 8;
    (i < 8 ? words.first : words.second) |= octet << (8 * place);
  }
  return words;
}

// A hash table probed in line. The factors were searched for: no two of the names above meet, so a look-up is
// one comparison; one added later may meet another and is still found.
inline constexpr unsigned kBucketBits = 9;
inline constexpr std::size_t kBuckets = std::size_t{1} << kBucketBits;
inline constexpr std::uint64_t kFirstFactor = 0xf259e3d1fb1a9611;
inline constexpr std::uint64_t kSecondFactor = 0xa7e8ad2da76dbc57;

[[nodiscard]] constexpr std::size_t bucket_of(const NameWords& words) {
  return (words.first * kFirstFactor ^ words.second * kSecondFactor) >> (64 - kBucketBits);
}

// Of each header, in the order of kHeaders.
inline constexpr auto kNames = [] {
  std::array<NameWords, kHeaders.size()> names{};
  for (std::size_t i = 1; i < kHeaders.size(); ++i) names[i] = slow_words_of(kHeaders[i].name);
  return names;
}();

// Number of a header, by bucket; 0: none.
inline constexpr auto kTable = [] {
  std::array<std::uint8_t, kBuckets> table{};
  for (std::size_t i = 1; i < kHeaders.size(); ++i) {
    std::size_t at = bucket_of(kNames[i]);
    while (table[at] != 0) at = (at + 1) % kBuckets;
    table[at] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

// Names longer than 16 octets end in a word that overlaps the first two.
inline constexpr std::size_t kLongestName = 24;
static_assert(std::ranges::all_of(kHeaders.begin() + 1, kHeaders.end(), [](const HeaderRow& row) {
  return row.name.size() >= 2 && row.name.size() <= kLongestName;
}));

// The header of a name of at least two octets whose words are at hand. Exact when `name` has no control
// characters, which the line scanner has seen to: the names above have only letters, digits and '-', which
// nothing else folds into.
[[nodiscard]] inline HeaderId find_name(std::string_view name, const NameWords& words) {
  for (std::size_t at = bucket_of(words); kTable[at] != 0; at = (at + 1) % kBuckets) {
    const std::size_t i = kTable[at];
    if (kNames[i] != words) continue;
    if (name.size() < 16) return static_cast<HeaderId>(i);
    const std::string_view known = kHeaders[i].name;
    const auto end_of = [](std::string_view text) {
      return sallyport::detail::folded<std::uint64_t>(text.data() + text.size() - 8);
    };
    if (name.size() == known.size() && end_of(name) == end_of(known)) return static_cast<HeaderId>(i);
  }
  return HeaderId::other;
}

inline constexpr auto kCompact = [] {
  std::array<std::uint8_t, 26> table{};
  for (std::size_t i = 1; i < kHeaders.size(); ++i) {
    if (kHeaders[i].compact != 0)
      table[static_cast<std::size_t>(kHeaders[i].compact - 'a')] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

// The header of a compact form.
[[nodiscard]] inline HeaderId find_compact(char c) {
  const char letter = static_cast<char>(c | 0x20);
  return letter >= 'a' && letter <= 'z'
             ? static_cast<HeaderId>(kCompact[static_cast<std::size_t>(letter - 'a')])
             : HeaderId::other;
}

#if defined(__SSSE3__)
// Read 16 from the (16 - n)-th on to keep n octets.
inline constexpr auto kFirstOctets = [] {
  std::array<std::uint8_t, 32> table{};
  std::fill_n(table.begin(), 16, std::uint8_t{0xff});
  return table;
}();

// Of the first `size` of 16 octets.
[[nodiscard]] inline NameWords words_in(__m128i octets, std::size_t size) {
  const __m128i lower = _mm_or_si128(octets, _mm_set1_epi8(0x20));
  const __m128i words = _mm_and_si128(lower, load16(kFirstOctets.data() + 16 - size));
  return {static_cast<std::uint64_t>(_mm_cvtsi128_si64(words)),
          static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(words, words)))};
}

// A name at the start of 16 octets that may be read, which ends with the first ':' among them.
struct NameAtColon {
  std::size_t size = 16;  // 16: no ':' there
  HeaderId id = HeaderId::other;
};
[[nodiscard]] inline NameAtColon name_at_colon(const char* text) {
  const __m128i octets = load16(text);
  const auto colons = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(octets, _mm_set1_epi8(':'))));
  const auto size = static_cast<std::size_t>(std::countr_zero(colons | 1u << 16));
  if (size == 16 || size == 0) return {size};
  if (size == 1) return {1, find_compact(*text)};
  return {size, find_name({text, size}, words_in(octets, size))};
}
#endif

}  // namespace sallyport::sip::detail
