// SPDX-License-Identifier: Apache-2.0
// What sips URIs (RFC 5630) and the names in certificates (RFC 5922) ask of a leg.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/config/config.h"
#include "controlplane/sip/path.h"

namespace sallyport::b2bua {

[[nodiscard]] bool is_sips(std::string_view uri);

// The same of a name-addr that names a place to call (Refer-To, Contact of a 3xx).
[[nodiscard]] bool is_sips_place(std::string_view name_addr);
// That place at our own host, for whoever stands at the other end of `path`: as hide_host() has it, and by
// sips, at our port for TLS, where it is to be called by sips (RFC 3261 26.2.2, RFC 5630 4). `tls_port`: of
// the path's realm. Empty: it cannot be read, or asks for TLS where the realm has none.
[[nodiscard]] std::string own_place(std::string_view name_addr, const sip::Path& path, std::uint16_t tls_port,
                                    bool by_sips);

// RFC 3261 26.2.2: what is called by sips goes by TLS on every hop.
[[nodiscard]] inline bool may_go_by(config::Transport transport, bool called_by_sips) {
  return !called_by_sips || transport == config::Transport::tls;
}

// Path::peer of what we send to that peer: over TLS it has to prove that it is who we mean.
[[nodiscard]] inline std::uint16_t peer_to_prove(sip::Transport transport, config::PeerIndex peer) {
  return transport == sip::Transport::tls ? peer : sip::kPeerByAddress;
}

// Path::host of what goes to that target, or to where a redirect led.
[[nodiscard]] inline sip::HostKey host_to_prove(const config::Target& there) {
  return there.transport == config::Transport::tls ? sip::host_key(there.host) : sip::kAnyHost;
}

}  // namespace sallyport::b2bua
