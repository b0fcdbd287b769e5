// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/connection_table.h"

namespace sallyport::stream {

namespace {

template <typename Map, typename Key>
std::uint32_t value_of(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? 0 : found->second;
}

template <typename Map, typename Key>
void decrement(Map& map, const Key& key) {
  const auto found = map.find(key);
  if (found != map.end() && --found->second == 0) map.erase(found);
}

}  // namespace

std::size_t ConnectionTable::WayHash::operator()(const Way& way) const {
  const std::size_t transport = static_cast<std::size_t>(way.transport);
  return (EndpointHash{}(way.remote) * 31 + IpAddressHash{}(way.local)) * 31 + transport + way.host;
}

Connection& ConnectionTable::add(std::unique_ptr<Connection> connection) {
  do {
    ++last_id_;
  } while (last_id_ == 0 || connections_.contains(last_id_));
  Connection& added = *connection;
  added.path.connection = last_id_;
  connections_.emplace(last_id_, std::move(connection));
  add_alias(added, added.path.remote);
  if (added.path.host != sip::kAnyHost) enter_way(added, added.path.remote, added.path.host);
  return added;
}

void ConnectionTable::add_alias(Connection& connection, const Endpoint& remote) {
  enter_way(connection, remote, sip::kAnyHost);
}

void ConnectionTable::enter_way(const Connection& connection, const Endpoint& remote, sip::HostKey host) {
  const Way way{connection.path.local.address, remote, connection.path.transport, host};
  ways_[way] = connection.id();
  names_[connection.id()].push_back(way);
}

void ConnectionTable::count(Connection& connection, config::PeerIndex peer) {
  if (connection.counted) leave(connection);
  connection.counted = true;
  connection.peer = peer;
  enter(connection);
}

void ConnectionTable::enter(const Connection& connection) {
  const IpAddress& source = connection.path.remote.address;
  ++by_source_[source];
  ++by_peer_[connection.peer];
  if (connection.peer == config::kNoIndex) ++strangers_by_source_[source];
}

void ConnectionTable::leave(const Connection& connection) {
  const IpAddress& source = connection.path.remote.address;
  decrement(by_source_, source);
  decrement(by_peer_, connection.peer);
  if (connection.peer == config::kNoIndex) decrement(strangers_by_source_, source);
}

void ConnectionTable::remove(const Connection& connection) {
  const std::uint32_t id = connection.id();
  if (connection.counted) leave(connection);
  for (const Way& way : names_[id]) {
    const auto found = ways_.find(way);
    if (found != ways_.end() && found->second == id) ways_.erase(found);
  }
  names_.erase(id);
  connections_.erase(id);
}

Connection* ConnectionTable::find(std::uint32_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

Connection* ConnectionTable::find_way(const sip::Path& path, sip::HostKey host) {
  const auto found = ways_.find({path.local.address, path.remote, path.transport, host});
  Connection* const connection = found == ways_.end() ? nullptr : find(found->second);
  return connection != nullptr && connection->takes_messages() ? connection : nullptr;
}

std::uint32_t ConnectionTable::of_source(const IpAddress& source) const {
  return value_of(by_source_, source);
}

std::uint32_t ConnectionTable::strangers_of_source(const IpAddress& source) const {
  return value_of(strangers_by_source_, source);
}

std::uint32_t ConnectionTable::of_peer(config::PeerIndex peer) const {
  return value_of(by_peer_, peer);
}

std::vector<std::uint32_t> ConnectionTable::ids() const {
  std::vector<std::uint32_t> ids;
  ids.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  return ids;
}

}  // namespace sallyport::stream
