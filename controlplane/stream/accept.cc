// SPDX-License-Identifier: Apache-2.0
// A connection comes in: who may have one.
#include <sys/epoll.h>

#include <cerrno>

#include "controlplane/stream/core.h"

namespace sallyport::stream {

namespace {

constexpr int kAcceptsATurn = 64;

}  // namespace

config::PeerIndex StreamTransport::Core::peer_at(std::uint16_t realm, const IpAddress& source) const {
  return peers_.find(realm, source).value_or(config::kNoIndex);
}

void StreamTransport::Core::accept_all(std::size_t listening) {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    auto accepted = accept_from(listening_[listening].fd.get());
    if (accepted) {
      accept_one(listening_[listening], std::move(*accepted));
    } else if (accepted.error() == EMFILE || accepted.error() == ENFILE || accepted.error() == ENOMEM) {
      // The queue stays ready, and asking at once again would only burn the thread.
      return rest_listeners(true);
    } else if (accepted.error() != ECONNABORTED && accepted.error() != EINTR) {
      return;
    }
  }
}

void StreamTransport::Core::rest_listeners(bool rest) {
  listeners_rest_ = rest;
  for (std::size_t i = 0; i < listening_.size(); ++i) {
    epoll_event event{};
    if (!rest) event.events = EPOLLIN;
    event.data.u64 = std::uint64_t{1} << 32 | i;
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_[i].fd.get(), &event);
  }
}

std::optional<Close> StreamTransport::Core::judge_source(std::uint16_t realm, const IpAddress& source,
                                                         config::PeerIndex peer, bool may_be_named) const {
  if (peer == config::kNoIndex) {
    const bool drop = config().realms[realm].unknown_source == config::UnknownSource::drop && !may_be_named;
    // One connection at a time is enough to be told 403.
    const std::uint32_t most = may_be_named ? options_.limits.strangers_per_source : 1;
    const bool full =
        table_.strangers() >= options_.limits.strangers || table_.strangers_of_source(source) >= most;
    return drop || full ? std::optional(Close::unknown_source) : std::nullopt;
  }
  return judge_peer(peer, source, 0);
}

std::optional<Close> StreamTransport::Core::judge_peer(config::PeerIndex peer, const IpAddress& source,
                                                       std::uint32_t itself) const {
  const config::Limits& limits = config().peers[peer].limits;
  if (table_.of_peer(peer) >= limits.connections) return Close::peer_limit;
  if (table_.of_source(source) - itself >= limits.connections_per_source) return Close::source_limit;
  return std::nullopt;
}

void StreamTransport::Core::accept_one(const Listening& listening, Accepted accepted) {
  const std::uint16_t realm = listening.where.realm;
  const config::PeerIndex peer = peer_at(realm, accepted.remote.address);
  const bool tls = listening.where.transport == sip::Transport::tls;
  std::optional<Close> refused =
      judge_source(realm, accepted.remote.address, peer, tls && peers_.has_names(realm));
  if (table_.size() >= options_.limits.connections) refused = Close::process_limit;
  if (tls && handshaking_ >= options_.limits.handshakes) refused = Close::process_limit;
  if (refused) {
    counters_.closed[static_cast<std::size_t>(*refused)].add();
    return close_hard(accepted.fd);
  }
  counters_.accepted.add();
  const sip::Path where{.local = listening.where.at,
                        .remote = accepted.remote,
                        .realm = realm,
                        .transport = listening.where.transport};
  auto made =
      std::make_unique<Connection>(std::make_shared<const Fd>(std::move(accepted.fd)), where,
                                   Connection::State::open, false, options_.limits.message_bytes, now_ns_);
  Connection& connection = table_.add(std::move(made));
  connection.stranger = peer == config::kNoIndex;
  table_.count(connection, peer);
  if (tls) return begin_handshake(connection);
  connection.channel = std::make_shared<PlainChannel>(connection.fd->get());
  watch(connection);
}

}  // namespace sallyport::stream
