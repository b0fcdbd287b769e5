// SPDX-License-Identifier: Apache-2.0
#include <osipparser2/osip_parser.h>
#include <osipparser2/sdp_message.h>

#include "perf/parser/contender.h"

namespace sallyport::perf {
namespace {

bool parse(std::string_view message) {
  static const bool ready = parser_init() == 0;
  osip_message_t* sip = nullptr;
  if (!ready || osip_message_init(&sip) != 0) return false;
  bool good = osip_message_parse(sip, message.data(), message.size()) == 0;
  osip_body_t* body = nullptr;
  if (good && osip_message_get_body(sip, 0, &body) == 0) {
    sdp_message_t* sdp = nullptr;
    good = sdp_message_init(&sdp) == 0 && sdp_message_parse(sdp, body->body) == 0;
    sdp_message_free(sdp);
  } else {
    good = false;
  }
  osip_message_free(sip);
  return good;
}

}  // namespace

const Contender kOsip{"libosip2", parse, nullptr};

}  // namespace sallyport::perf
