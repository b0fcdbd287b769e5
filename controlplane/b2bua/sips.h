// SPDX-License-Identifier: Apache-2.0
// What sips URIs (RFC 5630) and the names in certificates (RFC 5922) ask of a leg.
#pragma once

#include <cstdint>
#include <string_view>

#include "controlplane/config/config.h"
#include "controlplane/sip/path.h"

namespace sallyport::b2bua {

[[nodiscard]] bool is_sips(std::string_view uri);

// RFC 3261 26.2.2: what is called by sips goes by TLS on every hop.
[[nodiscard]] inline bool may_go_by(config::Transport transport, bool called_by_sips) {
  return !called_by_sips || transport == config::Transport::tls;
}

// Path::peer of what we send to that peer: over TLS it has to prove that it is who we mean.
[[nodiscard]] inline std::uint16_t peer_to_prove(sip::Transport transport, config::PeerIndex peer) {
  return transport == sip::Transport::tls ? peer : sip::kPeerByAddress;
}

}  // namespace sallyport::b2bua
