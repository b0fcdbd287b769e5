// SPDX-License-Identifier: Apache-2.0
// Which server transaction a request belongs to (RFC 3261 17.2.3), and which requests are one merged
// (8.2.2.2).
#pragma once

#include <cstdint>
#include <string_view>

#include "controlplane/sip/message.h"
#include "dataplane/base/siphash.h"

namespace sallyport::sip {

// A request with the magic cookie is matched by branch and sent-by; the method is compared apart, since ACK
// and CANCEL look for their INVITE. Without the cookie by Request-URI, From tag, Call-ID, CSeq number and the
// whole top Via, as RFC 2543 did; the To tag is compared apart, since an ACK has the response's.
struct MatchKey {
  std::uint64_t hash = 0;
  bool rfc2543 = false;
};
[[nodiscard]] MatchKey match_key(SipHashKey key, const MessageView& request);

// RFC 3261 8.2.2.2. `hash` finds candidates, `same_request` decides.
[[nodiscard]] std::uint64_t merge_hash(SipHashKey key, const MessageView& request);
[[nodiscard]] bool same_request(const MessageView& a, const MessageView& b);

}  // namespace sallyport::sip
