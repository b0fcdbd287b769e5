// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sallyport::stream {

enum class Io : std::uint8_t {
  done,        // `octets` of them
  wait_read,   // again when the socket is readable
  wait_write,  // again when it is writable
  closed,      // the far end has closed in order
  failed       // broken
};
struct IoResult {
  Io io = Io::done;
  std::size_t octets = 0;
};

// How octets pass a connected socket: as they are, or through TLS. The socket is the connection's.
class Channel {
 public:
  virtual ~Channel() = default;
  [[nodiscard]] virtual IoResult read(std::span<char> into) = 0;
  [[nodiscard]] virtual IoResult write(std::string_view octets) = 0;
  // Octets have been read from the socket that read() has not given yet: it will not become readable for
  // them.
  [[nodiscard]] virtual bool has_more() const { return false; }
  // Says goodbye, as far as that goes without waiting.
  virtual void close() = 0;
  // Octets given to the socket since the beginning.
  [[nodiscard]] virtual std::uint64_t wire_octets() const = 0;
};

class PlainChannel final : public Channel {
 public:
  explicit PlainChannel(int fd) : fd_(fd) {}
  [[nodiscard]] IoResult read(std::span<char> into) override;
  [[nodiscard]] IoResult write(std::string_view octets) override;
  void close() override {}
  [[nodiscard]] std::uint64_t wire_octets() const override { return written_; }

 private:
  int fd_;
  std::uint64_t written_ = 0;
};

}  // namespace sallyport::stream
