// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "controlplane/stream/connection.h"

namespace sallyport::stream {

// The connections, by handle, by far end, and how many there are by source and by peer. The stream thread's
// alone.
class ConnectionTable {
 public:
  // Takes it, gives it a handle (never 0, not one of a living connection) and enters its far end.
  Connection& add(std::unique_ptr<Connection> connection);
  // Another name of its far end: where it listens itself (RFC 5923 4, "alias").
  void add_alias(Connection& connection, const Endpoint& remote);
  // Who it is; counts it to that peer and to its source. Again: to another peer, as its certificate says.
  void count(Connection& connection, config::PeerIndex peer);
  void remove(const Connection& connection);

  [[nodiscard]] Connection* find(std::uint32_t id);
  // The newest that leads from `path.local`'s address to `path.remote` by `path.transport` and takes
  // messages: of those that were opened to `host`; with kAnyHost, of all.
  [[nodiscard]] Connection* find_way(const sip::Path& path, sip::HostKey host);

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(connections_.size()); }
  [[nodiscard]] std::uint32_t of_source(const IpAddress& source) const;
  // Of those, the ones whose peer is not known.
  [[nodiscard]] std::uint32_t strangers_of_source(const IpAddress& source) const;
  [[nodiscard]] std::uint32_t of_peer(config::PeerIndex peer) const;
  [[nodiscard]] std::uint32_t strangers() const { return of_peer(config::kNoIndex); }
  [[nodiscard]] std::vector<std::uint32_t> ids() const;

 private:
  struct Way {
    IpAddress local;
    Endpoint remote;
    sip::Transport transport = sip::Transport::tcp;
    sip::HostKey host = sip::kAnyHost;
    friend bool operator==(const Way&, const Way&) = default;
  };
  struct WayHash {
    std::size_t operator()(const Way& way) const;
  };
  void enter_way(const Connection& connection, const Endpoint& remote, sip::HostKey host);

  std::unordered_map<std::uint32_t, std::unique_ptr<Connection>> connections_;
  std::unordered_map<Way, std::uint32_t, WayHash> ways_;
  std::unordered_map<std::uint32_t, std::vector<Way>> names_;  // of each connection
  void enter(const Connection& connection);
  void leave(const Connection& connection);

  std::unordered_map<IpAddress, std::uint32_t, IpAddressHash> by_source_;
  std::unordered_map<IpAddress, std::uint32_t, IpAddressHash> strangers_by_source_;
  std::unordered_map<config::PeerIndex, std::uint32_t> by_peer_;
  std::uint32_t last_id_ = 0;
};

}  // namespace sallyport::stream
