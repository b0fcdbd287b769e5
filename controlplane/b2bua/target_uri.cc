// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/target_uri.h"

#include "controlplane/sip/path.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

std::string next_host(const config::Target& target, bool sips) {
  const auto transport = static_cast<sip::Transport>(target.transport);
  if (!target.host.empty()) {
    const std::string port = target.host_port == 0 ? "" : ":" + std::to_string(target.host_port);
    return target.host + port +
           std::string(target.transport_given && !sips ? transport_param(transport) : "");
  }
  const bool standard = target.endpoint.port == sip::default_port(transport);
  return (standard ? target.endpoint.address.to_uri_text() : target.endpoint.to_text())
      .append(sips ? "" : transport_param(transport));
}

std::string request_uri_for(std::string_view received, std::string_view host, bool sips) {
  const auto uri = sip::parse_uri(received);
  std::string out = sips ? "sips:" : "sip:";
  const bool tel = uri && uri->scheme == sip::Scheme::tel;
  if (uri && uri->has_user) out.append(sip::escape_user(uri->user)).append("@");
  out += host;
  if (uri) {
    const auto user = sip::find_param(uri->parameters, "user");
    if (tel || (user && sip::iequals(user->value, "phone"))) out += ";user=phone";
  }
  return out;
}

}  // namespace sallyport::b2bua
