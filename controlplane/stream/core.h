// SPDX-License-Identifier: Apache-2.0
// The stream transport's inside: one object, the stream thread's alone. Its acts stand in files of their own:
// accept.cc (a connection comes), receive.cc (octets come), send.cc (a shard sends), core.cc (the loop,
// deadlines, ends).
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/stream/connection_table.h"
#include "controlplane/stream/delivery.h"
#include "controlplane/stream/handshakes.h"
#include "controlplane/stream/stream_transport.h"

namespace sallyport::stream {

class StreamTransport::Core {
 public:
  Core(const Options& options, const config::Config& config, WakeShard wake_shard);
  ~Core();

  [[nodiscard]] std::expected<void, std::string> open();
  // Any thread.
  [[nodiscard]] std::shared_ptr<const TlsContexts> contexts() const;
  void succeed(std::shared_ptr<Rules> rules);
  void turn(Nanoseconds now_ns, int timeout_ms);
  void run();
  void wake();
  void stop();
  void learn(routing::SharedNames names);

  [[nodiscard]] dp::RecordRing& commands(unsigned shard) { return *commands_[shard]; }
  [[nodiscard]] dp::RecordRing& events(unsigned shard) { return delivery_.ring(shard); }
  [[nodiscard]] const StreamCounters& counters() const { return counters_; }
  [[nodiscard]] Endpoint listening_at(std::size_t index) const { return listening_.at(index).where.at; }

 private:
  struct Listening {
    Listener where;
    Fd fd;
  };

  // ---- core.cc
  void dispatch(std::uint64_t tag, std::uint32_t events);
  void on_connection(Connection& connection, std::uint32_t events);
  void watch(Connection& connection);
  void close(Connection& connection, Close reason);
  // Only writes from now on: what waits, and the answer to come.
  void begin_closing(Connection& connection, Close reason);
  void sweep();
  void apply_rules();
  void apply_names();
  [[nodiscard]] const config::Config& config() const { return rules_->config; }
  [[nodiscard]] std::optional<Close> overdue(const Connection& connection) const;
  [[nodiscard]] int wait_ms(int timeout_ms);
  void note_levels() {
    counters_.open.set(table_.size());
    counters_.handshakes_waiting.set(handshaking_);
  }

  // ---- accept.cc
  void accept_all(std::size_t listening);
  void accept_one(const Listening& listening, Accepted accepted);
  // Why this source may not have one more connection, or nothing. `peer`: kNoIndex for an unknown source.
  [[nodiscard]] std::optional<Close> judge_source(std::uint16_t realm, const IpAddress& source,
                                                  config::PeerIndex peer, bool may_be_named) const;
  [[nodiscard]] config::PeerIndex peer_at(std::uint16_t realm, const IpAddress& source) const;
  void rest_listeners(bool rest);

  // `itself`: how many of that source's connections are the one in question.
  [[nodiscard]] std::optional<Close> judge_peer(config::PeerIndex peer, const IpAddress& source,
                                                std::uint32_t itself) const;

  // ---- handshake.cc
  void begin_handshake(Connection& connection);
  void step_handshake(Connection& connection);
  void take_handshakes();
  void established(Connection& connection);
  void fail_handshake(Connection& connection, TlsFailure why);
  [[nodiscard]] std::optional<TlsFailure> judge_server(Connection& connection);
  [[nodiscard]] std::optional<Close> judge_client(Connection& connection);
  [[nodiscard]] config::PeerIndex peer_of(const sip::Path& path) const;
  // Whether a connection that leads there may carry what is meant for `path`'s peer and host.
  [[nodiscard]] bool leads_to(const Connection& connection, const sip::Path& path) const;

  // ---- receive.cc
  void read(Connection& connection);
  // What waits to be written, and what the channel holds already.
  void flush_and_read(Connection& connection);
  void process(Connection& connection);
  // False: the shard's ring is full, the message stays.
  [[nodiscard]] bool process_message(Connection& connection, std::string_view octets);
  void note_alias(Connection& connection, std::string_view octets);
  void stall(Connection& connection);
  void retry_stalled();

  // ---- send.cc
  void take_commands();
  void send(Outgoing message);
  [[nodiscard]] Connection* connection_for(const sip::Path& path);
  [[nodiscard]] Connection* known_connection(const sip::Path& path);
  [[nodiscard]] Connection* open_connection(const sip::Path& path);
  void connected(Connection& connection);
  void flush(Connection& connection);
  void give_up(const Outgoing& message);
  void resend_waiting();

  Options options_;
  std::shared_ptr<Rules> rules_;
  routing::PeerTable peers_;  // of rules_, with what names have taught
  routing::Latest<std::shared_ptr<Rules>> next_rules_;
  routing::Latest<routing::SharedNames> names_;
  routing::SharedNames next_names_;  // of a configuration that is yet to come, or null
  WakeShard wake_shard_;
  StreamCounters counters_;
  Delivery delivery_;
  std::vector<std::unique_ptr<dp::RecordRing>> commands_;
  std::vector<Listening> listening_;
  ConnectionTable table_;
  std::vector<std::uint32_t> stalled_;  // connections that a full ring holds
  std::deque<Outgoing> waiting_;        // for another connection, after theirs broke
  std::vector<char> scratch_;
  mutable std::mutex contexts_mutex_;
  std::shared_ptr<const TlsContexts> contexts_;  // null: no listener speaks TLS
  std::uint32_t handshaking_ = 0;
  Fd epoll_;
  Fd bell_;
  Nanoseconds now_ns_ = 0;
  Nanoseconds swept_ns_ = 0;
  bool listeners_rest_ = false;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stop_{false};
  std::unique_ptr<Handshakes> handshakes_;  // last: its steps wake us
};

}  // namespace sallyport::stream
