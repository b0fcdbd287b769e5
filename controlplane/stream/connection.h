// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/sip/path.h"
#include "controlplane/stream/channel.h"
#include "controlplane/stream/counters.h"
#include "controlplane/stream/framer.h"
#include "controlplane/stream/socket.h"
#include "controlplane/stream/tls_channel.h"
#include "dataplane/base/clock.h"

namespace sallyport::stream {

// A message on its way out. `retried`: it has been on a connection that broke.
struct Outgoing {
  sip::Path path;
  std::string octets;
  bool retried = false;
};

// One connection, accepted or opened by us.
//
//                 connect()                     accept()
//                     │                            │
//               ┌─────▼──────┐   made, TLS   ┌─────▼───────┐  done, name fits   ┌──────┐
//               │ connecting │──────────────▶│ handshaking │───────────────────▶│ open │
//               └─────┬──────┘               └─────────────┘                    └──┬───┘
//                     │                made, TCP (accepted: at once)               ▲ │ bad framing, or a
//                     └────────────────────────────────────────────────────────────┘ │ stranger's first
//                     message
//        Any state ends when the far end closes, on a fault, or at its deadline. ┌────▼────┐
//                                                                                │ closing │ only writes
//                                                                                └─────────┘
class Connection {
 public:
  enum class State : std::uint8_t { connecting, handshaking, open, closing };

  Connection(std::shared_ptr<const Fd> socket, const sip::Path& where, State begin, bool by_us,
             std::size_t max_message_bytes, Nanoseconds now_ns)
      : fd(std::move(socket)),
        path(where),
        opened_by_us(by_us),
        framer(max_message_bytes),
        state(begin),
        since_ns(now_ns) {}

  std::shared_ptr<const Fd> fd;  // a step of a handshake holds it too
  sip::Path path;                // local: the listening endpoint of that realm; connection: our own handle
  bool opened_by_us;
  Framer framer;
  std::shared_ptr<Channel> channel;
  std::shared_ptr<TlsChannel> tls;  // the same, over TLS
  Io handshake_waits = Io::done;    // handshaking: for the socket; done: a step runs
  State state;
  Nanoseconds since_ns;        // in this state
  Nanoseconds heard_ns = 0;    // the last octets, or the last write that was taken
  Nanoseconds message_ns = 0;  // first octets of the message that is being received; 0: none
  Nanoseconds blocked_ns = 0;  // since the far end takes nothing; 0: it does
  Nanoseconds stalled_ns = 0;  // since the shard's ring is full; 0: it is not
  config::PeerIndex peer = config::kNoIndex;
  bool heard_any = false;  // octets
  bool useful = false;     // a message or a ping has come, or a message has gone
  bool stranger = false;   // no peer's address
  bool counted = false;    // in the table's sums by source and peer
  bool aliased = false;
  std::uint32_t watched = 0;  // epoll's events; 0: it does not know the socket
  Close closing_reason = Close::by_peer;
  bool ended = false;  // closing: our end of the stream has been given

  [[nodiscard]] std::uint32_t id() const { return path.connection; }
  [[nodiscard]] bool takes_messages() const { return !ended && state != State::closing; }
  void enter(State next, Nanoseconds now_ns) {
    state = next;
    since_ns = now_ns;
  }

  // ---- sending
  void queue(Outgoing message) {
    queued_bytes_ += message.octets.size();
    queue_.push_back(std::move(message));
  }
  // A keep-alive's answer. Behind a message that waits there is no need for one.
  void queue_pong();
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }
  [[nodiscard]] bool has_unsent() const { return !queue_.empty(); }

  struct Flushed {
    Io io = Io::done;  // done: nothing is left
    std::uint32_t messages = 0;
    std::uint64_t octets = 0;
  };
  // Writes what is queued, as far as the socket takes it.
  [[nodiscard]] Flushed flush();
  // The connection is over: what was not written, or that the far end's kernel has not acknowledged, in
  // order. `refused`: nothing that we know of has been heard, whatever that kernel says.
  [[nodiscard]] std::vector<Outgoing> take_undelivered(bool refused);

 private:
  struct Sent {
    Outgoing message;
    std::uint64_t end = 0;  // wire_octets() behind it
  };
  void forget_delivered();

  std::deque<Outgoing> queue_;
  std::deque<Sent> sent_;  // perhaps not acknowledged yet
  std::size_t queued_bytes_ = 0;
  std::size_t written_ = 0;  // of queue_.front()
};

}  // namespace sallyport::stream
