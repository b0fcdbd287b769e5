// SPDX-License-Identifier: Apache-2.0
// Octets come: read, framed, delivered.
#include "controlplane/stream/core.h"
#include "dataplane/sip/params.h"
#include "dataplane/sip/via.h"

namespace sallyport::stream {

void StreamTransport::Core::read(Connection& connection) {
  const bool closing = connection.state == Connection::State::closing;
  const IoResult result = connection.channel->read(scratch_);
  if (result.io == Io::failed && connection.tls && connection.tls->failure() == TlsFailure::refused &&
      !connection.heard_any) {
    return fail_handshake(connection, TlsFailure::refused);
  }
  if (result.io == Io::closed || result.io == Io::failed) {
    return close(connection, closing ? connection.closing_reason : Close::by_peer);
  }
  if (closing || result.io != Io::done) return watch(connection);  // what still comes is not looked at
  connection.heard_ns = now_ns_;
  connection.heard_any = true;
  connection.framer.append({scratch_.data(), result.octets});
  const std::uint32_t id = connection.id();
  process(connection);
  // TLS decrypts a record at a time: what is left of it in the channel makes no socket readable.
  if (table_.find(id) != nullptr && connection.stalled_ns == 0 && connection.channel->has_more())
    read(connection);
}

void StreamTransport::Core::flush_and_read(Connection& connection) {
  const std::uint32_t id = connection.id();
  flush(connection);
  if (table_.find(id) != nullptr && connection.channel->has_more()) read(connection);
}

// All that is whole. What is left is less than a message, so the buffer stays bounded.
void StreamTransport::Core::process(Connection& connection) {
  const std::uint32_t id = connection.id();
  while (connection.state == Connection::State::open) {
    const Framer::Item item = connection.framer.next();
    if (item.kind == Framer::Kind::none) break;
    if (item.kind == Framer::Kind::broken) {
      const bool answer = delivery_.deliver_broken(item.octets, item.fault, connection.path, now_ns_);
      if (!answer) return close(connection, Close::bad_framing);
      return begin_closing(connection, Close::bad_framing);
    }
    connection.useful = true;
    connection.message_ns = 0;
    if (item.kind == Framer::Kind::message) {
      if (!process_message(connection, item.octets)) return stall(connection);
      if (table_.find(id) == nullptr) return;
    } else {
      counters_.keep_alives.add();
      connection.queue_pong();
    }
    connection.framer.take();
  }
  if (!connection.framer.in_message()) {
    connection.message_ns = 0;
  } else if (connection.message_ns == 0) {
    connection.message_ns = now_ns_;
  }
  flush(connection);
}

bool StreamTransport::Core::process_message(Connection& connection, std::string_view octets) {
  switch (delivery_.deliver(octets, connection.path, now_ns_)) {
    case Delivery::Verdict::full:
      return false;
    case Delivery::Verdict::no_sip:
      close(connection, Close::bad_framing);
      return true;
    case Delivery::Verdict::dropped:
      return true;
    case Delivery::Verdict::delivered:
      break;
  }
  if (connection.stranger) {
    begin_closing(connection, Close::stranger_served);
  } else if (!connection.aliased && !connection.opened_by_us) {
    note_alias(connection, octets);
  }
  return true;
}

// RFC 5923 4: the far end may be reached on this connection by the address that it listens at. The address is
// the source's, which TCP has proven, never one that the Via claims; so only the port is the sender's to say.
// Over TLS what goes there must reach whom we mean, and only a certificate says that (RFC 5923 8.2).
void StreamTransport::Core::note_alias(Connection& connection, std::string_view octets) {
  const sip::MessageIndex& index = delivery_.index();
  if (index.kind != sip::Kind::request || index.fault != sip::Fault::none) return;
  sip::ValueReader vias(index.value_of(sip::HeaderId::via, octets));
  const auto via = sip::parse_via(vias.next().value_or(""));
  if (!via || !sip::find_param(via->params, "alias")) return;
  if (connection.tls && connection.path.peer == sip::kPeerByAddress) return;
  connection.aliased = true;
  const std::uint16_t port = via->port != 0 ? via->port : sip::default_port(connection.path.transport);
  table_.add_alias(connection, {connection.path.remote.address, port});
}

void StreamTransport::Core::stall(Connection& connection) {
  if (connection.stalled_ns == 0) {
    connection.stalled_ns = now_ns_;
    counters_.shard_ring_waits.add();
    stalled_.push_back(connection.id());
  }
  watch(connection);
}

void StreamTransport::Core::retry_stalled() {
  if (stalled_.empty()) return;
  std::vector<std::uint32_t> again;
  again.swap(stalled_);
  for (const std::uint32_t id : again) {
    Connection* const connection = table_.find(id);
    if (connection == nullptr) continue;
    const Nanoseconds since = connection->stalled_ns;
    if (now_ns_ - since > options_.limits.stall_ns) {
      // The shard stands still; other shards' messages wait behind this one.
      counters_.shard_ring_full.add();
      connection->framer.take();
    }
    connection->stalled_ns = 0;
    process(*connection);
    Connection* const still = table_.find(id);
    if (still == nullptr) continue;
    watch(*still);
    if (still->stalled_ns == 0 && still->channel->has_more()) read(*still);
  }
}

}  // namespace sallyport::stream
