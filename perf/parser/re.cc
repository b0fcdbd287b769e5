// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

// Its header takes the standard integers for granted.
#include <re.h>

#include "perf/parser/contender.h"

namespace sallyport::perf {
namespace {

// libre parses a description into a session that knows what may be offered: made once, outside the clock.
sdp_session* make_session() {
  sa local;
  sa_init(&local, AF_INET);
  sdp_session* session = nullptr;
  sdp_media* media = nullptr;
  if (sdp_session_alloc(&session, &local) != 0) return nullptr;
  for (const char* kind : {"audio", "video"}) {
    if (sdp_media_add(&media, session, kind, 4000, "RTP/AVP") != 0) return nullptr;
    if (sdp_format_add(nullptr, media, false, kind[0] == 'a' ? "8" : "98", kind[0] == 'a' ? "PCMA" : "H264",
                       kind[0] == 'a' ? 8000 : 90000, 1, nullptr, nullptr, nullptr, false, nullptr) != 0)
      return nullptr;
  }
  return session;
}

bool decode_addresses(const sip_msg* sip) {
  for (le* at = sip->hdrl.head; at != nullptr; at = at->next) {
    const auto* header = static_cast<const sip_hdr*>(at->data);
    sip_addr address;
    sip_via via;
    switch (header->id) {
      case SIP_HDR_CONTACT:
      case SIP_HDR_ROUTE:
      case SIP_HDR_RECORD_ROUTE:
        if (sip_addr_decode(&address, &header->val) != 0) return false;
        break;
      case SIP_HDR_VIA:
        if (header->val.p != sip->via.val.p && sip_via_decode(&via, &header->val) != 0) return false;
        break;
      default:
        break;
    }
  }
  return true;
}

bool parse(std::string_view message) {
  static sdp_session* const session = make_session();
  mbuf* octets = mbuf_alloc(message.size());
  if (session == nullptr || octets == nullptr) return false;
  bool good =
      mbuf_write_mem(octets, reinterpret_cast<const std::uint8_t*>(message.data()), message.size()) == 0;
  octets->pos = 0;
  sip_msg* sip = nullptr;
  good = good && sip_msg_decode(&sip, octets) == 0;
  good = good && decode_addresses(sip) && sdp_decode(session, octets, true) == 0;
  mem_deref(sip);
  mem_deref(octets);
  return good;
}

}  // namespace

const Contender kRe{"libre", parse, nullptr};

}  // namespace sallyport::perf
