// SPDX-License-Identifier: Apache-2.0
// ICMP errors quote the packet that met its end (RFC 792, RFC 4443 3). When that is a SIP request of ours,
// the branch in the quote says whose: it is encrypted, so nobody can make one up.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/local_table.h"
#include "dataplane/packet_view.h"

namespace sallyport::dp {

enum class QuoteOf : std::uint8_t {
  sip,     // UDP from a SIP port of ours
  kernel,  // TCP or ICMP from an address of ours
  nothing  // media, or none of ours
};

struct IcmpQuote {
  QuoteOf is = QuoteOf::nothing;
  Endpoint remote;           // whom the packet was for
  std::string_view message;  // what is quoted of the SIP message
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  bool packet_too_big = false;
  std::uint32_t mtu = 0;  // of the link that the packet was too big for; 0: the router does not say
};

// `view` was classified as icmp_error; `local` is the address it came to.
[[nodiscard]] IcmpQuote read_icmp_quote(const PacketView& view, const LocalAddress& local);

// The token of the first branch of our form in `message`: 26 characters behind "z9hG4bK"; empty when there is
// none.
[[nodiscard]] std::string_view find_branch_token(std::string_view message);

}  // namespace sallyport::dp
