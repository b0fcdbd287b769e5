// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/target_uri.h"

#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

std::string request_uri_for(std::string_view received, const Endpoint& target, sip::Transport transport) {
  const auto uri = sip::parse_uri(received);
  std::string out = "sip:";
  if (uri && (uri->has_user || uri->scheme == sip::Scheme::tel)) out.append(uri->user).append("@");
  const bool standard = target.port == sip::default_port(transport);
  out += standard ? target.address.to_uri_text() : target.to_text();
  if (uri) {
    const auto user = sip::find_param(uri->parameters, "user");
    const bool phone = uri->scheme == sip::Scheme::tel || (user && sip::iequals(user->value, "phone"));
    if (phone) out += ";user=phone";
  }
  return out.append(transport_param(transport));
}

}  // namespace sallyport::b2bua
