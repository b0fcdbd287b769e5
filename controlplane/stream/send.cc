// SPDX-License-Identifier: Apache-2.0
// A shard sends: on which connection, and what becomes of a message that finds none.
#include <cstring>

#include "controlplane/stream/core.h"

namespace sallyport::stream {

namespace {

constexpr unsigned kCommandsATurn = 512;

}  // namespace

void StreamTransport::Core::take_commands() {
  for (const auto& ring : commands_) {
    for (unsigned n = 0; n < kCommandsATurn; ++n) {
      const dp::RecordRing::Record record = ring->front();
      if (record.kind == 0) break;
      Send head;
      std::memcpy(&head, record.bytes.data(), sizeof(head));
      const char* const octets = reinterpret_cast<const char*>(record.bytes.data()) + sizeof(head);
      send({.path = head.path, .octets = std::string(octets, head.bytes)});
      ring->pop();
    }
  }
}

void StreamTransport::Core::send(Outgoing message) {
  Connection* const connection = connection_for(message.path);
  if (connection == nullptr) return give_up(message);
  if (connection->queued_bytes() + message.octets.size() > options_.limits.queue_bytes) {
    give_up(message);
    return close(*connection, Close::slow_reader);
  }
  connection->queue(std::move(message));
  if (connection->channel) flush(*connection);
}

// A connection that is being closed still takes answers to what came on it.
Connection* StreamTransport::Core::connection_for(const sip::Path& path) {
  if (path.connection != 0) {
    Connection* const named = table_.find(path.connection);
    if (named != nullptr && !named->ended && named->path.transport == path.transport) return named;
  }
  if (Connection* const known = known_connection(path)) {
    counters_.reused.add();
    return known;
  }
  return open_connection(path);
}

// One that was opened to that host, or else one that leads there by whatever name.
Connection* StreamTransport::Core::known_connection(const sip::Path& path) {
  for (const sip::HostKey host : {path.host, sip::kAnyHost}) {
    Connection* const known = table_.find_way(path, host);
    if (known != nullptr && leads_to(*known, path)) return known;
  }
  return nullptr;
}

Connection* StreamTransport::Core::open_connection(const sip::Path& path) {
  if (!path.remote || table_.size() >= options_.limits.connections) return nullptr;
  auto fd = connect_from(path.local.address, path.remote, options_.dscp_of(path.realm));
  if (!fd) return nullptr;
  auto made = std::make_unique<Connection>(std::make_shared<const Fd>(std::move(*fd)), path,
                                           Connection::State::connecting, true, options_.limits.message_bytes,
                                           now_ns_);
  Connection& connection = table_.add(std::move(made));
  table_.count(connection, peer_of(path));
  watch(connection);
  return &connection;
}

void StreamTransport::Core::connected(Connection& connection) {
  if (connect_error(connection.fd->get()) != 0) return close(connection, Close::connect_failed);
  counters_.connected.add();
  if (connection.path.transport == sip::Transport::tls) return begin_handshake(connection);
  connection.channel = std::make_shared<PlainChannel>(connection.fd->get());
  connection.enter(Connection::State::open, now_ns_);
  connection.heard_ns = now_ns_;
  flush(connection);
}

void StreamTransport::Core::flush(Connection& connection) {
  const Connection::Flushed flushed = connection.flush();
  counters_.sent_messages.add(flushed.messages);
  counters_.sent_bytes.add(flushed.octets);
  if (flushed.octets != 0) {
    connection.heard_ns = now_ns_;
    connection.blocked_ns = 0;
    connection.useful = connection.useful || flushed.messages != 0;
  }
  if (flushed.io == Io::failed || flushed.io == Io::closed) return close(connection, Close::by_peer);
  if (connection.has_unsent()) {
    if (connection.blocked_ns == 0) connection.blocked_ns = now_ns_;
  } else if (connection.state == Connection::State::closing && flushed.messages != 0) {
    // The answer has gone. Closing at once, with octets of theirs unread, would make the kernel send RST, and
    // the answer might never be read: the far end gets our end of the stream and a moment to close.
    connection.ended = true;
    connection.channel->close();
    end_writing(connection.fd->get());
  }
  watch(connection);
}

void StreamTransport::Core::give_up(const Outgoing& message) {
  if (!delivery_.report_unreachable(message.path, message.octets)) counters_.responses_lost.add();
}

void StreamTransport::Core::resend_waiting() {
  std::deque<Outgoing> again;
  again.swap(waiting_);
  for (Outgoing& message : again) {
    counters_.resent.add();
    send(std::move(message));
  }
}

}  // namespace sallyport::stream
