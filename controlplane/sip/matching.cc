// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/matching.h"

#include <array>

namespace sallyport::sip {

namespace {

// Hashes fields so that no two lists of fields run into one another.
class FieldHash {
 public:
  explicit FieldHash(SipHashKey key) : hash_(key) {}
  FieldHash& exact(std::string_view text) {
    number(text.size());
    hash_.update(text);
    return *this;
  }
  // Branches and hosts are compared without case (RFC 3261 7.3.1, 19.1.4).
  FieldHash& any_case(std::string_view text) {
    number(text.size());
    for (const char c : text) {
      const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
      hash_.update({&lower, 1});
    }
    return *this;
  }
  FieldHash& number(std::uint64_t value) {
    std::array<char, 8> octets;
    for (char& octet : octets) {
      octet = static_cast<char>(value & 0xff);
      value >>= 8;
    }
    hash_.update({octets.data(), octets.size()});
    return *this;
  }
  [[nodiscard]] std::uint64_t finish() { return hash_.finish(); }

 private:
  SipHash hash_;
};

bool has_cookie(std::string_view branch) {
  return branch.size() > kMagicCookie.size() && iequals(branch.substr(0, kMagicCookie.size()), kMagicCookie);
}

}  // namespace

MatchKey match_key(SipHashKey key, const MessageView& request) {
  FieldHash hash(key);
  const auto via = request.top_via();
  if (via && has_cookie(via->branch)) {
    hash.number(3261).any_case(via->branch).any_case(via->host).number(via->port != 0 ? via->port : 5060u);
    return {hash.finish(), false};
  }
  hash.number(2543).exact(request.request_uri()).exact(request.from_tag()).exact(request.call_id());
  hash.number(request.cseq()).exact(request.first_value(HeaderId::via));
  return {hash.finish(), true};
}

std::uint64_t merge_hash(SipHashKey key, const MessageView& request) {
  FieldHash hash(key);
  hash.exact(request.call_id()).exact(request.from_tag()).number(request.cseq()).exact(request.method_text());
  return hash.finish();
}

bool same_request(const MessageView& a, const MessageView& b) {
  return a.cseq() == b.cseq() && a.method_text() == b.method_text() && a.call_id() == b.call_id() &&
         a.from_tag() == b.from_tag();
}

}  // namespace sallyport::sip
