// SPDX-License-Identifier: Apache-2.0
// Theory of operation. SIP over TCP and TLS (RFC 3261 18) on kernel sockets, by one thread with epoll: the
// kernel owns TCP through the dataplane's taps, whose addresses the realms' are. A connection's octets are
// framed (framer.h), parsed and steered as on a worker, and go to their shard through its ring (delivery.h);
// what a shard sends comes through a ring of its own and leaves on the connection that its path names, or on
// one to the same far end (RFC 5923), or on a new one. A shard whose ring is full holds the connections that
// speak to it, for a moment; it never holds this thread. Handshakes run beside the thread (tls_*.h).
// Everything else is on this thread; counters are read by all.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/stream/contract.h"
#include "controlplane/stream/counters.h"
#include "controlplane/stream/options.h"
#include "controlplane/stream/rules.h"
#include "controlplane/stream/tls_context.h"
#include "dataplane/api/ring.h"

namespace sallyport::stream {

class StreamTransport {
 public:
  // Rings the bell of a shard that has events. Called on the stream thread, once a turn at most.
  using WakeShard = std::function<void(unsigned shard)>;

  // Opens the listeners. The error is one sentence that says what to do.
  [[nodiscard]] static std::expected<std::unique_ptr<StreamTransport>, std::string> start(
      const Options& options, const config::Config& config, WakeShard wake_shard);
  ~StreamTransport();
  StreamTransport(const StreamTransport&) = delete;
  StreamTransport& operator=(const StreamTransport&) = delete;

  // Producer: that shard's thread. wake() after the push, once a turn.
  [[nodiscard]] dp::RecordRing& commands(unsigned shard);
  // Consumer: that shard's thread.
  [[nodiscard]] dp::RecordRing& events(unsigned shard);

  // The thread's whole life: turns until stop().
  void run();
  // One turn at that time, waiting at most so long for something to do; for run(), and for tests with their
  // own clock.
  void turn(Nanoseconds now_ns, int timeout_ms);

  // ---- any thread
  // The configuration that follows the running one (config::succeed()), with certificates, keys and trust
  // anchors as they are read by now, from the next turn on, which fulfils `taken`. It holds for connections
  // that begin then; those that are up go on as they are. Never waits.
  void succeed(std::shared_ptr<Rules> rules);
  // When our certificates end, for metrics.
  [[nodiscard]] std::vector<CertificateExpiry> expiries() const;
  void wake();
  void stop();
  // What the targets' names lead to from now on: whose the connections from there are.
  void learn(routing::SharedNames names);
  [[nodiscard]] const StreamCounters& counters() const;
  // The address and port of listener `index` (for port 0 in tests: the one that the kernel chose).
  [[nodiscard]] Endpoint listening_at(std::size_t index) const;

 private:
  class Core;
  explicit StreamTransport(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace sallyport::stream
