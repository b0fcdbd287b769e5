// SPDX-License-Identifier: Apache-2.0
// TLS comes up on a connection: who is at the far end.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/stream/certificate.h"
#include "controlplane/stream/core.h"
#include "dataplane/sip/uri.h"

namespace sallyport::stream {

namespace {

// The names that a connection to the peer as that host may be for, the one to ask for first (RFC 5922 7.3:
// by the domain that was meant, never by what DNS has made of it). A name that only its redirects may lead to
// is not covered by the peer's own `tls.name`. Empty: none, or an address.
std::vector<std::string_view> meant_names(const config::Peer& peer, sip::HostKey host) {
  std::vector<std::string_view> own, allowed;
  for (const config::Target& one : peer.targets) {
    if (!one.host.empty()) own.emplace_back(one.host);
  }
  if (host == sip::kAnyHost && peer.tls.name.empty()) return own;
  own.insert(own.end(), peer.match_names.begin(), peer.match_names.end());
  const auto other = [&](std::string_view name) { return sip::host_key(name) != host; };
  std::erase_if(own, other);
  for (const std::string& name : peer.redirects.allow_names) {
    if (own.empty() && !other(name)) allowed.emplace_back(name);
  }
  const bool is_peer = !own.empty() || host == sip::kAnyHost || host == sip::kAddressHost;
  if (is_peer && !peer.tls.name.empty()) return {peer.tls.name};
  return own.empty() ? allowed : own;
}

// A certificate's address counts only where an address was called (as RFC 2818 3.1 has it). A
// connection to whichever host is to an address where that is how the peer is written, or where nothing is.
bool is_called_by_address(const config::Peer& peer, sip::HostKey host, const IpAddress& address) {
  if (!peer.tls.name.empty() || host > sip::kAddressHost) return false;
  if (host == sip::kAddressHost) return true;
  const auto is_there = [&](const config::Target& one) {
    return one.host.empty() && one.endpoint.address == address;
  };
  const auto named = [](const config::Target& one) { return !one.host.empty(); };
  return std::ranges::any_of(peer.targets, is_there) || std::ranges::none_of(peer.targets, named);
}

bool is_whom_we_mean(X509* certificate, const config::Peer& peer, sip::HostKey host,
                     const IpAddress& address) {
  const auto names_it = [&](std::string_view name) { return is_for(certificate, name); };
  return std::ranges::any_of(meant_names(peer, host), names_it) ||
         (is_called_by_address(peer, host, address) && is_for(certificate, address));
}

// SNI takes names only (RFC 6066 3).
std::string asked_name(const config::Peer& peer, sip::HostKey host) {
  const auto names = meant_names(peer, host);
  return names.empty() ? std::string{} : std::string(names.front());
}

}  // namespace

std::shared_ptr<const TlsContexts> StreamTransport::Core::contexts() const {
  const std::lock_guard lock(contexts_mutex_);
  return contexts_;
}

// Whom a connection of ours goes to: the shard says, or the address does. (A reload comes to us before it
// comes to the shards, so they name nobody that we do not know.)
config::PeerIndex StreamTransport::Core::peer_of(const sip::Path& path) const {
  if (path.peer != sip::kPeerByAddress)
    return path.peer < config().peers.size() ? path.peer : config::kNoIndex;
  return peer_at(path.realm, path.remote.address);
}

// A connection of somebody else, by its certificate, leads to the right address and the wrong house; and one
// that was opened to another name is that name's. One that the far end has opened, and that its certificate
// has shown to be this peer's (RFC 5923 8.2), has to be for the name that is called, where it is a name.
bool StreamTransport::Core::leads_to(const Connection& connection, const sip::Path& path) const {
  if (path.peer != sip::kPeerByAddress && path.peer != connection.peer) return false;
  if (path.host <= sip::kAddressHost) return path.host == sip::kAnyHost || connection.path.host <= path.host;
  if (connection.path.host != sip::kAnyHost) return connection.path.host == path.host;
  if (connection.peer == config::kNoIndex || !connection.tls) return false;
  const config::Peer& peer = config().peers[connection.peer];
  if (peer.tls.verify == config::TlsVerify::no) return true;
  X509* const certificate = connection.channel ? connection.tls->verified_certificate() : nullptr;
  return certificate != nullptr &&
         is_whom_we_mean(certificate, peer, path.host, connection.path.remote.address);
}

void StreamTransport::Core::fail_handshake(Connection& connection, TlsFailure why) {
  counters_.handshake_failures[static_cast<std::size_t>(why)].add();
  close(connection, Close::handshake_failed);
}

void StreamTransport::Core::begin_handshake(Connection& connection) {
  const auto contexts = this->contexts();
  if (!contexts) return fail_handshake(connection, TlsFailure::other);  // no realm speaks TLS
  if (connection.opened_by_us) {
    const config::PeerIndex peer = connection.peer;
    if (peer != config::kNoIndex)
      connection.tls =
          TlsChannel::connecting(contexts, peer, connection.fd,
                                 asked_name(config().peers[peer], connection.path.host));
  } else {
    connection.tls = TlsChannel::accepting(contexts, connection.path.realm, connection.fd);
  }
  if (!connection.tls) return fail_handshake(connection, TlsFailure::other);
  connection.enter(Connection::State::handshaking, now_ns_);
  ++handshaking_;
  if (connection.opened_by_us) return step_handshake(connection);
  connection.handshake_waits = Io::wait_read;  // nothing is to be done before the ClientHello
  watch(connection);
}

// While the step runs nobody else touches the channel, and the socket is not watched.
void StreamTransport::Core::step_handshake(Connection& connection) {
  connection.handshake_waits = Io::done;
  watch(connection);
  handshakes_->step(connection.id(), connection.tls);
}

void StreamTransport::Core::take_handshakes() {
  while (const auto outcome = handshakes_->take()) {
    Connection* const connection = table_.find(outcome->connection);
    if (connection == nullptr) continue;  // its time was up meanwhile
    if (outcome->io == Io::done) {
      established(*connection);
    } else if (outcome->io == Io::wait_read || outcome->io == Io::wait_write) {
      connection->handshake_waits = outcome->io;
      watch(*connection);
    } else {
      fail_handshake(*connection, connection->tls->failure().value_or(TlsFailure::other));
    }
  }
}

void StreamTransport::Core::established(Connection& connection) {
  if (connection.opened_by_us) {
    if (const auto wrong = judge_server(connection)) return fail_handshake(connection, *wrong);
  } else if (const auto refused = judge_client(connection)) {
    return close(connection, *refused);
  }
  counters_.handshakes.add();
  --handshaking_;
  connection.channel = connection.tls;
  connection.enter(Connection::State::open, now_ns_);
  connection.heard_ns = now_ns_;
  flush_and_read(connection);
}

// RFC 5922 7.3: the certificate of the server that we went to has to be for the domain that we meant; of one
// that is called by its address, for that address. (Whether it is good was the handshake's to say.)
std::optional<TlsFailure> StreamTransport::Core::judge_server(Connection& connection) {
  const config::PeerIndex peer = connection.peer;
  if (config().peers[peer].tls.verify == config::TlsVerify::no) return std::nullopt;
  X509* const certificate = connection.tls->verified_certificate();
  if (certificate == nullptr) return TlsFailure::untrusted;
  const sip::Path& path = connection.path;
  if (!is_whom_we_mean(certificate, config().peers[peer], path.host, path.remote.address))
    return TlsFailure::name;
  connection.path.peer = peer;
  return std::nullopt;
}

// A client with a good certificate is the peer that one of its names matches; else its address says who it
// is.
std::optional<Close> StreamTransport::Core::judge_client(Connection& connection) {
  const std::uint16_t realm = connection.path.realm;
  X509* const certificate = connection.tls->verified_certificate();
  const auto named =
      certificate == nullptr ? std::nullopt : peers_.find_name(realm, sip_identities(certificate));
  if (named && *named != connection.peer) {
    if (const auto full = judge_peer(*named, connection.path.remote.address, 1)) return full;
    table_.count(connection, *named);
  }
  if (named) connection.path.peer = *named;
  connection.stranger = connection.peer == config::kNoIndex;
  const bool drop = config().realms[realm].unknown_source == config::UnknownSource::drop;
  return connection.stranger && drop ? std::optional(Close::unknown_source) : std::nullopt;
}

}  // namespace sallyport::stream
