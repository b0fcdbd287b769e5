// SPDX-License-Identifier: Apache-2.0
#include "dataplane/icmp_quote.h"

#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/checksum.h"
#include "dataplane/steer/identifier.h"

namespace sallyport::dp {
namespace {

[[nodiscard]] bool checksum_right(const PacketView& view) {
  std::uint64_t sum = sum_of(view.data + view.l4, view.l4_bytes);
  if (view.family == Family::v6)
    sum += sum_of(view.source_bytes(), 32) + pseudo_tail_sum(view.l4_bytes, kIcmpv6);
  return fold(sum) == 0xffff;
}

// Only errors that say that the packet did not arrive.
[[nodiscard]] bool says_unreachable(const IcmpQuote& quote, Family family) {
  return family == Family::v4 ? quote.type == 3 || quote.type == 11 : quote.type >= 1 && quote.type <= 3;
}

}  // namespace

IcmpQuote read_icmp_quote(const PacketView& view, const LocalAddress& local) {
  constexpr std::size_t kIcmpBytes = 8;
  IcmpQuote quote;
  const std::uint8_t* icmp = view.data + view.l4;
  quote.type = icmp[0];
  quote.code = icmp[1];
  quote.packet_too_big = view.family == Family::v4 ? quote.type == 3 && quote.code == 4 : quote.type == 2;
  if (quote.packet_too_big) {  // RFC 1191 4: the lower half of the second word; RFC 4443 3.2: all of it
    quote.mtu = std::uint32_t{read16(icmp + 6)} | (view.family == Family::v6 ? read16(icmp + 4) << 16u : 0u);
  }
  const std::uint8_t* ip = icmp + kIcmpBytes;
  const std::size_t bytes = view.l4_bytes - kIcmpBytes;
  const bool v4 = view.family == Family::v4;
  if (bytes < (v4 ? kIpv4Bytes : kIpv6Bytes) || ip[0] >> 4 != (v4 ? 4 : 6) || !checksum_right(view))
    return quote;
  const std::size_t header = v4 ? (ip[0] & 0x0fu) * 4u : kIpv6Bytes;
  if (header < kIpv4Bytes || bytes < header + kUdpBytes) return quote;
  const IpAddress source = IpAddress::from_bytes(view.family, ip + (v4 ? 12 : 8));
  if (source != local.address) return quote;
  const std::uint8_t protocol = v4 ? ip[9] : ip[6];
  if (protocol == kTcp || protocol == kIcmp || protocol == kIcmpv6) quote.is = QuoteOf::kernel;
  const std::uint8_t* udp = ip + header;
  if (protocol != kUdp || read16(udp) != local.sip_udp || !says_unreachable(quote, view.family)) return quote;
  quote.is = QuoteOf::sip;
  quote.remote = {IpAddress::from_bytes(view.family, ip + (v4 ? 16 : 24)), read16(udp + 2)};
  quote.message = {reinterpret_cast<const char*>(udp + kUdpBytes), bytes - header - kUdpBytes};
  return quote;
}

std::string_view find_branch_token(std::string_view message) {
  constexpr std::string_view kCookie = "z9hG4bK";
  for (std::size_t at = message.find(kCookie); at != std::string_view::npos;
       at = message.find(kCookie, at + 1)) {
    const std::string_view branch = message.substr(at, kCookie.size() + steer::kTokenChars);
    if (branch.size() == kCookie.size() + steer::kTokenChars) return branch.substr(kCookie.size());
  }
  return {};
}

}  // namespace sallyport::dp
