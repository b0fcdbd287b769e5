// SPDX-License-Identifier: Apache-2.0
// Theory of operation. A rig runs one StreamTransport on loopback with a clock of its own: the test plays the
// far ends with plain sockets and the shard with the rings. The transport takes its turns in the test's
// thread; a turn waits for the kernel at most as long as a step of `until` says, and no test sleeps.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/stream/socket.h"
#include "controlplane/stream/stream_transport.h"
#include "dataplane/sip/message_index.h"

namespace sallyport::stream {

inline const IpAddress kOurs = *IpAddress::parse("127.0.0.1");
inline const IpAddress kOffice = *IpAddress::parse("127.0.0.2");
inline const IpAddress kCarrier = *IpAddress::parse("127.0.0.3");
inline const IpAddress kStranger = *IpAddress::parse("127.0.0.9");

// A far end's socket: blocking, with a time limit.
class FarEnd {
 public:
  FarEnd() = default;
  explicit FarEnd(Fd fd) : fd_(std::move(fd)) {}
  // From `from` to `to`; the connection is made when this returns.
  [[nodiscard]] static FarEnd connect(const IpAddress& from, const Endpoint& to);

  void send(std::string_view octets);
  // What has come so far, without waiting.
  [[nodiscard]] std::string take();
  // The far end has closed, in order or not. Drops what came before.
  [[nodiscard]] bool is_closed();
  [[nodiscard]] Endpoint local() const { return local_endpoint(fd_.get()); }
  void close() { fd_.reset(); }
  // The socket alone, for who speaks another tongue on it.
  [[nodiscard]] Fd release() { return std::move(fd_); }
  void close_hard() { stream::close_hard(fd_); }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(fd_); }

 private:
  Fd fd_;
};

struct Heard {
  Event kind = Event::none;
  Received head;
  sip::MessageIndex index;
  std::string text;
  Unreachable unreachable;
};

class Rig {
 public:
  explicit Rig(const std::function<void(config::Config&, Options&)>& change = {});

  // Turns until `done`, or for half a minute of waiting: beside a compiler a handshake may take seconds. The clock stands still.
  // True when done.
  bool until(const std::function<bool()>& done);
  void turns(int count);
  // Lets the clock go on, and the transport see it.
  void pass(Nanoseconds span);

  // The next event of shard 0, waited for.
  [[nodiscard]] Heard hear();
  [[nodiscard]] bool nothing_heard();
  void send(const sip::Path& path, std::string_view octets);

  [[nodiscard]] FarEnd connect(const IpAddress& from);
  // Waits for what the far end is sent.
  [[nodiscard]] std::string reading(FarEnd& end);
  [[nodiscard]] bool closes(FarEnd& end);
  [[nodiscard]] std::uint64_t closed(Close reason) const;
  [[nodiscard]] const StreamCounters& counters() const { return transport->counters(); }
  [[nodiscard]] Endpoint at() const { return transport->listening_at(0); }
  // A path from our address to that far end.
  [[nodiscard]] sip::Path path_to(const Endpoint& remote) const;

  config::Config config;
  Options options;
  std::unique_ptr<StreamTransport> transport;
  Nanoseconds now = 1000 * kSecond;
  unsigned wakes = 0;
};

// A listener of a far end, and who comes.
class Waiting {
 public:
  explicit Waiting(const IpAddress& at);
  [[nodiscard]] Endpoint at() const { return local_endpoint(fd_.get()); }
  [[nodiscard]] FarEnd accept(Rig& rig);
  [[nodiscard]] bool has_one();
  void close() { fd_.reset(); }

 private:
  Fd fd_;
  std::optional<Accepted> next_;
};

[[nodiscard]] std::string options_request(std::string_view call_id, std::string_view via_params = "",
                                          std::string_view body = "");
// A request of ours: its branch is a token of shard 0, `slot` and generation 7.
[[nodiscard]] std::string our_request(const steer::NodeKey& key, std::uint32_t slot,
                                      std::string_view body = "");

}  // namespace sallyport::stream
