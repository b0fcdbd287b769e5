// SPDX-License-Identifier: Apache-2.0
#include "dataplane/sip/names.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace sallyport::sip {

namespace {

struct HeaderRow {
  HeaderId id;
  std::string_view name;
  char compact = 0;
};

constexpr std::array kHeaders{
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

// A name as the words that it starts and ends with, which overlap in most: of eight octets, of four in a name
// shorter than eight, of two in one shorter than four; and what is between them in the longest.
// `| 0x20` makes letters lower-case and keeps digits and '-' as they are.
struct NameWords {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t middle = 0;
  friend constexpr bool operator==(const NameWords&, const NameWords&) = default;
};
constexpr std::size_t kLongestName = 24;

template <typename Word>
constexpr std::uint64_t case_folded(const char* p) {
  Word word = 0;
  if consteval {
    for (std::size_t i = 0; i < sizeof(Word); ++i) {
      const std::size_t place = std::endian::native == std::endian::little ? i : sizeof(Word) - 1 - i;
      word = static_cast<Word>(word | static_cast<Word>(static_cast<unsigned char>(p[i])) << (8 * place));
    }
  } else {
    std::memcpy(&word, p, sizeof(word));
  }
  return static_cast<Word>(word | static_cast<Word>(0x2020202020202020u));
}

// Of 2 to kLongestName octets.
constexpr NameWords words_of(std::string_view name) {
  const char* p = name.data();
  const std::size_t n = name.size();
  if (n >= 8) {
    return {case_folded<std::uint64_t>(p), case_folded<std::uint64_t>(p + n - 8),
            n > 16 ? case_folded<std::uint64_t>(p + 8) : 0};
  }
  if (n >= 4) return {case_folded<std::uint32_t>(p), case_folded<std::uint32_t>(p + n - 4)};
  return {case_folded<std::uint16_t>(p), case_folded<std::uint16_t>(p + n - 2)};
}

// A hash table probed in line. The factors were searched for: no two of the names above meet, so a look-up is
// one comparison; one added later may meet another and is still found.
constexpr unsigned kBucketBits = 9;
constexpr std::size_t kBuckets = std::size_t{1} << kBucketBits;
constexpr std::uint64_t kFirstFactor = 0x0fb18fbb002c3805;
constexpr std::uint64_t kLastFactor = 0xc149530911b2131f;

constexpr std::size_t bucket_of(const NameWords& words) {
  return (words.first * kFirstFactor ^ words.last * kLastFactor) >> (64 - kBucketBits);
}

// Of each header, in the order of kHeaders.
struct KnownName {
  NameWords words;
  std::uint8_t size = 0;
};
constexpr std::array<KnownName, kHeaders.size()> kNames = [] {
  std::array<KnownName, kHeaders.size()> names{};
  for (std::size_t i = 1; i < kHeaders.size(); ++i) {
    const std::string_view name = kHeaders[i].name;
    names[i] = {words_of(name), static_cast<std::uint8_t>(name.size())};
  }
  return names;
}();
static_assert(std::ranges::all_of(kHeaders.begin() + 1, kHeaders.end(), [](const HeaderRow& row) {
  return row.name.size() >= 2 && row.name.size() <= kLongestName;
}));

constexpr std::array<std::uint8_t, kBuckets> make_buckets() {
  std::array<std::uint8_t, kBuckets> table{};
  for (std::size_t i = 1; i < kHeaders.size(); ++i) {
    std::size_t at = bucket_of(kNames[i].words);
    while (table[at] != 0) at = (at + 1) % kBuckets;
    table[at] = static_cast<std::uint8_t>(i);
  }
  return table;
}
constexpr std::array<std::uint8_t, kBuckets> kTable = make_buckets();

constexpr std::array<std::uint8_t, 26> make_compact() {
  std::array<std::uint8_t, 26> table{};
  for (std::size_t i = 1; i < kHeaders.size(); ++i) {
    if (kHeaders[i].compact != 0)
      table[static_cast<std::size_t>(kHeaders[i].compact - 'a')] = static_cast<std::uint8_t>(i);
  }
  return table;
}
constexpr std::array<std::uint8_t, 26> kCompact = make_compact();

constexpr std::array<std::string_view, static_cast<std::size_t>(Method::kCount)> kMethods{
    "",       "OTHER",   "ACK",   "BYE",     "CANCEL", "INFO",     "INVITE",    "MESSAGE",
    "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER",  "REGISTER", "SUBSCRIBE", "UPDATE"};

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

HeaderId by_compact(char c) {
  c = lower(c);
  return c >= 'a' && c <= 'z' ? static_cast<HeaderId>(kCompact[static_cast<std::size_t>(c - 'a')])
                              : HeaderId::other;
}

Method by_length(std::string_view token) {
  switch (token.size()) {
    case 3:
      return token == "ACK" ? Method::ack : token == "BYE" ? Method::bye : Method::other;
    case 4:
      return token == "INFO" ? Method::info : Method::other;
    case 5:
      return token == "PRACK" ? Method::prack : token == "REFER" ? Method::refer : Method::other;
    case 6:
      return token == "INVITE"   ? Method::invite
             : token == "CANCEL" ? Method::cancel
             : token == "NOTIFY" ? Method::notify
             : token == "UPDATE" ? Method::update
                                 : Method::other;
    case 7:
      return token == "OPTIONS"   ? Method::options
             : token == "MESSAGE" ? Method::message
             : token == "PUBLISH" ? Method::publish
                                  : Method::other;
    case 8:
      return token == "REGISTER" ? Method::register_ : Method::other;
    case 9:
      return token == "SUBSCRIBE" ? Method::subscribe : Method::other;
    default:
      return Method::other;
  }
}

}  // namespace

Method method_from(std::string_view token) {
  return by_length(token);
}

std::string_view method_name(Method method) {
  const auto i = static_cast<std::size_t>(method);
  return i < kMethods.size() ? kMethods[i] : std::string_view{};
}

// Exact when `name` has no control characters, which the line scanner has seen to: the names above have only
// letters, digits and '-', which nothing else folds into.
HeaderId header_from(std::string_view name) {
  if (name.size() < 2 || name.size() > kLongestName)
    return name.size() == 1 ? by_compact(name.front()) : HeaderId::other;
  const NameWords words = words_of(name);
  for (std::size_t at = bucket_of(words); kTable[at] != 0; at = (at + 1) % kBuckets) {
    const KnownName& known = kNames[kTable[at]];
    if (known.size == name.size() && known.words == words) return static_cast<HeaderId>(kTable[at]);
  }
  return HeaderId::other;
}

std::string_view header_name(HeaderId id) {
  const auto i = static_cast<std::size_t>(id);
  return i < kHeaders.size() ? kHeaders[i].name : std::string_view{};
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace sallyport::sip
