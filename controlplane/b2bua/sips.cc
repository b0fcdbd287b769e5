// SPDX-License-Identifier: Apache-2.0
#include "controlplane/b2bua/sips.h"

#include "dataplane/sip/uri.h"

namespace sallyport::b2bua {

bool is_sips(std::string_view text) {
  const auto uri = sip::parse_uri(text);
  return uri && uri->scheme == sip::Scheme::sips;
}

}  // namespace sallyport::b2bua
