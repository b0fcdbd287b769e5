// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "controlplane/config/config.h"

namespace sallyport::b2bua {

// Host, port and transport of our Request-URI. A target by name is called by its name: the look-up of RFC
// 3263 finds where to send, and changes no URI. `sips`: for a sips URI, which says TLS by itself (RFC 3261
// 26.2.2).
[[nodiscard]] std::string next_host(const config::Target& target, bool sips);

// A tel URI as the SIP URI that calls the same number, at no host yet: "tel:7000;phone-context=+44" is
// "sip:7000;phone-context=+44@invalid;user=phone" (RFC 3261 19.1.6). Everything else as it stands. Numbers are
// rewritten behind it: in a SIP URI none of them gets a context that was not there.
[[nodiscard]] std::string called_as_sip(std::string_view uri);

// The user part, as it stands but for a '#', at `host`, as next_host() has it: what the next hop resolves is
// the host, and the number is not ours to change here. A tel URI has become a SIP URI with user=phone before.
[[nodiscard]] std::string request_uri_for(std::string_view received, std::string_view host, bool sips);

// For who reads records: a password in the user part (RFC 3261 19.1.1) is "***". Of anything else, also of
// what is no URI, nothing changes.
[[nodiscard]] std::string without_password(std::string_view uri);

}  // namespace sallyport::b2bua
