// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/sips.h"

#include "controlplane/b2bua/identity.h"
#include "dataplane/sip/name_addr.h"
#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

bool is_sips(std::string_view text) {
  const auto uri = sip::parse_uri(text);
  return uri && uri->scheme == sip::Scheme::sips;
}

bool is_sips_place(std::string_view name_addr) {
  const auto parsed = sip::parse_name_addr(name_addr);
  return parsed && is_sips(parsed->uri);
}

std::string own_place(std::string_view name_addr, const sip::Path& path, std::uint16_t tls_port,
                      bool by_sips) {
  if (by_sips && tls_port == 0) return {};
  Endpoint here = path.local;
  if (by_sips) here.port = tls_port;
  std::string place = hide_host(name_addr, here.to_text());
  const std::size_t uri = place.rfind('<') + 1;  // none stands within a URI
  // A tel URI says of no transport.
  if (by_sips && place.compare(uri, 4, "sip:") == 0) place.insert(uri + 3, "s");
  return place;
}

}  // namespace sallyport::b2bua
