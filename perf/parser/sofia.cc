// SPDX-License-Identifier: Apache-2.0
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sdp.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/su_alloc.h>

#include "perf/common/series.h"
#include "perf/parser/contender.h"

namespace sallyport::perf {
namespace {

// Owns what one message was parsed into.
class Parsed {
 public:
  explicit Parsed(std::string_view message)
      : msg_(msg_make(sip_default_mclass(), 0, message.data(), static_cast<ssize_t>(message.size()))) {
    sip = msg_ == nullptr ? nullptr : sip_object(msg_);
    if (sip == nullptr || sip->sip_payload == nullptr) return;
    sdp_ = sdp_parse(msg_home(msg_), sip->sip_payload->pl_data,
                     static_cast<issize_t>(sip->sip_payload->pl_len), 0);
    session = sdp_session(sdp_);
  }
  ~Parsed() {
    if (sdp_ != nullptr) sdp_parser_free(sdp_);
    if (msg_ != nullptr) msg_destroy(msg_);
  }
  Parsed(const Parsed&) = delete;
  Parsed& operator=(const Parsed&) = delete;

  sip_t* sip = nullptr;
  sdp_session_t* session = nullptr;

 private:
  msg_t* msg_;
  sdp_parser_t* sdp_ = nullptr;
};

bool parse(std::string_view message) {
  Parsed parsed(message);
  keep(parsed);
  return parsed.session != nullptr && parsed.sip->sip_error == nullptr;
}

std::string_view text(const char* octets) {
  return octets == nullptr ? std::string_view{} : std::string_view(octets);
}

std::string text_of(const url_t* url) {
  return uri_text(text(url->url_scheme), text(url->url_user), text(url->url_host), text(url->url_port));
}

void put(Reading& out, const std::string& at, const char* display, const url_t* url) {
  std::string_view name = text(display);
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  out[at + ".display"] = name;
  out[at + ".uri"] = text_of(url);
  out[at + ".uri_parameters"] = text(url->url_params);
}

void put_sdp(Reading& out, const sdp_session_t* session) {
  const sdp_origin_t* origin = session->sdp_origin;
  out["sdp.origin"] = std::string(origin->o_username) + " " + std::to_string(origin->o_id) + " " +
                      std::to_string(origin->o_version) + " " + origin->o_address->c_address;
  unsigned number = 0;
  for (const sdp_media_t* media = session->sdp_media; media != nullptr; media = media->m_next) {
    const std::string at = "sdp.m" + std::to_string(number++);
    out[at + ".media"] =
        std::string(media->m_type_name) + " " + std::to_string(media->m_port) + " " + media->m_proto_name;
    const sdp_connection_t* connection =
        media->m_connections != nullptr ? media->m_connections : session->sdp_connection;
    out[at + ".address"] = connection->c_address;
    for (const sdp_rtpmap_t* map = media->m_rtpmaps; map != nullptr; map = map->rm_next) {
      out[at + ".format" + std::to_string(map->rm_pt)] =
          std::string(text(map->rm_encoding)) + "/" + std::to_string(map->rm_rate);
    }
  }
}

// "SIP/2.0/UDP" to "UDP".
std::string_view transport_of(const char* protocol) {
  const std::string_view whole = text(protocol);
  return whole.substr(whole.rfind('/') + 1);
}

Reading read(std::string_view message) {
  Reading out;
  const Parsed parsed(message);
  if (parsed.session == nullptr) return out;
  const sip_t* sip = parsed.sip;
  out["method"] = sip->sip_request->rq_method_name;
  out["request_uri"] = text_of(sip->sip_request->rq_url);
  out["call_id"] = sip->sip_call_id->i_id;
  out["cseq"] = std::to_string(sip->sip_cseq->cs_seq) + " " + sip->sip_cseq->cs_method_name;
  out["max_forwards"] = std::to_string(sip->sip_max_forwards->mf_count);
  out["content_length"] = std::to_string(sip->sip_content_length->l_length);
  out["content_type"] = sip->sip_content_type->c_type;
  out["from_tag"] = text(sip->sip_from->a_tag);
  out["to_tag"] = text(sip->sip_to->a_tag);
  unsigned number = 0;
  for (const sip_via_t* via = sip->sip_via; via != nullptr; via = via->v_next) {
    out["via" + std::to_string(number++)] =
        std::string(transport_of(via->v_protocol)) + " " + std::string(text(via->v_host)) + " " +
        std::string(text(via->v_port)) + " " + std::string(text(via->v_branch)) + " " +
        std::string(text(via->v_received));
  }
  put(out, "from0", sip->sip_from->a_display, sip->sip_from->a_url);
  put(out, "to0", sip->sip_to->a_display, sip->sip_to->a_url);
  number = 0;
  for (const sip_contact_t* contact = sip->sip_contact; contact != nullptr; contact = contact->m_next)
    put(out, "contact" + std::to_string(number++), contact->m_display, contact->m_url);
  number = 0;
  for (const sip_route_t* route = sip->sip_route; route != nullptr; route = route->r_next)
    put(out, "route" + std::to_string(number++), route->r_display, route->r_url);
  number = 0;
  for (const sip_route_t* route = sip->sip_record_route; route != nullptr; route = route->r_next)
    put(out, "record_route" + std::to_string(number++), route->r_display, route->r_url);
  put_sdp(out, parsed.session);
  return out;
}

}  // namespace

const Contender kSofia{"sofia-sip", parse, read};

}  // namespace sallyport::perf
