// SPDX-License-Identifier: Apache-2.0
// Any frame through everything that reads frames before a flow is known.
#include <cstdint>
#include <span>

#include "dataplane/classify.h"
#include "dataplane/icmp_quote.h"
#include "dataplane/packet_view.h"
#include "dataplane/reassembler.h"
#include "dataplane/rtp.h"

using namespace sallyport;
using namespace sallyport::dp;

namespace {

const LocalTable& locals() {
  static const LocalTable table = [] {
    RealmOptions realm{.name = "access", .port = 0};
    realm.addresses = {*Prefix::parse("198.51.100.1/24"), *Prefix::parse("2001:db8:1::1/64")};
    realm.sip_udp = 5060;
    std::vector<MediaRange> media;
    for (const Prefix& address : realm.addresses) media.push_back({0, address.address, 20000, 20099, 0});
    return LocalTable({realm}, media);
  }();
  return table;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span octets(data, size);
  PacketView view;
  RtpHeader header;
  (void)media_kind(octets);
  (void)read_rtp(octets, size, header);
  (void)rtcp_sane(octets);
  if (view_packet(octets, size, (size & 1) != 0, view) != kPass) return 0;
  const Classified what = classify(view, 0, locals());
  switch (what.is) {
    case PacketClass::media:
    case PacketClass::sip:
      (void)udp_checksum_right(view);
      break;
    case PacketClass::icmp_error:
      (void)find_branch_token(read_icmp_quote(view, *what.local).message);
      break;
    case PacketClass::fragment:
      (void)Reassembler::datagram_hash(view);
      break;
    default:
      break;
  }
  return 0;
}
