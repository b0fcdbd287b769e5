// SPDX-License-Identifier: Apache-2.0
// Where messages go: the next hop of a dialog, over which transport and connection, and where large requests
// go.
#include <algorithm>

#include "controlplane/b2bua/call_manager.h"
#include "controlplane/b2bua/sips.h"

namespace sallyport::b2bua {

static_assert(static_cast<int>(config::Transport::tls) == static_cast<int>(sip::Transport::tls));

sip::Path CallManager::dialog_path(const Leg& leg) const {
  sip::Path path = leg.dialog ? path_within(*leg.dialog, leg.path) : leg.path;
  if (path.peer == sip::kPeerByAddress) path.peer = peer_to_prove(path.transport, leg.peer);
  return path;
}

// `known`: how the dialog's messages have gone so far. A next hop that is a name stays with the address that
// the dialog began with.
sip::Path CallManager::path_within(const sip::Dialog& dialog, const sip::Path& known) const {
  sip::Path path = known;
  const auto hop = dialog.next_hop();
  if (!hop || hop->address.family() != path.local.address.family()) return path;
  path.remote = *hop;
  if (dialog.nat_source()) return path;
  // RFC 3263 4.1: the URI says by which transport, and one with an address that says nothing means UDP. But a
  // host that we speak to over a stream and whose Contact says nothing is kept on that stream: what works is
  // not left.
  const bool same_host = hop->address == known.remote.address;
  const auto asked = dialog.next_hop_transport();
  const sip::Transport wanted = asked ? *asked : same_host ? path.transport : sip::Transport::udp;
  const std::uint16_t port =
      services_.config.realms[path.realm].sip_port(static_cast<config::Transport>(wanted));
  const bool changes = wanted != path.transport && port != 0;
  if (changes) {
    path.transport = wanted;
    path.local.port = port;
  }
  if (changes || !same_host) {
    path.connection = 0;
    path.peer = sip::kPeerByAddress;
    path.host = sip::kAnyHost;
  }
  return path;
}

std::expected<sip::ClientId, sip::TransactionError> CallManager::start_request(const sip::RequestDraft& draft,
                                                                               config::PeerIndex peer,
                                                                               const sip::Path& path,
                                                                               std::uint64_t token) {
  const auto large = large_path(peer, path);
  return transactions_->start(draft, path, token, nullptr, large ? &*large : nullptr);
}

// RFC 3261 18.1.1. A peer has TCP where one of its targets says so, at the same address.
std::optional<sip::Path> CallManager::large_path(config::PeerIndex peer, const sip::Path& path) const {
  if (path.transport != sip::Transport::udp || peer == config::kNoIndex) return std::nullopt;
  const std::uint16_t port = services_.config.realms[path.realm].sip_tcp;
  const config::Target* target = services_.health.find_at(peer, path.remote.address, config::Transport::tcp);
  if (port == 0 || target == nullptr) return std::nullopt;
  sip::Path large = path;
  large.transport = sip::Transport::tcp;
  large.local.port = port;
  large.remote.port = target->endpoint.port;
  return large;
}

}  // namespace sallyport::b2bua
