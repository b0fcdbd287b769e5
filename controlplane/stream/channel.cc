// SPDX-License-Identifier: Apache-2.0
#include "controlplane/stream/channel.h"

#include <sys/socket.h>

#include <cerrno>

namespace sallyport::stream {

IoResult PlainChannel::read(std::span<char> into) {
  const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
  if (got > 0) return {Io::done, static_cast<std::size_t>(got)};
  if (got == 0) return {Io::closed, 0};
  return {errno == EAGAIN || errno == EINTR ? Io::wait_read : Io::failed, 0};
}

IoResult PlainChannel::write(std::string_view octets) {
  const ssize_t gone = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
  if (gone >= 0) {
    written_ += static_cast<std::uint64_t>(gone);
    return {Io::done, static_cast<std::size_t>(gone)};
  }
  return {errno == EAGAIN || errno == EINTR ? Io::wait_write : Io::failed, 0};
}

}  // namespace sallyport::stream
