// SPDX-License-Identifier: Apache-2.0
#include "dataplane/icmp_quote.h"

#include <cstring>
#include <optional>
#include <span>

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

struct QuotedTransport {
  std::uint8_t protocol = 0;
  std::size_t at = 0;  // of its header, from the start of the quoted IP header
};

// RFC 791 3.1. Only a datagram's first fragment has the transport header.
[[nodiscard]] std::optional<QuotedTransport> quoted_in_ipv4(std::span<const std::uint8_t> ip) {
  if (ip.size() < kIpv4Bytes || ip[0] >> 4 != 4) return std::nullopt;
  const std::size_t header = (ip[0] & 0x0fu) * 4u;
  if (header < kIpv4Bytes || (read16(&ip[6]) & 0x1fff) != 0) return std::nullopt;
  return QuotedTransport{ip[9], header};
}

// RFC 8200 4, the headers that view_packet walks; here also behind the fragment header, since nothing will
// put a quote together, and a request of ours longer than the path was cut by ourselves.
[[nodiscard]] std::optional<QuotedTransport> quoted_in_ipv6(std::span<const std::uint8_t> ip) {
  constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kDestination = 60;
  if (ip.size() < kIpv6Bytes || ip[0] >> 4 != 6) return std::nullopt;
  QuotedTransport found{ip[6], kIpv6Bytes};
  for (int headers = 0; headers < 6; ++headers) {
    const std::uint8_t is = found.protocol;
    const bool options = is == kHopByHop || is == kRouting || is == kDestination;
    if (!options && is != kIpv6Fragment) return found;
    if (ip.size() < found.at + 8) return std::nullopt;
    const std::uint8_t* header = &ip[found.at];
    if (is == kRouting && header[3] != 0) return std::nullopt;
    if (is == kIpv6Fragment && (read16(header + 2) & 0xfff8) != 0) return std::nullopt;
    found.protocol = header[0];
    found.at += options ? (header[1] + std::size_t{1}) * 8 : 8;
  }
  return std::nullopt;
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
  const auto transport = v4 ? quoted_in_ipv4({ip, bytes}) : quoted_in_ipv6({ip, bytes});
  if (!transport || bytes < transport->at + kUdpBytes || !checksum_right(view)) return quote;
  const IpAddress source = IpAddress::from_bytes(view.family, ip + (v4 ? 12 : 8));
  if (source != local.address) return quote;
  const std::uint8_t protocol = transport->protocol;
  if (protocol == kTcp || protocol == kIcmp || protocol == kIcmpv6) quote.is = QuoteOf::kernel;
  const std::uint8_t* udp = ip + transport->at;
  if (protocol != kUdp || read16(udp) != local.sip_udp || !says_unreachable(quote, view.family)) return quote;
  quote.is = QuoteOf::sip;
  quote.remote = {IpAddress::from_bytes(view.family, ip + (v4 ? 16 : 24)), read16(udp + 2)};
  quote.message = {reinterpret_cast<const char*>(udp + kUdpBytes), bytes - transport->at - kUdpBytes};
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
