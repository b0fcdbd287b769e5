// SPDX-License-Identifier: Apache-2.0
// The kernel's TCP sockets, non-blocking and closed on exec.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <utility>

#include "dataplane/base/address.h"

namespace sallyport::stream {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// Errors are errno's. `dscp` marks what the socket sends; what it accepts inherits it.
[[nodiscard]] std::expected<Fd, int> listen_on(const Endpoint& at, std::uint8_t dscp = 0);
// Begins a connection from `local` (any port) to `remote`: it is made, or has failed, when the socket is
// writable.
[[nodiscard]] std::expected<Fd, int> connect_from(const IpAddress& local, const Endpoint& remote,
                                                  std::uint8_t dscp = 0);

// Changes the mark of what the socket, one of that family, sends from now on.
void mark(int fd, Family family, std::uint8_t dscp);

struct Accepted {
  Fd fd;
  Endpoint remote;
};
// EAGAIN: nobody waits.
[[nodiscard]] std::expected<Accepted, int> accept_from(int listener);

[[nodiscard]] Endpoint local_endpoint(int fd);
// 0 when the connection that connect_from() began is made.
[[nodiscard]] int connect_error(int fd);
// Octets that were written and that the far end's kernel has not acknowledged, also after the connection
// broke.
[[nodiscard]] std::uint64_t unacknowledged(int fd);
// FIN: the far end reads what was written, and then the end.
void end_writing(int fd);
// RST instead of FIN at close: nothing of ours stays in the kernel.
void close_hard(Fd& fd);

}  // namespace sallyport::stream
