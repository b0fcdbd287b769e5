// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "controlplane/sip/path.h"
#include "dataplane/base/address.h"

namespace sallyport::b2bua {

// The user part, as it stands, at the target's host: what the next hop resolves is the host, and the number
// is not ours to change here.
[[nodiscard]] std::string request_uri_for(std::string_view received, const Endpoint& target,
                                          sip::Transport transport);

}  // namespace sallyport::b2bua
