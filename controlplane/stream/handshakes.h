// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tbb/concurrent_queue.h>
#include <tbb/task_arena.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "controlplane/stream/tls_channel.h"

namespace sallyport::stream {

// Runs the steps of TLS handshakes in a TBB arena of their own, beside the stream thread: the signature of
// one costs as much as a thousand messages. The arena's threads give way to every other thread of the process
// (nice), so that a flood of handshakes delays handshakes and nothing else.
class Handshakes {
 public:
  struct Outcome {
    std::uint32_t connection = 0;
    Io io = Io::done;
  };

  // `wake`: called on any thread when there is an outcome.
  Handshakes(int threads, std::function<void()> wake);
  ~Handshakes();  // waits for the steps that run
  Handshakes(const Handshakes&) = delete;
  Handshakes& operator=(const Handshakes&) = delete;

  // Stream thread. One step at a time for a connection; its outcome comes from take().
  void step(std::uint32_t connection, std::shared_ptr<TlsChannel> channel);
  [[nodiscard]] std::optional<Outcome> take();
  [[nodiscard]] bool empty() const { return done_.empty(); }

 private:
  using Count = std::atomic<std::uint32_t>;
  struct Step {
    std::shared_ptr<Count> count;
    std::shared_ptr<TlsChannel> channel;
  };

  tbb::task_arena arena_;
  tbb::concurrent_queue<Outcome> done_;
  std::function<void()> wake_;
  // Shared: the last step tells its end after this object may be gone.
  std::shared_ptr<Count> running_ = std::make_shared<Count>(0);
};

}  // namespace sallyport::stream
